#!/usr/bin/env python3
"""Runs the transcript of a case: what somebody had in hand, what was called, and what is right.

A case is a folder with its input files and a file `transcript`:

    # Why, for people.
    $ varstore-inspect vm.vars
    error db-all-revoked
    ! Findings none
    [2]

A line with `$` is called by the shell, in a copy of the folder and with the programs of the build, and those beside this
file, in front of PATH. The lines below it are to stand in what it prints (both streams), in this order, each within one
line; runs of blanks count as one. A case with a line `? COMMAND` is skipped (77) where that command fails. A line with `!` is to stand nowhere in it. `[N]` is the exit status, 0 when it is not
given."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def words(text):
    return re.sub(r"\s+", " ", text).strip()


def steps(transcript):
    """Yields (line, command, wanted, unwanted, status) of each step."""
    step = None
    for number, line in enumerate(transcript.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("$ "):
            if step:
                yield step
            step = [number, line[2:], [], [], 0]
        elif not line.strip() or line.startswith(("# ", "? ")):
            continue
        elif step is None:
            sys.exit(f"{transcript}:{number}: no command stands before this line")
        elif line.startswith("! "):
            step[3].append(words(line[2:]))
        elif re.fullmatch(r"\[\d+\]", line):
            step[4] = int(line[1:-1])
        else:
            step[2].append(words(line))
    if step is None:
        sys.exit(f"{transcript}: no command")
    yield step


def run_step(step, folder, environment):
    """Returns what is wrong with the step, a line each."""
    _, command, wanted, unwanted, status = step
    run = subprocess.run(command, shell=True, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    output = run.stdout.decode("utf-8", "backslashreplace")
    lines = [words(line) for line in output.splitlines()]
    wrong = []
    at = 0
    for want in wanted:
        found = next((place for place in range(at, len(lines)) if want in lines[place]), None)
        if found is None:
            wrong.append(f"not there{' after the lines before' if at else ''}: {want}")
        else:
            at = found
    wrong += [f"there: {line}" for line in unwanted if any(line in each for each in lines)]
    if run.returncode != status:
        wrong.append(f"exit status {run.returncode}, wanted {status}")
    return wrong + ["it printed:", output] if wrong else []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    parser.add_argument("case", type=pathlib.Path, help="folder of the case")
    options = parser.parse_args()
    environment = dict(os.environ, PATH=f"{options.bin.resolve()}:{pathlib.Path(__file__).resolve().parent}:{os.environ['PATH']}", LC_ALL="C.UTF-8", COLUMNS="100",
                       NO_COLOR="1")
    for line in (options.case / "transcript").read_text(encoding="utf-8").splitlines():
        if line.startswith("? ") and subprocess.run(line[2:], shell=True, stdin=subprocess.DEVNULL, timeout=60, check=False).returncode:
            print(f"SKIP: this needs what is not there: {line[2:]}")
            return 77
    failed = False
    with tempfile.TemporaryDirectory() as copy:
        folder = pathlib.Path(copy, "case")
        shutil.copytree(options.case, folder)
        for step in steps(options.case / "transcript"):
            wrong = run_step(step, folder, environment)
            if wrong:
                failed = True
                print(f"{options.case / 'transcript'}:{step[0]}: $ {step[1]}", *wrong, sep="\n  ")
    return 1 if failed else 0


sys.exit(main())
