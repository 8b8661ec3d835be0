#!/usr/bin/env python3
"""`-` is standard input where a tool only looks: usage: standard_input_test.py BIN XAPI_FOLDER"""
import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

BIN, XAPI = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
sys.path.insert(0, XAPI)
import guest  # pylint: disable=import-error,wrong-import-position

BLOB = guest.blob(guest.entry("Lang", b"eng\0", 7, guest.GLOBAL), guest.entry("Note", b"kept"))
LOOKING = [("varstore-ls", "-"), ("varstore-get", "-", "Lang"), ("varstore-inspect", "-"), ("varstore-nvram-certcheck", "-"),
           ("varstore-inspect", "--check", "all", "-"), ("varstore", "pcr7", "-"),
           ("varstore", "bootcheck", "--esp", "esp", "-")]
WRITING = [("varstore-set", "-", "Lang", "7", "data"), ("varstore-rm", "-", "Lang"), ("varstore-repair", "-"),
           ("varstore-repair", "--fix", "-"), ("varstore-sb-state", "-", "setup"), ("varstore", "edit", "-", "db"),
           ("varstore", "boot", "-")]


class StandardInput(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "vm").write_bytes(BLOB)
        (self.folder / "esp").mkdir()

    def run_tool(self, *words, given=BLOB):
        return subprocess.run([BIN / words[0], *words[1:]], capture_output=True, timeout=60, check=False, cwd=self.folder,
                              input=given)

    def said(self, *words, given=BLOB):
        done = self.run_tool(*words, given=given)
        return done.returncode, done.stdout, done.stderr

    def test_it_is_read_as_a_file_is(self):
        for words in LOOKING:
            file = tuple("vm" if word == "-" else word for word in words)
            code, shown, errors = self.said(*words)
            of_file = self.said(*file)
            self.assertEqual((code, errors), (of_file[0], of_file[2]), words)
            if words[0] in ("varstore-ls", "varstore-get", "varstore-nvram-certcheck"):
                self.assertEqual(shown, of_file[1], words)

    def test_in_each_format(self):
        for form in ("sqlite", "json", "aws"):
            self.assertEqual(self.said("varstore-convert", "--to", form, "vm", form), (0, b"", b""))
            content = (self.folder / form).read_bytes()
            self.assertEqual(self.said("varstore-get", "-", "Lang", given=content), (0, b"eng\0", b""), form)
        self.assertEqual(self.said("varstore-get", "-", "Lang", given=base64.b64encode(BLOB))[:2], (0, b"eng\0"))
        # A container is taken apart.
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "x.qcow2", "128K"], check=True, cwd=self.folder)
        code, _, errors = self.said("varstore-ls", "-", given=(self.folder / "x.qcow2").read_bytes())
        self.assertEqual(code, 1)
        self.assertIn(b"standard input: a blank flash image", errors)

    def test_a_tool_that_writes_refuses_it(self):
        (self.folder / "data").write_bytes(b"x")
        for words in WRITING:
            code, shown, errors = self.said(*words)
            self.assertEqual((code, shown), (2, b""), words)
            self.assertRegex(errors, rb"\A[^\n]*standard input, cannot be written back to[^\n]*--help[^\n]*\n\Z", words)
        self.assertEqual((self.folder / "vm").read_bytes(), BLOB)

    def test_what_is_wrong_is_said_of_it_by_name(self):
        for given, reason in ((b"", b"standard input: it is empty"), (b"no variables", b"standard input: no VARS blob"),
                              (BLOB[:-1], b"standard input: VARS blob"), (b"VARS" + bytes(3 << 20), b"standard input: larger than")):
            code, shown, errors = self.said("varstore-ls", "-", given=given)
            self.assertEqual((code, shown), (1, b""), reason)
            self.assertTrue(errors.startswith(b"varstore-ls: " + reason), errors)
            self.assertEqual(errors.count(b"\n"), 1)

    def test_it_is_bounded(self):
        """An endless one is given up behind the largest file that there can be, 64 MiB."""
        with open("/dev/zero", "rb") as endless:
            for words, most in ((("varstore-ls", "-"), 67108864), (("varstore-nvram-certcheck", "-"), 2097152)):
                done = subprocess.run([BIN / words[0], *words[1:]], stdin=endless, capture_output=True, timeout=60, check=False)
                self.assertEqual((done.returncode, done.stdout), (1, b""))
                self.assertIn(f"standard input: larger than {most} bytes".encode(), done.stderr)

    def test_no_command_is_proposed_that_would_need_a_file(self):
        broken = guest.blob(guest.entry("db", b"broken", 0x27, guest.SECURITY_DATABASE))
        (self.folder / "broken").write_bytes(broken)
        of_file = json.loads(self.said("varstore-inspect", "--json", "broken")[1])
        self.assertTrue(any(finding["command"] for finding in of_file["findings"]), of_file["findings"])
        shown = json.loads(self.said("varstore-inspect", "--json", "-", given=broken)[1])
        self.assertEqual(shown["target"], "standard input")
        self.assertEqual([finding["name"] for finding in shown["findings"]], [one["name"] for one in of_file["findings"]])
        self.assertEqual({finding["command"] for finding in shown["findings"]}, {""})

    def test_a_file_of_this_name_has_a_slash(self):
        (self.folder / "-").write_bytes(guest.blob(guest.entry("Lang", b"deu\0", 7, guest.GLOBAL)))
        self.assertEqual(self.said("varstore-get", "-", "Lang")[1], b"eng\0")
        self.assertEqual(self.said("varstore-get", "./-", "Lang")[1], b"deu\0")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
