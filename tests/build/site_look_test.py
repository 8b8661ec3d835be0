#!/usr/bin/env python3
"""What is wrong with the look of a page is found: usage: site_look_test.py LOOK"""
import pathlib
import subprocess
import sys
import tempfile

LOOK = sys.argv[1]
PAGE = """<!DOCTYPE html><html><head><style>
body { color: #222; background: #fff; }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #111; } }
</style></head><body><p>words</p>BODY</body></html>"""
FAULTS = {
    '<div style="width:600px">x</div>': "wider than its window, 390",
    '<p style="color:#999;background:#fff">pale words</p>': "too little contrast: pale words",
    '<p style="color:#222">dark words</p>': "too little contrast: dark words",
    '<img src="none.png">': "none.png",
    "<script>nothing.is()</script>": "nothing is not defined",
    '<script>console.error("said")</script>': "said",
    '<table><td style="max-width:60px">on 2026-11-30</table>': "broken in a column: 2026-11-30",
    '<table><td style="max-width:60px"><code>--dbx-update</code></table>': "broken in a column: --dbx-update",
}
PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" width="200" height="60"><rect width="200" height="60" fill="#fff"/>
<text x="5" y="20" fill="#222">first</text>BODY</svg>"""
PICTURE_FAULTS = {
    '<text x="20" y="22" fill="#222">second</text>': "labels overlap: first and second",
    '<text x="150" y="50" fill="#222">long words</text>': "a label is cut off: long words",
    '<text x="5" y="50" fill="#999">pale</text>': "too little contrast: pale",
}


def look(pages):
    with tempfile.TemporaryDirectory() as folder:
        for name, body in pages.items():
            form = PICTURE if name.endswith(".svg") else PAGE
            pathlib.Path(folder, name).write_text(form.replace("BODY", body), encoding="utf-8")
        return subprocess.run([LOOK, folder], capture_output=True, text=True, timeout=400, check=False)


good = look({"index.html": '<p style="font-size:24px;color:#888">large words</p><table><td>2026-11-30</table>',
             "plot.svg": '<text x="5" y="50" fill="#222">second</text>'})
assert (good.returncode, good.stdout) == (0, "1 pages fit phone and desk, in light and dark\n"), good
bad = look({f"{number}.html": body for number, body in enumerate(FAULTS)} |
           {f"{number}.svg": body for number, body in enumerate(PICTURE_FAULTS)})
assert bad.returncode == 1, bad
for name, words in [*((f"{number}.html: ", words) for number, words in enumerate(FAULTS.values())),
                    *((f"{number}.svg: ", words) for number, words in enumerate(PICTURE_FAULTS.values()))]:
    lines = [line for line in bad.stdout.splitlines() if line.startswith(name)]
    assert len(lines) == 1 and lines[0].endswith(words), (words, bad.stdout)
assert look({}).returncode == 1
