#!/usr/bin/env python3
"""What varstore-inspect --history tells, and of whom: usage: history_test.py FOLDER_OF_PROGRAMS SOURCE_FOLDER

Each program that writes is there by its name, a hostile name reaches no terminal, and a row that is none is refused.
"""
import hashlib
import json
import os
import pathlib
import re
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

BIN, SOURCE = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
sys.path.insert(0, str(SOURCE / "tests/support"))
from json_schema import validate  # noqa: E402
GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
HOSTILE = "\x1b]0;t\x07\x1b[31m\u202e\u200b\u2066\x9b\n\r</text><script>\"'&\ud800"


def record(name, data, attributes=0x27):
    name = name.encode("utf-16-le", "surrogatepass")
    return (struct.pack("<Q", len(name)) + name + struct.pack("<Q", len(data)) + data + GLOBAL.bytes_le +
            struct.pack("<I", attributes) + bytes(16 + 32))


def blob(*records):
    body = b"".join(records)
    return b"VARS" + struct.pack("<IQQ", 2, len(records), len(body)) + bytes(268) + body


class History(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.kept, self.database = self.folder / "kept", self.folder / "vm.db"
        self.schema = json.loads((SOURCE / "docs/tools/varstore-inspect-history.schema.json").read_text(encoding="utf-8"))

    def run_tool(self, name, *arguments):
        done = subprocess.run([BIN / name, *arguments], capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def make(self, *records):
        self.kept.write_bytes(blob(*records))
        self.run_tool("varstore-convert", "--to", "sqlite", self.kept, self.database)

    def inspect(self, *options, place=None):
        return subprocess.run([BIN / "varstore-inspect", "--history", *options, place or self.database],
                              capture_output=True, timeout=60, check=False)

    def history(self):
        shown = self.inspect("--json")
        self.assertEqual((shown.returncode, shown.stderr), (0, b""))
        value = json.loads(shown.stdout)
        validate(value, self.schema, self.schema)
        self.assertEqual(value["target"], str(self.database))
        return value["history"]

    def told(self):
        return [(one["who"], one["what"], one["name"], one["reason"]) for one in self.history()]

    def start(self, wish):
        with subprocess.Popen([BIN / "varstored-loopback", "--listen", self.folder / "door", "--backend", "sqlite", "--arg",
                               f"path:{self.database}", "--platform", f"secureboot={wish}"],
                              stderr=subprocess.PIPE) as daemon:
            while b"ready: " not in daemon.stderr.readline():
                self.assertIsNone(daemon.poll())
            daemon.terminate()

    def test_each_program_that_writes_is_told_by_its_name(self):
        begin = int(time.time())
        self.make(record("PK", b"of anybody"), record("BootOrder", b"\1\0", 7))
        self.start("true")
        self.start("true")
        self.start("false")
        self.run_tool("varstore-rm", self.database, str(GLOBAL), "PK")
        self.assertEqual(self.told(), [
            ("tool", "deleted", "PK", "varstore-rm"),
            ("start", "not-wanted", None, "host"),
            ("start", "wanted", None, "host"),
            ("tool", "written", "PK", "varstore-convert")])
        newest, oldest = self.history()[0], self.history()[-1]
        data = {"bytes": 10, "sha256": hashlib.sha256(b"of anybody").hexdigest()}
        self.assertEqual((oldest["before"], oldest["after"]), ({"bytes": 0, "sha256": None}, data))
        self.assertEqual((newest["before"], newest["after"]), (data, {"bytes": 0, "sha256": None}))
        self.assertEqual([one["number"] for one in self.history()], [4, 3, 2, 1])
        for one in self.history():
            self.assertTrue(begin <= one["time"] <= time.time())
            self.assertEqual(one["date"], time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one["time"])))

    def test_on_a_screen_it_is_a_line_each_the_newest_first(self):
        self.make(record("PK", b"of anybody"))
        self.run_tool("varstore-rm", self.database, str(GLOBAL), "PK")
        shown = self.inspect()
        self.assertEqual((shown.returncode, shown.stderr), (0, b""))
        lines = [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", line) for line in shown.stdout.decode().splitlines()]
        digest = hashlib.sha256(b"of anybody").hexdigest()[:12]
        self.assertEqual(lines, [
            "NUMBER  TIME (UTC)           WHO   VARIABLE  WHAT     BYTES   SHA-256       REASON",
            "2       TIME  tool  PK        deleted  10 > 0  -             varstore-rm",
            f"1       TIME  tool  PK        written  0 > 10  {digest}  varstore-convert"])

    def test_a_guests_names_reach_a_screen_as_plain_characters(self):
        self.make(record("own" + HOSTILE, b"1"), record("x" * 2048, b"2"))
        shown = self.inspect().stdout
        self.assertRegex(shown, rb"\A[ -~\n]*\Z")
        self.assertEqual(len(shown.splitlines()), 3)
        self.assertLess(max(len(line) for line in shown.splitlines()), 130)
        self.assertRegex(self.inspect("--json").stdout, rb"\A[ -~]*\n\Z")
        names = [one["name"] for one in self.history()]
        self.assertIn("x" * 255 + "\\u2026", names)

    def test_what_has_none_says_so(self):
        self.make(record("BootOrder", b"\1\0", 7))
        self.assertEqual(self.inspect().stdout, b"no change of keys has been kept yet\n")
        shown = self.inspect(place=self.kept)
        self.assertEqual((shown.returncode, shown.stdout), (1, b""))
        self.assertIn(b": no history is kept there: only a database of the backend sqlite has one\n", shown.stderr)
        for option in ("--short", "--svg", "--pcr7", "--live", "--check=all", "--lists=x"):
            self.assertEqual(self.inspect(option).returncode, 2, option)

    def test_a_row_that_is_none_is_refused(self):
        self.make(record("PK", b"of anybody"))
        with sqlite3.connect(self.database) as database:
            database.execute("UPDATE history SET who = 'nobody'")
        database.close()
        before = self.database.read_bytes()
        shown = self.inspect()
        self.assertEqual((shown.returncode, shown.stdout), (1, b""))
        self.assertTrue(shown.stderr.endswith(b"damaged: history, place 0: its who is none\n"), shown.stderr)
        self.assertEqual(self.database.read_bytes(), before)

    def test_while_the_vm_runs_it_says_what_to_do(self):
        self.make(record("PK", b"of anybody"))
        with subprocess.Popen([BIN / "varstored-loopback", "--listen", self.folder / "door", "--backend", "sqlite", "--arg",
                               f"path:{self.database}"], stderr=subprocess.PIPE) as daemon:
            while b"ready: " not in daemon.stderr.readline():
                self.assertIsNone(daemon.poll())
            shown = self.inspect()
            daemon.terminate()
        self.assertEqual((shown.returncode, shown.stdout), (1, b""))
        self.assertIn(b"another process uses it", shown.stderr)


if __name__ == "__main__":
    os.environ.pop("COLUMNS", None)
    unittest.main(argv=sys.argv[:1])
