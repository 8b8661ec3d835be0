#!/usr/bin/env python3
"""VMs of a host with xl and without a toolstack, for who has not named one: usage: xl_vms_test.py BIN

Each program runs in a mount namespace whose /var/lib and /run are folders of the test's.
"""
import os
import pathlib
import pty
import select
import socket
import subprocess
import sys
import tempfile
import unittest

BIN = pathlib.Path(sys.argv[1]).resolve()
WEB, ODD, OFF, NAMELESS = (f"0000000{digit}-89ab-cdef-0123-456789abcdef" for digit in "1234")
HOSTILE = "x$(touch pwned)`touch pwned`;touch pwned #'\" end"
UNSHARE = ["unshare", "--mount", "--propagation", "private", *([] if os.geteuid() == 0 else ["--map-root-user"])]
IN_NAMESPACE = 'mount --bind "$1" /var/lib; mount --bind "$2" /run; shift 2; exec "$@"'


class XlVms(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.lib, self.run = self.folder / "lib", self.folder / "run"
        self.live = self.run / "varstored/live"
        self.vms = self.lib / "varstored"
        for path in (self.vms, self.live, self.folder / "here"):
            path.mkdir(parents=True)
        (self.vms / "secureboot.d").mkdir()
        (self.vms / f"{NAMELESS[::-1]}.name").write_text("of nobody", encoding="utf-8")

    def add(self, uuid, name=None, domain=None):
        (self.vms / uuid).mkdir()
        if name is not None:
            (self.vms / f"{uuid}.name").write_text(name, encoding="utf-8")
        if domain is not None:
            listener = socket.socket(socket.AF_UNIX)
            self.addCleanup(listener.close)
            listener.bind(str(self.live / f"{domain}.{uuid}"))
            listener.listen()
            return listener
        return None

    def add_all(self):
        self.add(WEB, "web", 5)
        self.add(ODD, HOSTILE)
        self.add(OFF, "\u001b[31mwell \u00f6")
        self.add(NAMELESS, domain=7).close()  # ended; its socket is still there

    def inside(self, *command):
        return [*UNSHARE, "sh", "-euc", IN_NAMESPACE, "sh", self.lib, self.run, *command]

    def call(self, *command, **options):
        return subprocess.run(self.inside(*command), capture_output=True, text=True, timeout=60, check=False,
                              cwd=self.folder / "here", stdin=subprocess.DEVNULL, **options)


class List(XlVms):
    def test_without_a_vm_those_of_the_host_are_listed(self):
        self.add_all()
        for tool in ("varstore-ls", "varstore-inspect"):
            done = self.call(BIN / tool)
            self.assertEqual((done.returncode, done.stderr), (0, ""), tool)
            self.assertEqual(done.stdout.splitlines(), [
                "UUID                                  STATE  NAME", f"{WEB}  on     web", f"{ODD}  off    {HOSTILE}",
                f"{OFF}  off    \\u{{001B}}[31mwell \u00f6", f"{NAMELESS}  off"])

    def test_where_there_is_none_it_says_what_to_give(self):
        for tool in ("varstore-ls", "varstore-inspect"):
            done = self.call(BIN / tool)
            self.assertEqual((done.returncode, done.stdout), (2, ""), tool)
            self.assertRegex(done.stderr, r"\A[^\n]*uuid[^\n]*--help[^\n]*\n\Z")

    def test_with_a_toolstack_and_with_what_needs_a_vm_too(self):
        self.add_all()
        for words in (("varstore-ls", "--long"), ("varstore-ls", "--live"), ("varstore-ls", "-s", "x"), ("varstore-inspect", "--json"),
                      ("varstore-inspect", "--check", "all"), ("varstore-get",), ("varstore-rm",), ("varstore-repair",)):
            self.assertEqual(self.call(BIN / words[0], *words[1:]).returncode, 2, words)
        (self.lib / "xcp").mkdir()
        self.assertEqual(self.call(BIN / "varstore-ls").returncode, 2)

    def test_a_name_that_is_no_file_of_ours_is_not_known(self):
        self.add(WEB, "x" * 256)
        self.add(ODD)
        (self.vms / f"{ODD}.name").symlink_to("/etc/hostname")
        self.assertEqual(self.call(BIN / "varstore-ls").stdout.splitlines()[1:], [f"{WEB}  off", f"{ODD}  off"])


class Completion(XlVms):
    """What bash offers for a VM, and that it does nothing that a name says."""

    SCRIPT = """
        . "$0/completion/$1"; COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2)); "_${1//-/_}"; printf '%s\\n' "${COMPREPLY[@]}" """

    def completed(self, *words, name=None):
        done = self.call("bash", "-euc", self.SCRIPT, BIN.parent, name or words[0], *words,
                         env={**os.environ, "PATH": f"{BIN}:/usr/bin:/bin"})
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        self.assertEqual(os.listdir(self.folder / "here"), [], words)
        return done.stdout.splitlines()

    def test_uuids_and_names_of_the_vms_of_xl_are_completed(self):
        self.add_all()
        self.add("00000005-89ab-cdef-0123-456789abcdef", "-rf")
        self.add("00000006-89ab-cdef-0123-456789abcdef", "42")
        self.add("00000007-89ab-cdef-0123-456789abcdef", "../x")
        for name in ("varstore-ls", "varstore-get", "varstore-sb-state", "varstore-edit", "varstore-repair"):
            self.assertEqual(self.completed(name, "w"), ["web"], name)
            self.assertEqual(self.completed(name, WEB[:8]), [WEB], name)
        offered = self.completed("varstore-ls", "")
        self.assertEqual(offered, [WEB, "web", ODD, OFF, NAMELESS,
                                   *(f"0000000{digit}-89ab-cdef-0123-456789abcdef" for digit in "567")])
        self.assertEqual(self.completed("varstore", "get", "we"), ["web"])

    def test_one_that_was_begun_in_quotes_is_found(self):
        self.add(WEB, "my vm")
        for begun in ("my", r"my\ v", '"my v', "'my v"):
            self.assertEqual(self.completed("varstore-ls", begun), ["my vm"], begun)

    def test_a_host_without_vms_has_none(self):
        self.assertEqual(self.completed("varstore-ls", "x"), [""])

    def test_a_name_that_a_shell_could_take_for_more_is_not_offered(self):
        """bash itself quotes a completed word, but not each of these."""
        for number, sign in enumerate("$`'\"\\;&|<>(){}[]*?!#~^=:,%/\t\n\u001b"):
            self.add(f"{number:08x}-89ab-cdef-0123-456789abcdef", f"x{sign}y")
        self.assertEqual(self.completed("varstore-ls", "x"), [""])

    def test_on_a_terminal_a_name_becomes_one_word(self):
        """A shell of a person, with the key for completion."""
        self.add(WEB, "my vm.1")
        self.add(ODD, "x$(touch pwned)")
        master, slave = pty.openpty()
        shell = subprocess.Popen(self.inside("bash", "--norc", "--noprofile", "-i"), stdin=slave, stdout=slave, stderr=slave,
                                 cwd=self.folder / "here", start_new_session=True,
                                 env={**os.environ, "PATH": f"{BIN}:/usr/bin:/bin", "PS1": "READY> ", "TERM": "dumb",
                                      "INPUTRC": "/dev/null", "HISTFILE": ""})
        os.close(slave)
        self.addCleanup(os.close, master)
        # The function stands for the tool, and keeps what it is given.
        for line in (f". {BIN.parent}/completion/varstore-ls", "varstore-ls() { printf '%s|' $# \"$@\" >>../given; }",
                     "varstore-ls my\t", "varstore-ls 'my\t", "varstore-ls x\t", "exit"):
            said = b""
            while b"READY> " not in said:
                self.assertTrue(select.select([master], [], [], 60)[0], said)
                said += os.read(master, 4096)
            os.write(master, line.encode() + b"\n")
        shell.wait(60)
        self.assertEqual((self.folder / "given").read_text(encoding="ascii"), "1|my vm.1|1|my vm.1|1|x|")
        self.assertEqual(os.listdir(self.folder / "here"), [])


if __name__ == "__main__":
    if subprocess.run([*UNSHARE, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        print("not run: no mount namespace can be made here")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
