#!/usr/bin/env python3
"""What `varstore pcr7` takes and prints, and what the tools that change keys say of PCR 7:
usage: command_test.py BIN SOURCE_FOLDER
"""
import contextlib
import hashlib
import json
import os
import pathlib
import sqlite3
import struct
import subprocess
import sys
import tempfile
import unittest
import uuid

BIN, SOURCE = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
sys.path.insert(0, str(SOURCE / "tests/support"))
from json_schema import validate  # noqa: E402
SCHEMA = json.loads((SOURCE / "docs/tools/varstore-pcr7.schema.json").read_text(encoding="utf-8"))
GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
DATABASE = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
OWNER = uuid.UUID("3f5ab2a8-54c4-4f8a-8f0a-6fd1b4f8d3c1")
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328")
X509_SHA256 = uuid.UUID("3bd2a492-96c0-4079-b420-fcf98ef103ed")
VERSIONS = uuid.UUID("9d132b6c-59d5-4388-ab1c-185c3cb2eb92")
DATA = os.environ.get("VARSTORED_TEST_DATA")
CHANGES = "PCR 7 changes: BitLocker and TPM-sealed keys will ask for recovery"
STAYS = "PCR 7 stays"
TIME = struct.pack("<HBBBBBxIhBx", 2024, 1, 1, 0, 0, 0, 0, 0, 0)


def record(name, vendor, data, attributes=0x27):
    name = name.encode("utf-16-le")
    return (struct.pack("<Q", len(name)) + name + struct.pack("<Q", len(data)) + data + vendor.bytes_le +
            struct.pack("<I", attributes) + (TIME if attributes & 0x20 else bytes(16)) + bytes(32))


def blob(*records):
    body = b"".join(records)
    return b"VARS" + struct.pack("<IQQ", 2, len(records), len(body)) + bytes(268) + body


def signature_list(kind, data):
    return kind.bytes_le + struct.pack("<III", 44 + len(data), 0, 16 + len(data)) + OWNER.bytes_le + data


class Pcr7(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="varstored-pcr.")
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.der = {}
        for name in ("one", "two"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj",
                            f"/CN=Test {name}", "-keyout", cls.folder / f"{name}.key", "-out", cls.folder / f"{name}.pem"],
                           check=True, stderr=subprocess.DEVNULL)
            cls.der[name] = subprocess.run(["openssl", "x509", "-in", cls.folder / f"{name}.pem", "-outform", "DER"],
                                           check=True, stdout=subprocess.PIPE).stdout
        cls.keys = [record("PK", GLOBAL, signature_list(X509, cls.der["one"])),
                    record("KEK", GLOBAL, signature_list(X509, cls.der["one"])),
                    record("db", DATABASE, signature_list(X509, cls.der["one"])),
                    record("dbx", DATABASE, signature_list(SHA256, b"\x11" * 32))]

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def setUp(self):
        self.vm = self.folder / "vm"
        self.vm.write_bytes(blob(*self.keys))

    def run_tool(self, status, *words):
        done = subprocess.run([BIN / words[0], *map(str, words[1:])], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", cwd=self.folder)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def pcr7(self, *words, status=0):
        done = self.run_tool(status, "varstore", "pcr7", self.vm, *words)
        return done.stdout if status == 0 else done.stderr

    def told(self, *words):
        told = json.loads(self.pcr7("--json", *words))
        validate(told, SCHEMA, SCHEMA)
        return told

    def update(self, name, content, *options):
        self.run_tool(0, "create-auth", "-k", "one.key", "-c", "one.pem", *options, name, "update.auth", content)
        return "update.auth"

    def test_the_value_is_that_of_its_events(self):
        prediction = self.told()["before"]
        for bank in ("sha1", "sha256", "sha384"):
            value = bytes(hashlib.new(bank).digest_size)
            for event in prediction["events"]:
                value = hashlib.new(bank, value + bytes.fromhex(event["digests"][bank])).digest()
            self.assertEqual(prediction["values"][bank], value.hex())
        text = self.pcr7("--bank", "sha256")
        self.assertIn(f"{'PCR 7':43}{prediction['values']['sha256']}\n".lstrip(), text)
        self.assertNotIn(prediction["values"]["sha1"], text)
        for event in prediction["events"]:
            self.assertIn(event["digests"]["sha256"], text)

    def test_what_is_read_is_not_changed(self):
        before = self.vm.read_bytes()
        self.told("--after", "db=two.pem")
        self.assertEqual(self.vm.read_bytes(), before)

    def test_after_is_as_the_tools_would_leave_it(self):
        (self.folder / "two.esl").write_bytes(signature_list(X509, self.der["two"]))
        (self.folder / "hash.txt").write_text("22" * 32 + "\n")
        for words, change in (
                (["db=two.pem"], ["varstore", "edit", self.vm, "db", "--add", "two.pem"]),
                (["KEK=two.pem"], ["varstore", "edit", self.vm, "KEK", "--add", "two.pem"]),
                (["db=two.esl"], ["varstore", "edit", self.vm, "db", "--add", "two.esl"]),
                (["dbx=hash.txt"], ["varstore", "edit", self.vm, "dbx", "--add", "hash.txt"]),
                (["db=two.pem", "dbx=hash.txt"], None),
                ([self.update("db", "two.pem", "-a")], ["varstore-set", self.vm, DATABASE, "db", "0x67", "update.auth"])):
            self.vm.write_bytes(blob(*self.keys))
            told = self.told(*[word for path in words for word in ("--after", path)])
            self.assertTrue(told["changes"], words)
            self.assertNotEqual(told["after"]["values"], told["before"]["values"])
            if change:
                done = self.run_tool(0, *change)
                self.assertIn(CHANGES, done.stdout + done.stderr)
                self.assertEqual(self.told()["before"], told["after"], words)

    def test_a_signed_update_says_which_key_it_is_for_and_whether_it_replaces(self):
        appended = self.told("--after", self.update("KEK", "two.pem", "-a"))["after"]["events"]
        replaced = self.told("--after", self.update("KEK", "two.pem"))["after"]["events"]
        before = self.told()["before"]["events"]
        for events in (appended, replaced):
            self.assertEqual([i for i in range(6) if events[i] != before[i]], [2])
        self.assertNotEqual(appended, replaced)
        self.assertIn("it is signed for KEK", self.pcr7("--after", "db=update.auth", status=1))

    def changed(self, *words):
        """The variables whose events are others after these files."""
        told = self.told(*[word for path in words for word in ("--after", path)])
        pairs = zip(told["before"]["events"], told["after"]["events"], strict=True)
        return [before["variable"] for before, after in pairs if before != after]

    def write(self, name, content):
        (self.folder / name).write_bytes(content)
        self.addCleanup((self.folder / name).unlink)
        return name

    def test_what_says_nothing_of_its_key_has_to_be_given_one(self):
        self.run_tool(0, "create-auth", "db", "unsigned.auth", "two.pem")
        hashes = signature_list(SHA256, b"\x22" * 32)
        for name, content in (("two.esl", signature_list(X509, self.der["two"])), ("hashes.esl", hashes),
                              ("hash.txt", b"22" * 32), ("other.pem", (self.folder / "two.pem").read_bytes()),
                              ("database.der", self.der["two"]), ("unsigned.auth", (self.folder / "unsigned.auth").read_bytes())):
            said = self.pcr7("--after", self.write(name, content), status=1)
            self.assertIn(f"{name}: neither what is in it nor its name says which key it is for", said)
            self.assertEqual(self.changed(f"dbx={name}"), ["dbx"], name)

    def test_a_name_says_it_where_the_content_does_not(self):
        self.run_tool(0, "create-auth", "db", "made.auth", "two.pem")
        for name, content, key in (("db.der", self.der["two"], "db"), ("DBX-2026.der", self.der["two"], "dbx"),
                                   ("KEK2.der", self.der["two"], "KEK"), ("DBUpdate.esl", signature_list(X509, self.der["two"]), "db"),
                                   ("DBXUpdate2024.bin", signature_list(SHA256, b"\x22" * 32), "dbx"),
                                   ("PK.auth", (self.folder / "made.auth").read_bytes(), "PK")):
            self.assertEqual(self.changed(self.write(name, content)), [key], name)

    def test_what_a_file_is_counts_more_than_its_name(self):
        version = VERSIONS.bytes_le + b"\x01" + bytes(31)
        for name, content in (("db.esl", SHA256.bytes_le + struct.pack("<III", 28 + len(version), 0, len(version)) + version),
                              ("KEK.esl", signature_list(X509_SHA256, bytes(48)))):
            self.assertEqual(self.changed(self.write(name, content)), ["dbx"], name)
        signed = (self.folder / self.update("KEK", "two.pem")).read_bytes()
        self.assertEqual(self.changed(self.write("dbx.auth", signed)), ["KEK"])

    def test_microsofts_certificates_of_2023_say_it(self):
        if not DATA:
            self.assertNotEqual(os.environ.get("REQUIRE_DATA"), "1")
            self.skipTest("no data of Microsoft's")
        for name, key in (("windows_uefi_ca_2023", "db"), ("microsoft_uefi_ca_2023", "db"),
                          ("microsoft_option_rom_uefi_ca_2023", "db"), ("microsoft_corporation_kek_2k_ca_2023", "KEK")):
            der = (pathlib.Path(DATA, "secureboot_objects/certificates", f"{name}.der")).read_bytes()
            self.assertEqual(self.changed(self.write("dbx.der", der)), [key], name)
            (self.folder / "dbx.der").write_bytes(signature_list(X509, der))
            self.assertEqual(self.changed("dbx.der"), [key], name)
            self.doCleanups()

    def test_a_change_that_is_there_already_or_is_not_measured_stays(self):
        self.assertFalse(self.told("--after", "db=one.pem")["changes"])
        self.assertFalse(self.told("--after", "dbr=one.pem")["changes"])
        text = self.pcr7("--after", "dbr=one.pem")
        self.assertTrue(text.endswith(f"\n{STAYS}\n"), text)
        self.assertIn(f"\n{CHANGES}\n", self.pcr7("--after", "db=two.pem"))

    def test_an_authority_is_the_last_event_where_db_has_it(self):
        digits = hashlib.sha256(self.der["one"]).hexdigest()
        for authority in ("one.pem", digits, digits.upper()):
            event = self.told("--authority", authority)["before"]["events"][-1]
            data = (DATABASE.bytes_le + struct.pack("<QQ", 2, 16 + len(self.der["one"])) + "db".encode("utf-16-le") +
                    OWNER.bytes_le + self.der["one"])
            self.assertEqual(event["type"], "EV_EFI_VARIABLE_AUTHORITY")
            self.assertEqual(event["digests"]["sha256"], hashlib.sha256(data).hexdigest())
        missing = self.told("--authority", "two.pem", "--after", "db=two.pem")
        self.assertIn("no entry", missing["before"]["no_authority"])
        self.assertIsNone(missing["after"]["no_authority"])
        self.assertIn("Secure Boot is off", self.told("--authority", "one.pem", "--secure-boot", "off")["before"]["no_authority"])

    def test_a_database_says_what_the_host_wanted_at_the_last_start(self):
        self.run_tool(0, "varstore-convert", self.vm, "vm.sqlite")
        self.vm = self.folder / "vm.sqlite"
        for wanted, is_on in ((None, True), (0, False), (1, True)):
            with contextlib.closing(sqlite3.connect(self.vm)) as database, database:
                database.execute("DELETE FROM last_start")
                if wanted is not None:
                    database.execute("INSERT INTO last_start (secure_boot) VALUES (?)", (wanted,))
            self.assertEqual(self.told()["before"]["secure_boot"], is_on, wanted)
            shown = subprocess.run([BIN / "varstore-inspect", "--pcr7", self.vm], stdout=subprocess.PIPE, encoding="utf-8")
            self.assertIn(self.pcr7().partition("\n")[2], shown.stdout)
        self.assertFalse(self.told("--secure-boot", "off")["before"]["secure_boot"])
        self.vm.unlink()

    def test_pcrlock_is_a_component_of_systemds(self):
        events = self.told()["before"]["events"]
        policy = json.loads(self.pcr7("--pcrlock"))
        self.assertEqual(policy, {"records": [
            {"pcr": 7, "digests": [{"hashAlg": bank, "digest": event["digests"][bank]} for bank in ("sha1", "sha256", "sha384")]}
            for event in events[:5]]})
        authority = json.loads(self.pcr7("--pcrlock", "--authority", "one.pem"))
        self.assertEqual(len(authority["records"]), 1)
        self.assertIn("no entry", self.pcr7("--pcrlock", "--authority", "two.pem", status=1))

    def test_tools_say_whether_it_changes(self):
        def said(*words):
            done = self.run_tool(0, *words)
            return done.stdout + done.stderr
        self.assertIn(STAYS, said("varstore-set", self.vm, DATABASE, "dbr", "0x27", "one.pem"))
        self.assertIn(CHANGES, said("varstore-rm", self.vm, DATABASE, "dbx"))
        self.assertNotIn("PCR 7", said("varstore-set", self.vm, GLOBAL, "Lang", "7", "one.pem"))
        self.assertIn(CHANGES, said("varstore-sb-state", self.vm, "setup"))
        self.assertIn(STAYS, said("varstore-sb-state", self.vm, "setup"))

    def test_inspect_has_it_below_its_screen(self):
        done = subprocess.run([BIN / "varstore-inspect", "--pcr7", self.vm], stdout=subprocess.PIPE, encoding="utf-8")
        self.assertIn(self.pcr7().partition("\n")[2], done.stdout)
        self.run_tool(2, "varstore-inspect", "--pcr7", "--json", self.vm)

    def test_what_cannot_be_told_is_an_error(self):
        self.vm.write_bytes(blob(*self.keys)[:-10])
        self.assertIn("varstore-repair --fix", self.pcr7(status=1))
        self.vm.write_bytes(blob(*self.keys))
        self.pcr7("--after", "missing", status=1)
        for words in (("--bank", "md5"), ("--secure-boot", "x"), ("--json", "--pcrlock"), ("--authority", "one.pem", "--esp", ".")):
            self.pcr7(*words, status=2)


unittest.main(argv=sys.argv[:1])
