#!/usr/bin/env python3
"""Counts the instructions of the dearest requests that are known.

    worst_request.py WORST_REQUEST [--page docs/performance.md]

It runs the program below callgrind and fails when one takes more than the bound of docs/engine.md,
"What a request may cost". With --page it puts the table into that page, between its two marks.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import page_table

BOUND = 400_000_000
BEGIN = "<!-- worst requests: begin -->"
END = "<!-- worst requests: end -->"
# An answer for each case that shows that the request got as far as it was meant to.
EXPECTED = re.compile(
    r"success|signature-wrong|signer-not-trusted|certificate-not-allowed|variable-full|store-full|\d+ findings")


def count(program):
    """The cases in their order: name, outcome, instructions."""
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--compress-strings=no",
             f"--callgrind-out-file={folder}/out", program],
            capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            sys.exit(f"worst_request: exit code {ended.returncode}\n{ended.stderr}")
        rows = []
        paths = glob.glob(f"{glob.escape(folder)}/out.*")
        for path in sorted(paths, key=lambda one: int(one.rsplit(".", 1)[1])):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            trigger = re.search(r"^desc: Trigger: Client Request: (.*) \| (.*)$", text, re.M)
            if trigger:
                total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
                rows.append((trigger[1], trigger[2], int(total[1])))
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--page")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("SKIP: needs valgrind")
        sys.exit(77)
    rows = count(os.path.abspath(arguments.program))
    table = ["| request | answer | million instructions |", "| --- | --- | --- |"]
    table += [f"| {name} | {outcome} | {instructions / 1e6:.1f} |"
              for name, outcome, instructions in rows]
    print("\n".join(table))
    if arguments.page:
        page_table.put(arguments.page, BEGIN, END, table)
    over = [name for name, _, instructions in rows if instructions > BOUND]
    strange = [f"{name}: {outcome}" for name, outcome, _ in rows if not EXPECTED.search(outcome)]
    for line in over:
        print(f"over the bound of {BOUND}: {line}", file=sys.stderr)
    for line in strange:
        print(f"not the answer that was meant: {line}", file=sys.stderr)
    if not rows or min(instructions for *_, instructions in rows) == 0:
        sys.exit("nothing was counted")
    sys.exit(1 if over or strange else 0)


if __name__ == "__main__":
    main()
