#!/usr/bin/env python3
"""The table of reasons in docs/engine.md is that of the code: usage: reasons_documented.py FOLDER

Compares the spelling and the status of each reason in src/engine/reason.cc with the rows under the
heading "Reasons", both ways, in their order.
"""
import difflib
import pathlib
import re
import sys

top = pathlib.Path(sys.argv[1])
code = (top / "src/engine/reason.cc").read_text(encoding="utf-8")
document = (top / "docs/engine.md").read_text(encoding="utf-8")


def status_words(enumerator):
    """kBufferTooSmall as BUFFER_TOO_SMALL."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", enumerator[1:]).upper()


in_code = [
    f"{text} {status_words(status)}"
    for status, text in re.findall(r'\{Reason::k\w+,\s*Status::(k\w+),\s*"([\w-]+)"\}', code)
]
section = re.search(r"^## Reasons$(.*?)^## ", document, re.M | re.S).group(1)
in_document = [
    f"{text} {status}" for text, status in re.findall(r"^\| `([\w-]+)`[ ·]*\| (\w+) \|", section, re.M)
]

differences = list(difflib.unified_diff(in_code, in_document, "src/engine/reason.cc", "docs/engine.md", lineterm=""))
if differences or not in_code:
    print("\n".join(differences) or "no reason was found in reason.cc")
    sys.exit(1)
print(f"{len(in_code)} reasons are documented")
