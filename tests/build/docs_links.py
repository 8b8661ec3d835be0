#!/usr/bin/env python3
"""Whatever the documents point to exists: usage: docs_links.py FOLDER

In every document (*.md) below FOLDER: the file and the heading of each relative link, and what stands
in backticks as a path from the root, or as a test: Suite.Name, Vectors/Name for a test vector, the name
of CTest's for what is a script, or name_test.py/name for one test of a script in Python. In every text
file: each document that is mentioned, and the heading that is named behind it, as in docs/engine.md,
"Limits". And what the site needs besides (mkdocs.yml): each document of docs/ is in its navigation, and
what is inside of a list is indented by four blanks a level.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(sys.argv[1]).resolve()
ROOTS = "bench|certs|fuzz|cmake|docs|include|packaging|src|systemd|tests|tools"

LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(rf"`((?:{ROOTS})/[\w./-]*)`")
TEST_NAME = re.compile(r"`([A-Z]\w*\.[A-Z]\w*[a-z]\w*|Vectors/\w+|"
                       r"(?:build|daemon|faults|fuzz|health|load|tool|xapi|xen)\.\w+|\w+_test\.py/\w+)`")
TEST = re.compile(r"\b(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)")
PART_OF_SCRIPT = re.compile(r"^@story\ndef (\w+)|^    def (test_\w+)", re.M)
SCRIPT = re.compile(r"add_test\(\s*NAME ([\w.]+)")
FUZZER = re.compile(r"^varstored_fuzzer\((\w+)", re.M)
VECTOR = re.compile(r"^test: *(\w+)$", re.M)
MENTION = re.compile(r'([\w./-]*\w\.md)\b(?:, "([^"]+)")?')
HEADING = re.compile(r"^#+ +(.*?) *$", re.M)
ANCHOR = re.compile(r'<a id="([\w-]+)"></a>')  # of a row of a table
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
# What stands in a list: a further list, a paragraph, code; which the site's dialect would take for a part of the outer text.
SHALLOW = re.compile(r"^ {1,3}(?:[-*]|\d+\.) .*|(?<=^\n) {1,3}\S.*|(?<=^\n) {5,7}\S.*", re.M)
PAGE_OF_SITE = re.compile(r"^ *- (?:[^:\n]*|\"[^\"\n]*\"): *(\S+\.md) *$", re.M)

problems = []


def project_files():
    """Every text file of the project, and none that a build has made."""
    # Below build/ there may be a whole Debian that another test makes meanwhile.
    top = [path for path in TOP.iterdir() if path.name not in ("build", ".git")]
    for path in sorted(below for start in top for below in (start, *start.rglob("*"))):
        if path.is_file() and "__pycache__" not in path.parts:
            try:
                yield path, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def headings(document):
    return HEADING.findall(FENCE.sub("", document.read_text(encoding="utf-8")))


def anchor(heading):
    """The name that web pages of the document give to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(document):
    return {*map(anchor, headings(document)), *ANCHOR.findall(document.read_text(encoding="utf-8"))}


def check_document(path, text, tests):
    for target in LINK.findall(FENCE.sub("", text)):
        if "://" in target:
            continue
        file_part, _, heading = target.partition("#")
        linked = (path.parent / file_part).resolve() if file_part else path
        if not linked.exists() or TOP not in (linked, *linked.parents):
            yield f"the link {target} leads nowhere"
        elif heading and heading not in anchors(linked):
            yield f"the link {target} names no heading"
    for named in PATH.findall(text):
        if not (TOP / named).exists():
            yield f"there is no {named}"
    for name in TEST_NAME.findall(text):
        if name not in tests:
            yield f"there is no test {name}"


def check_layout(text):
    for line in SHALLOW.findall(FENCE.sub("", text)):
        yield f"the site needs four blanks a level of lists, eight for code in one: {line.strip()[:50]}"


def check_navigation(text):
    named = PAGE_OF_SITE.findall(text)
    for document in sorted((TOP / "docs").rglob("*.md")):
        name = str(document.relative_to(TOP / "docs"))
        if named.count(name) != 1:
            yield f"{name} has to be in nav once"
    # mkdocs itself says which of the named ones are not there.


def check_mentions(path, text):
    # A comment may break the line in the middle of what it says.
    joined = re.sub(r"\s*\n\s*(?:///?|#)?\s*", " ", LINK.sub("]", text))
    for name, heading in MENTION.findall(joined):
        name = name.lstrip("/")  # behind the name of the root
        folders = (TOP, path.parent, TOP / "docs")
        document = next((f / name for f in folders if (f / name).is_file()), None)
        if document is None:
            yield f"there is no document {name}"
        elif heading and heading not in headings(document):
            yield f'{name} has no heading "{heading}"'


def tests_in(path, text):
    """The names of the tests that a file holds."""
    inside = path.relative_to(TOP)
    if inside.parts[:2] == ("tests", "vectors"):
        return {f"Vectors/{name}" for name in VECTOR.findall(text)}
    if inside.parts[:3] == ("tests", "xen", "cases"):
        return {f"xen.{path.stem}"}
    if path.name == "CMakeLists.txt":
        return set(SCRIPT.findall(text)) | {f"fuzz.{name}" for name in FUZZER.findall(text)}
    if path.suffix == ".py":
        return {f"{path.name}/{story or test}" for story, test in PART_OF_SCRIPT.findall(text)}
    return {f"{suite}.{name}" for suite, name in TEST.findall(text)} if path.suffix == ".cc" else set()


files = list(project_files())
all_tests = set().union(*(tests_in(path, text) for path, text in files))
for path, text in files:
    if path != pathlib.Path(__file__).resolve():
        found = list(check_mentions(path, text))
        if path.suffix == ".md":
            found += check_document(path, text, all_tests)
            found += check_layout(text)
        if path == TOP / "mkdocs.yml":
            found += check_navigation(text)
        problems += [f"{path.relative_to(TOP)}: {problem}" for problem in dict.fromkeys(found)]

print("\n".join(problems) or f"{len(files)} files: every reference leads somewhere")
sys.exit(1 if problems else 0)
