#!/usr/bin/env python3
"""The pages of the programs fit the programs: usage: pages_test.py SOURCE_FOLDER BUILD_FOLDER

For each page below docs/tools of a program that was built: --help prints what the page says, --version
prints name and version, no option of the page is unknown to the program, its man page has no error and no word
of a link that leads nowhere there, its completion offers its options. And the daemon knows no option that its pages do not have.
"""
import pathlib
import re
import subprocess
import sys

source, build = (pathlib.Path(argument) for argument in sys.argv[1:])
errors = []


def expect(is_good, message):
    if not is_good:
        errors.append(message)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)


def options_of(page):
    """(spelling, has a value) of each bullet below Options."""
    body = re.search(r"^## Options\n(.*?)(?=^## |\Z)", page, re.M | re.S).group(1)
    rows = re.findall(r"^- ((?:`-[^`]+`(?:, )?)+):", body, re.M)
    for row in rows:
        spellings = re.findall(r"`([^`]+)`", row)
        has_value = any(" " in spelling for spelling in spellings)
        for spelling in spellings:
            yield spelling.split()[0], has_value


checked = 0
for path in sorted((source / "docs/tools").glob("*.md")):
    name = path.stem
    page = path.read_text(encoding="utf-8")
    # The command of a front that is no program of its own.
    command = re.search(rf"^## Synopsis\n\n```\n({name.replace('-', ' ')}) ", page, re.M)
    words = command.group(1).split() if command and "-" in name else [name]
    program = [build / "bin" / words[0], *words[1:]]
    if name == "README" or not program[0].exists():
        continue
    checked += 1
    header = (build / "pages" / name / "page.h").read_text(encoding="utf-8")
    text = re.search(r'R"page\((.*)\)page"', header, re.S).group(1)

    shown = run(*program, "--help")
    expect(shown.returncode == 0 and shown.stdout == text and not shown.stderr,
           f"{name} --help differs from its page: {shown}")
    expect(all(len(line) <= 80 for line in text.splitlines()), f"{name} --help is wider than 80 columns")
    version = run(*program, "--version")
    expect(version.returncode == 0 and re.fullmatch(rf"{' '.join(words)} \d+\.\d+\.\d+\n", version.stdout),
           f"{name} --version: {version}")

    options = list(options_of(page))
    for spelling, has_value in options:
        # Whatever else is wrong with this command line, and --help ends the reading of it.
        given = [spelling, "1"] if has_value else [spelling]
        answer = run(*program, *given, "--help")
        complaint = re.search(r"no option|unrecognized|invalid option|unknown option|needs a value|has no value|"
                              r"requires an argument|doesn't allow", answer.stderr)
        expect(not complaint, f"{name} {' '.join(given)}: {answer.stderr}")

    man = next((build / "man").glob(f"{name}.[18]"))
    for line in run("man", "--warnings", "-l", man).stderr.splitlines():
        expect(False, f"{man.name}: {line}")
    # Where a link of the page led is gone; words that only pointed at it would mislead.
    rendered = run("man", "-E", "ascii", "-l", man).stdout
    for shown in (text, re.sub(r".\x08", "", rendered)):
        dead = re.findall(r"\((?:how|why|more|here|not always|see here|this form)\)|\]\(|\[\.\.\.\]|(?i:see) here\b", shown)
        expect(not dead, f"{name}: words that lead nowhere: {dead}")
    troff = man.read_text(encoding="utf-8").replace("\\-", "-")
    for spelling, _ in options:
        expect(spelling in troff, f"{man.name} has no {spelling}")

    completed = run("bash", "-c", f"""set -eu
        . '{build}/completion/{name}'
        COMP_WORDS=({name} -) COMP_CWORD=1
        _{name.replace('-', '_')}
        echo "${{COMPREPLY[@]}}" """)
    expect(completed.returncode == 0 and set(completed.stdout.split()) == {s for s, _ in options},
           f"completion of {name}: {completed}")

# The daemon's own table.
table = (source / "src/daemon/options.cc").read_text(encoding="utf-8")
rows = re.findall(r'Option\{"([\w-]+)", (true|false),([^{}]*)\}', table)
for name, other_door in (("varstored", "kLoopback"), ("varstored-loopback", "kXen")):
    documented = set()
    for page in {name, "varstored"}:
        documented |= set(options_of((source / f"docs/tools/{page}.md").read_text(encoding="utf-8")))
    known = {(f"--{option}", value == "true") for option, value, rest in rows if other_door not in rest}
    expect(known <= documented and known, f"{name} has options without a place on its page: {known - documented}")

expect(checked >= 1, "no program has a page")
print("\n".join(errors) or f"{checked} pages fit their programs")
sys.exit(1 if errors else 0)
