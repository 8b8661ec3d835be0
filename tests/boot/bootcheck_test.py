#!/usr/bin/env python3
"""varstore bootcheck: usage: bootcheck_test.py BIN SOURCE

Its digests and verdicts against those of sbsign and sbverify on real boot loaders, disks that other programs make, and
what it says of updates, of shim, and of what is hostile.
"""
import hashlib
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import uuid
import zlib

BIN, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
for folder in ("tests/boot", "tests/backend/xapi", "tests/support"):
    sys.path.insert(0, str(SOURCE / folder))
import guest  # noqa: E402  pylint: disable=wrong-import-position
import loaders  # noqa: E402  pylint: disable=wrong-import-position
from json_schema import validate  # noqa: E402  pylint: disable=wrong-import-position

SCHEMA = json.loads((SOURCE / "docs/tools/varstore-bootcheck.schema.json").read_text(encoding="utf-8"))
INSPECT_SCHEMA = json.loads((SOURCE / "docs/tools/varstore-inspect.schema.json").read_text(encoding="utf-8"))
PCR7_SCHEMA = json.loads((SOURCE / "docs/tools/varstore-pcr7.schema.json").read_text(encoding="utf-8"))
SYSTEMD_BOOT = pathlib.Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
SHIM = pathlib.Path("/usr/lib/shim/shimx64.efi")
HELLO = next(pathlib.Path("/usr/lib/efitools").glob("*/HelloWorld.efi"))
SHIM_GUID = uuid.UUID("605dab50-e046-4300-abb6-3dd810dd8b23").bytes_le
DEFAULT = "EFI/BOOT/BOOTX64.EFI"
PARTITION = uuid.UUID("0f0e0d0c-1111-2222-3333-444455556666")
MIB = 1 << 20
CHANGES = "PCR 7 changes: BitLocker and TPM-sealed keys will ask for recovery"
STAYS = "PCR 7 stays"


def number(value):
    return struct.pack("<H", value)


class Bootcheck(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.keys = loaders.Keys(folder.name)
        for name, issuer in (("root", None), ("signer", "root"), ("stranger", None)):
            cls.keys.make(name, issuer)
        # As Microsoft's are called: no one has its keys.
        cls.keys.make("Microsoft Corporation UEFI CA 2011")
        cls.keys.make("old", "Microsoft Corporation UEFI CA 2011")
        cls.keys.make("Microsoft UEFI CA 2023")
        cls.keys.make("new", "Microsoft UEFI CA 2023")

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.esp = self.folder / "esp"
        self.vm = self.folder / "vm"
        self.store(db=("root",))

    def put(self, source, *signers, file=DEFAULT):
        """A program, or what a file has, on the ESP."""
        path = self.esp / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes() if isinstance(source, pathlib.Path) else source if isinstance(source, bytes)
                         else loaders.program(source))
        for signer in signers:
            self.keys.sign(signer, path)
        return path

    def lists(self, *names):
        return b"".join(loaders.entry_list(loaders.X509, self.keys.der(name)) for name in names)

    def store(self, db=(), dbx=b"", others=(), has_pk=True):
        entries = [guest.entry("db", self.lists(*db), 0x27, guest.SECURITY_DATABASE)] if db else []
        entries += [guest.entry("PK", self.lists("root"), 0x27, guest.GLOBAL)] if has_pk else []
        entries += [guest.entry("dbx", dbx, 0x27, guest.SECURITY_DATABASE)] if dbx else []
        self.vm.write_bytes(guest.blob(*entries, *others))

    def check(self, *words, exit_code=None, esp=None):
        """The report, whose form is that of the schema."""
        done = subprocess.run([BIN / "varstore", "bootcheck", self.vm, "--esp", esp or self.esp, "--json", *words],
                              capture_output=True, timeout=60, check=False)
        self.assertIn(done.returncode, (0, 2) if exit_code is None else (exit_code,), done)
        report = json.loads(done.stdout)
        validate(report, SCHEMA, SCHEMA)
        self.assertEqual(done.returncode == 2, bool(report["findings"] or report["findings_after"]))
        return report

    def first(self, report):
        return next(one for one in report["loaders"] if one["is_found"])

    def verdict(self, *words, **more):
        return self.first(self.check(*words, **more))["now"]

    def findings(self, report, member="findings"):
        return [(one["name"], one["severity"]) for one in report[member]]

    # ---- the digest and the verdict, held against other programs ----

    def test_digests_are_those_of_sbsign(self):
        for source in (HELLO, SYSTEMD_BOOT, SHIM, "ours"):
            path = self.put(source)
            before, is_aligned = self.verdict()["sha256"], path.stat().st_size % 8 == 0
            theirs = loaders.authenticode(self.keys, path).hex()
            self.assertEqual(self.verdict()["sha256"], theirs, source)
            # A signature changes nothing about it, but that what is in front of it is filled up to 8 bytes.
            self.assertEqual(before == theirs, is_aligned, source)

    def test_a_signature_counts_as_sbverify_says(self):
        for source in (HELLO, SYSTEMD_BOOT, SHIM):
            for signer in ("signer", "stranger", "root"):
                path = self.put(source, signer)
                theirs = subprocess.run(["sbverify", "--cert", self.keys.folder / "root.pem", path],
                                        capture_output=True, check=False).returncode == 0
                self.assertEqual(self.verdict()["outcome"] == "starts", theirs, (source, signer))
                content = bytearray(path.read_bytes())
                content[0x450] ^= 1
                path.write_bytes(content)
                self.assertEqual(self.verdict()["outcome"], "refused", (source, signer))

    def test_signatures_with_other_digests(self):
        for digest, outcome in (("sha384", "starts"), ("sha512", "starts"), ("sha1", "refused")):
            path = self.put("digest")
            made = self.folder / "made"
            loaders.run("osslsigncode", "sign", "-h", digest, "-certs", self.keys.folder / "signer.pem", "-key",
                        self.keys.folder / "signer.key", "-in", path, "-out", made)
            shutil.move(made, path)
            self.assertEqual(self.verdict()["outcome"], outcome, digest)

    def test_the_digest_is_the_one_that_the_message_names_first(self):
        path = self.put("digest", "signer")
        content = path.read_bytes()
        # Of digestAlgorithms; the last byte makes SHA-384 of SHA-256, or nothing that firmware knows.
        sha256 = content.index(bytes.fromhex("608648016503040201"))
        for last, reason in ((1, "signer-in-db"), (2, "signature-bad"), (9, None)):
            path.write_bytes(content[:sha256 + 8] + bytes([last]) + content[sha256 + 9:])
            verdict = self.verdict()
            self.assertEqual((verdict["outcome"] == "starts", verdict["signatures"][0]["reason"]), (last == 1, reason))

    def test_a_signature_without_its_signer_forbids_where_there_is_a_dbx(self):
        path = self.put("two", "signer", "signer")
        content = bytearray(path.read_bytes())
        der = self.keys.der("signer")
        start = der.index(b"\xa0\x03\x02\x01\x02") + 5  # behind the version
        serial = der[start:start + 2 + der[start + 1]]
        places = [match.start() for match in re.finditer(re.escape(serial), bytes(content))]
        self.assertEqual(len(places), 4)  # certificate and SignerInfo of each signature
        content[places[1] + len(serial) - 1] ^= 1
        path.write_bytes(content)
        self.assertEqual(self.verdict()["outcome"], "starts")
        self.store(db=("root",), dbx=loaders.entry_list(loaders.SHA256, bytes(32)))
        self.assertEqual(self.verdict()["reason"], "signature-bad")
        content[places[1] + len(serial) - 1] ^= 1
        path.write_bytes(content)
        self.assertEqual(self.verdict()["outcome"], "starts")

    def test_the_authority_is_the_entry_of_db(self):
        self.put("signed", "signer")
        self.store(db=("stranger", "root"))
        authority = self.verdict()["authority"]
        self.assertEqual((authority["variable"], authority["vendor"]), ("db", loaders.DATABASE))
        self.assertEqual(authority["signature_data"], (loaders.OWNER + self.keys.der("root")).hex())

    def test_a_day_of_revocation_counts_without_dbt_and_is_not_known_with_it(self):
        self.put("signed", "signer")
        dated = struct.pack("<HBBBBBBIhBB", 2024, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0)
        dbx = loaders.entry_list(loaders.X509_SHA256, self.keys.tbs_sha256("signer") + dated)
        self.store(db=("root",), dbx=dbx)
        self.assertEqual(self.verdict()["reason"], "signer-hash-revoked")
        self.store(db=("root",), dbx=dbx,
                   others=[guest.entry("dbt", self.lists("stranger"), 0x27, guest.SECURITY_DATABASE)])
        self.assertEqual(self.verdict()["reason"], "time-not-known")

    # ---- which boot loaders ----

    def test_order_is_that_of_the_firmware(self):
        for name in ("one", "two", "three", "next"):
            self.put(name, "signer", file=f"EFI/{name}/x.efi")
        self.put("default", "signer")
        options = [guest.entry(f"Boot{at:04X}", loaders.file_option(name, rf"\efi\{name}\X.EFI", name != "two"), 7,
                               guest.GLOBAL) for at, name in enumerate(("one", "two", "three", "next"))]
        self.store(db=("root",), others=[*options, guest.entry("BootNext", number(3), 7, guest.GLOBAL),
                                         guest.entry("BootOrder", number(2) + number(1) + number(0) + number(9), 7,
                                                     guest.GLOBAL)])
        report = self.check()
        self.assertEqual([one["label"] for one in report["loaders"] if one["is_found"]], ["next", "three", "one", ""])
        self.assertEqual([one["is_next"] for one in report["loaders"]][:2], [True, False])
        self.assertEqual(self.check(exit_code=0)["findings"], [])

    def test_a_path_of_the_guests_leads_out_of_no_folder(self):
        self.put("default", "signer")
        self.put("secret", "signer", file="../secret.efi")
        self.put("secret", "signer", file="../secrets/x.efi")
        (self.esp / "link.efi").symlink_to("../secret.efi")
        (self.esp / "link").symlink_to("../secrets")
        paths = (r"\..\secret.efi", r"\EFI\..\..\secret.efi", "/../secret.efi", r"\link.efi", r"\link\x.efi")
        options = [guest.entry(f"Boot{at:04X}", loaders.file_option(path, path), 7, guest.GLOBAL)
                   for at, path in enumerate(paths)]
        order = guest.entry("BootOrder", b"".join(number(at) for at in range(len(paths))), 7, guest.GLOBAL)
        self.store(db=("root",), others=[*options, order])
        report = self.check()
        self.assertEqual([one["is_found"] for one in report["loaders"]], [False] * 5 + [True, False])
        self.assertEqual(self.findings(report), [("loader-missing", "warning")])

    def test_without_secure_boot_everything_starts(self):
        self.put("unsigned")
        self.store(has_pk=False)
        report = self.check(exit_code=0)
        self.assertEqual((report["secure_boot"], self.first(report)["now"]["reason"]), (False, "not-signed"))

    # ---- findings and updates ----

    def test_each_finding(self):
        self.esp.mkdir()
        self.assertEqual(self.findings(self.check(exit_code=2)), [("loader-missing", "error")])
        self.put("unsigned")
        self.assertEqual(self.findings(self.check(exit_code=2)), [("loader-not-trusted", "error")])
        self.put("signed", "new")
        self.assertEqual(self.findings(self.check(exit_code=2)), [("loader-needs-2023", "error")])
        self.put("signed", "old")
        self.store(db=("Microsoft Corporation UEFI CA 2011",))
        self.assertEqual(self.findings(self.check(exit_code=2)), [("loader-signed-by-2011-only", "warning")])
        self.put("signed", "old", "new")
        self.assertEqual(self.findings(self.check(exit_code=0)), [])
        self.store(db=("Microsoft Corporation UEFI CA 2011",), dbx=self.lists("old"))
        self.assertEqual(self.findings(self.check(exit_code=2)), [("loader-revoked", "error")])

    def test_another_that_starts_makes_a_warning_of_it(self):
        self.put("unsigned", file="EFI/x.efi")
        self.put("default", "signer")
        self.store(db=("root",), others=[guest.entry("Boot0000", loaders.file_option("x", r"\EFI\x.efi"), 7, guest.GLOBAL),
                                         guest.entry("BootOrder", number(0), 7, guest.GLOBAL)])
        self.assertEqual(self.findings(self.check()), [("loader-not-trusted", "warning")])

    def test_after_an_update(self):
        self.put("windows", "old")
        self.store(db=("Microsoft Corporation UEFI CA 2011",))
        update = self.folder / "DBXUpdate2024.bin"
        update.write_bytes(self.lists("Microsoft Corporation UEFI CA 2011"))
        before = self.vm.read_bytes()
        report = self.check("--after", update, exit_code=2)
        self.assertEqual(self.findings(report), [("loader-signed-by-2011-only", "warning")])
        self.assertEqual(self.findings(report, "findings_after"), [("loader-revoked", "error")])
        self.assertEqual(self.first(report)["after"]["reason"], "signer-revoked")
        self.put("windows", "new")
        report = self.check("--after", f"db={self.keys.folder / 'Microsoft UEFI CA 2023.pem'}", exit_code=2)
        self.assertEqual((self.findings(report), report["findings_after"]), ([("loader-needs-2023", "error")], []))
        self.assertEqual(self.vm.read_bytes(), before)
        shown = subprocess.run([BIN / "varstore", "bootcheck", self.vm, "--esp", self.esp, "--after", update],
                               capture_output=True, text=True, check=False).stdout
        self.assertIn('its signer is "new" of "Microsoft UEFI CA 2023"', shown)

    def test_a_program_for_another_machine_is_none_of_the_vms(self):
        def for_machine(number):
            content = bytearray(loaders.program("other"))
            content[0x44:0x46] = struct.pack("<H", number)
            return bytes(content)
        self.put(for_machine(0xAA64), "signer", file="EFI/x.efi")
        self.store(db=("root",), others=self.option("x", r"\EFI\x.efi"))
        report = self.check(exit_code=0)
        self.assertEqual((report["machine"], self.first(report)["is_for_other_machine"]), ("aarch64", False))
        self.put("default", "signer")
        report = self.check(exit_code=2)
        self.assertEqual((report["machine"], self.first(report)["machine"], self.first(report)["is_for_other_machine"]),
                         ("x64", "aarch64", True))
        self.assertEqual(self.findings(report), [("loader-missing", "warning")])
        self.assertIn("is a program for aarch64, and the VM is x64", report["findings"][0]["explanation"])
        self.put(for_machine(0xAA64), "signer", file="EFI/BOOT/BOOTAA64.EFI")
        self.store(db=("root",))
        self.assertEqual(self.check(exit_code=0)["findings"], [])
        (self.esp / "EFI/BOOT/BOOTAA64.EFI").unlink()
        self.put(for_machine(0x14C))
        self.assertEqual(self.findings(self.check(exit_code=2)), [("loader-missing", "error")])

    def test_windows_boot_manager_ends_itself_below_the_version_of_dbx(self):
        bootmgr = uuid.UUID("9d132b61-59d5-4388-ab1c-185c3cb2eb92").bytes_le
        owner = uuid.UUID("9d132b6c-59d5-4388-ab1c-185c3cb2eb92").bytes_le

        def versions(*wanted, program=bootmgr):
            body = b"".join(owner + (b"\x01" + program + struct.pack("<HH", minor, major)).ljust(32, b"\0")
                            for major, minor in wanted)
            return loaders.SHA256.bytes_le + struct.pack("<III", 28 + len(body), 0, 48) + body
        self.put(loaders.boot_manager(7, 0), "signer")
        for dbx, minimum, found in ((b"", None, []), (versions((7, 0)), "7.0", []), (versions((6, 9), (3, 0)), "6.9", []),
                                    (versions((7, 1), (3, 0)), "7.1", ["loader-revoked"]),
                                    (versions((9, 0), program=bytes(16)), None, [])):
            self.store(db=("root",), dbx=dbx)
            report = self.check(exit_code=2 if found else 0)
            self.assertEqual((self.first(report)["version"], report["boot_manager_minimum"], report["has_minimum_versions"]),
                             ("7.0", minimum, bool(dbx)))
            self.assertEqual([one["name"] for one in report["findings"]], found)
            if found:
                self.assertIn("ends itself: its version is 7.0, and dbx wants 7.1", report["findings"][0]["explanation"])
                self.assertIn("goes no further: ends itself", self.pcr7())
        self.store(db=("root",))
        update = self.folder / "dbx.esl"
        update.write_bytes(versions((7, 1)))
        report = self.check("--after", update, exit_code=2)
        self.assertEqual((report["findings"], self.findings(report, "findings_after")), ([], [("loader-revoked", "error")]))
        self.store(db=("root",), dbx=versions((7, 1)), has_pk=False)
        self.check(exit_code=0)
        # One that says no version is not compared.
        for other in ("no resource", loaders.boot_manager(1, 0, "OTHERNUMBER")):
            self.put(other, "signer")
            self.store(db=("root",), dbx=versions((7, 1)))
            self.assertIsNone(self.first(self.check(exit_code=0))["version"])

    def test_more_signatures_than_are_looked_at_are_not_known(self):
        path = self.put("many", *["signer"] * 16)
        self.assertEqual(self.verdict()["outcome"], "starts")
        self.keys.sign("signer", path)
        verdict = self.verdict(exit_code=0)
        self.assertEqual((verdict["outcome"], verdict["reason"]), ("not-known", "too-many-signatures"))
        self.assertIn("17 signatures", verdict["detail"])

    # ---- inspect ----

    def inspect(self, *words, exit_code=2):
        done = subprocess.run([BIN / "varstore-inspect", self.vm, *words], capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, exit_code, done)
        return done.stdout.decode() or done.stderr.decode()

    def test_inspect_has_the_same_report(self):
        self.put("signed", "signer")
        self.put("unsigned", file="EFI/x.efi")
        self.store(db=("root",), others=self.option("x", r"\EFI\x.efi"))
        image = self.folder / "disk"
        image.write_bytes(self.file_system(16 * MIB, "-c", 4))
        for esp in (self.esp, image):
            told = json.loads(self.inspect("--json", "--esp", esp))
            validate(told, INSPECT_SCHEMA, INSPECT_SCHEMA, others={"varstore-bootcheck.schema.json": SCHEMA})
            self.assertEqual(told["bootcheck"], self.check(esp=esp))
            self.assertEqual(self.findings(told["bootcheck"]), [("loader-not-trusted", "warning")])
        self.assertNotIn("bootcheck", json.loads(self.inspect("--json", exit_code=0)))
        shown = subprocess.run([BIN / "varstore", "bootcheck", self.vm, "--esp", self.esp], capture_output=True, text=True,
                               check=False).stdout
        self.assertTrue(self.inspect("--esp", self.esp).endswith("\n" + shown))
        # Its PCR 7 is that with the boot loader.
        values = self.values({"db": self.lists("root")}, loaders.OWNER + self.keys.der("root"))
        self.assertIn(values["sha256"], self.inspect("--esp", self.esp, "--pcr7"))
        self.assertNotIn(values["sha256"], self.inspect("--pcr7", exit_code=0))
        self.assertIn("there is no such file", self.inspect("--esp", self.folder / "missing", exit_code=1))
        for words in (("--svg",), ("--check", "all")):
            self.assertIn("--esp goes with", self.inspect("--esp", self.esp, *words))

    def test_findings_of_the_disk_alone_are_findings_of_inspect(self):
        self.put("signed", "signer")
        self.store(has_pk=False)
        self.inspect("--esp", self.esp, exit_code=0)
        (self.esp / DEFAULT).unlink()
        told = json.loads(self.inspect("--json", "--esp", self.esp))
        self.assertEqual((told["findings"], self.findings(told["bootcheck"])), ([], [("loader-missing", "error")]))

    # ---- shim ----

    def test_shim_and_what_is_behind_it(self):
        self.put(SHIM, "signer")
        behind = "EFI/BOOT/grubx64.efi"
        self.put(SYSTEMD_BOOT, "stranger", file=behind)
        shim = self.first(self.check())["shim"]
        self.assertEqual((shim["now"]["reason"], shim["sbat_level_from"]), ("signer-not-in-db", "shim"))
        mok = guest.entry("MokList", self.lists("stranger"), 3, SHIM_GUID)
        self.store(db=("root",), others=[mok])
        shim = self.first(self.check(exit_code=0))["shim"]
        self.assertEqual((shim["now"]["reason"], shim["now"]["authority"]["variable"]), ("signer-in-shim", "MokList"))
        level = guest.entry("SbatLevel", b"sbat,1,2099010100\nsystemd,99\n", 3, SHIM_GUID)
        self.store(db=("root",), others=[mok, level])
        report = self.check(exit_code=2)
        shim = self.first(report)["shim"]
        self.assertEqual((shim["now"]["reason"], shim["sbat_level"]), ("sbat-revoked", "2099010100"))
        self.assertEqual(self.findings(report), [("loader-revoked", "error")])
        level = guest.entry("SbatLevel", b"sbat,1,2099010100\nshim,99\n", 3, SHIM_GUID)
        self.store(db=("root",), others=[mok, level])
        self.assertEqual(len(self.first(self.check(exit_code=2))["shim"]["too_old"]), 1)
        # One that cannot be read here as a whole.
        level = guest.entry("SbatLevel", b"sbat,1,2099010100\nsystemd,99999999999\n", 3, SHIM_GUID)
        self.store(db=("root",), others=[mok, level])
        shim = self.first(self.check(exit_code=0))["shim"]
        self.assertEqual((shim["now"]["outcome"], shim["now"]["reason"]), ("not-known", "sbat-not-known"))
        self.assertIn("row without a number", shim["sbat_not_known"])
        self.assertIn("it is not known whether shim ends itself", self.pcr7())
        # One without a section .sbat.
        self.put("no sbat", "signer", file=behind)
        self.store(db=("root",))
        self.assertEqual(self.first(self.check())["shim"]["now"]["reason"], "sbat-revoked")

    # ---- PCR 7 ----

    def pcr7(self, *words, esp=None):
        done = subprocess.run([BIN / "varstore", "pcr7", self.vm, "--esp", esp or self.esp, *words], capture_output=True,
                              timeout=60, check=True)
        return done.stdout.decode()

    def told(self, *words, **more):
        told = json.loads(self.pcr7("--json", *words, **more))
        validate(told, PCR7_SCHEMA, PCR7_SCHEMA)
        return told

    def values(self, variables, authority):
        """PCR 7 as the TCG's profile has it: these variables, absent ones without data, a separator, and the entry."""
        def measured(name, data):
            vendor = guest.SECURITY_DATABASE if name.startswith("db") else guest.GLOBAL
            return vendor + struct.pack("<QQ", len(name), len(data)) + name.encode("utf-16-le") + data
        variables = {"SecureBoot": b"\1", "PK": self.lists("root"), "KEK": b"", "db": b"", "dbx": b"", **variables}
        events = [measured(name, data) for name, data in variables.items()] + [bytes(4), measured("db", authority)]
        values = {}
        for bank in ("sha1", "sha256", "sha384"):
            value = bytes(hashlib.new(bank).digest_size)
            for event in events:
                value = hashlib.new(bank, value + hashlib.new(bank, event).digest()).digest()
            values[bank] = value.hex()
        return values

    def option(self, label, file):
        return [guest.entry("Boot0000", loaders.file_option(label, file), 7, guest.GLOBAL),
                guest.entry("BootOrder", number(0), 7, guest.GLOBAL)]

    def test_pcr7_ends_with_the_entry_that_lets_the_first_loader_start(self):
        self.put("refused", file="EFI/x.efi")
        self.put("default", "signer")
        self.put("signed by another entry", "stranger", file="EFI/BOOT/BOOTAA64.EFI")
        self.store(db=("stranger", "root"), others=self.option("x", r"\EFI\x.efi"))
        image = self.folder / "disk"
        image.write_bytes(self.file_system(16 * MIB, "-c", 4))
        for esp in (self.esp, image):
            told = self.told(esp=esp)["before"]
            self.assertEqual(told["values"], self.values({"db": self.lists("stranger", "root")},
                                                         loaders.OWNER + self.keys.der("root")))
            self.assertEqual((told["loader"], told["is_shim"], told["no_authority"]),
                             (r"\EFI\BOOT\BOOTX64.EFI", False, None))
        text = self.pcr7("--bank", "sha256")
        self.assertIn(told["values"]["sha256"], text)
        self.assertIn("boot loader: \\EFI\\BOOT\\BOOTX64.EFI\n", text)
        # By its digest.
        self.store(db=("root",))
        digest = bytes.fromhex(self.verdict()["sha256"])
        db = loaders.entry_list(loaders.SHA256, bytes(32), digest)
        self.store(others=[guest.entry("db", db, 0x27, guest.SECURITY_DATABASE)])
        self.assertEqual(self.told()["before"]["values"], self.values({"db": db}, loaders.OWNER + digest))

    def test_pcr7_of_one_machine_does_not_take_the_file_of_another(self):
        self.put("unsigned")
        arm = self.put("for aarch64", file="EFI/BOOT/BOOTAA64.EFI")
        content = bytearray(arm.read_bytes())
        content[0x44:0x46] = struct.pack("<H", 0xAA64)
        arm.write_bytes(content)
        self.keys.sign("signer", arm)
        told = self.told()["before"]
        self.assertEqual((told["values"], told["no_authority"]), ({}, "no boot loader of this disk starts"))
        (self.esp / DEFAULT).unlink()
        self.assertEqual(self.told()["before"]["loader"], r"\EFI\BOOT\BOOTAA64.EFI")

    def test_pcr7_without_secure_boot_has_no_authority(self):
        self.put("default", "signer")
        self.assertEqual(len(self.told()["before"]["events"]), 7)
        off = self.told("--secure-boot", "off")["before"]
        self.store(db=("root",), has_pk=False)
        for told in (off, self.told()["before"]):
            self.assertEqual(told["events"][-1]["type"], "EV_SEPARATOR")
            self.assertEqual((told["loader"], told["no_authority"]), (None, "Secure Boot is off, and nothing is checked"))
            self.assertEqual(set(told["values"]), {"sha1", "sha256", "sha384"})

    def test_pcr7_with_a_change_has_the_loader_that_starts_then(self):
        self.put("first", "stranger", file="EFI/x.efi")
        self.put("default", "signer")
        self.store(db=("root",), others=self.option("x", r"\EFI\x.efi"))
        update = self.folder / "stranger.esl"
        update.write_bytes(self.lists("stranger"))
        told = self.told("--after", f"db={update}")
        self.assertEqual([told[when]["loader"] for when in ("before", "after")],
                         [r"\EFI\BOOT\BOOTX64.EFI", r"\EFI\x.efi of Boot0000"])
        for when, names, authority in (("before", ["root"], "root"), ("after", ["root", "stranger"], "stranger")):
            self.assertEqual(told[when]["values"], self.values({"db": self.lists(*names)},
                                                               loaders.OWNER + self.keys.der(authority)))
        self.assertTrue(told["changes"])

    def test_pcr7_where_none_starts_has_no_final_value(self):
        self.put("default", "signer")
        update = self.folder / "update.esl"
        update.write_bytes(self.lists("root"))
        told = self.told("--after", f"dbx={update}")
        self.assertEqual(told["before"]["loader"], r"\EFI\BOOT\BOOTX64.EFI")
        self.assertEqual((told["after"]["values"], told["after"]["loader"], told["after"]["no_authority"]),
                         ({}, None, "no boot loader of this disk starts"))
        text = self.pcr7("--bank", "sha256", "--after", f"dbx={update}")
        self.assertEqual(text.count("\n  PCR 7 "), 1)
        self.assertTrue(text.endswith(f"  no final value: no boot loader of this disk starts\n{CHANGES}\n"), text)

    def test_pcr7_says_that_shim_adds_more(self):
        self.put(SHIM, "signer")
        self.assertIn("goes no further: \\EFI\\BOOT\\grubx64.efi is not there", self.pcr7())
        self.put(SYSTEMD_BOOT, "stranger", file="EFI/BOOT/grubx64.efi")
        self.assertIn("no final value: \\EFI\\BOOT\\BOOTX64.EFI starts, and goes no further", self.pcr7())
        self.store(db=("root", "stranger"))
        self.assertIn("it is shim, whose events are the last two", self.pcr7())
        told = self.told()["before"]
        self.assertEqual((told["is_shim"], told["has_shims_events"]), (True, True))
        self.assertEqual([event["variable"] for event in told["events"][-3:]], ["db", "SbatLevel", "db"])
        # What MokManager has put there may be measured, too.
        mok = guest.entry("MokSBState", b"\0", 3, SHIM_GUID)
        self.store(db=("root", "stranger"), others=[mok])
        self.assertIn("it is shim, which adds events that are not known here", self.pcr7())
        told = self.told()["before"]
        self.assertEqual((told["has_shims_events"], told["values"]),
                         (False, self.values({"db": self.lists("root", "stranger")}, loaders.OWNER + self.keys.der("root"))))

    def test_a_name_of_the_guests_reaches_no_terminal_as_it_is(self):
        self.put("odd", "signer", file="EFI/\x1b[2J.efi")
        self.store(db=("root",), others=self.option("x", "\\EFI\\\x1b[2J.efi"))
        self.assertIn("boot loader: \\EFI\\?[2J.efi of Boot0000", self.pcr7())

    def test_an_update_says_whether_pcr7_changes(self):
        self.put("default", "signer")
        for name, words in (("stranger", CHANGES), ("root", STAYS)):
            # As the entry that is there already, with its owner.
            update = self.folder / "db.esl"
            update.write_bytes(self.lists(name))
            shown = subprocess.run([BIN / "varstore", "bootcheck", self.vm, "--esp", self.esp, "--after", update],
                                   capture_output=True, text=True, check=True).stdout
            self.assertTrue(shown.endswith(f"\n{words}\n"), shown)
        shown = subprocess.run([BIN / "varstore", "bootcheck", self.vm, "--esp", self.esp], capture_output=True, text=True,
                               check=True).stdout
        self.assertNotIn("PCR 7", shown)

    # ---- disks ----

    def file_system(self, size, *options):
        """A FAT file system with what is on the ESP."""
        image = self.folder / "fat"
        image.unlink(missing_ok=True)
        loaders.run("mformat", "-C", "-i", image, "-T", size // 512, "-h", 16, "-s", 32, *options, "::")
        loaders.run("mcopy", "-s", "-i", image, self.esp / "EFI", "::")
        return image.read_bytes()

    def disks(self, files):
        """(name, bytes) of disks with this file system."""
        yield "bare", files
        sectors = len(files) // 512
        entry = b"\0\0\0\0\xef\0\0\0" + struct.pack("<II", 2048, sectors)
        yield "mbr", bytes(446) + entry + bytes(48) + b"\x55\xaa" + bytes(MIB - 512) + files
        for block in (512, 4096):
            first = MIB // block
            kind = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").bytes_le
            other = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le
            entries = [other + bytes(16) + struct.pack("<QQQ", 40, 41, 0),
                       kind + PARTITION.bytes_le + struct.pack("<QQQ", first, first + len(files) // block - 1, 0)]
            table = b"".join(one.ljust(128, b"\0") for one in entries).ljust(128 * 128, b"\0")
            header = b"EFI PART" + struct.pack("<IIIIQQQQ", 0x10000, 92, 0, 0, 1, 0, 34, 0) + bytes(16) + struct.pack(
                "<QIII", 2, 128, 128, zlib.crc32(table))
            yield f"gpt{block}", (bytes(block) + header.ljust(block, b"\0") + table).ljust(MIB, b"\0") + files

    def test_every_kind_of_disk_has_the_same_loader(self):
        self.put(SYSTEMD_BOOT, "signer", file="EFI/a folder with a long name/systemd boot.efi")
        self.put("default", "stranger")
        option = loaders.file_option("long", r"\EFI\A Folder with a long name\systemd BOOT.efi")
        self.store(db=("root",), others=[guest.entry("Boot0000", option, 7, guest.GLOBAL),
                                         guest.entry("BootOrder", number(0), 7, guest.GLOBAL)])
        expected = self.check()
        self.assertEqual([one["now"]["outcome"] for one in expected["loaders"] if one["is_found"]], ["starts", "refused"])
        image = self.folder / "disk"
        for kind, size, *options in ((b"FAT12", 2 * MIB, "-c", 1), (b"FAT16", 16 * MIB, "-c", 4),
                                     (b"FAT32", 40 * MIB, "-c", 1, "-F")):
            files = self.file_system(size, *options)
            self.assertIn(kind, files[:512])
            for name, content in self.disks(files):
                image.write_bytes(content)
                self.assertEqual(self.check(esp=image), expected, (kind, name))
                self.assertEqual(image.read_bytes(), content)
                if kind == b"FAT16" and name == "gpt512":
                    for form in (("qcow2",), ("vpc",), ("vpc", "-o", "subformat=fixed")):
                        made = self.folder / "made"
                        loaders.run("qemu-img", "convert", "-O", *form, image, made)
                        digest = hashlib.sha256(made.read_bytes()).digest()
                        self.assertEqual(self.check(esp=made), expected, form)
                        self.assertEqual(hashlib.sha256(made.read_bytes()).digest(), digest)

    def test_what_cannot_be_looked_into_is_said(self):
        self.put("default", "signer")
        image = self.folder / "disk"
        image.write_bytes(self.file_system(16 * MIB, "-c", 4))
        for words, said in ((("qcow2", "-c"), "cannot be read"), (("qcow2", "-b", image, "-F", "raw"), "another file")):
            made = self.folder / "made"
            if "-c" in words:
                loaders.run("qemu-img", "convert", "-c", "-O", "qcow2", image, made)
            else:
                loaders.run("qemu-img", "create", "-f", "qcow2", *words[1:], made)
            done = subprocess.run([BIN / "varstore", "bootcheck", self.vm, "--esp", made], capture_output=True, text=True,
                                  check=False)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(said, done.stderr)
        image.write_bytes(bytes(MIB))
        done = subprocess.run([BIN / "varstore", "bootcheck", self.vm, "--esp", image], capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.returncode, "no EFI System Partition" in done.stderr), (1, True), done)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
