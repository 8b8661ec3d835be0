#!/usr/bin/env python3
"""VMs of a host with xl and without a toolstack, for who has not named one: usage: xl_vms_test.py BIN XAPI_FOLDER

Each program runs in a mount namespace whose /var/lib and /run are folders of the test's.
"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

BIN, XAPI = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
sys.path.insert(0, XAPI)
import guest  # pylint: disable=import-error,wrong-import-position

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


if __name__ == "__main__":
    if subprocess.run([*UNSHARE, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        print("not run: no mount namespace can be made here")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
