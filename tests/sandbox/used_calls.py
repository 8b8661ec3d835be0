#!/usr/bin/env python3
"""Which lines of src/sandbox/system_calls.txt did the daemon need?

    used_calls.py --print PROGRAM --list src/sandbox/system_calls.txt [--without SECTION] TRACE...

A TRACE is what `strace -ff -e raw=all` wrote about one process. What counts is what a process did
after it had locked itself in. A line that was never needed is reported, and then the exit status is
1; but a line whose reason begins with "sibling" is for another C library or kernel, and one with
"rare" for what no test can bring about, so that these are only counted; and so are the lines of a SECTION
that was not run, and those of the sections that are no daemon's: [looking] and [program] are for processes
of the tools, which these tests do not start. Helper.* and hostile.foreign_bytes hold them.
"""
import argparse
import collections
import re
import subprocess
import sys

# Of the tools, not of the daemon.
OF_TOOLS = {"looking", "program"}
# prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ...)
LOCKED_IN = re.compile(r"prctl\(0x16, 0x2, .*= 0$")
CALL = re.compile(r"(\w+)\(([^)]*)\)? ")
CONDITION = re.compile(r"(\d)(=self|=|&~)(\d*)")


class Rule:
    """One line of the list."""

    def __init__(self, text):
        line, self.section, self.call, *conditions = text.split()
        self.line = int(line)
        self.conditions = [CONDITION.fullmatch(condition).groups() for condition in conditions]

    def fits(self, arguments):
        for position, sign, bits in self.conditions:
            if int(position) >= len(arguments):
                return False
            argument = arguments[int(position)] & 0xFFFFFFFF
            if sign == "=" and argument != int(bits) or sign == "&~" and argument & ~int(bits):
                return False
        return True


def calls_inside(path):
    """The calls, as a name and the arguments, that a process made after it had locked itself in."""
    is_inside = False
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not is_inside:
                is_inside = LOCKED_IN.match(line) is not None
            elif match := CALL.match(line):
                arguments = [text.strip() for text in match[2].split(",") if text.strip()]
                try:
                    yield match[1], [int(text, 0) for text in arguments]
                except ValueError:
                    yield match[1], []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--print", required=True)
    parser.add_argument("--list", required=True)
    parser.add_argument("--without")
    parser.add_argument("traces", nargs="+")
    options = parser.parse_args()
    printed = subprocess.run([options.print], check=True, capture_output=True, text=True).stdout
    rules = [rule for rule in map(Rule, printed.splitlines()) if rule.section not in OF_TOOLS]
    by_call = collections.defaultdict(list)
    for rule in rules:
        by_call[rule.call].append(rule)

    counts = collections.Counter()
    processes = 0
    for path in options.traces:
        calls = list(calls_inside(path))
        processes += bool(calls)
        for call, arguments in calls:
            # Two sections may allow the same; then both are needed.
            counts.update({rule.line for rule in by_call[call] if rule.fits(arguments)})

    with open(options.list, encoding="utf-8") as lines:
        text = dict(enumerate((line.rstrip("\n") for line in lines), 1))
    never = []
    print(f"processes that locked themselves in: {processes}")
    for rule in rules:
        print(f"{counts[rule.line]:9}  [{rule.section}] {text[rule.line]}")
        is_expected = re.search(r"  +(sibling|rare)", text[rule.line]) is not None
        if not counts[rule.line] and not is_expected and rule.section != options.without:
            never.append(f"[{rule.section}] {text[rule.line]}")
    print(f"never needed, and should be: {len(never)}")
    for line in never:
        print("  " + line)
    sys.exit(1 if never else 0)


main()
