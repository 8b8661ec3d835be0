#!/usr/bin/env python3
"""Certificates of a VM as files: usage: get_certificates_test.py FOLDER_OF_PROGRAMS

Whatever a guest's certificate calls itself, its file has a plain name in the folder that was asked for, and no file is replaced.
"""
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import uuid

PROGRAM = pathlib.Path(sys.argv[1], "varstore-get")
SECURITY = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f").bytes_le
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le


def certificate(folder, subject):
    der = folder / "made.der"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8",
                    "-keyout", os.devnull, "-outform", "DER", "-out", der, "-subj", "/CN=" + subject],
                   check=True, capture_output=True)
    return der.read_bytes()


def list_of(der):
    return X509 + struct.pack("<III", 28 + 16 + len(der), 0, 16 + len(der)) + bytes(16) + der


def blob(db):
    name = "db".encode("utf-16-le")
    record = (struct.pack("<Q", len(name)) + name + struct.pack("<Q", len(db)) + db + SECURITY +
              struct.pack("<I", 0x27) + bytes(16 + 32))
    return b"VARS" + struct.pack("<IQQ", 2, 1, len(record)) + bytes(268) + record


class Certificates(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.vm = self.folder / "vm"

    def get(self, out):
        return subprocess.run([PROGRAM, "--certificates", out, self.vm], capture_output=True, timeout=60, check=False)

    def test_names_are_safe_and_no_two_are_the_same(self):
        hostile = r"..\/..\/etc\/x" + "\x1b[31m\u202e \u0436" + "y" * 40
        ders = [certificate(self.folder, subject) for subject in (hostile, hostile, "-", "Two words")]
        self.vm.write_bytes(blob(b"".join(map(list_of, ders)) + list_of(b"none at all")))
        out = self.folder / "out"
        shown = self.get(out)
        warning = b"varstore-get: warning: db: left out: an entry that is no certificate\n"
        self.assertEqual((shown.returncode, shown.stderr), (0, warning))
        names = [pathlib.Path(line).name for line in shown.stdout.decode("ascii").splitlines()]
        self.assertEqual(sorted(names), sorted(path.name for path in out.iterdir()))
        self.assertEqual(len(names), 4)
        for number, (name, der) in enumerate(zip(names, ders), 1):
            self.assertRegex(name, rf"\Adb-{number}-[A-Za-z0-9._-]{{1,60}}\.pem\Z")
            read = subprocess.run(["openssl", "x509", "-in", out / name, "-outform", "DER"], check=True,
                                  capture_output=True).stdout
            self.assertEqual(read, der)
        self.assertEqual(names[3], "db-4-Two_words.pem")
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["made.der", "out", "vm"])

    def test_a_file_that_is_there_stays(self):
        self.vm.write_bytes(blob(list_of(certificate(self.folder, "One"))))
        out = self.folder / "out"
        self.assertEqual(self.get(out).returncode, 0)
        (out / "db-1-One.pem").write_text("mine")
        again = self.get(out)
        self.assertEqual((again.returncode, again.stdout), (1, b""))
        self.assertIn(b"db-1-One.pem", again.stderr)
        self.assertEqual((out / "db-1-One.pem").read_text(), "mine")

    def test_all_are_written_or_none(self):
        self.vm.write_bytes(blob(b"".join(list_of(certificate(self.folder, name)) for name in ("One", "Two"))))
        out = self.folder / "out"
        out.mkdir()
        (out / "db-2-Two.pem").symlink_to("nowhere")
        shown = self.get(out)
        self.assertEqual((shown.returncode, shown.stdout), (1, b""))
        self.assertIn(b"db-2-Two.pem: it is there already", shown.stderr)
        self.assertEqual([path.name for path in out.iterdir()], ["db-2-Two.pem"])

    def test_a_vm_without_certificates_makes_no_folder(self):
        self.vm.write_bytes(blob(b""))
        self.assertEqual(self.get(self.folder / "out").returncode, 1)
        self.assertFalse((self.folder / "out").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
