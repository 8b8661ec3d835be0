#!/usr/bin/env python3
"""How tools show and name variables: usage: variables_test.py BIN XAPI_FOLDER SOURCE

BIN has the programs. The forms of `varstore-ls --long` and `--json`, and that a name which the specifications know needs no
GUID in any tool.
"""
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

BIN, XAPI, SOURCE = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], pathlib.Path(sys.argv[3])
sys.path[:0] = [XAPI, str(SOURCE / "tests/support")]
import guest  # noqa: E402  pylint: disable=import-error,wrong-import-position
from json_schema import validate  # noqa: E402  pylint: disable=wrong-import-position

SCHEMA = json.loads((SOURCE / "docs/tools/varstore-ls.schema.json").read_text(encoding="utf-8"))
# EFI_TIME of 2026-06-24, 08:15:07, and where it is in a record: 32 bytes of a digest are behind it.
TIME, TIME_AT = struct.pack("<HBBBBBxIhBx", 2026, 6, 24, 8, 15, 7, 0, 0, 0), -48
SHIM = bytes.fromhex("50ab5d6046e00043abb63dd810dd8b23")
UNKNOWN = "03020100-0504-0706-0809-0a0b0c0d0e0f"


def timed(record):
    return record[:TIME_AT] + TIME + record[TIME_AT + len(TIME):]


# Of each kind of attributes, names and GUIDs.
ENTRIES = [timed(guest.entry("dbx", b"of nobody", 0x27, guest.SECURITY_DATABASE)),
           guest.entry("Lang", b"eng\0", 7, guest.GLOBAL), guest.entry("MokList", b"m" * 1000, 3, SHIM),
           guest.entry("a b\u001b[31m\u00f6\\", b"x", 7), guest.entry("Runtime", b"xy", 6)]


class Variables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / "vm"
        self.file.write_bytes(guest.blob(*ENTRIES))

    def run_tool(self, program, *words):
        return subprocess.run([BIN / program, *words], capture_output=True, timeout=60, check=False, cwd=self.folder)

    def output(self, program, *words):
        done = self.run_tool(program, *words)
        self.assertEqual(done.returncode, 0, (words, done))
        return done.stdout.decode("ascii")


class List(Variables):
    def test_long_is_a_row_a_variable(self):
        lines = self.output("varstore-ls", "--long", "vm").splitlines()
        rows = [line.split() for line in lines]
        self.assertEqual(rows[0], ["BYTES", "ATTRIBUTES", "TIME", "GUID", "NAME"])
        for row in (["9", "NV+BS+RT+AT", "2026-06-24T08:15:07Z", "EFI_IMAGE_SECURITY_DATABASE_GUID", "dbx"],
                    ["4", "NV+BS+RT", "-", "EFI_GLOBAL_VARIABLE", "Lang"], ["1000", "NV+BS", "-", "SHIM_LOCK_GUID", "MokList"],
                    ["1", "NV+BS+RT", "-", UNKNOWN, r"a\u0020b\u001B[31m\u00F6\u005C"],
                    ["2", "BS+RT", "-", UNKNOWN, "Runtime"],
                    ["1", "BS+RT", "-", "EFI_GLOBAL_VARIABLE", "SetupMode"]):
            self.assertIn(row, rows)
        # The columns stand below each other.
        self.assertEqual(len({line.index(row[3]) for line, row in zip(lines, rows)}), 1, lines)
        self.assertEqual({len(row) for row in rows}, {5})
        self.assertEqual(len(rows), 1 + len(self.output("varstore-ls", "vm").splitlines()))
        self.assertEqual(self.output("varstore-ls", "-l", "vm").splitlines(), lines)

    def test_json_has_the_form_of_its_schema(self):
        told = json.loads(self.output("varstore-ls", "--json", "vm"))
        validate(told, SCHEMA, SCHEMA)
        variables = told["variables"]
        self.assertEqual([f"{one['guid']} {one['name']}" for one in variables], self.output("varstore-ls", "vm").splitlines())
        self.assertEqual([one for one in variables if one["name"] in ("dbx", "Runtime")], [
            {"name": "Runtime", "guid": UNKNOWN, "guid_name": None, "bytes": 2, "attributes": 6,
             "attributes_text": "BS+RT", "time": None},
            {"name": "dbx", "guid": "d719b2cb-3d3a-4596-a3bc-dad00e67656f", "guid_name": "EFI_IMAGE_SECURITY_DATABASE_GUID",
             "bytes": 9, "attributes": 0x27, "attributes_text": "NV+BS+RT+AT", "time": "2026-06-24T08:15:07Z"}][::-1])
        with self.assertRaises(AssertionError):
            validate({**told, "more": 1}, SCHEMA, SCHEMA)

    def test_both_are_of_an_older_daemons_records_too(self):
        """A name with half a character, attributes and a time that nobody gives."""
        name, data = b"O\0d", b"xyz"
        self.file.write_bytes(guest.blob(struct.pack("<Q", 3) + name + struct.pack("<Q", 3) + data + guest.VENDOR
                                         + struct.pack("<I", 0xA3) + b"\xff" * 16 + bytes(32)))
        self.assertIn(["3", "NV+BS+AT+EA", "65535-255-255T255:255:255Z", UNKNOWN, r"O\x64"],
                      [line.split() for line in self.output("varstore-ls", "-l", "vm").splitlines()])
        told = json.loads(self.output("varstore-ls", "--json", "vm"))
        validate(told, SCHEMA, SCHEMA)
        self.assertIn(r"O\x64", [one["name"] for one in told["variables"]])

    def test_they_exclude_each_other(self):
        done = self.run_tool("varstore-ls", "--long", "--json", "vm")
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertRegex(done.stderr, rb"\A[^\n]*--long and --json[^\n]*--help[^\n]*\n\Z")


class Names(Variables):
    """A name of each row of the table in src/efi/well_known_names.cc, and of the constants behind it."""

    NAMES = {"Lang": "8be4df61-93ca-11d2-aa0d-00e098032b8c", "Boot0001": "8be4df61-93ca-11d2-aa0d-00e098032b8c",
             "devdb": "d719b2cb-3d3a-4596-a3bc-dad00e67656f", "HwErrRec00AF": "414e6bdd-e47b-47cc-b244-bb61020cf516",
             "MokList": "605dab50-e046-4300-abb6-3dd810dd8b23",
             "Tcg2PhysicalPresenceFlags": "9d1947eb-09bb-4780-a3cd-bea956e0e056"}
    # Where a GUID stands as an operand, and how the tool is called with a name alone.
    CALLS = {"varstore-get": [("varstore-get", "vm", "NAME"), ("varstore-get", "-a", "vm", "NAME")],
             "varstore-set": [("varstore-set", "vm", "NAME", "7", "data")],
             "varstore-rm": [("varstore-rm", "vm", "NAME"), ("varstore-rm", "-c", "--clone-lists", "lists", "vm"),
                             ("varstore-rm", "--match", "NAME", "vm")]}

    def test_each_tool_that_takes_a_guid_takes_a_name_without_it(self):
        synopses = {path.stem: re.search(r"^## Synopsis\n\n```\n(.*?)```", path.read_text(encoding="utf-8"), re.M | re.S).group(1)
                    for path in (SOURCE / "docs/tools").glob("*.md") if path.stem != "README"}
        operand = re.compile(r"(?<!-g )(?<!--guid )(?<!--owner )\bGUID\b")
        taking = {name for name, text in synopses.items() if operand.search(re.sub(r"\[-\S+ GUID\]", "", text))}
        self.assertEqual(taking, set(self.CALLS))
        for name in taking:
            self.assertNotRegex(synopses[name].replace("[GUID]", ""), r"\bGUID\b")

    def test_it_is_that_of_the_specifications(self):
        (self.folder / "data").write_bytes(b"other")
        (self.folder / "lists").mkdir()
        for name, guid in self.NAMES.items():
            (self.folder / "lists/list").write_text(f"# all\n{name}\n", encoding="ascii")
            for calls in self.CALLS.values():
                for words in calls:
                    self.file.write_bytes(guest.blob(*(self.entry(one, vendor) for vendor in (guid, UNKNOWN)
                                                       for one in (name, "Note"))))
                    call = [name if word == "NAME" else word for word in words]
                    done = self.run_tool(*call)
                    self.assertEqual(done.returncode, 0, (call, done))
                    self.assertEqual(self.data_of(guid, name),
                                     {"varstore-get": b"kept", "varstore-set": b"other", "varstore-rm": None}[call[0]], call)
                    # And nothing else.
                    for other in ((guid, "Note"), (UNKNOWN, name), (UNKNOWN, "Note")):
                        self.assertEqual(self.data_of(*other), b"kept", (call, other))

    def test_front_and_commands_of_keys_take_it_too(self):
        self.assertEqual(self.output("varstore", "get", "vm", "Lang"), "eng\0")
        self.assertIn("dbx", self.output("varstore-ls", "vm"))
        for key in ("KEK", "db", "dbt", "dbr"):
            self.assertEqual(self.run_tool("varstore", "edit", "vm", key).returncode, 0, key)

    def test_another_name_needs_it(self):
        (self.folder / "lists").mkdir()
        (self.folder / "lists/list").write_text("Note\n", encoding="ascii")
        (self.folder / "data").write_bytes(b"x")
        before = self.file.read_bytes()
        for words, exit_code in ((("varstore-get", "vm", "Note"), 2), (("varstore-set", "vm", "Note", "7", "data"), 2),
                                 (("varstore-rm", "vm", "Note"), 2), (("varstore-rm", "-c", "--clone-lists", "lists", "vm"), 1),
                                 (("varstore-rm", "--match", "Run*", "vm"), 1)):
            done = self.run_tool(*words)
            self.assertEqual((done.returncode, done.stdout), (exit_code, b""), words)
            self.assertRegex(done.stderr, rb"GUID", words)
        self.assertEqual(self.file.read_bytes(), before)

    @staticmethod
    def entry(name, guid):
        vendor = bytes.fromhex(guid.replace("-", ""))
        return guest.entry(name, b"kept", 7, vendor[3::-1] + vendor[5:3:-1] + vendor[7:5:-1] + vendor[8:])

    def data_of(self, guid, name):
        done = self.run_tool("varstore-get", "vm", guid, name)
        return done.stdout if done.returncode == 0 else None


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
