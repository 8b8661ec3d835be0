#!/usr/bin/env python3
"""varstore-inspect --pool: usage: inspect_pool_test.py PROGRAMS_FOLDER SOURCE_FOLDER

A pool of XAPI's in memory, and a folder of databases with a VM that runs.
"""
import base64
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAMS, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
PROGRAM = PROGRAMS / "varstore-inspect"
sys.path += [str(SOURCE / "tests/backend/xapi"), str(SOURCE / "tests/support")]
import guest  # noqa: E402  pylint: disable=import-error,wrong-import-position
import peer  # noqa: E402  pylint: disable=import-error,wrong-import-position
from json_schema import validate  # noqa: E402  pylint: disable=wrong-import-position
from terminal import on_terminal  # noqa: E402  pylint: disable=wrong-import-position

HOSTILE = "a \x9b31mname\u202e\"'</script>{} that is longer than the column is, " * 3
CLEAN = guest.blob(guest.entry("Lang", b"eng\0", 7, guest.GLOBAL))
DANGLING = guest.blob(guest.entry("BootNext", b"\1\0", 7, guest.GLOBAL))
BROKEN = CLEAN + b"more"
FLAGS = ("is_a_template", "is_a_snapshot", "is_default_template", "is_control_domain")


class Pool(peer.Toolstack):
    """A toolstack with many VMs, in memory."""

    def __init__(self, folder):
        super().__init__(folder, "xapi")
        self.vms = {}
        self.faults = {}  # reference: what goes wrong
        self.calls = set()
        self.before = None
        self.reference = None

    def add(self, content, name, **fields):
        number = len(self.vms)
        nvram = {} if content is None else {"EFI-variables": base64.b64encode(content).decode()}
        self.vms[f"OpaqueRef:{number:08}-0000-4000-8000-000000000000"] = {
            "uuid": uuid_of(number), "name_label": name, "power_state": "Halted", "NVRAM": nvram,
            "HVM_boot_params": {"firmware": "uefi"}, "platform": {"secureboot": "false"}, "other_config": {},
            **dict.fromkeys(FLAGS, False), **fields}

    def note(self, body, method, parameters):
        self.calls.add(method)
        self.reference = parameters[1] if len(parameters) > 1 else None

    def take_fault(self, method):
        return self.faults.get(self.reference) if method == "VM.get_record" else None

    def check_session(self, session, vm=None):
        super().check_session(session)

    def answer(self, method, parameters):
        if method not in ("VM.get_all", "VM.get_record"):
            return super().answer(method, parameters)
        if self.before is not None:
            self.before(method)  # pylint: disable=not-callable
        self.check_session(parameters[0])
        return list(self.vms) if method == "VM.get_all" else self.vms[parameters[1]]


def uuid_of(number):
    return f"{number:08}-1111-4222-8333-444444444444"


def schemas():
    inspect, pool = (json.loads((SOURCE / f"docs/tools/varstore-inspect{name}.schema.json").read_text(encoding="utf-8"))
                     for name in ("", "-pool"))
    return pool, {"varstore-inspect.schema.json": inspect}


class InspectPool(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def inspect(self, exit_code, *words, **environment):
        done = subprocess.run([PROGRAM, "--pool", *words], capture_output=True, timeout=120, check=False,
                              env={"PATH": os.environ["PATH"], "COLUMNS": "100", **environment})
        self.assertEqual(done.returncode, exit_code, done)
        self.errors = done.stderr.decode()
        return done.stdout.decode()

    def document(self, exit_code, *words):
        shown = self.inspect(exit_code, "--json", *words)
        self.assertRegex(shown, r"\A[ -~\n]*\Z")
        document = json.loads(shown)
        schema, others = schemas()
        validate(document, schema, schema, others=others)
        # The same, a line a VM.
        lines = self.inspect(exit_code, "--jsonl", *words).splitlines()
        self.assertEqual([json.loads(line) for line in lines], document)
        return document


class OfXapi(InspectPool):
    def setUp(self):
        super().setUp()
        self.pool = Pool(str(self.folder))
        self.where = peer.serve(self, self.pool, self.folder)

    def some(self):
        self.pool.add(CLEAN, "clean")
        self.pool.add(DANGLING, "warned")
        self.pool.add(BROKEN, HOSTILE)
        self.pool.add(None, "new", platform={"secureboot": "true"})
        self.pool.add(CLEAN, "snap", is_a_template=True, is_a_snapshot=True)
        self.pool.add(CLEAN, "template", is_a_template=True, power_state="Suspended")
        self.pool.add(DANGLING, "dom0", is_control_domain=True)
        self.pool.add(DANGLING, "bios", HVM_boot_params={"firmware": "bios"})

    def test_the_worst_stands_first_and_what_cannot_be_read_before_it(self):
        self.some()
        shown = self.inspect(2, *self.where)
        self.assertRegex(shown, r"\A[ -~\n]*\Z")
        lines = shown.splitlines()
        self.assertEqual(lines[0].split(), ["name", "mode", "wanted", "on", "2011", "2023", "dbx", "svn", "room"])
        self.assertTrue(all(len(line) <= 100 for line in lines), shown)
        self.assertIn("\\u{009B}31mname\\u{202E}", lines[1])
        self.assertEqual(lines[2], f"  {uuid_of(2)}: blob-unreadable")
        self.assertTrue(lines[3].startswith("warned "), shown)
        self.assertIn("boot-order-dangling", lines[4])
        self.assertEqual([line.split()[0] for line in lines[5:9]], ["clean", "new", "snap", "template"])
        self.assertEqual(lines[6].split()[:4], ["new", "new", "yes", "no"])
        self.assertEqual(lines[5].split()[1:8], ["setup", "no", "no", "--", "--", "--", "--"])
        self.assertEqual(lines[9:], ["", "8 in all: 4 clean, 2 with findings, 0 failed, 2 skipped"])

        self.pool.faults = {list(self.pool.vms)[0]: "failure"}
        shown = self.inspect(1, *self.where)
        self.assertTrue(shown.splitlines()[1].startswith("--"), shown)
        self.assertIn(" 1 failed, ", shown)

    def test_the_table_is_sorted_by_a_column(self):
        self.some()
        self.pool.add((SOURCE / "tests/cases/dbx-svn/vm.vars").read_bytes(), "versions")
        shown = self.inspect(2, "--sort", "name", *self.where)
        names = [line.split()[0] for line in shown.splitlines()[1:-2] if not line.startswith("  ")]
        self.assertEqual(names, ["a", "clean", "new", "snap", "template", "versions", "warned"])
        shown = self.inspect(2, "--sort", "svn", *self.where)
        names = [line.split()[0] for line in shown.splitlines()[1:-2] if not line.startswith("  ")]
        self.assertEqual((names[0], names[-1]), ("a", "versions"))
        row = next(line.split() for line in shown.splitlines() if line.startswith("versions"))
        one = json.loads(subprocess.run([PROGRAM, "--json", SOURCE / "tests/cases/dbx-svn/vm.vars"], capture_output=True,
                                        check=False).stdout)
        version = next(version for key in one["keys"] for version in key.get("versions", [])
                       if version["program"] == "Windows boot manager" and not version["is_superseded"])
        self.assertEqual(row[-2], f"{version['major']}.{version['minor']}")

    def test_a_filter_leaves_what_has_the_finding_and_what_cannot_be_read(self):
        self.some()
        shown = self.inspect(2, "--filter", "blob-unreadable", *self.where)
        self.assertEqual(len(shown.splitlines()), 5)
        self.assertIn(f"{uuid_of(2)}: blob-unreadable\n", shown)
        names = [vm["uuid"] for vm in self.document(2, "--filter", "blob-unreadable", "--filter", "boot-order-dangling",
                                                    *self.where)]
        self.assertEqual(names, [uuid_of(1), uuid_of(2)])
        self.assertEqual(self.document(0, "--filter", "secure-boot-without-pk", *self.where), [])
        self.pool.faults = {list(self.pool.vms)[0]: "failure"}
        self.assertEqual(len(self.document(1, "--filter", "secure-boot-without-pk", *self.where)), 1)
        self.assertEqual(self.inspect(2, "--filter", "nonsense", *self.where), "")

    def test_json_is_that_of_one_vm_with_what_the_pool_knows(self):
        self.some()
        vms = self.document(2, *self.where)
        self.assertEqual([vm["name"] for vm in vms], ["clean", "warned", HOSTILE, "new", "snap", "template"])
        self.assertEqual([vm["kind"] for vm in vms], ["vm"] * 4 + ["snapshot", "template"])
        self.assertEqual((vms[5]["power_state"], vms[3]["wants_secure_boot"]), ("Suspended", True))
        self.assertEqual([vm["certificate_state"] for vm in vms[2:4]], ["update_ok", None])
        for vm, content in zip(vms, (CLEAN, DANGLING, BROKEN)):
            path = self.folder / "one"
            path.write_bytes(content)
            one = json.loads(subprocess.run([PROGRAM, "--json", path], capture_output=True, check=False).stdout)
            self.assertEqual(vm["report"]["usage"], one["usage"])
            self.assertEqual([finding["name"] for finding in vm["report"]["findings"]],
                             [finding["name"] for finding in one["findings"]])
        self.assertEqual(vms[1]["report"]["findings"][0]["command"], f"varstore-repair --fix {uuid_of(1)}")
        with self.assertRaises(AssertionError):
            schema, others = schemas()
            validate([{**vms[0], "more": 1}], schema, schema, others=others)

    def test_it_only_looks(self):
        self.some()
        before = json.dumps(self.pool.vms)
        self.inspect(2, *self.where)
        self.assertEqual(json.dumps(self.pool.vms), before)
        self.assertEqual(self.pool.calls, {"session.login_with_password", "VM.get_all", "VM.get_record",
                                           "session.logout"})

    def test_an_empty_pool_is_an_empty_document(self):
        self.assertEqual(self.document(0, *self.where), [])
        self.assertEqual(self.inspect(0, *self.where), "0 in all: 0 clean, 0 with findings, 0 failed, 0 skipped\n")

    def test_a_list_that_is_broken_is_an_error_of_the_run(self):
        self.some()
        path = self.folder / "list"
        path.write_text("{")
        self.assertEqual(self.inspect(1, "--lists", str(path), *self.where), "")
        self.assertIn(str(path), self.errors)

    def test_after_ctrl_c_what_was_seen_is_shown(self):
        for _ in range(9):
            self.pool.add(CLEAN, "web")
        for words in ((), ("--json",)):
            process = subprocess.Popen([PROGRAM, "--pool", *words, *self.where], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            seen = []

            def send(method, process=process, seen=seen):
                seen.append(method)
                if len(seen) == 5:
                    process.send_signal(signal.SIGINT)

            self.pool.before = send
            shown, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 130)
            self.assertIn("interrupted: ", errors if words else shown)
            self.assertEqual(len(json.loads(shown)) if words else shown.count("\nweb "), 3, shown)

    def lookers(self, kill_at=None):
        """Looks at all VMs, and gives which helper processes looked. One is killed while that VM is fetched."""
        process = subprocess.Popen([PROGRAM, "--pool", *self.where], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        fetched, found = [], set()

        def note(method):
            fetched.append(method)
            children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
            # The first one talks to the toolstack.
            found.update(children[1:])
            if len(fetched) == kill_at:
                os.kill(int(children[1]), signal.SIGKILL)

        self.pool.before = note
        shown, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, shown)
        return len(found), shown

    def test_now_and_then_a_new_helper_process_looks(self):
        for _ in range(130):
            self.pool.add(CLEAN, "web")
        self.assertEqual(self.lookers()[0], 3)

    def test_a_helper_process_that_ends_is_not_blamed_on_the_vm_at_hand(self):
        for _ in range(9):
            self.pool.add(CLEAN, "web")
        count, shown = self.lookers(5)
        self.assertEqual(count, 2)
        self.assertIn("\n9 in all: 9 clean, 0 with findings, 0 failed, 0 skipped\n", shown)

    def test_a_bar_is_shown_on_a_terminal(self):
        self.some()
        shown, _ = on_terminal([PROGRAM, "--pool", *self.where], "stderr", TERM="xterm")
        self.assertIn(b"] 2 of 8", shown)
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown)


class OfAFolder(InspectPool):
    def setUp(self):
        super().setUp()
        self.databases, self.live = self.folder / "databases", self.folder / "live"
        self.live.mkdir()
        for number, content in enumerate((CLEAN, DANGLING)):
            self.add(number, content)
        self.where = ("--live-folder", str(self.live), str(self.databases))

    def add(self, number, content):
        folder = self.databases / uuid_of(number)
        folder.mkdir(parents=True)
        file = self.folder / "blob"
        file.write_bytes(content)
        subprocess.run([PROGRAMS / "varstore-convert", file, folder / "variables.sqlite"], check=True)

    def tell(self, number, blob, told=None):
        """A daemon of this VM, which answers everybody."""
        guest_socket = socket.socket(socket.AF_UNIX)
        guest_socket.bind(str(self.live / f"{number}.{uuid_of(number)}"))
        guest_socket.listen()
        told = (told or b"LIVE" + struct.pack("<I", 1) + b"\1v" + b"\6sqlite" + struct.pack("<6QI", 9, 0, 0, 0, 0, 0, 0) + b"\0") + blob

        def serve():
            while True:
                try:
                    with guest_socket.accept()[0] as client:
                        client.sendall(told)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()

        def end():
            guest_socket.shutdown(socket.SHUT_RDWR)
            guest_socket.close()
            thread.join()

        self.addCleanup(end)

    def test_each_database_is_a_vm_and_a_running_one_is_asked(self):
        vms = self.document(2, *self.where)
        self.assertEqual([(vm["uuid"], vm["power_state"], len(vm["report"]["findings"])) for vm in vms],
                         [(uuid_of(0), None, 0), (uuid_of(1), None, 1)])
        self.tell(0, DANGLING)
        vms = self.document(2, *self.where)
        self.assertEqual([vm["power_state"] for vm in vms], ["Running", None])
        self.assertEqual([finding["name"] for finding in vms[0]["report"]["findings"]], ["boot-order-dangling"])
        self.assertIn(f"{uuid_of(1)}: boot-order-dangling\n", self.inspect(2, *self.where))

    def test_ctrl_c_does_not_wait_for_a_daemon_that_is_silent(self):
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(self.live / f"7.{uuid_of(0)}"))
            silent.listen()
            process = subprocess.Popen([PROGRAM, "--pool", *self.where], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            with silent.accept()[0]:
                process.send_signal(signal.SIGINT)
                shown, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn("interrupted: 2 were not looked at", shown)

    def test_of_a_database_the_report_is_that_of_this_database_alone(self):
        self.add(2, guest.blob(guest.entry("PK", b"of anybody", 0x27, guest.GLOBAL)))
        path = self.databases / uuid_of(2) / "variables.sqlite"
        with subprocess.Popen([PROGRAMS / "varstored-loopback", "--listen", self.folder / "door", "--backend", "sqlite",
                               "--arg", f"path:{path}", "--platform", "secureboot=true"],
                              stderr=subprocess.PIPE, text=True) as daemon:
            for line in daemon.stderr:
                if "ready: " in line:
                    break
            daemon.terminate()
        one = json.loads(subprocess.run([PROGRAM, "--json", path], capture_output=True, check=False, timeout=60).stdout)
        self.assertEqual(one["secure_boot_at_last_start"], True)
        self.assertEqual(self.document(2, *self.where)[2]["report"], one)

    def test_one_that_cannot_be_read_is_a_row_with_the_reason(self):
        (self.databases / uuid_of(1) / "variables.sqlite").write_bytes(b"no database")
        (self.databases / uuid_of(2)).mkdir()
        (self.databases / "PK.auth").write_bytes(b"a key of the host's")
        vms = self.document(1, *self.where)
        self.assertEqual(["report" not in vm for vm in vms], [False, True, True])
        self.assertTrue(all(vm["error"] for vm in vms[1:]))
        self.assertIn("3 in all: 1 clean, 0 with findings, 2 failed, 0 skipped\n", self.inspect(1, *self.where))
        self.assertEqual(self.inspect(1, str(self.folder / "gone")), "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
