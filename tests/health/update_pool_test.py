#!/usr/bin/env python3
"""varstore update --pool, of XAPI's pool and of databases: usage: update_pool_test.py BIN XAPI_FOLDER

BIN has the programs, XAPI_FOLDER the toolstack of Python. Microsoft's certificates come from the data of
VARSTORED_TEST_DATA; without it everything is skipped.
"""
import json
import pathlib
import signal
import subprocess
import tempfile
import unittest

import repair_certificates_test as certificates
import repair_pool_test as pools
from repair_certificates_test import BIN, Case, old_vm
from repair_pool_test import peer

setUpModule = certificates.setUpModule  # pylint: disable=invalid-name
MARK = "VM.update_secureboot_certificates_on_boot"
OLD = pools.encoded(old_vm()) if certificates.DATA.is_dir() else ""
OFF, NEEDED, MARKED = "-1", "update_available", "update_on_boot"


class Pool(pools.Pool):
    """A pool whose XAPI has marks, as 26.14 has them."""

    def __init__(self, folder):
        super().__init__(folder)
        self.marks = []  # (reference, mark)
        self.at_mark = None

    def old(self, **fields):
        return self.add(OLD, **{"secureboot_certificates_state": NEEDED, "domid": OFF, "tags": [], "VTPMs": [], **fields})

    def answer(self, method, parameters):
        if method == "VM.get_by_uuid" and parameters[1] not in [vm["uuid"] for vm in self.vms.values()]:
            raise peer.Refused(["UUID_INVALID", "VM", parameters[1]])
        if method != MARK:
            return super().answer(method, parameters)
        session, reference, mark = parameters
        self.check_session(session, reference)
        if not isinstance(mark, bool):
            raise peer.Refused(["INTERNAL_ERROR", "a boolean is wanted"])
        if self.at_mark is not None:
            self.at_mark(reference)  # pylint: disable=not-callable
        if self.vms[reference]["secureboot_certificates_state"] == "ok":
            raise peer.Refused(["OPERATION_NOT_ALLOWED", "VM.secureboot_certificates_state is not in a valid state"])
        self.vms[reference]["secureboot_certificates_state"] = MARKED if mark else NEEDED
        self.marks.append((reference, mark))
        return ""


class Update(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.journal = self.folder / "state/update.jsonl"

    def command(self, *words):
        return [BIN / "varstore", "update", "--pool", "--journal", self.journal, "--auth-dir", Case.keys, *words]

    def update(self, exit_code, *words):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, exit_code, done)
        return " ".join((done.stdout or done.stderr).split())

    def steps(self):
        lines = [json.loads(line) for line in self.journal.read_text(encoding="ascii").splitlines() if line]
        return [(line["wave"], line["step"], int(line["uuid"][:8])) for line in lines]


class OfXapi(Update):
    def setUp(self):
        super().setUp()
        self.pool = Pool(str(self.folder))
        self.where = peer.serve(self, self.pool, self.folder)

    def state(self, reference):
        return self.pool.vms[reference]["secureboot_certificates_state"]

    def states(self, references):
        return [self.state(reference) for reference in references]

    def boot(self, reference, state):
        self.pool.vms[reference].update(power_state="Running", domid="7", secureboot_certificates_state=state)

    def go(self, exit_code, *words):
        return self.update(exit_code, *self.where, *words)

    def test_the_plan_says_why_each_vm_is_picked_or_not_and_changes_nothing(self):
        self.pool.old(name_label="one", platform={"secureboot": "true"})
        self.pool.old(VTPMs=["OpaqueRef:tpm"], tags=["blue"], power_state="Running", domid="3")
        self.pool.old(is_a_template=True, is_a_snapshot=True)
        self.pool.old(is_a_template=True)
        self.pool.old(secureboot_certificates_state="ok")
        self.pool.old(secureboot_certificates_state=MARKED)
        self.pool.vms[self.pool.old()].pop("secureboot_certificates_state")
        self.pool.old(HVM_boot_params={"firmware": "bios"})
        self.pool.add(pools.CLEAN)
        shown = self.go(2, "--plan")
        for words in ("would mark 00000000-1111-4222-8333-444444444444 one certificates of 2023 are missing; PCR 7 changes, and "
                      "it has no TPM would mark 00000001",
                      "it has a TPM: BitLocker may ask", "vm 2 a snapshot, which is never changed",
                      "vm 3 a template, which is never started", "XAPI says 'ok', and takes no mark", "is marked already",
                      "this XAPI has no marks", "9 in all: 2 in the next wave, 0 later, 5 skipped, 2 others"):
            self.assertIn(words, shown)
        self.assertIn("1 in the next wave, 1 later", self.go(2, "--plan", "--limit", "1"))
        shown = self.go(2, "--plan", "--only-clean")
        self.assertIn("vm 1 PCR 7 changes, and it has or may have a TPM", shown)
        self.assertIn("1 in the next wave", shown)
        shown = self.go(2, "--plan", "--tag", "blue", "--tag", "red")
        self.assertIn("1 in the next wave, 0 later, 0 skipped", shown)
        self.assertIn("0 in the next wave", self.go(0, "--plan", "--filter", "store-overfull"))
        self.assertIn("1 in the next wave", self.go(2, "--plan", "--filter", "store-overfull", "--filter", "revocations-missing"))
        (self.folder / "none").mkdir()
        self.assertIn("the host has no KEK.auth", self.go(0, "--plan", "--auth-dir", str(self.folder / "none")))
        self.assertEqual((self.pool.marks, self.journal.exists()), ([], False))

    def test_a_wave_is_marked_and_the_next_one_begins_when_it_is_over(self):
        vms = [self.pool.old() for _ in range(3)]
        shown = self.go(2, "--limit", "2")
        self.assertIn("wave 1: 2 of 2 done", shown)
        self.assertEqual(self.states(vms), [MARKED, MARKED, NEEDED])
        shown = self.go(2, "--limit", "2")
        self.assertIn("the next wave begins when this one is over: wave 1 has 0 updated, 2 marked", shown)
        self.boot(vms[0], "ok")
        self.assertIn("1 updated, 1 marked", self.go(2, "--status"))
        self.assertEqual(self.state(vms[2]), NEEDED)
        self.boot(vms[1], "ok")
        self.assertIn("wave 2: 1 of 1 done", self.go(2))
        self.boot(vms[2], "ok")
        self.assertIn("1 updated, 0 marked", self.go(0, "--status", "--watch", "5"))
        self.assertIn("nothing is left to be done", self.go(0))
        self.assertEqual(self.steps(),
                         [(1, "picked", 0), (1, "picked", 1), (1, "mark", 0), (1, "marked", 0), (1, "mark", 1), (1, "marked", 1),
                          (1, "updated", 0), (1, "updated", 1), (2, "picked", 2), (2, "mark", 2), (2, "marked", 2),
                          (2, "updated", 2)])
        self.assertEqual((self.journal.stat().st_mode & 0o777, self.journal.parent.stat().st_mode & 0o777), (0o600, 0o700))

    def test_a_vm_that_is_watched_is_seen_to_be_updated(self):
        vms = [self.pool.old(), self.pool.old()]
        looks = []

        def before(method):
            looks.extend([method] if method == "VM.get_record" and self.state(vms[1]) == MARKED else [])
            if len(looks) == 2:
                for reference in vms:
                    self.boot(reference, "ok")
        self.pool.before = before
        self.assertIn("2 updated, 0 marked", self.go(0, "--watch", "50"))

    def test_one_that_fails_stops_the_wave_and_is_tried_again_by_the_next_call(self):
        vms = [self.pool.old() for _ in range(3)]
        self.pool.faults[MARK, vms[1]] = "failure"
        shown = self.go(1)
        self.assertIn("SOME_CODE", shown)
        self.assertIn("wave 1: 1 of 3 done, 0 skipped; it is stopped, because one failed", shown)
        self.assertEqual(self.states(vms), [MARKED, NEEDED, NEEDED])
        self.pool.faults.clear()
        self.assertIn("wave 1: 2 of 2 done", self.go(2))
        self.assertEqual(self.states(vms), [MARKED] * 3)

    def test_one_that_started_and_is_as_it_was_has_failed(self):
        vms = [self.pool.old(power_state="Running", domid="3"), self.pool.old(), self.pool.old()]
        self.go(2, "--limit", "2")
        self.assertIn("0 updated, 2 marked", self.go(2, "--status"))
        self.boot(vms[1], "ok")
        self.boot(vms[0], MARKED)
        for words in ((), ("--status",), ("--status", "--watch", "50")):
            self.assertIn("failed 00000000-1111-4222-8333-444444444444 vm 0 it has started since it was marked",
                          self.go(1, *words))
        self.assertEqual(self.state(vms[2]), NEEDED)
        self.assertIn("1 taken back", self.go(0, "--undo"))
        self.assertEqual(self.states(vms), [NEEDED, "ok", NEEDED])
        self.assertIn("wave 2: 2 of 2 done", self.go(2))

    def test_a_mark_that_somebody_takes_back_is_a_failure(self):
        vms = [self.pool.old(), self.pool.old()]
        self.go(2, "--limit", "1")
        self.pool.vms[vms[0]]["secureboot_certificates_state"] = NEEDED
        self.assertIn("somebody has taken the mark back", self.go(1))
        self.assertEqual(self.state(vms[1]), NEEDED)

    def test_undo_takes_back_its_own_marks_alone(self):
        vms = [self.pool.old(), self.pool.old(), self.pool.old(secureboot_certificates_state=MARKED), self.pool.old()]
        self.go(2, "--limit", "2")
        self.boot(vms[0], "ok")
        shown = self.go(0, "--undo")
        self.assertIn("there is no mark to take back", shown)
        self.assertIn("1 updated, 0 marked, 0 to be done, 0 skipped, 1 taken back", shown)
        self.assertEqual(self.states(vms), ["ok", NEEDED, MARKED, NEEDED])
        self.assertEqual(self.pool.marks[-1], (vms[1], False))
        self.go(0, "--undo")
        self.assertEqual(len(self.pool.marks), 3)

    def test_what_changed_in_between_is_left_out(self):
        vms = [self.pool.old() for _ in range(4)]

        def at_mark(reference):
            if reference == vms[0]:  # all were looked at before
                self.pool.vms[vms[1]]["secureboot_certificates_state"] = "ok"
                self.pool.vms.pop(vms[2])
        self.pool.at_mark = at_mark
        shown = self.go(2)
        self.assertEqual(shown.count("it has changed since it was looked at"), 2)
        self.assertEqual([reference for reference, _ in self.pool.marks], [vms[0], vms[3]])
        self.pool.vms.pop(vms[3])
        self.assertIn("it is gone", self.go(2, "--status"))

    def test_a_wave_that_is_killed_is_gone_on_with_and_no_mark_is_lost(self):
        for is_made, by in ((False, signal.SIGKILL), (True, signal.SIGKILL), (False, signal.SIGINT), (True, signal.SIGINT)):
            with self.subTest(is_made=is_made, by=by):
                if self.journal.exists():
                    self.journal.unlink()
                self.pool.vms.clear()
                vms = [self.pool.old() for _ in range(3)]
                self.pool.old()

                def at_mark(reference):
                    if reference == vms[1]:  # pylint: disable=cell-var-from-loop
                        if is_made:  # pylint: disable=cell-var-from-loop
                            self.pool.vms[reference]["secureboot_certificates_state"] = MARKED
                        process.send_signal(by)  # pylint: disable=cell-var-from-loop
                        if by == signal.SIGKILL:  # pylint: disable=cell-var-from-loop
                            process.wait(60)
                            raise peer.Refused(["SOME_CODE"])
                self.pool.at_mark = at_mark
                with subprocess.Popen(self.command(*self.where, "--limit", "3"), stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE) as process:
                    process.communicate(timeout=60)
                self.assertEqual(process.returncode, -by if by == signal.SIGKILL else 130)
                self.pool.at_mark = None
                self.assertEqual(self.state(vms[2]), NEEDED)
                self.go(2, "--limit", "1")
                self.assertEqual(self.states(self.pool.vms), [MARKED] * 3 + [NEEDED])
                self.go(0, "--undo")
                self.assertEqual(self.states(self.pool.vms), [NEEDED] * 4)

    def test_half_a_line_of_the_journal_is_passed_over(self):
        vms = [self.pool.old(), self.pool.old()]
        self.go(2, "--limit", "1")
        with self.journal.open("a", encoding="ascii") as file:
            file.write('{"time":"2026-12-01T05:00:00Z","wave":1,"step":"upda')
        self.boot(vms[0], "ok")
        self.assertIn("1 updated, 0 marked", self.go(0, "--status"))
        self.assertIn('"step":"upda\n', self.journal.read_text(encoding="ascii"))

    def test_only_one_is_at_work(self):
        vms = [self.pool.old(), self.pool.old()]
        said = []
        self.pool.at_mark = lambda reference: said.extend(
            [self.go(1, "--status")] if reference == vms[0] else [])
        self.go(2)
        self.assertIn("another update is at work", said[0])


class OfDatabases(Update):
    def setUp(self):
        super().setUp()
        self.databases = self.folder / "vms"
        self.where = ("--backup-folder", str(self.folder / "backups"), str(self.databases))

    def database(self, number, content):
        folder = self.databases / f"{number:08}-1111-4222-8333-444444444444"
        folder.mkdir(parents=True)
        (self.folder / "blob").write_bytes(content)
        subprocess.run([BIN / "varstore-convert", self.folder / "blob", folder / "variables.sqlite"], check=True)
        return folder / "variables.sqlite"

    def missing(self, path):
        kept = subprocess.run([BIN / "varstore", "get", path, "KEK"], capture_output=True, check=True).stdout
        return (certificates.DATA / "microsoft_corporation_kek_2k_ca_2023.der").read_bytes() not in kept

    def test_certificates_are_added_in_waves_behind_backups(self):
        paths = [self.database(number, old_vm()) for number in range(3)]
        self.database(3, pools.guest.blob(pools.LANG))
        shown = self.update(2, "--plan", *self.where)
        self.assertIn("4 in all: 3 in the next wave, 0 later, 0 skipped, 1 others", shown)
        self.assertIn("it has or may have a TPM", self.update(0, "--plan", "--only-clean", *self.where))
        self.assertEqual([self.missing(path) for path in paths], [True] * 3)
        shown = self.update(2, "--limit", "2", *self.where)
        self.assertIn("wave 1: 2 of 2 done", shown)
        self.assertEqual([self.missing(path) for path in paths], [False, False, True])
        self.assertEqual(len(list((self.folder / "backups").iterdir())), 2)
        self.assertIn("wave 2: 1 of 1 done", self.update(0, "--limit", "2", *self.where))
        self.assertIn("nothing is left", self.update(0, *self.where))
        self.assertIn("varstore-repair --restore", self.update(1, "--undo", *self.where))

    def test_one_that_cannot_be_changed_stops_the_wave(self):
        paths = [self.database(number, old_vm()) for number in range(3)]
        (self.folder / "backups").write_text("no folder", encoding="ascii")
        shown = self.update(1, *self.where)
        self.assertIn("there is no backup", shown)
        self.assertIn("0 of 3 done", shown)
        self.assertEqual([self.missing(path) for path in paths], [True] * 3)
        (self.folder / "backups").unlink()
        paths[1].unlink()
        paths[1].parent.rmdir()
        shown = self.update(0, *self.where)
        self.assertIn("it has changed since it was picked", shown)
        self.assertEqual([self.missing(paths[0]), self.missing(paths[2])], [False] * 2)


class Misuse(Update):
    def test_options_that_do_not_fit_are_a_misuse(self):
        for words in (("--plan", "--undo"), ("--limit", "0"), ("--filter", "x"), ("--tag", "x", "."), ("-s", "x", "."), ("a", "b")):
            self.assertIn("--help", self.update(2, *words))
        self.assertFalse(self.journal.exists())


if __name__ == "__main__":
    unittest.main(argv=[__file__])
