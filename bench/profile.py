#!/usr/bin/env python3
"""Where the instructions of a request or of a start are: usage: profile.py FOLDER

FOLDER holds what callgrind wrote for loopback_bench --profiles: files "BUILD,WHAT,BACKEND,ROUNDS". Of
two with the same subject the shorter life is taken off the longer one, so that what is left are the
requests. Prints the lines `profile` that page.py reads.
"""

import collections
import pathlib
import re
import subprocess
import sys

WANTED = {("GetVariable, 100 bytes", "memory"), ("SetVariable, 100 bytes", "sqlite"),
          ("start", "sqlite")}
SHOWN = 12
LINE = re.compile(r"\s*([\d,]+) \([ \d.]+%\)  \S*?:(?=[^/:])(.*?)(?: \[(.*)\])?$")


def place(function, file):
    """A name that fits into a table."""
    library = pathlib.Path(file or "").name
    if function.startswith("0x"):
        function = "functions without a name"
    short = function.replace("(anonymous namespace)::", "").replace("varstored::", "")
    short = re.sub(r"\[abi:\w+\]|@@\w+[\d.]*", "", short)
    while (less := re.sub(r"<[^<>]*>|\([^()]*\)", "", short)) != short:
        short = less
    short = short.removesuffix(" const").split(" ")[-1] if "::" in short else short
    where = "" if library.startswith("varstored") or not library else f" ({library})"
    return (short if short.startswith("functions") else f"`{short}`") + where


def instructions(path):
    shown = subprocess.run(["callgrind_annotate", "--threshold=100", path], capture_output=True,
                           text=True, check=True).stdout
    lines = [match.groups() for line in shown.splitlines() if (match := LINE.match(line))]
    # What the compiler took in from another file has a line of its own, and no library there.
    libraries = {function: file for _, function, file in lines if file}
    found = collections.Counter()
    for count, function, _ in lines:
        found[place(function, libraries.get(function))] += int(count.replace(",", ""))
    return found


def main():
    lives = collections.defaultdict(list)
    for path in pathlib.Path(sys.argv[1]).iterdir():
        build, rest = path.name.split(",", 1)
        what, backend, rounds = rest.rsplit(",", 2)
        if rounds.isdigit() and (what, backend) in WANTED:
            lives[build, what, backend].append((int(rounds), path))
    for subject, files in sorted(lives.items()):
        files.sort()
        (few, short), (many, long) = (files if len(files) == 2 else [(0, None), files[0]])
        counts = instructions(long)
        if short:
            counts.subtract(instructions(short))
        ranked = counts.most_common()
        for name, count in ranked[:SHOWN]:
            print("profile", *subject, name, f"{count / (many - few):.0f}", sep="\t")
        rest = sum(count for _, count in ranked[SHOWN:])
        print("profile", *subject, "all others", f"{rest / (many - few):.0f}", sep="\t")


if __name__ == "__main__":
    main()
