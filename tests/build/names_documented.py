#!/usr/bin/env python3
"""docs/troubleshooting.md has an entry for each name that a line of the daemon's log can have, and no
other: usage: names_documented.py FOLDER

The names are those of src/base/event.cc, with their level, and of src/engine/reason.cc. Lines without
a name are for tools: the rooms that the daemon is made of write none.
"""
import collections
import pathlib
import re
import sys

top = pathlib.Path(sys.argv[1])


def read(path):
    return (top / path).read_text(encoding="utf-8")


events = re.findall(r'\{Event::k\w+,\s*LogLevel::k(\w+),\s*"([\w-]+)"\}', read("src/base/event.cc"))
reasons = re.findall(r'\{Reason::k\w+,\s*Status::k\w+,\s*"([\w-]+)"\}', read("src/engine/reason.cc"))
in_code = [f"{name} {level.lower()}" for level, name in events] + reasons

names = re.search(r"^## Names$(.*)", read("docs/troubleshooting.md"), re.M | re.S).group(1)
in_document = []
problems = []
for line in names.splitlines():
    row = re.match(r"\| `([\w-]+)`[ ·]*\|(.*)\|$", line)
    if not row:
        continue
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row[2])]
    level = cells.pop(0) if cells[0] in ("error", "warning", "info", "debug") else ""
    in_document.append(f"{row[1]} {level}".strip())
    if len(cells) != 2 or not all(cells):
        problems.append(f"{row[1]}: the entry does not say what it means and what to do")

if not events or not reasons:
    problems.append("no event or no reason was found in the code")
problems += [f"{name}: stands for two things" for name, count in
             collections.Counter(entry.split()[0] for entry in in_code).items() if count > 1]
problems += [f"{name}: has {count} entries" for name, count in
             collections.Counter(entry.split()[0] for entry in in_document).items() if count > 1]
problems += [f"{name}: is not in docs/troubleshooting.md" for name in in_code if name not in in_document]
problems += [f"{name}: is in docs/troubleshooting.md, and no line has it"
             for name in in_document if name not in in_code]

used = ""
for room in ("crypto", "store", "engine", "backend", "guest", "guest_xen", "sandbox", "daemon"):
    for path in sorted((top / "src" / room).glob("*.cc")):
        text = path.read_text(encoding="utf-8")
        used += text
        for call in re.findall(r"\blog_?\.(?:Error|Warning|Info)\(", text):
            problems.append(f"{path.relative_to(top)}: {call}...) writes a line without a name")
for enumerator in re.findall(r"\{Event::(k\w+),", read("src/base/event.cc")):
    if f"Event::{enumerator}" not in used + read("src/base/log.cc"):
        problems.append(f"{enumerator}: no line has it")

if problems:
    print("\n".join(problems))
    sys.exit(1)
print(f"{len(events)} events and {len(reasons)} reasons have their entries")
