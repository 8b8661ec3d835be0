#!/usr/bin/env python3
"""make_test_keys.py FOLDER [DBX.esl]: keys for the tests, new ones each time, made with openssl.

  PK.auth KEK.auth db.auth dbx.auth   what a host keeps in its keys folder
  PK.esl KEK.esl db.esl dbx.esl       the signature lists in them, as the guest reads them
  update.auth                         an append to db, signed by KEK, to be set with attributes 0x67
  updated.esl                         db after it
  stranger.auth                       the same append, signed by a key that no one knows

With a DBX.esl, that is dbx, and the keys to sign with stay there, too: PK.key PK.pem, and so on for KEK, db and
stranger.
"""
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import uuid

# UEFI 2.10, 32.4.1 (signature lists), 32.6.1 (vendors), 8.2.6 (descriptors)
CERT_X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
CERT_SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328")
CERT_TYPE_PKCS7 = uuid.UUID("4aafd29d-68df-49ee-8aa9-347d375665a7")
GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
SECURITY_DATABASE = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
WIN_CERT_TYPE_EFI_GUID = 0x0EF1
SET, APPEND = 0x27, 0x67
OWNER = uuid.UUID("2a7c0ea9-5d1e-4b5e-9c5f-6f6d5e0b3a11")


def signature_list(kind, entry):
    body = OWNER.bytes_le + entry
    return kind.bytes_le + struct.pack("<III", 28 + len(body), 0, len(body)) + body


def efi_time(year, month, day):
    return struct.pack("<HBBBBBBIhBB", year, month, day, 12, 0, 0, 0, 0, 0, 0, 0)


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout


class Key:
    def __init__(self, folder, name):
        self.path = os.path.join(folder, name)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
                "-subj", f"/CN=test {name}", "-keyout", self.path + ".key", "-out", self.path + ".pem")

    def as_list(self):
        return signature_list(CERT_X509, openssl("x509", "-in", self.path + ".pem", "-outform", "DER"))

    def sign(self, name, vendor, attributes, time, payload):
        """The payload as a guest or a keys file would give it to SetVariable."""
        signed = name.encode("utf-16-le") + vendor.bytes_le + struct.pack("<I", attributes) + time + payload
        signature = openssl("cms", "-sign", "-binary", "-noattr", "-md", "sha256", "-outform", "DER",
                            "-signer", self.path + ".pem", "-inkey", self.path + ".key", data=signed)
        header = struct.pack("<IHH", 24 + len(signature), 0x0200, WIN_CERT_TYPE_EFI_GUID)
        return time + header + CERT_TYPE_PKCS7.bytes_le + signature + payload


def main(folder, dbx_list=None):
    os.makedirs(folder)

    def write(name, content):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)

    with tempfile.TemporaryDirectory() as work:
        pk, kek, db, vendor, stranger = (
            Key(work, name) for name in ("PK", "KEK", "db", "vendor", "stranger"))
        dbx = signature_list(CERT_SHA256, bytes(range(32)))
        if dbx_list:
            with open(dbx_list, "rb") as file:
                dbx = file.read()
            for key in (pk, kek, db, stranger):
                for suffix in (".key", ".pem"):
                    shutil.copy(key.path + suffix, folder)
        then, later = efi_time(2024, 1, 1), efi_time(2024, 2, 1)
        for name, where, attributes, signer, content in (
                ("PK", GLOBAL, SET, pk, pk.as_list()),
                ("KEK", GLOBAL, SET, pk, kek.as_list()),
                ("db", SECURITY_DATABASE, SET, kek, db.as_list()),
                ("dbx", SECURITY_DATABASE, APPEND, kek, dbx)):
            write(f"{name}.esl", content)
            write(f"{name}.auth", signer.sign(name, where, attributes, then, content))
        write("updated.esl", db.as_list() + vendor.as_list())
        for name, signer in (("update", kek), ("stranger", stranger)):
            write(f"{name}.auth", signer.sign("db", SECURITY_DATABASE, APPEND, later, vendor.as_list()))


main(*sys.argv[1:])
