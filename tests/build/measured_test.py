#!/usr/bin/env python3
"""Each time that a page claims as measured has its measure, and each measure its page: usage: measured_test.py SOURCE_FOLDER

The names of <!-- measured: NAME -->...<!-- /measured --> in README.md, CONTRIBUTING.md and docs/ are those of
`tools/measure-claims --list`. No other minutes stand in the two pages that a newcomer reads first.
"""
import pathlib
import re
import subprocess
import sys

MARK = re.compile(r"<!-- measured: ([\w-]+) -->(?:(?!<!--).)+<!-- /measured -->", re.S)
CLAIM = re.compile(r"\b(?:\d+|two|three|five|ten|half an?)\s+(?:minutes?|seconds|hours?)\b")
FIRST_READ = ("README.md", "quick-start.md")


def problems_of(texts, measures):
    found = {mark for text in texts.values() for mark in MARK.findall(text)}
    for name, text in texts.items():
        if text.count("<!-- measured: ") != len(MARK.findall(text)) or text.count("<!-- /measured -->") != len(MARK.findall(text)):
            yield f"{name}: a mark of a measured time has no end, or nothing between"
        if name in FIRST_READ:
            for claim in CLAIM.findall(MARK.sub("", text)):
                yield f"{name}: '{claim}' has no mark, so that nobody measures it"
    for name in sorted(found - measures):
        yield f"tools/measure-claims does not measure '{name}'"
    for name in sorted(measures - found):
        yield f"no page says '{name}', which tools/measure-claims measures"


def main():
    top = pathlib.Path(sys.argv[1])
    listed = subprocess.run([top / "tools/measure-claims", "--list"], capture_output=True, text=True, check=True)
    texts = {page.name: page.read_text(encoding="utf-8")
             for page in (top / "README.md", top / "CONTRIBUTING.md", *sorted(top.glob("docs/*.md")))}
    # It can fail.
    good = "<!-- measured: a -->1 minute<!-- /measured -->"
    assert not list(problems_of({"x": good}, {"a"}))
    for text, measures in ((good, set()), ("", {"a"}), (good + "<!-- measured: a -->", {"a"})):
        assert len(list(problems_of({"x": text}, measures))) == 1, text
    assert len(list(problems_of({"README.md": good + "two minutes"}, {"a"}))) == 1
    found = list(problems_of(texts, set(listed.stdout.split())))
    print("\n".join(found) or f"{len(listed.stdout.split())} times are measured")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
