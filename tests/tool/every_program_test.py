#!/usr/bin/env python3
"""What holds for each program that an administrator calls: usage: every_program_test.py FOLDER_OF_PROGRAMS FOLDER_OF_XAPI

A call that is not understood is one line that names --help, and exit code 2; Ctrl-C ends a program as a shell expects it.
"""
import fcntl
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

BIN = pathlib.Path(sys.argv[1])
sys.path.insert(0, sys.argv[2])
import guest  # pylint: disable=import-error,wrong-import-position

COMMANDS = [("varstore", command) for command in ("boot", "bootcheck", "edit", "keys", "pcr7", "update")]
TOOLS = [(path.name,) for path in sorted(BIN.iterdir())
         if path.name.startswith("varstore-") or path.name in ("varstore", "create-auth")]
# SIGINT ends a daemon as SIGTERM does, and that is no failure. varstored-dm hands what it does not know to the device model.
DAEMONS = [(path.name,) for path in sorted(BIN.iterdir())
           if path.name in ("varstored", "varstored-attach", "varstored-loopback")]
# These start a daemon, and are over then.
STARTERS = [(path.name,) for path in sorted(BIN.iterdir()) if path.name in ("varstored-attach", "varstored-dm")]


class EveryProgram(unittest.TestCase):
    def test_a_misuse_is_one_line_that_names_help_and_exit_code_2(self):
        self.assertGreaterEqual(len(TOOLS), 12)
        for program in TOOLS + COMMANDS + DAEMONS:
            done = subprocess.run([BIN / program[0], *program[1:], "--nonsense"], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), program)
            self.assertRegex(done.stderr, r"\A[^\n]*--nonsense[^\n]*--help[^\n]*\n\Z", program)

    def test_so_is_a_call_without_what_is_needed(self):
        for program in TOOLS + COMMANDS + DAEMONS:
            if program == ("varstore-authfile-certcheck",):  # needs nothing
                continue
            done = subprocess.run([BIN / program[0], *program[1:]], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), program)
            self.assertRegex(done.stderr, r"\A[^\n]*--help[^\n]*\n\Z", program)

    def test_so_is_what_means_nothing(self):
        guid = "12345678-1234-1234-1234-123456789abc"
        with tempfile.TemporaryDirectory() as folder:
            vm = pathlib.Path(folder, "vm")
            vm.write_bytes(guest.blob(guest.entry("Lang", b"eng\0", 7, guest.GLOBAL)))
            options = {"make": ("--profile own", "--from x", "--output x", "--private x", "--download", "--url-base x", "--cacert x"),
                       "list": ("--config x", "--auth-dir x"), "check": ("--config x", "--auth-dir x"),
                       "install": ("--config x", "--auth-dir x", "--backup-folder x", "--force")}
            # Options of another verb.
            of_others = [("varstore", "keys", verb, *(["x"] if verb == "install" else []), *option.split())
                         for verb, own in options.items()
                         for option in sorted({option for others in options.values() for option in others} - set(own))]
            self.assertEqual(len(of_others), 29)
            for words in [
                    *of_others,
                    ("varstore", "keys", "make", "--profile", "own", "--cacert", "x"), ("varstore", "keys", "nonsense"),
                    ("varstore", "keys", "list", "x"), ("varstore", "keys", "check", "x", "y"),
                    ("varstore", "keys", "check", "x", "--auth-dir", "y"), ("varstore", "nonsense"),
                    ("varstore", "help", "nonsense"), ("varstore", "help", "findings", "nonsense"),
                    ("varstore", "boot", vm, "--first"), ("varstore", "edit", vm, "PK"), ("varstore", "edit", vm, "db", "x"),
                    ("varstore", "pcr7", vm, "--bank", "x"), ("varstore", "bootcheck", vm),
                    ("varstore-inspect", vm, "--check", "x"), ("varstore-inspect", vm, "--json", "--svg"),
                    ("varstore-inspect", "--pool", vm, "x"), ("varstore-inspect", "--pool", "--short"),
                    ("varstore-inspect", "--pool", "--filter", "x"), ("varstore-inspect", "--pool", "--sort", "x"),
                    ("varstore-inspect", "--pool", "--sort", "room", "--json"),
                    ("varstore-inspect", "--pool", "--json", "--openmetrics", "-"), ("varstore-inspect", vm, "--openmetrics", "-"), ("varstore-inspect", vm, "--jsonl"), ("varstore-ls", vm, "x"),
                    ("varstore-ls", vm, "--wait", "x"), ("varstore-get", vm, "x", "Note"), ("varstore-get", vm, guid, "Note", "x"),
                    ("varstore-set", vm, "x", "Note", "7", vm), ("varstore-set", vm, guid, "Note", "x", vm),
                    ("varstore-rm", vm, "x", "Note"), ("varstore-sb-state", vm, "x"), ("varstore-repair", vm, "--auth-dir", "x"),
                    ("varstore-repair", "--pool", vm), ("varstore-convert", vm), ("varstore-convert", "--to", "x", vm, "y"),
                    ("varstore-nvram-certcheck", vm, "x"), ("varstore-authfile-certcheck", "x"), ("create-auth", "x", "out", vm),
                    ("create-auth", "-g", "x", "db", "out", vm), ("create-auth", "-t", "x", "db", "out", vm),
                    ("varstored-attach", "1", "2"), ("varstored-dm", "-xen-domid", "x"), ("varstored", "x"),
                    ("varstored-loopback", "x")]:
                if not (BIN / words[0]).exists():  # without a hypervisor's libraries
                    continue
                done = subprocess.run([BIN / words[0], *words[1:]], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                      timeout=60, check=False, cwd=folder)
                self.assertEqual((done.returncode, done.stdout), (2, ""), words)
                self.assertRegex(done.stderr, r"\A[^\n]*--help[^\n]*\n\Z", words)
            self.assertEqual(os.listdir(folder), ["vm"])

    def test_a_file_that_may_not_grow_is_an_error_that_loses_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            vm, data = pathlib.Path(folder, "vm"), pathlib.Path(folder, "data")
            before = guest.blob(guest.entry("Lang", b"eng\0", 7, guest.GLOBAL))
            vm.write_bytes(before)
            data.write_bytes(b"x" * 30000)
            done = subprocess.run([BIN / "varstore-set", vm, "Lang", "7", data], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=60, check=False,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
            self.assertEqual(done.returncode, 1, done)
            self.assertRegex(done.stderr, r"\Avarstore-set: [^\n]*File too large[^\n]*\n\Z")
            self.assertEqual(vm.read_bytes(), before)
            self.assertEqual(sorted(os.listdir(folder)), ["data", "vm"])

    def test_ctrl_c_ends_each_one_while_it_writes(self):
        for program in TOOLS + COMMANDS + STARTERS:
            reader, writer = os.pipe()
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
            os.write(writer, b"x" * 4096)  # so that nothing more fits
            process = subprocess.Popen([BIN / program[0], *program[1:], "--help"], stdout=writer)
            self.wait_for_write(process.pid)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(60), -signal.SIGINT, program)  # which a shell calls 130
            os.close(writer)
            os.close(reader)

    @staticmethod
    def wait_for_write(pid):
        """Until it waits in write(2), the call of number 1."""
        while pathlib.Path(f"/proc/{pid}/syscall").read_text(encoding="ascii").split()[0] != "1":
            os.sched_yield()

    def test_ctrl_c_ends_each_one_that_waits_for_a_toolstack(self):
        with tempfile.TemporaryDirectory() as folder:
            listener = socket.socket(socket.AF_UNIX)
            self.addCleanup(listener.close)
            listener.bind(folder + "/socket")
            listener.listen()
            data = pathlib.Path(folder, "data")
            data.write_text("x", encoding="ascii")
            note = ("12345678-1234-1234-1234-123456789abc", "Note")
            for words in (("varstore-ls",), ("varstore-get", *note), ("varstore-set", *note, "7", data), ("varstore-rm", *note),
                          ("varstore-sb-state", "setup"), ("varstore-inspect",), ("varstore-inspect", "--check", "all"),
                          ("varstore-repair",), ("varstore-repair", "--fix"), ("varstore-repair", "--fix-certificates"),
                          ("varstore", "edit", "db"), ("varstore", "boot"), ("varstore", "pcr7")):
                command = words[1:2] if words[0] == "varstore" else ()
                process = subprocess.Popen([BIN / words[0], *command, "-s", folder + "/socket", guest.UUID,
                                            *words[1 + len(command):]],
                                           start_new_session=True)
                connection, _ = listener.accept()  # it waits for an answer
                os.killpg(process.pid, signal.SIGINT)
                self.assertEqual(process.wait(60), -signal.SIGINT, words)
                connection.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
