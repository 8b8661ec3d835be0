#!/usr/bin/env python3
"""The front `varstore` and the two commands that are part of it: usage: front_test.py BIN XAPI_FOLDER

BIN has the programs, XAPI_FOLDER the toolstack of Python.
"""
import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import uuid

BIN, XAPI = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
sys.path.insert(0, XAPI)
import guest  # pylint: disable=import-error,wrong-import-position
import peer  # pylint: disable=import-error,wrong-import-position

GLOBAL, DATABASE = guest.GLOBAL, guest.SECURITY_DATABASE
REFUSED = 0x800000000000001A  # EFI_SECURITY_VIOLATION
BACKUP = re.compile(r"\.\d{8}T\d{6}Z\.(\d+\.)?[0-9a-f]{32}\.backup")
LANG = guest.entry("Lang", b"eng\0", 7, GLOBAL)
ADD = ("boot", "--add", r"\EFI\debian\shimx64.efi", "--label", "debian")


def at(words, *place):
    """The command's words with the VM behind the command."""
    return (words[0], *place, *words[1:])


def hashes(*firsts):
    body = b"".join(guest.VENDOR + bytes([first]) * 32 for first in firsts)
    return (uuid.UUID("c1c41626-504c-4092-aca9-41f936934328").bytes_le
            + struct.pack("<III", 28 + len(body), 0, 48) + body)


class Front(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / "vm"

    def run_tool(self, *words, program=BIN / "varstore"):
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=False,
                              cwd=self.folder)

    def front(self, exit_code, *words):
        """Standard output, or standard error of a failure, which is one line."""
        done = self.run_tool(*words)
        self.assertEqual(done.returncode, exit_code, done)
        if exit_code:
            self.assertEqual(done.stdout, "")
            self.assertRegex(done.stderr, r"\Avarstore[ -~]+\n\Z")
            return done.stderr
        self.assertEqual(done.stderr, "")
        return done.stdout

    def backups(self):
        return sorted(path for path in self.folder.glob("*") if BACKUP.search(path.name))


class Commands(Front):
    def test_each_command_is_its_program(self):
        commands = re.findall(r"^  ([a-z-]+): ", self.front(0, "--help").split("Commands:")[1], re.M)
        self.assertGreaterEqual(len(commands), 14)
        commands.remove("help")
        for command in commands:
            shown = self.front(0, "help", command)
            self.assertEqual(self.front(0, command, "--help"), shown)
            name = shown.split()[1]
            if name == "varstore":
                self.assertTrue(shown.startswith(f"usage: varstore {command} "), shown)
            else:
                self.assertEqual(self.run_tool("--help", program=BIN / name).stdout, shown)
        programs = {path.name for path in BIN.glob("varstore-*")} | {"create-auth"}
        reached = {self.front(0, "help", command).split()[1] for command in commands}
        self.assertEqual(reached - {"varstore"}, programs)

    def test_words_and_exit_codes_are_handed_on(self):
        self.file.write_bytes(guest.blob(LANG, guest.entry("BootOrder", struct.pack("<H", 1), 7, GLOBAL)))
        for words in (("ls", self.file), ("inspect", self.file), ("ls", self.folder / "nothing"), ("get", "-X"),
                      ("get", self.file, str(uuid.UUID(bytes_le=GLOBAL)), "Lang")):
            through = self.run_tool(*words)
            direct = self.run_tool(*words[1:], program=BIN / f"varstore-{words[0]}")
            self.assertEqual((through.returncode, through.stdout, through.stderr),
                             (direct.returncode, direct.stdout, direct.stderr))
        self.assertEqual(self.run_tool("inspect", self.file).returncode, 2)

    def test_misuse_is_exit_2_and_names_the_nearest(self):
        for word, nearest in (("inpsect", "inspect"), ("lss", "ls"), ("bot", "boot"), ("Edit", "edit")):
            self.assertIn(f"no command '{word}'; the nearest is '{nearest}'", self.front(2, word, "x"))
            self.assertIn(f"the nearest is '{nearest}'", self.front(2, "help", word))
        for words in (("xxxxxxxxx",), ("x" * 1000,), ("a\nb",), ("",)):
            self.assertNotIn("nearest", self.front(2, *words))
        self.assertIn("command is missing", self.front(2))
        self.front(2, "--nonsense")
        self.front(2, "help", "ls", "rm")
        self.assertEqual(self.front(0, "help"), self.front(0, "--help"))
        self.assertEqual(self.front(0, "-h"), self.front(0, "--help"))

    def test_help_explains_each_finding(self):
        table = re.findall(r"^\| <a id=\S+`([\w-]+)` \| (\w+) \|",
                           (pathlib.Path(__file__).parents[2] / "docs/findings.md").read_text(encoding="utf-8"), re.M)
        self.assertEqual(self.front(0, "help", "findings").split(), [name for name, _ in table])
        for name, severity in table:
            text = self.front(0, "help", "findings", name)
            self.assertTrue(text.startswith(f"{name} ({severity})\n\nWhat is wrong:\n  "), text)
            self.assertLessEqual(max(map(len, text.splitlines())), 80)
            self.assertNotRegex(text, r"`|\]\(")
        self.assertIn("the nearest is 'store-overfull'", self.front(2, "help", "findings", "store-overful"))
        self.assertRegex(self.front(0, "help", "findings", "kek-without-2011"),
                         r"What varstore repair --fix does:\n  nothing: the choice is yours. varstore inspect shows the command")
        self.front(2, "help", "findings", "store-overfull", "x")

    def test_it_says_its_version(self):
        for words in (("--version",), ("edit", "--version"), ("boot", "--version")):
            self.assertRegex(self.front(0, *words), r"\Avarstore( edit| boot)? \d+\.\d+\.\d+\n\Z")

    def test_programs_stand_in_its_own_folder(self):
        away = self.folder / "bin"
        away.mkdir()
        shutil.copy(BIN / "varstore", away)
        done = self.run_tool("ls", self.file, program=away / "varstore")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, f"varstore: {away}/varstore-ls: No such file or directory\n")
        (away / "varstore-ls").write_text("#!/bin/sh\necho mine \"$@\"\n")
        (away / "varstore-ls").chmod(0o755)
        self.assertEqual(self.run_tool("ls", "a b", program=away / "varstore").stdout, "mine a b\n")
        # The folder counts that the program itself is in, not that of a link.
        (self.folder / "link").symlink_to(away / "varstore")
        self.assertEqual(self.run_tool("ls", program=self.folder / "link").stdout, "mine\n")

    def test_ctrl_c_ends_it_as_a_shell_expects(self):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(self.folder / "socket"))
        listener.listen()
        for words in (("ls",), ("edit", "db"), ("boot", "--next", "1")):
            process = subprocess.Popen([BIN / "varstore", words[0], guest.UUID, "-s", self.folder / "socket", *words[1:]],
                                       start_new_session=True)
            connection, _ = listener.accept()  # it waits for an answer
            os.killpg(process.pid, signal.SIGINT)
            self.assertEqual(process.wait(60), -signal.SIGINT)  # which a shell calls 130
            connection.close()

    def test_completion_is_that_of_the_command(self):
        def completed(*words):
            script = f"""
                . '{BIN.parent}/completion/varstore'
                COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
                _varstore
                echo "${{COMPREPLY[@]}}" """
            done = subprocess.run(["bash", "-euc", script, "bash", "varstore", *words], capture_output=True, text=True,
                                  check=True, timeout=60, env={**os.environ, "PATH": f"{BIN}:{self.folder}:{os.environ['PATH']}"})
            self.assertEqual(done.stderr, "")
            return done.stdout.split()

        self.assertIn("inspect", completed(""))
        self.assertEqual(completed("insp"), ["inspect"])
        self.assertEqual(completed("help", "bo"), ["boot", "bootcheck"])
        self.assertEqual(completed("help", "fin"), ["findings"])
        self.assertEqual(completed("help", "findings", "store-n"), ["store-nearly-full"])
        self.assertEqual(completed("--v"), ["--version"])
        self.assertEqual(completed("rm", "--clo"), ["--clone", "--clone-lists"])
        self.assertEqual(completed("certcheck", "--vers"), ["--version"])
        self.assertEqual(completed("edit", "vm", "--rem"), ["--remove"])
        self.assertEqual(completed("nonsense", "--h"), [])
        self.assertEqual(completed("sb-state", "vm", "us"), ["user"])
        self.assertEqual(completed("edit", "vm", "dbx"), ["dbx"])
        self.assertEqual(completed("convert", "--to", "qco"), ["qcow2"])
        (self.folder / "xe").write_text(f"#!/bin/sh\necho {guest.UUID},{guest.UUID[::-1]}\n")
        (self.folder / "xe").chmod(0o755)
        self.assertEqual(completed("ls", guest.UUID[:4]), [guest.UUID])


class Writing(Front):
    """What holds for both commands: they write with the care of a repair."""

    def calls(self):
        return (ADD, ("edit", "dbx", "--add", self.esl()))

    def esl(self):
        path = self.folder / "hashes.esl"
        path.write_bytes(hashes(1, 2))
        return path

    def test_a_backup_of_each_change_can_be_restored(self):
        for content in (guest.blob(LANG), base64.b64encode(guest.blob(LANG)) + b"\n"):
            for words in self.calls():
                self.file.write_bytes(content)
                os.chmod(self.file, 0o640)
                self.assertIn("  backup: ", self.front(0, *at(words, self.file)))
                self.assertNotEqual(self.file.read_bytes(), content)
                self.assertEqual(self.file.stat().st_mode & 0o777, 0o640)
                backup, = self.backups()
                self.assertEqual(backup.read_bytes(), content)
                self.front(0, "repair", "--restore", backup, self.file)
                self.assertEqual(self.file.read_bytes(), content)
                for path in self.backups():
                    path.unlink()

    def test_a_dry_run_says_the_same_and_writes_nothing(self):
        content = guest.blob(LANG)
        for words in self.calls():
            self.file.write_bytes(content)
            shown = self.front(0, *at(words, self.file), "--dry-run")
            self.assertIn("nothing was written", shown)
            self.assertEqual((self.file.read_bytes(), self.backups()), (content, []))
            done = self.front(0, *at(words, self.file))
            self.assertEqual(re.findall("^  [-+] .*", done, re.M), re.findall("^  [-+] .*", shown, re.M))
            for path in self.backups():
                path.unlink()

    def test_what_is_so_already_is_not_written(self):
        self.file.write_bytes(guest.blob(guest.entry("dbx", hashes(2, 1, 3), 0x27, DATABASE),
                                         guest.entry("BootNext", b"\0\0", 7, GLOBAL),
                                         guest.entry("Boot0000", bytes.fromhex("01000000040061000000 7fff0400"), 7, GLOBAL)))
        before = self.file.read_bytes()
        for words in (("edit", "dbx", "--add", self.esl()), ("boot", "--next", "0"), ("boot", "--active", "0")):
            self.assertIn("nothing was written", self.front(0, *at(words, self.file)))
        self.assertEqual((self.file.read_bytes(), self.backups()), (before, []))

    def test_what_cannot_all_be_read_is_left(self):
        for content in (guest.blob(LANG, LANG)[:-1], guest.blob(LANG) + b"x"):
            self.file.write_bytes(content)
            for words in self.calls():
                self.assertIn("varstore-repair --fix", self.front(1, *at(words, self.file)))
                self.assertEqual((self.file.read_bytes(), self.backups()), (content, []))
        self.file.write_bytes(b"no variables")
        for words in self.calls():
            self.assertIn("no variable can be read", self.front(1, *at(words, self.file)))

    def test_a_change_without_room_is_refused(self):
        # One variable is full, and so is the store.
        for entries in ([guest.entry("dbx", hashes(*(i % 250 for i in range(1190))), 0x27, DATABASE),
                         *(guest.entry(f"Big{i}", bytes(36000), 7) for i in range(2))],
                        [guest.entry(f"{i}", bytes([1])) for i in range(1024)]):
            if len(entries) < 1024:
                wanted = ("edit", "dbx", "--add", self.many(260))
            else:
                wanted = ADD
            self.file.write_bytes(guest.blob(*entries))
            before = self.file.read_bytes()
            self.assertIn("no room", self.front(1, *at(wanted, self.file)))
            self.assertEqual((self.file.read_bytes(), self.backups()), (before, []))

    def test_what_is_too_large_already_may_only_become_smaller(self):
        self.file.write_bytes(guest.blob(guest.entry("dbx", hashes(*(i % 250 for i in range(1300))), 0x27, DATABASE)))
        before = self.file.read_bytes()
        self.assertIn("no room", self.front(1, *at(("edit", "dbx", "--add", self.many(2)), self.file)))
        self.assertEqual((self.file.read_bytes(), self.backups()), (before, []))
        self.front(0, *at(("edit", "dbx", "--remove", "07" * 32), self.file))
        self.assertLess(self.file.stat().st_size, len(before))

    def test_a_form_of_another_program_is_left_without_a_backup(self):
        store = self.folder / "store.json"
        store.write_text('{"version": 2, "variables": [{"name": "Lang", "guid": "8be4df61-93ca-11d2-aa0d-00e098032b8c",'
                         ' "attr": 7, "data": "656e00"}]}')
        efivars = self.folder / "efivars"
        efivars.mkdir()
        (efivars / "Lang-8be4df61-93ca-11d2-aa0d-00e098032b8c").write_bytes(bytes([7, 0, 0, 0]) + b"en\0")
        everything = sorted(self.folder.rglob("*"))
        for place in (store, efivars):
            for words in self.calls()[:1] + (("edit", "dbx", "--add", self.esl()), ("boot", "--next", "1", "--dry-run")):
                self.assertIn("can be looked at only", self.front(1, *at(words, place)))
        self.assertEqual(sorted(self.folder.rglob("*")), sorted([*everything, self.esl()]))

    def test_a_list_of_revocations_is_for_dbx(self):
        self.file.write_bytes(guest.blob(LANG))
        before = self.file.read_bytes()
        listed = self.folder / "dbx.json"
        listed.write_text(json.dumps({"images": {"x64": [{"authenticodeHash": "ab" * 32, "hashType": "SHA256", "dateOfAddition": "2018-04-01"}]}}))
        self.front(1, *at(("edit", "db", "--add", listed), self.file))
        self.assertEqual(self.file.read_bytes(), before)

    def many(self, count):
        path = self.folder / "many.txt"
        path.write_text("".join(f"{i:064x}\n" for i in range(count)))
        return path

    def test_a_vm_that_runs_is_refused(self):
        sockets = self.folder / "xapi"
        sockets.mkdir()
        toolstack = peer.Toolstack(str(sockets), "xapi")
        toolstack.write("nvram", guest.encoded(LANG))
        server = peer.Server(str(sockets / "socket"), toolstack)
        self.addCleanup(server.close)
        place = (guest.UUID, "-s", sockets / "socket", "--wait", "0", "--backup-folder", self.folder)
        before = toolstack.read("nvram")
        for words in self.calls():
            toolstack.write("power", "Running")
            self.assertIn("not halted but Running", self.front(1, *at(words, *place)))
            self.assertEqual((toolstack.read("nvram"), self.backups()), (before, []))
            self.assertIn("nothing was written", self.front(0, *at(words, *place), "--dry-run"))
            toolstack.write("power", "Halted")
            self.front(0, *at(words, *place))
            self.assertNotEqual(toolstack.read("nvram"), before)
            toolstack.write("nvram", before)
            for path in self.backups():
                path.unlink()

    def test_a_vm_that_was_never_started_is_left_to_its_first_boot(self):
        sockets = self.folder / "xapi"
        sockets.mkdir()
        toolstack = peer.Toolstack(str(sockets), "xapi")
        server = peer.Server(str(sockets / "socket"), toolstack)
        self.addCleanup(server.close)
        for words in self.calls():
            self.assertIn("never been started", self.front(1, *at(words, guest.UUID, "-s", sockets / "socket")))


class Boot(Front):
    def test_what_efibootmgr_does(self):
        self.file.write_bytes(guest.blob(LANG))
        for words, listed in (
                (ADD, "BootOrder: 0000\nBoot0000* debian\t\\EFI\\debian\\shimx64.efi\n"),
                (("boot", "--add", "x.efi", "--label", "x", "--first"),
                 "BootOrder: 0001,0000\nBoot0000* debian\t\\EFI\\debian\\shimx64.efi\nBoot0001* x\t\\x.efi\n"),
                (("boot", "--order", "0000,0001"),
                 "BootOrder: 0000,0001\nBoot0000* debian\t\\EFI\\debian\\shimx64.efi\nBoot0001* x\t\\x.efi\n"),
                (("boot", "--next", "0001"),
                 "BootNext: 0001\nBootOrder: 0000,0001\n"
                 "Boot0000* debian\t\\EFI\\debian\\shimx64.efi\nBoot0001* x\t\\x.efi\n"),
                (("boot", "--inactive", "0000"),
                 "BootNext: 0001\nBootOrder: 0000,0001\n"
                 "Boot0000  debian\t\\EFI\\debian\\shimx64.efi\nBoot0001* x\t\\x.efi\n"),
                (("boot", "--remove", "0001"), "BootOrder: 0000\nBoot0000  debian\t\\EFI\\debian\\shimx64.efi\n"),
                (("boot", "--active", "0000"), "BootOrder: 0000\nBoot0000* debian\t\\EFI\\debian\\shimx64.efi\n")):
            self.assertIn("  PCR 7 stays\n", self.front(0, *at(words, self.file)))
            self.assertEqual(self.front(0, "boot", self.file), listed)
        # And the screen agrees, without a finding of it.
        self.assertIn("shimx64.efi", self.run_tool("inspect", self.file).stdout)

    def test_one_change_in_a_call(self):
        self.file.write_bytes(guest.blob(LANG))
        for words in (("--next", "1", "--remove", "1"), ("--next", "1", "--next", "1"), ("--first",), ("--label", "x"),
                      ("--add", "x"), ("--partition", "HD(1,GPT,8be4df61-93ca-11d2-aa0d-00e098032b8c)"),
                      ("--order", "1,1"), ("--next", "x"), ("--add", "x", "--label", "y", "--partition", "1")):
            self.assertIn("--help", self.front(2, "boot", *words, self.file))
        self.assertEqual(self.file.read_bytes(), guest.blob(LANG))

    def test_new_findings_are_shown(self):
        self.file.write_bytes(guest.blob(guest.entry("db", hashes(1), 0x27, DATABASE), guest.entry("PK", hashes(1), 0x27, GLOBAL),
                                         guest.entry("SecureBoot", b"\1", 6, GLOBAL)))
        shown = self.front(0, "edit", self.file, "db", "--remove", "01" * 32)
        self.assertIn("secure-boot-without-db", shown)
        self.assertNotIn("lists-malformed", shown)  # of PK: it was there before


class Keys(Front):
    """A guest that has signed updates: what it is answered after the host has edited its keys."""

    def setUp(self):
        super().setUp()
        self.keys = self.folder / "keys"
        self.keys.mkdir()
        for name in ("pk", "kek", "kek2", "one", "two", "three"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN=Test {name}", "-days",
                            "9000", "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem"],
                           check=True, capture_output=True)
        self.sign("PK", "pk", "keys/PK.auth", "pk")
        self.sign("KEK", "pk", "keys/KEK.auth", "kek")
        self.sign("db", "kek", "keys/db.auth", "one", "two")
        (self.folder / "dbx.esl").write_bytes(hashes(1, 2))
        self.make("dbx", "kek", "keys/dbx.auth", "dbx.esl")
        self.database = self.folder / "vm.db"
        with self.guest() as client:
            self.assertIsNotNone(client.get("db", DATABASE))

    def make(self, variable, signer, output, *inputs, time=1700000000, append=False):
        self.assertEqual(self.run_tool("create-auth", "-k", f"{signer}.key", "-c", f"{signer}.pem", "-t", str(time),
                                       *(["-a"] if append else []), variable, output, *inputs).returncode, 0)
        return (self.folder / output).read_bytes()

    def sign(self, variable, signer, output, *names, **options):
        return self.make(variable, signer, output, *(f"{name}.pem" for name in names), **options)

    @contextlib.contextmanager
    def guest(self):
        process = subprocess.Popen(
            [BIN / "varstored-loopback", "--listen", self.folder / "guest", "--backend", "sqlite", "--arg",
             f"path:{self.database}", "--auth-dir", self.keys, "--platform", "secureboot=true"],
            stderr=subprocess.PIPE, text=True)
        try:
            lines = []
            while "ready: " not in "".join(lines):
                lines.append(process.stderr.readline())
                self.assertIsNone(process.poll(), lines)
            client = guest.Guest(str(self.folder / "guest"))
            yield client
            client.socket.close()
        finally:
            process.terminate()
            process.wait(60)
            process.stderr.close()

    def entries(self, variable):
        return [line.split(",")[0] for line in self.front(0, "edit", self.database, variable).splitlines()]

    def test_signed_updates_go_on_after_an_edit(self):
        shown = self.front(0, "edit", self.database, "db", "--remove", "Test one", "--add", self.folder / "three.pem")
        self.assertIn("  - Test one, SHA-256 ", shown)
        self.assertIn("  + Test three, SHA-256 ", shown)
        self.assertIn("PCR 7 changes: BitLocker and TPM-sealed keys will ask for recovery", shown.replace("\n  ", " "))
        self.assertEqual(self.entries("db"), ["Test two", "Test three"])
        with self.guest() as client:
            # An append, as old as the variable and older.
            for time in (1700000000, 1600000000):
                update = self.sign("db", "kek", "append.auth", "one", time=time, append=True)
                self.assertEqual(client.set("db", update, 0x67, DATABASE), guest.SUCCESS)
            # The edit took nothing of the time: what is newer replaces, what is not is a replay.
            old = self.sign("db", "kek", "old.auth", "one", time=1700000000)
            self.assertEqual(client.set("db", old, 0x27, DATABASE), REFUSED)
        self.assertEqual(self.entries("db"), ["Test two", "Test three", "Test one"])
        with self.guest() as client:
            new = self.sign("db", "kek", "new.auth", "two", time=1700000001)
            self.assertEqual(client.set("db", new, 0x27, DATABASE), guest.SUCCESS)
        self.assertEqual(self.entries("db"), ["Test two"])

    def test_a_kek_that_was_added_may_sign_and_one_that_was_removed_may_not(self):
        self.front(0, "edit", self.database, "KEK", "--add", self.folder / "kek2.pem")
        self.front(0, "edit", self.database, "KEK", "--remove", "Test kek", "--dry-run")
        with self.guest() as client:
            for signer in ("kek", "kek2"):
                update = self.sign("db", signer, "append.auth", "three", append=True)
                self.assertEqual(client.set("db", update, 0x67, DATABASE), guest.SUCCESS)
        self.front(0, "edit", self.database, "KEK", "--remove", "Test kek")  # the whole name of one
        with self.guest() as client:
            update = self.sign("db", "kek", "append.auth", "one", append=True)
            self.assertEqual(client.set("db", update, 0x67, DATABASE), REFUSED)

    def test_a_variable_that_the_edit_made_takes_signed_updates(self):
        self.front(0, "edit", self.database, "dbx", "--remove", "01" * 32, "--remove", "02" * 32)
        self.assertEqual(self.entries("dbx"), [])
        self.front(0, "edit", self.database, "dbx", "--add", self.folder / "dbx.esl")
        (self.folder / "more.esl").write_bytes(hashes(2, 3))
        with self.guest() as client:
            update = self.make("dbx", "kek", "append.auth", "more.esl", append=True, time=1200000000)
            self.assertEqual(client.set("dbx", update, 0x67, DATABASE), guest.SUCCESS)
        self.assertEqual(len(self.entries("dbx")), 3)

    def test_each_form_of_a_file(self):
        subprocess.run(["openssl", "x509", "-in", self.folder / "three.pem", "-outform", "DER", "-out",
                        self.folder / "three.der"], check=True)
        fingerprint = subprocess.run(["openssl", "x509", "-in", self.folder / "three.pem", "-noout", "-fingerprint", "-sha256"],
                                     check=True, capture_output=True, text=True).stdout.strip().split("=")[1]
        for name in ("three.pem", "three.der"):
            self.front(0, "edit", self.database, "db", "--add", self.folder / name)
            self.assertEqual(self.entries("db"), ["Test one", "Test two", "Test three"])
            self.front(0, "edit", self.database, "db", "--remove", fingerprint)
        self.assertIn("may be each of 2 entries", self.front(1, "edit", self.database, "db", "--remove", "test"))
        for name in ("three.key", "keys"):
            self.front(1, "edit", self.database, "db", "--add", self.folder / name)
        self.assertEqual(self.entries("db"), ["Test one", "Test two"])

    def test_a_vm_that_runs_has_its_database_locked(self):
        with self.guest():
            for words in (ADD, ("edit", "db", "--remove", "Test one")):
                self.assertIn("another process uses it", self.front(1, *at(words, self.database)))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
