#!/usr/bin/env python3
"""varstore-inspect with a VM's uuid, against each generation of the toolstack:
usage: inspect_xapi_test.py PROGRAM tests/backend/xapi
"""
import base64
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv[1]
sys.path.insert(0, sys.argv[2])
import peer  # pylint: disable=wrong-import-position

UUID = "01234567-89ab-cdef-0123-456789abcdef"
EMPTY = b"VARS" + struct.pack("<IQQ", 2, 0, 0) + bytes(268)
ONE = (b"VARS" + struct.pack("<IQQ", 2, 1, 84 + 2 + 1) + bytes(268) + struct.pack("<Q", 2) + b"A\0" +
       struct.pack("<Q", 1) + b"!" + bytes(range(16)) + struct.pack("<I", 7) + bytes(48))


class InspectXapi(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def toolstack(self, generation, content=None, **words):
        folder = self.folder / f"{generation}-{len(os.listdir(self.folder))}"
        folder.mkdir()
        self.socket = folder / "socket"
        toolstack = peer.Toolstack(str(folder), generation)
        if content is not None:
            toolstack.write("nvram", content if isinstance(content, str) else base64.b64encode(content).decode())
        for name, word in words.items():
            toolstack.write(name, word)
        server = peer.Server(str(self.socket), toolstack)
        self.addCleanup(server.close)
        return toolstack

    def inspect(self, exit_code):
        done = subprocess.run([PROGRAM, UUID, "-s", self.socket, "--json", "--wait", "0"], capture_output=True,
                              text=True, timeout=60, check=False)
        self.errors = done.stderr
        self.assertEqual(done.returncode, exit_code, done)
        return json.loads(done.stdout) if done.stdout else done.stderr

    @staticmethod
    def names(report):
        return [finding["name"] for finding in report["findings"]]

    def test_wish_of_the_host_is_known_from_xapi_itself(self):
        self.toolstack("xapi", EMPTY, secureboot="true")
        report = self.inspect(2)
        self.assertEqual(self.names(report), ["secure-boot-without-pk"])
        self.assertEqual(report["findings"][0]["command"], f"varstore-sb-state {UUID} user")
        self.toolstack("xapi", EMPTY)
        self.assertEqual(self.inspect(0)["secure_boot"], False)

    def test_a_guard_is_asked_for_nothing_that_it_does_not_know(self):
        for generation in ("guard", "old-guard"):
            toolstack = self.toolstack(generation, EMPTY)
            self.inspect(0)
            self.assertNotIn("VM.get_platform", toolstack.read("calls"))

    def test_nothing_is_written(self):
        for content in (EMPTY, ONE, ONE[:-3], None):
            toolstack = self.toolstack("xapi", content)
            before = toolstack.read("nvram")
            self.inspect(2 if content == ONE[:-3] else 0)
            self.assertEqual(toolstack.read("nvram"), before)
            self.assertNotIn("set_NVRAM", toolstack.read("calls"))
            self.assertNotIn("message.create", toolstack.read("calls"))
            # Given back while the process still has the right to reach the socket.
            self.assertEqual(toolstack.read("calls").splitlines()[-1], "session.logout")

    def test_before_the_first_boot_there_is_nothing_to_find(self):
        self.toolstack("xapi", secureboot="true")
        report = self.inspect(0)
        self.assertTrue(report["is_first_boot"])

    def test_what_cannot_be_read_is_read_as_far_as_it_goes(self):
        text = base64.b64encode(ONE + ONE[292:-1]).decode()
        self.toolstack("xapi", text)
        report = self.inspect(2)
        self.assertEqual(self.names(report), ["blob-unreadable"])
        self.assertEqual(report["findings"][0]["command"], f"varstore-repair --fix {UUID}")
        self.assertEqual([variable["name"] for variable in report["usage"]["variables"]], ["A"])
        self.toolstack("xapi", text[:-20] + "!!" + text[-18:])
        self.assertIn("blob-unreadable", self.names(self.inspect(2)))

    def test_a_toolstack_that_does_not_listen_is_an_error(self):
        self.socket = self.folder / "nobody"
        self.assertRegex(self.inspect(1), r"\Avarstore-inspect: .+\n\Z")

    def test_without_an_answer_about_secure_boot_the_rest_is_shown(self):
        self.toolstack("xapi", EMPTY, fault="VM.get_platform failure")
        self.inspect(0)
        self.assertRegex(self.errors, r"\Avarstore-inspect: warning: whether Secure Boot is wanted is not known: .+\n\Z")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
