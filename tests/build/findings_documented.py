#!/usr/bin/env python3
"""The tables of docs/findings.md are those of the code: usage: findings_documented.py FOLDER

Compares name and severity of each kind in src/health/finding.cc with the rows of the table, both ways, in
their order; and "nothing" in its last column with the kinds that have no fix. The table "Who has to do what is left" has
the kinds whose work is not the host's administrator's.
"""
import difflib
import pathlib
import re
import sys

top = pathlib.Path(sys.argv[1])
code = (top / "src/health/finding.cc").read_text(encoding="utf-8")
document = (top / "docs/findings.md").read_text(encoding="utf-8")

in_code = [
    f"{name} {severity.lower()} {'fix' if fix else 'nothing'}"
    for name, severity, fix in re.findall(
        r'\{FindingKind::k\w+,\s*"([\w-]+)",\s*Severity::k(\w+),\s*"([^"]*)', code)
]
in_document = [
    f"{name} {severity} {'nothing' if fix == 'nothing' else 'fix'}"
    for name, severity, fix in re.findall(r'^\| <a id="([\w-]+)"></a>`\1` \| (\w+) \| .* \| ([^|]*) \|$', document, re.M)
]

WHO = {"Guest": "the guest's administrator", "Owner": "the owner of the keys"}
in_code += sorted(
    f"{name}: {WHO[who]}"
    for name, who in re.findall(r'\{FindingKind::k\w+,\s*"([\w-]+)",[^{}]*Who::k(Guest|Owner)\}', code))
in_document += sorted(
    f"{name}: {who}"
    for who, names in re.findall(r"^\| (the [\w' ]+) \| (.*) \|$", document, re.M)
    for name in re.findall(r"`([\w-]+)`", names))

differences = list(difflib.unified_diff(in_code, in_document, "src/health/finding.cc", "docs/findings.md", lineterm=""))
if differences or not in_code:
    print("\n".join(differences) or "no finding was found in finding.cc")
    sys.exit(1)
print(f"{len(in_code)} lines on findings are documented")
