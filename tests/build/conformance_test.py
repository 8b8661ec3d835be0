#!/usr/bin/env python3
"""docs/conformance.md, promises.md and xcp-ng-tests.md name a test for each thing: usage: conformance_test.py FOLDER [--write]

Each row of conformance.md has a test, or says that the thing is not here; each difference that it names is in the
table of them, and the other way round; its table of who may write what is that of the vectors (--write puts it there).
Each of XCP-ng's tests has one of ours, or says what keeps it from having one.
That the tests exist is looked at by docs_links.py.
"""
import pathlib
import re
import sys

top = pathlib.Path(sys.argv[1])
page = top / "docs/conformance.md"
text = page.read_text(encoding="utf-8")
problems = []


def matrix():
    """One line for each variable and signer, one column for each content of PK."""
    vectors = (top / "tests/vectors/wire/who_may_write.txt").read_text(encoding="utf-8")
    columns = re.search(r"^columns: (.*)$", vectors, re.M).group(1).split()
    cells = {}
    for row in re.findall(r"^row: (.*)$", vectors, re.M):
        values = dict(zip(columns, row.split()))
        pk, variable, signer = values["cell"].split("_")
        cells[variable, signer[2:], pk[2:]] = (values["set"], values["append"], values["delete"])
    lines = ["| variable | signed by | PK: the owner's | PK: managed by the host | no PK |", "| --- | --- | --- | --- | --- |"]
    for variable in ("PK", "KEK", "db", "dbx"):
        for signer in ("PK", "KEK", "Other", "Nobody"):
            answers = [cells.pop((variable, signer, pk)) for pk in ("Own", "Managed", "None")]
            shown = [a[0] if len(set(a)) == 1 else ", ".join(a) for a in answers]
            lines.append(f"| {variable} | {signer.lower() if signer in ('Other', 'Nobody') else signer} | {' | '.join(shown)} |")
    assert not cells, cells
    return "\n".join(lines)


if "--write" in sys.argv:
    page.write_text(re.sub(r"^(MATRIX|\| variable \|(?:.*\n)+?(?=\n))", matrix() if "MATRIX" in text else matrix() + "\n",
                           text, count=1, flags=re.M), encoding="utf-8")
    sys.exit(0)

if matrix() + "\n" not in text:
    problems.append("who may write what is not that of the vectors: conformance_test.py FOLDER --write")
rows = re.findall(r"^\| (\d[\d.]*) \| (.*?) \| (.*?) \| ?(.*?) ?\|$", text, re.M)
for section, requirement, here, test in rows:
    if not re.search(r"`[\w.]+[./]\w+`", test) and not here.startswith("not here: "):
        problems.append(f"{section} {requirement}: no test")
chapters = {section.split(".")[0] + "." + section.split(".")[1] for section, *_ in rows}
if not chapters >= {"3.3", "8.2", "32.3", "32.4", "32.5", "32.6"}:
    problems.append(f"only the chapters {sorted(chapters)}")
named = sorted({int(number) for number in re.findall(r"\*\*difference (\d+)\*\*", text)})
told = [int(number) for number in re.findall(r"^\| (\d+) \| [^|]+ \| [^|]+ \|$", text, re.M)]
if named != told:
    problems.append(f"differences {named} are named, {told} are told")

promises = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \|$", (top / "docs/promises.md").read_text(encoding="utf-8"), re.M)
for position, (number, promise, held) in enumerate(promises, 1):
    if int(number) != position or ("`" not in held and "](" not in held):
        problems.append(f"promise {number}: {promise}: out of order, or without a test")

theirs = re.findall(r"^\| `(test_\w+)` \| ?(.*?) ?\| ?(.*?) ?\|$",
                    (top / "docs/xcp-ng-tests.md").read_text(encoding="utf-8"), re.M)
for name, what, ours in theirs:
    has_test = re.search(r"`[\w.]+[./]\w+`", ours)
    if not what or not (has_test or ours.startswith("XAPI's alone: ") or ours == "with a guest's own tools: not yet"):
        problems.append(f"{name} of XCP-ng's: no test")
if len({name for name, *_ in theirs}) != len(theirs):
    problems.append("a test of XCP-ng's is there twice")

print("\n".join(problems) or
      f"{len(rows)} requirements, {len(promises)} promises and {len(theirs)} tests of XCP-ng's have their tests")
sys.exit(1 if problems or not promises or not theirs else 0)
