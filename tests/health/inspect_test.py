#!/usr/bin/env python3
"""What varstore-inspect prints, and where: usage: inspect_test.py PROGRAM SOURCE_FOLDER

Forms of a file, exit codes, the schema of --json, colours, and that nothing of a guest's reaches a terminal.
"""
import base64
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import uuid
import xml.dom.minidom

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
sys.path.insert(0, str(SOURCE / "tests/support"))
from json_schema import validate  # noqa: E402
from terminal import on_terminal  # noqa: E402
GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c").bytes_le
HOSTILE = "\x1b]0;t\x07\x1b[31m\u202e\u200b\u2066\x9b\n\r\0x</text><script>\"'&\ud800"


def record(name, data, attributes=7, vendor=GLOBAL):
    name = name.encode("utf-16-le", "surrogatepass")
    return (struct.pack("<Q", len(name)) + name + struct.pack("<Q", len(data)) + data + vendor +
            struct.pack("<I", attributes) + bytes(16 + 32))


def blob(*records):
    body = b"".join(records)
    return b"VARS" + struct.pack("<IQQ", 2, len(records), len(body)) + bytes(268) + body


def load_option(description, path=b"\x7f\xff\x04\x00"):
    return (struct.pack("<IH", 1, len(path)) + description.encode("utf-16-le", "surrogatepass") + b"\0\0" + path)


def file_path(text):
    text = text.encode("utf-16-le", "surrogatepass") + b"\0\0"
    return struct.pack("<BBH", 4, 4, 4 + len(text)) + text + b"\x7f\xff\x04\x00"


CLEAN = blob(record("Lang", b"eng\0"))
DANGLING = blob(record("BootOrder", struct.pack("<H", 1)))


def text(words):
    return struct.pack("<B", len(words)) + words


def snapshot(blob_bytes, name="Name", backend=b"xapidb", call=b"SetVariable"):
    """What a daemon tells (docs/formats.md, "The snapshot of a running VM")."""
    name = name.encode("utf-16-le", "surrogatepass")[:128]
    answer = text(call) + text(b"store-full") + text(b"Out of Resources")
    return (b"LIVE" + struct.pack("<I", 1) + text(b"varstored 9") + text(backend) +
            struct.pack("<6QI", 90_000_000, 0, 0, 2, 1500, 1000, 1) + answer + struct.pack("<Q", 7) +
            b"\1" + answer + struct.pack("<Q", 5_000_000) + GLOBAL + text(name) + blob_bytes)


class Inspect(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def inspect(self, content, *options, **environment):
        path = self.folder / "vm"
        path.write_bytes(content)
        return subprocess.run([PROGRAM, *options, path], capture_output=True, timeout=60, check=False,
                              env={"PATH": os.environ["PATH"], **environment})

    def hostile(self):
        return blob(record("Lang" + HOSTILE.replace("\0", ""), b"x" * 9000),
                    record("odd" + HOSTILE, b"1"),
                    record("BootOrder", struct.pack("<HH", 0, 5)),
                    record("Boot0000", load_option(HOSTILE.replace("\0", ""), file_path(HOSTILE.replace("\0", "")))))

    def live(self, told, *options, name="5"):
        """The tool asks a daemon that tells this."""
        with socket.socket(socket.AF_UNIX) as listener:
            path = self.folder / name
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            listener.listen()

            def tell():
                with listener.accept()[0] as client:
                    try:
                        client.sendall(told)
                    except ConnectionError:
                        pass

            daemon = threading.Thread(target=tell)
            daemon.start()
            shown = subprocess.run([PROGRAM, "--live", *options, path], capture_output=True, timeout=60, check=False)
            daemon.join()
            return shown

    def test_of_a_running_vm_the_daemons_numbers_are_shown_too(self):
        schema = json.loads((SOURCE / "docs/tools/varstore-inspect.schema.json").read_text(encoding="utf-8"))
        told = snapshot(CLEAN)
        for name, vm in (("5", None), ("5.1c9a3a52-6d0a-4b3e-8e3d-0c2f6f7f2b11", "1c9a3a52-6d0a-4b3e-8e3d-0c2f6f7f2b11")):
            shown = self.live(told, "--json", name=name)
            self.assertEqual((shown.returncode, shown.stderr), (0, b""))
            value = json.loads(shown.stdout)
            validate(value, schema, schema)
            self.assertEqual((value["running"]["domain"], value["running"]["uuid"]), (5, vm))
            self.assertEqual(value["running"]["last_error"]["variable"]["name"], "Name")
            self.assertEqual(value["running"]["answers"], [
                {"call": "SetVariable", "reason": "store-full", "status": "Out of Resources", "count": 7}])
        self.assertIn(b"2 requests in 1.5 ms, the longest in 1.0 ms", self.live(told).stdout)

    def test_of_a_database_it_is_told_what_the_host_wanted_at_the_last_start(self):
        programs = pathlib.Path(PROGRAM).parent
        kept, database, door = (self.folder / name for name in ("kept", "vm.db", "door"))
        kept.write_bytes(blob(record("PK", b"of anybody", 0x27)))
        subprocess.run([programs / "varstore-convert", "--to", "sqlite", kept, database], check=True, timeout=60)
        schema = json.loads((SOURCE / "docs/tools/varstore-inspect.schema.json").read_text(encoding="utf-8"))

        def shown(*options):
            return subprocess.run([PROGRAM, *options, database], capture_output=True, timeout=60, check=False).stdout

        self.assertIn(b"Secure Boot   not known: whether the host wants it is not kept here", shown())
        for wish, words in (("true", b"on"), ("false", b"off"), ("true", b"on")):
            with subprocess.Popen([programs / "varstored-loopback", "--listen", door, "--backend", "sqlite", "--arg",
                                   f"path:{database}", "--platform", f"secureboot={wish}"],
                                  stderr=subprocess.PIPE) as daemon:
                while b"ready: " not in daemon.stderr.readline():
                    self.assertIsNone(daemon.poll())
                daemon.terminate()
            self.assertIn(b"Secure Boot   " + words + b" at its last start\n", shown())
            value = json.loads(shown("--json"))
            validate(value, schema, schema)
            self.assertEqual((value["secure_boot"], value["secure_boot_at_last_start"]), (None, wish == "true"))

    def test_what_a_running_vm_lacks_is_mended_where_it_is_kept(self):
        uuid_text = "1c9a3a52-6d0a-4b3e-8e3d-0c2f6f7f2b11"
        commands = lambda *arguments, **names: [
            f["command"] for f in json.loads(self.live(*arguments, "--json", **names).stdout)["findings"]]
        self.assertEqual(commands(snapshot(DANGLING), name="5." + uuid_text), ["varstore-repair --fix " + uuid_text])
        self.assertEqual(commands(snapshot(DANGLING, backend=b"sqlite"), name="5." + uuid_text), [""])
        self.assertEqual(commands(snapshot(DANGLING)), [""])

    def test_a_daemon_that_was_taken_over_reaches_nothing_but_the_screen(self):
        shown = self.live(snapshot(self.hostile(), HOSTILE))
        self.assertEqual(shown.returncode, 2)
        self.assertRegex(shown.stdout, rb"\A[ -~\n]*\Z")
        for told in (b"", b"LIVE", snapshot(CLEAN)[:100], snapshot(CLEAN, call=b"\x1b[31m"), b"x" * 3_000_000,
                     b"LIVE" + struct.pack("<I", 2)):
            failed = self.live(told)
            self.assertEqual((failed.returncode, failed.stdout), (1, b""), told[:100])
            self.assertRegex(failed.stderr, rb"\Avarstore-inspect: [ -~]+\n\Z")

    def test_exit_code_says_whether_something_is_wrong(self):
        self.assertEqual(self.inspect(CLEAN).returncode, 0)
        self.assertEqual(self.inspect(DANGLING).returncode, 2)
        for content in (b"", b"what\n", b"VARS", bytes(range(256))):
            failed = self.inspect(content)
            self.assertEqual((failed.returncode, failed.stdout), (1, b""), content)
            self.assertRegex(failed.stderr, rb"\Avarstore-inspect: [ -~]+\n\Z")

    def test_every_form_of_a_file_says_the_same(self):
        raw = self.inspect(DANGLING).stdout
        text = base64.b64encode(DANGLING)
        lines = b"\n".join(text[i:i + 76] for i in range(0, len(text), 76)) + b"\n"
        for content in (text, text + b"\n", lines):
            self.assertEqual(self.inspect(content).stdout, raw)

    def test_a_broken_blob_is_read_as_far_as_it_goes(self):
        for content in (DANGLING[:-1] + b"xx", blob(record("Lang", b"eng\0")) + b"more",
                        base64.b64encode(DANGLING)[:-8] + b"!"):
            shown = self.inspect(content, "--json")
            self.assertEqual(shown.returncode, 2 if shown.stdout else 1, shown)
            if shown.stdout:
                self.assertIn("blob-unreadable", [f["name"] for f in json.loads(shown.stdout)["findings"]])
        self.assertEqual(self.inspect(CLEAN + b"more").returncode, 2)

    def test_json_has_the_form_of_its_schema(self):
        schema = json.loads((SOURCE / "docs/tools/varstore-inspect.schema.json").read_text(encoding="utf-8"))
        for content in (CLEAN, DANGLING, self.hostile(), CLEAN + b"more"):
            shown = self.inspect(content, "--json").stdout
            validate(json.loads(shown), schema, schema)
            self.assertRegex(shown, rb"\A[ -~]*\n\Z")
        with self.assertRaises(AssertionError):
            validate({**json.loads(shown), "more": 1}, schema, schema)

    def test_schema_names_every_finding(self):
        schema = json.loads((SOURCE / "docs/tools/varstore-inspect.schema.json").read_text(encoding="utf-8"))
        code = (SOURCE / "src/health/finding.cc").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r'\{FindingKind::k\w+,\s*"([\w-]+)"', code),
                         schema["properties"]["findings"]["items"]["properties"]["name"]["enum"])

    def test_nothing_of_a_guest_reaches_the_terminal(self):
        for width in ("80", "120"):
            shown = self.inspect(self.hostile(), COLUMNS=width).stdout.decode("utf-8")
            self.assertRegex(shown, r"\A[ -~\n]*\Z")
            for line in shown.splitlines():
                # A command is one line, to be copied.
                self.assertTrue(len(line) <= int(width) or line.lstrip().startswith("$ "), line)
        self.assertIn("\\u{202E}", shown)

    def test_the_picture_is_well_formed_whatever_the_names(self):
        picture = self.inspect(self.hostile(), "--svg").stdout
        names = [node.tagName for node in xml.dom.minidom.parseString(picture).getElementsByTagName("*")]
        self.assertEqual(set(names), {"svg", "title", "rect", "text"})

    def test_colours_are_for_terminals_that_want_them(self):
        self.assertNotIn(b"\x1b", self.inspect(DANGLING, TERM="xterm").stdout)
        (self.folder / "vm").write_bytes(DANGLING)
        for environment, is_coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False),
                                         ({"TERM": "xterm", "NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)):
            self.assertEqual(b"\x1b[" in on_terminal([PROGRAM, self.folder / "vm"], "stdout", **environment)[0], is_coloured, environment)

    def test_options_that_exclude_each_other_and_bad_updates_fail(self):
        for words in (("--json", "--svg"), ("--short", "--json"), ("--short", "--pcr7")):
            self.assertEqual((self.inspect(CLEAN, *words).returncode, self.inspect(CLEAN, *words).stdout), (2, b""))
        update = self.folder / "update"
        for content in (b"", b"no list at all, but long enough to be one of them"):
            update.write_bytes(content)
            self.assertEqual(self.inspect(CLEAN, "--dbx-update", update).returncode, 1)

    def test_short_is_five_lines_and_the_exit_code_of_the_screen(self):
        for content, code, last in ((CLEAN, 0, b"+ Findings      none\n"),
                                    (DANGLING, 2, b"! Findings      1 warning: boot-order-dangling\n")):
            done = self.inspect(content, "--short")
            self.assertEqual((done.returncode, done.stdout.count(b"\n")), (code, 5), done)
            self.assertTrue(done.stdout.endswith(last), done)

    @staticmethod
    def hashes(*firsts, owner=bytes(16)):
        body = b"".join(owner + bytes([first]) * 32 for first in firsts)
        kind = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328").bytes_le
        return kind + struct.pack("<III", 28 + len(body), 0, 48) + body

    @staticmethod
    def microsofts_json(*firsts, date="2027-01-01"):
        return json.dumps({"images": {"x64": [
            {"hashType": "SHA256", "authenticodeHash": (bytes([first]) * 32).hex(), "dateOfAddition": date}
            for first in firsts]}}).encode()

    SECURITY = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f").bytes_le

    def test_an_update_is_compared_entry_by_entry(self):
        vm = blob(record("dbx", self.hashes(9, 2), 0x27, self.SECURITY))
        for update in (self.hashes(1, 2, 3), self.microsofts_json(1, 2, 3)):
            (self.folder / "update").write_bytes(update)
            shown = self.inspect(vm, "--json", "--dbx-update", self.folder / "update")
            self.assertEqual(shown.returncode, 2)
            shown = json.loads(shown.stdout)
            self.assertEqual(shown["revocations"]["comparison"], {"total": 3, "missing": 2})
            self.assertEqual([f["name"] for f in shown["findings"]], ["revocations-missing"])
        (self.folder / "update").write_bytes(self.microsofts_json(9, 2))
        self.assertEqual(self.inspect(vm, "--dbx-update", self.folder / "update").returncode, 0)

    def test_newer_lists_are_known_from_microsofts_file(self):
        vm = blob(record("dbx", self.hashes(9, 2), 0x27, self.SECURITY))
        lists = self.folder / "lists"
        for content, newest in ((self.microsofts_json(9), "2027-01-01"), (self.microsofts_json(9, date="2020-01-01"), None),
                                (self.microsofts_json(9, date="x" * 10), None)):
            lists.write_bytes(content)
            shown = json.loads(self.inspect(vm, "--json", "--lists", lists).stdout)["revocations"]
            self.assertEqual(shown["newest_seen"], newest)
            self.assertEqual(shown["newest_known"] == "2027-01-01", newest is not None)
        deep = b"[" * 1_000_000
        for content in (b"", b"{", b'{"images":{}}', deep, b'{"images":{"x64":' + deep):
            lists.write_bytes(content)
            failed = self.inspect(vm, "--lists", lists)
            self.assertEqual((failed.returncode, failed.stdout), (1, b""))
            self.assertRegex(failed.stderr, rb"\Avarstore-inspect: [ -~]+\n\Z")

    def test_a_script_is_told_whether_all_vms_are_right(self):
        good, bad, broken = (self.folder / name for name in ("good", "bad\x1b", "broken"))
        good.write_bytes(CLEAN)
        bad.write_bytes(blob(record("db", b"no list", 0x27, self.SECURITY)))
        broken.write_bytes(b"what\n")

        def check(what, *paths):
            shown = subprocess.run([PROGRAM, "--check", what, *paths], capture_output=True, timeout=60, check=False)
            return shown.returncode, [line.split("  ")[0] for line in shown.stdout.decode("ascii").splitlines()]

        for what in ("certificates", "revocations"):
            # Without keys there is nothing to compare.
            self.assertEqual(check(what, good), (1, ["not known"]))
            self.assertEqual(check(what, bad), (2, ["not right"]))
            self.assertEqual(check(what, bad, broken, good), (1, ["not right", "not known", "not known"]))
            self.assertEqual(check(what, self.folder / "missing"), (1, ["not known"]))
        # A file does not say whether the host wants Secure Boot; without PK it is off.
        self.assertEqual(check("secure-boot", good), (2, ["not right"]))
        self.assertEqual(check("all", good), (2, ["not right"]))
        self.assertEqual(check("nothing", good)[0], 2)
        self.assertEqual(check("all")[0], 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
