#!/usr/bin/env python3
"""varstore-repair --fix-certificates, of a file, a database, a VM and a pool: usage: repair_certificates_test.py BIN XAPI_FOLDER

BIN has the programs, XAPI_FOLDER the toolstack of Python. Microsoft's certificates come from the data of
VARSTORED_TEST_DATA; without it everything is skipped.
"""
import base64
import hashlib
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import uuid

import repair_pool_test as pools
import repair_test as repairs
from repair_test import BIN, GLOBAL, LANG, guest

DATA = pathlib.Path(os.environ.get("VARSTORED_TEST_DATA", "/nowhere")) / "secureboot_objects/certificates"
MICROSOFT = uuid.UUID("77fa9abd-0359-4d32-bd60-28f4e78f784b").bytes_le
# The certificate of 2023 for each of 2011, as published.
SUCCESSORS = {"microsoft_corporation_kek_2k_ca_2023.der": "3cd3f0309edae228767a976dd40d9f4affc4fbd5218f2e8cc3c9dd97e8ac6f9d",
              "windows_uefi_ca_2023.der": "076f1fea90ac29155ebf77c17682f75f1fdd1be196da302dc8461e350a9ae330",
              "microsoft_uefi_ca_2023.der": "f6124e34125bee3fe6d79a574eaa7b91c0e7bd9d929c1a321178efd611dad901"}


def setUpModule():
    if not DATA.is_dir():
        if os.environ.get("REQUIRE_DATA") == "1":
            raise AssertionError("VARSTORED_TEST_DATA is not set")
        raise unittest.SkipTest("VARSTORED_TEST_DATA is not set")
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    Case.keys = pathlib.Path(folder.name) / "keys"
    subprocess.run([BIN / "varstore", "keys", "make", "--profile", "microsoft", "--from", DATA, "--output", Case.keys],
                   check=True, capture_output=True)


def lists(*names, owner=MICROSOFT):
    kind = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
    contents = [(DATA / name).read_bytes() for name in names]
    return b"".join(kind + struct.pack("<III", 44 + len(one), 0, 16 + len(one)) + owner + one for one in contents)


def old_vm(*more, pk=True):
    """A VM with Microsoft's certificates of 2011, and something behind its keys."""
    return guest.blob(
        LANG, *([guest.entry("PK", lists("WindowsOEMDevicesPK.der"), 0x27, GLOBAL)] if pk else []),
        guest.entry("KEK", lists("MicCorKEKCA2011_2011-06-24.der"), 0x27, GLOBAL),
        guest.entry("db", lists("MicWinProPCA2011_2011-10-19.der", "MicCorUEFCA2011_2011-06-27.der"), 0x27,
                    guest.SECURITY_DATABASE), *more, guest.entry("Last", b"x" * 40))


DANGLING = guest.entry("BootNext", b"\1\0", 7, GLOBAL)


class Case(repairs.VmTest):
    keys = None

    def certificates(self, exit_code, *words):
        return self.repair(exit_code, "--fix-certificates", "--auth-dir", self.keys, *words)

    def check_successors(self, content, count=1):
        for name, digest in SUCCESSORS.items():
            der = (DATA / name).read_bytes()
            self.assertEqual(hashlib.sha256(der).hexdigest(), digest)
            self.assertEqual(content.count(der), count, name)


class Files(Case):
    def test_each_missing_certificate_is_added_and_nothing_else_changes(self):
        before = old_vm(DANGLING)
        self.file.write_bytes(before)
        shown = self.certificates(2, "--dry-run", self.file)
        self.assertIn("would fix certificates-2011-only: KEK", shown)
        self.assertIn("PCR 7 changes", shown)
        self.assertEqual(self.file.read_bytes(), before)
        shown = self.certificates(2, "--backup-folder", self.backups, self.file)
        self.assertIn("fixed certificates-2011-only: KEK\n  fixed certificates-2011-only: db\n", shown)
        # The verdict comes in front of the backup and of what is left.
        self.assertLess(shown.index("PCR 7 changes"), shown.index("backup:"))
        after = self.file.read_bytes()
        self.check_successors(after)
        for kept in (LANG, DANGLING, guest.entry("Last", b"x" * 40), lists("MicCorKEKCA2011_2011-06-24.der"),
                     lists("MicWinProPCA2011_2011-10-19.der", "MicCorUEFCA2011_2011-06-27.der")):
            self.assertEqual(after.count(kept), 1)
        self.assertEqual([path.read_bytes() for path in self.backup_files()], [before])
        # It is a finding of another kind, which nobody has asked to be fixed.
        self.assertIn("left boot-order-dangling: BootNext, for the host's administrator", shown)
        self.assertNotIn("certificates-2011-only", self.run_tool(self.file).stdout)
        # A second time there is nothing to do.
        self.certificates(2, self.file)
        self.assertEqual(self.file.read_bytes(), after)
        self.repair(0, "--restore", self.backup_files()[0], self.file)
        self.assertEqual(self.file.read_bytes(), before)

    def test_with_fix_both_are_done_and_fix_alone_adds_none(self):
        self.file.write_bytes(old_vm(DANGLING))
        shown = self.repair(2, "--fix", self.file)
        self.assertIn("left certificates-2011-only: KEK, for the host's administrator\n", shown)
        self.check_successors(self.file.read_bytes(), 0)
        self.file.write_bytes(old_vm(DANGLING))
        done = self.certificates(2, "--fix", self.file)
        self.assertIn("fixed boot-order-dangling", done)
        # Who has to add revocations is the guest's administrator.
        self.assertIn("left revocations-missing: dbx, for the guest's administrator\n", done)
        self.check_successors(self.file.read_bytes())
        self.assertEqual(self.file.read_bytes().count(DANGLING), 0)

    def test_what_stands_in_the_way_is_said_and_nothing_is_written(self):
        old = self.folder / "old"
        old.mkdir()
        for keys, content, words in ((self.keys, old_vm(pk=False), "no PK"), (old, old_vm(), "no KEK.auth")):
            self.file.write_bytes(content)
            shown = self.repair(2, "--fix-certificates", "--auth-dir", keys, self.file)
            self.assertIn("The certificates of 2023 are not added: ", shown)
            self.assertIn(words, " ".join(shown.split()))
            self.assertIn("left certificates-2011-only", shown)
            self.assertEqual((self.file.read_bytes(), self.backup_files()), (content, []))
        self.file.write_bytes(old_vm() + b"more")
        self.assertIn("not all of it can be read", self.certificates(1, self.file))

    def test_what_dbx_revokes_of_them_is_said(self):
        for revoked, words in (((), ""), (("windows_uefi_ca_2023.der",), "Windows UEFI CA 2023"),
                               (tuple(SUCCESSORS), "Windows UEFI CA 2023, Microsoft UEFI CA 2023")):
            self.file.write_bytes(old_vm(*([guest.entry("dbx", lists(*revoked), 0x27, guest.SECURITY_DATABASE)] if revoked else [])))
            shown = " ".join(self.certificates(2, self.file).split())
            self.assertIn("fixed certificates-2011-only: db", shown)
            self.assertEqual(shown.count("dbx revokes what was added: "), 1 if revoked else 0)
            self.assertIn(f"dbx revokes what was added: {words}. " if revoked else "", shown)

    def test_the_dbx_that_the_configuration_adds_is_named(self):
        keys, configuration = self.folder / "with_dbx", self.folder / "conf"
        subprocess.run([BIN / "varstore", "keys", "make", "--profile", "microsoft", "--from", DATA, "--from", DATA.parent / "dbx",
                        "--output", keys], check=True, capture_output=True)
        for wish, word in (("no", "left"), ("yes", "fixed")):
            configuration.write_text(f"update-dbx={wish}\nauth-dir={keys}\n", encoding="utf-8")
            self.file.write_bytes(old_vm(DANGLING))
            self.assertIn(f"  {word} revocations-missing: dbx", self.repair(2, "--fix-certificates", "--config", configuration,
                                                                           self.file))

    @unittest.skipUnless(os.geteuid() == 0, "only root can change the root folder")
    def test_with_another_root_folder_the_host_files_are_inside_of_it(self):
        self.file.write_bytes(old_vm())
        shutil.copytree(self.keys, self.folder / "inside")
        words = ("--fix-certificates", "-r", self.folder, "--backup-folder", "/backups", "--auth-dir")
        self.assertIn("/outside: no such folder", self.repair(1, *words, "/outside", "/vm"))
        self.repair(2, *words, "/inside", "/vm")
        self.check_successors(self.file.read_bytes())

    def test_keys_of_an_owner_alone_are_left(self):
        own = guest.blob(LANG, *(guest.entry(name, lists("WindowsOEMDevicesPK.der", owner=guest.VENDOR), 0x27, vendor)
                                 for name, vendor in (("PK", GLOBAL), ("KEK", GLOBAL), ("db", guest.SECURITY_DATABASE))))
        self.file.write_bytes(own)
        self.certificates(0, self.file)
        self.assertEqual(self.file.read_bytes(), own)

    def test_options_of_it_alone_are_a_misuse(self):
        self.file.write_bytes(old_vm())
        for words in (("--auth-dir", self.keys), ("--config", "x", "--fix"), ("--fix-certificates", "--restore", "x")):
            done = self.run_tool(*words, self.file)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn("--help", done.stderr)


class Places(Case):
    def test_a_vm_of_a_toolstack(self):
        toolstack = self.toolstack("xapi", old_vm())
        self.certificates(2, *self.words("--dry-run"))
        self.assertEqual(toolstack.writes, 0)
        self.certificates(3, *self.words())
        self.check_successors(self.kept(toolstack))
        self.assertEqual((toolstack.writes, len(self.backup_files())), (1, 1))

    def test_a_vm_that_runs_is_left(self):
        toolstack = self.toolstack("xapi", old_vm())
        toolstack.write("power", "Running")
        self.assertIn("Running", self.certificates(1, *self.words()))
        self.assertEqual(toolstack.writes, 0)

    def test_a_database(self):
        with self.daemon():
            pass
        self.file.write_bytes(old_vm())
        self.repair(0, "--restore", self.file, "--force", "--backup-folder", self.folder / "before", self.database)
        self.certificates(2, "--backup-folder", self.backups, self.database)
        self.assertNotIn("certificates-2011-only", self.run_tool(self.database).stdout)
        self.assertEqual(len(self.backup_files()), 1)


class Pool(unittest.TestCase):
    def test_each_vm_that_is_off_gets_them(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        folder = kept.name
        pool = pools.Pool(folder)
        server = pools.peer.Server(folder + "/socket", pool)
        self.addCleanup(server.close)
        old = pools.encoded(old_vm(DANGLING))
        halted, running = pool.add(old), pool.add(old, power_state="Running")
        snapshot = pool.add(old, is_a_template=True, is_a_snapshot=True)
        pool.add(pools.CLEAN)
        pool.add(pools.DANGLING)

        def run(*words):
            done = subprocess.run([BIN / "varstore-repair", "--pool", "--fix-certificates", "--auth-dir", Case.keys, *words,
                                   "-s", folder + "/socket", "--wait", "0", "--backup-folder", folder + "/backups"],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (2, ""))
            return " ".join(done.stdout.split())

        shown = run("--dry-run")
        self.assertEqual(pool.writes, [])
        self.assertIn("would fix: certificates-2011-only", shown)
        shown = run()
        self.assertEqual(pool.writes, [halted])
        self.assertIn("fixed: certificates-2011-only", shown)
        self.assertIn("PCR 7 changes", shown)
        self.assertIn("cannot be fixed while it is Running", shown)
        self.assertIn("left certificates-2011-only: KEK, for the host's administrator", shown)
        content = base64.b64decode(pool.kept(halted))
        for name in SUCCESSORS:
            self.assertEqual(content.count((DATA / name).read_bytes()), 1)
        self.assertEqual((pool.kept(running), pool.kept(snapshot)), (old, old))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
