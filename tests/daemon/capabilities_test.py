#!/usr/bin/env python3
"""What a program says that it can do: usage: capabilities_test.py SOURCE_FOLDER PROGRAM"""
import json
import pathlib
import re
import subprocess
import sys

source, program = pathlib.Path(sys.argv[1]), sys.argv[2]
sys.path.insert(0, str(source / "tests/support"))
from json_schema import validate  # noqa: E402


def run(*options):
    return subprocess.run([program, *options], capture_output=True, text=True, timeout=60, check=False)


said = run("--capabilities")
assert said.returncode == 0 and not said.stderr and said.stdout.count("\n") == 1, said
told = json.loads(said.stdout)
schema = json.loads((source / "docs/tools/varstored-capabilities.schema.json").read_text(encoding="utf-8"))
validate(told, schema, schema)
assert f"{told['program']} {told['version']}\n" == run("--version").stdout, told
assert len(set(told["signature_types"])) == 15, told["signature_types"]
# Each backend is one that the program takes, with the arguments that it names.
for backend in told["backends"]:
    wrong = run("--listen", "/nowhere", "--backend", backend["name"], "--arg", "frobnicate:1")
    assert f"the backend {backend['name']} has no 'frobnicate'" in wrong.stderr, wrong
    for argument in backend["arguments"]:
        if argument["is_required"]:
            missing = run("--listen", "/nowhere", "--backend", backend["name"])
            assert f"--arg {argument['name']}:... is missing" in missing.stderr, missing
page = (source / "docs/engine.md").read_text(encoding="utf-8")
for limit in ("name_bytes", "data_bytes", "variables", "store_bytes", "runtime_bytes", "runtime_key_bytes"):
    assert f"| {told['limits'][limit]}" in page, f"docs/engine.md, Limits: {limit}"
# Each addition has its row, and each row is told.
page = (source / "docs/guest-protocol.md").read_text(encoding="utf-8")
section = page[page.index("### Additions"):page.index("## Every request gets a status")]
assert told["protocol"]["additions"] == re.findall(r"^\| `([\w-]+)` \|", section, re.M), told["protocol"]
abi = pathlib.Path("/sys/kernel/security/lsm")
if abi.is_file() and "landlock" in abi.read_text(encoding="utf-8"):
    assert told["sandbox"]["landlock_version"] > 0, told
print("the capabilities keep their form")
