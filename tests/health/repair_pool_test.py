#!/usr/bin/env python3
"""varstore-repair --pool of 300 VMs: usage: repair_pool_test.py PROGRAM XAPI_FOLDER [--write]

XAPI_FOLDER has the toolstack of Python. --write makes the golden files anew.
"""
import base64
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM, XAPI = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
IS_WRITING = "--write" in sys.argv
sys.path[:0] = [XAPI, str(pathlib.Path(__file__).parent.parent / "support")]
import guest  # pylint: disable=import-error,wrong-import-position
import peer  # pylint: disable=import-error,wrong-import-position
from terminal import on_terminal  # pylint: disable=import-error,wrong-import-position

SCREENS = pathlib.Path(__file__).parent / "screens"
BACKUP = re.compile(r"\.\d{8}T\d{6}Z\.(\d+\.)?[0-9a-f]{32}\.backup")
LANG = guest.entry("Lang", b"eng\0", 7, guest.GLOBAL)
NEXT = guest.entry("BootNext", b"\1\0", 7, guest.GLOBAL)
LAST = guest.entry("Last", b"x" * 40)


def encoded(content):
    return base64.b64encode(content).decode()


CLEAN = encoded(guest.blob(LANG, LAST))
DANGLING = encoded(guest.blob(LANG, NEXT, LAST))
BROKEN = encoded(guest.blob(LANG, LAST) + b"more")
LEFT = encoded(guest.blob(LANG, guest.entry("PK", b"no list", 0x27, guest.GLOBAL), LAST))
LOST = encoded(b"VARS" + bytes(100))
KEYS_BEHIND = guest.blob(LANG, guest.entry("PK", b"no list", 0x27, guest.GLOBAL), LAST)
# The length of Lang's data is wrong, and PK stands behind it.
KEYS_BEHIND = encoded(KEYS_BEHIND[:308] + struct.pack("<Q", 100) + KEYS_BEHIND[316:])


class Pool(peer.Toolstack):
    """A toolstack with many VMs, in memory."""

    def __init__(self, folder):
        super().__init__(folder, "xapi")
        self.vms = {}
        self.faults = {}  # (method, reference): what goes wrong
        self.counts = {}  # calls by method
        self.writes = []  # references
        self.before = None
        self.parameters = []

    def add(self, content, **fields):
        number = len(self.vms)
        reference = f"OpaqueRef:{number:08}-0000-4000-8000-000000000000"
        nvram = {"EFI-variables-on-boot": "persist"}
        if content is not None:
            nvram["EFI-variables"] = content
        self.vms[reference] = {
            "uuid": f"{number:08}-1111-4222-8333-444444444444", "name_label": f"vm {number}", "power_state": "Halted",
            "is_a_template": False, "is_a_snapshot": False, "is_default_template": False, "is_control_domain": False,
            "HVM_boot_params": {"firmware": "uefi", "order": "cdn"}, "platform": {"secureboot": "false"},
            "other_config": {}, "NVRAM": nvram, "VCPUs_max": "2", "allowed_operations": ["start"] * 20, **fields}
        return reference

    def kept(self, reference):
        return self.vms[reference]["NVRAM"].get("EFI-variables")

    def note(self, body, method, parameters):
        self.parameters = parameters
        self.counts[method] = self.counts.get(method, 0) + 1

    def take_fault(self, method):
        reference = self.parameters[1] if len(self.parameters) > 1 else None
        return self.faults.get((method, reference)) or self.faults.get(method)

    def check_session(self, session, vm=None):
        super().check_session(session)
        if vm is not None and vm not in self.vms:
            raise peer.Refused(["HANDLE_INVALID", "VM", vm])

    def answer(self, method, parameters):
        if self.before is not None:
            self.before(method)  # pylint: disable=not-callable
        if method == "VM.get_all":
            self.check_session(*parameters)
            return list(self.vms) + ["OpaqueRef:gone"]
        if method == "VM.get_by_uuid":
            self.check_session(parameters[0])
            return next(key for key, vm in self.vms.items() if vm["uuid"] == parameters[1])
        if method in ("VM.get_record", "VM.get_NVRAM", "VM.get_power_state", "VM.get_platform", peer.CERTIFICATES):
            self.check_session(*parameters)
            vm = self.vms[parameters[1]]
            return {"VM.get_record": vm, "VM.get_NVRAM": vm["NVRAM"], "VM.get_power_state": vm["power_state"],
                    "VM.get_platform": vm["platform"]}.get(method, "ok")
        if method == peer.SET:
            self.check_session(*parameters[:2])
            self.vms[parameters[1]]["NVRAM"]["EFI-variables"] = parameters[2]
            self.writes.append(parameters[1])
            return ""
        return super().answer(method, parameters)


class PoolTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.backups = self.folder / "backups"
        self.pool = Pool(str(self.folder))
        self.socket = str(self.folder / "socket")
        self.server = peer.Server(self.socket, self.pool)
        self.addCleanup(lambda: self.server and self.server.close())

    def command(self, *words):
        return [PROGRAM, "--pool", *words, "-s", self.socket, "--wait", "0", "--backup-folder", self.backups]

    def repair(self, exit_code, *words, **environment):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60, check=False,
                              env={"PATH": os.environ["PATH"], **environment})
        self.assertEqual(done.returncode, exit_code, done)
        self.assertEqual(done.stdout == "", done.stderr != "", done)
        return done.stdout or done.stderr

    def three_hundred(self):
        """A pool of each kind, in which `fixable` are to be fixed."""
        self.fixable = []
        for number in range(300):
            if number % 10 != 3:
                self.pool.add(CLEAN if number % 7 else None)
            elif number < 100:
                self.fixable.append(self.pool.add(DANGLING))
            elif number < 150:
                self.fixable.append(self.pool.add(BROKEN, is_a_template=True))
            else:
                self.pool.add(CLEAN)

    def others(self):
        """All that is not to be changed."""
        self.pool.add(DANGLING, power_state="Running")
        self.pool.add(DANGLING, power_state="Suspended")
        self.pool.add(DANGLING, is_a_template=True, is_a_snapshot=True)
        self.pool.add(DANGLING, is_a_template=True, is_default_template=True)
        self.pool.add(DANGLING, is_a_template=True, other_config={"default_template": "true"})
        self.pool.add(DANGLING, is_control_domain=True)
        self.pool.add(DANGLING, HVM_boot_params={"order": "cdn"})
        self.pool.add(DANGLING, HVM_boot_params={"firmware": "bios"})
        self.pool.add(LEFT)

    def contents(self):
        return {reference: self.pool.kept(reference) for reference in self.pool.vms}

    def check_fixed(self):
        for reference in self.fixable:
            self.assertEqual(self.pool.kept(reference), CLEAN)

    def check_nothing_is_half_done(self, before):
        for reference, content in self.contents().items():
            wanted = (content, before[reference]) if reference not in self.fixable else (before[reference], CLEAN)
            self.assertIn(content, wanted)
            self.assertLessEqual(self.pool.writes.count(reference), 1)
        # Whatever was written has a whole backup.
        backed_up = {path.name[:36]: path.read_text() for path in self.backups.glob("*")}
        for reference in self.pool.writes:
            self.assertEqual(backed_up[self.pool.vms[reference]["uuid"]], before[reference])

    def test_a_pool_is_looked_at_with_one_call_a_vm_and_changed_by_fix_only(self):
        self.three_hundred()
        self.others()
        before = self.contents()
        for words in ((), ("--dry-run",), ("--fix", "--dry-run")):
            self.pool.counts.clear()
            self.repair(2, *words)
            self.assertEqual(self.pool.counts, {"session.login_with_password": 1, "VM.get_all": 1,
                                                "VM.get_record": 310, "session.logout": 1})
        self.assertEqual((self.pool.writes, self.contents()), ([], before))
        self.assertEqual(list(self.folder.glob("backups/*")), [])

        shown = self.repair(2, "--fix")
        self.assertIn("309 in all: 285 clean, 4 with findings, 15 fixed, 0 failed, 5 skipped\n",
                      shown)
        self.assertEqual(sorted(self.pool.writes), self.fixable)
        self.check_fixed()
        self.check_nothing_is_half_done(before)
        self.assertEqual(len(list(self.backups.glob("*"))), len(self.fixable))
        self.assertEqual(self.pool.sessions, set())

    @unittest.skipIf(pathlib.Path("/var/lib/xcp").exists(), "a host with XAPI")
    def test_on_a_host_without_xapi_it_says_that_it_needs_it(self):
        for words in ((), ("--fix",), ("--dry-run",)):
            done = subprocess.run([PROGRAM, "--pool", *words], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("--pool needs XAPI, and there is none on this host", done.stderr)

    def test_the_last_line_counts_what_is_fixed_in_part(self):
        both = encoded(guest.blob(LANG, NEXT, guest.entry("PK", b"no list", 0x27, guest.GLOBAL), LAST))
        for _ in range(6):
            self.pool.add(LEFT)
            self.pool.add(both)
        self.pool.add(DANGLING)
        for words in ((), ("--dry-run",)):
            self.assertIn("\n13 in all: 0 clean, 13 with findings, 0 fixed, 0 failed, 0 skipped\n", self.repair(2, *words))
        self.assertIn("\n13 in all: 0 clean, 12 with findings, 1 fixed, 6 in part, 0 failed, 0 skipped\n",
                      self.repair(2, "--fix"))
        self.assertEqual(len(self.pool.writes), 7)
        self.assertIn("\n13 in all: 1 clean, 12 with findings, 0 fixed, 0 failed, 0 skipped\n", self.repair(2, "--fix"))

    def test_a_vm_that_somebody_else_puts_right_meanwhile_is_clean(self):
        reference = self.pool.add(DANGLING)

        def put_right(method):
            if method == "VM.get_by_uuid":
                self.pool.vms[reference]["NVRAM"]["EFI-variables"] = CLEAN

        self.pool.before = put_right
        self.assertEqual(self.repair(0, "--fix"),
                         "1 in all: 1 clean, 0 with findings, 0 fixed, 0 failed, 0 skipped\n")
        self.assertEqual(self.pool.writes, [])

    def test_exit_codes(self):
        self.repair(0)
        self.three_hundred()
        self.repair(2)
        self.repair(3, "--fix")
        self.repair(0, "--fix")
        # However many fail for reasons of their own, the others are looked at.
        for _ in range(5):
            self.pool.add(LOST)
        self.repair(2)
        self.repair(1, "--dry-run")
        self.assertIn("nothing can be saved", self.repair(1, "--fix").replace("\n        ", " "))
        self.assertIn(" 5 failed", self.repair(1, "--fix"))

    def test_faults_in_the_middle_concern_their_vm_alone(self):
        self.three_hundred()
        before = self.contents()
        first, second, third, fourth = self.fixable[2:6]
        self.pool.faults = {("VM.get_record", first): "failure", ("VM.get_record", second): "closed",
                            (peer.SET, third): "failure", ("VM.get_power_state", fourth): "http-500"}
        shown = self.repair(1, "--fix")
        self.assertIn(" 4 failed", shown)
        self.assertIn("what was kept before is in", shown.replace("\n        ", " "))
        self.check_nothing_is_half_done(before)
        for reference in self.fixable:
            has_failed = reference in (first, second, third, fourth)
            self.assertEqual(self.pool.kept(reference), before[reference] if has_failed else CLEAN)
        self.pool.faults = {}
        self.repair(3, "--fix")
        self.check_fixed()

    def test_a_path_in_the_place_of_a_uuid_is_an_error_and_no_file_is_touched(self):
        file = self.folder / "file"
        file.write_text(DANGLING)
        reference = self.pool.add(DANGLING)
        for uuid in (str(file), f"../{file}", "", "00000001-1111-4222-8333-44444444444g"):
            self.pool.vms[reference]["uuid"] = uuid
            self.assertIn("the answer's 'uuid' is no uuid", self.repair(1, "--fix").replace("\n        ", " "))
        self.assertEqual((file.read_text(), self.pool.kept(reference)), (DANGLING, DANGLING))

    def test_a_toolstack_that_dies_ends_the_run_and_the_next_goes_on(self):
        self.three_hundred()
        before = self.contents()

        def die(_method):
            if len(self.pool.writes) == 5:
                self.pool.faults = {"VM.get_record": "closed", "session.login_with_password": "closed"}

        self.pool.before = die
        shown = self.repair(1, "--fix")
        self.assertRegex(shown, r"given up, because one VM after the other failed: \d+ were not looked at")
        self.check_nothing_is_half_done(before)
        self.assertEqual(len(self.pool.writes), 5)
        self.pool.before, self.pool.faults = None, {}
        self.repair(3, "--fix")
        self.check_fixed()
        self.assertEqual(sorted(self.pool.writes), self.fixable)

    def interrupt(self, number, is_time):
        """Starts a run, sends it the signal in the middle of the call of which is_time, and waits for its end."""
        process = subprocess.Popen(self.command("--fix"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        sent = []

        def send(method):
            if not sent and is_time(method):
                sent.append(method)
                process.send_signal(number)
                if number == signal.SIGKILL:
                    process.wait(60)

        self.pool.before = send
        output, _ = process.communicate(timeout=60)
        with self.pool.lock:
            self.pool.before = None
        self.assertTrue(sent)
        return process.returncode, output

    def test_a_signal_ends_the_run_behind_the_vm_at_hand(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.pool.vms.clear()
            self.pool.writes.clear()
            self.three_hundred()
            before = self.contents()
            # In the middle of a write, which is finished.
            code, shown = self.interrupt(number, lambda m: m == peer.SET and len(self.pool.writes) == 3)
            self.assertEqual(code, 128 + number)
            self.assertRegex(shown, r" 4 fixed, 0 failed,.*\ninterrupted: 2\d\d were not looked at. Run this again")
            self.check_nothing_is_half_done(before)
            self.assertEqual(len(self.pool.writes), 4)
            self.assertEqual(self.pool.sessions, set())
            # In the middle of the look at another VM.
            code, shown = self.interrupt(number, lambda m: m == "VM.get_record" and len(self.pool.writes) == 8)
            self.assertIn("interrupted: ", shown)
            self.assertEqual(len(self.pool.writes), 8)
            self.repair(3, "--fix")
            self.check_fixed()
            self.assertEqual(sorted(self.pool.writes), self.fixable)

    def test_a_signal_ends_it_within_a_second_whatever_the_toolstack_does(self):
        for at in ("VM.get_all", "VM.get_record", "VM.get_by_uuid", "VM.get_NVRAM", "VM.get_power_state", peer.SET):
            self.pool.vms.clear()
            reference = self.pool.add(DANGLING)
            before = self.pool.kept(reference)
            goes_on = threading.Event()
            begun = []

            def hang(method, at=at, goes_on=goes_on, begun=begun):
                if method == at and not begun:
                    begun.append(time.monotonic())
                    process.send_signal(signal.SIGINT)
                    goes_on.wait(20)

            self.pool.before = hang
            process = subprocess.Popen(self.command("--fix"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.assertEqual(process.wait(60), 128 + signal.SIGINT, at)
            self.assertLess(time.monotonic() - begun[0], 1, at)
            self.pool.before = None
            self.assertEqual(self.pool.kept(reference), before)
            goes_on.set()

    def test_killed_at_any_call_it_leaves_nothing_half_done(self):
        for at in ("VM.get_record", "VM.get_by_uuid", "VM.get_NVRAM", "VM.get_power_state", peer.CERTIFICATES, peer.SET,
                   "session.logout"):
            self.pool.vms.clear()
            self.pool.writes.clear()
            self.three_hundred()
            before = self.contents()
            self.interrupt(signal.SIGKILL, lambda m, at=at: m == at and len(self.pool.writes) >= 2)
            self.check_nothing_is_half_done(before)
            self.repair(3, "--fix")
            self.check_fixed()
            self.check_nothing_is_half_done(before)

    def test_a_vm_that_starts_meanwhile_is_left(self):
        reference = self.pool.add(DANGLING)

        def start(method):
            if method == "VM.get_power_state":
                self.pool.vms[reference]["power_state"] = "Running"

        self.pool.before = start
        self.assertIn("Running", self.repair(1, "--fix"))
        self.assertEqual(self.pool.writes, [])

    def test_a_host_that_is_not_the_master_says_where_to_go(self):
        self.pool.faults = {"session.login_with_password": "host-is-slave"}
        begun = time.monotonic()
        done = subprocess.run([PROGRAM, "--pool", "-s", self.socket], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "varstore-repair: this host is not the master of its pool: run this on the "
                         "master, 10.0.0.7\n")
        self.assertLess(time.monotonic() - begun, 9)

    def test_a_guard_is_told_from_a_pool(self):
        self.pool.generation, self.pool.is_guard = "guard", True
        self.pool.answer = lambda method, parameters: peer.Toolstack.answer(self.pool, method, parameters) \
            if method != "VM.get_all" else self.pool.unknown(method)
        self.assertIn("a guard of one VM listens", self.repair(1))

    def test_a_toolstack_that_does_not_listen_is_an_error(self):
        self.server.close()
        self.server = None
        self.assertIn("cannot connect", self.repair(1))

    def test_a_bar_is_shown_on_a_terminal_only(self):
        for _ in range(3):
            self.pool.add(CLEAN, name_label="web\u202e")
        for terminal, is_shown in (("xterm", True), ("dumb", False)):
            shown, output = on_terminal(self.command(), "stderr", TERM=terminal)
            self.assertEqual(b"] 2 of 4" in shown and shown.endswith(b"\r\x1b[K"), is_shown, shown)
            # The name is made fit for a terminal.
            self.assertEqual(re.search(rb"\] 2 of 4[^\r]*: web\\u\{202E\}\x1b\[K", shown) is not None, is_shown, shown)
            self.assertNotIn(b"\x1b", output)
        self.assertEqual(subprocess.run(self.command(), capture_output=True, check=True).stderr, b"")

    def test_screens(self):
        hostile = "a \x1b[31mname\u202e that is longer than the screen is wide, " * 3
        for columns in ("80", "120"):
            self.pool.vms.clear()
            self.pool.faults = {}
            self.pool.add(CLEAN)
            self.pool.add(DANGLING, name_label="web")
            self.pool.add(DANGLING, name_label=hostile.replace("\x1b", "\u200b"), power_state="Running")
            self.pool.add(DANGLING, name_label="", is_a_template=True, is_a_snapshot=True)
            self.pool.add(encoded(guest.blob(
                LANG, LANG, NEXT, guest.entry("PK", b"no list", 0x27, guest.GLOBAL),
                guest.entry("KEK", b"neither", 0x27, guest.GLOBAL), guest.entry("odd", b"x" * 60000),
                guest.entry("odder", struct.pack("<I", 1), 0x8000))), name_label="much")
            self.pool.add(DANGLING, is_control_domain=True)
            self.pool.add(LOST, name_label="lost")
            self.pool.add(KEYS_BEHIND, name_label="without keys")
            shown = ""
            for words, code in (((), 2), (("--dry-run",), 1), (("--fix",), 1), (("--fix",), 1)):
                output = self.repair(code, *words, COLUMNS=columns)
                for line in output.splitlines():
                    # A path is not broken.
                    self.assertTrue(len(line) <= int(columns) or " " not in line.strip(), line)
                # The folder's name is as long as it happens to be.
                output = BACKUP.sub(".TIME.DIGEST.backup", output).replace(str(self.backups), "FOLDER")
                shown += f"$ {' '.join(('varstore-repair', '--pool', *words))}\n{output}exit {code}\n\n"
            self.assertRegex(shown, r"\A[ -~\n]*\Z")
            path = SCREENS / f"repair_pool.{columns}.txt"
            if IS_WRITING:
                path.write_text(shown, encoding="utf-8")
            self.assertEqual(shown, path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
