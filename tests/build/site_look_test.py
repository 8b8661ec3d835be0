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
}


def look(pages):
    with tempfile.TemporaryDirectory() as folder:
        for name, body in pages.items():
            pathlib.Path(folder, name).write_text(PAGE.replace("BODY", body), encoding="utf-8")
        return subprocess.run([LOOK, folder], capture_output=True, text=True, timeout=150, check=False)


good = look({"index.html": '<p style="font-size:24px;color:#888">large words</p>'})
assert (good.returncode, good.stdout) == (0, "1 pages fit phone and desk, in light and dark\n"), good
bad = look({f"{number}.html": body for number, body in enumerate(FAULTS)})
assert bad.returncode == 1, bad
for number, words in enumerate(FAULTS.values()):
    lines = [line for line in bad.stdout.splitlines() if line.startswith(f"{number}.html: ")]
    assert len(lines) == 1 and lines[0].endswith(words), (words, bad.stdout)
assert look({}).returncode == 1
