#!/usr/bin/env python3
"""Turns system_calls.txt into rows of the table in system_calls.cc:

    make_rules.py LIST >rules.inc

The compiler puts in the numbers, so that no number of a call or a flag is written down twice. A
mistake in the list ends the build with its line.
"""
import re
import sys

MOST_CONDITIONS = 3
LINE = re.compile(r"(\w+)(?:\(([^)]*)\))?  +(\S.*)")


def condition(position, text):
    if text == "self":
        return f"{{{position}, Test::kSelf, 0}}"
    if text.startswith("only "):
        return f"{{{position}, Test::kOnlyBits, Bits({text[5:]})}}"
    return f"{{{position}, Test::kEqual, Bits({text})}}"


def main():
    path = sys.argv[1]
    section = None
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            if header := re.fullmatch(r"\[(\w+)\]", line):
                section = header[1]
                continue
            match = LINE.fullmatch(line)
            if not match or section is None:
                sys.exit(f"{path}:{number}: not 'call(arguments)  reason' in a section")
            call, arguments, _ = match.groups()
            arguments = [text.strip() for text in (arguments or "_").split(",")]
            conditions = [condition(i, text) for i, text in enumerate(arguments) if text != "_"]
            if len(conditions) > MOST_CONDITIONS:
                sys.exit(f"{path}:{number}: more than {MOST_CONDITIONS} conditions")
            print(f"#ifdef __NR_{call}")
            print(f'Rule{{"{section}", "{call}", __NR_{call}, {{{{{", ".join(conditions)}}}}}, {number}}},')
            print("#endif")


main()
