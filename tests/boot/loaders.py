"""Boot loaders, keys and signature lists for the tests of this folder."""
import hashlib
import pathlib
import re
import struct
import subprocess
import uuid

OWNER = uuid.UUID("11111111-2222-3333-4444-555555555555").bytes_le
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
DATABASE = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328")
X509_SHA256 = uuid.UUID("3bd2a492-96c0-4079-b420-fcf98ef103ed")


def run(*words, **more):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, **more).stdout


def program(text, status=0x8000000000000015):
    """A program of EFI for x64 that returns `status`, EFI_ABORTED: nothing else in a boot does. `text` makes it
    different from others."""
    code = (b"\x48\xb8" + struct.pack("<Q", status) + b"\xc3").ljust(0x200, b"\xcc")
    data = text.encode().ljust(0x200, b"\0")
    optional = struct.pack("<HBBIIIII", 0x20B, 0, 0, 0x200, 0x200, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHHQQQQII", 0, 0x1000, 0x200, 0, 0, 0, 0, 0, 0, 0, 0x3000, 0x200, 0, 10, 0,
                            0x10000, 0x1000, 0x10000, 0x1000, 0, 16) + bytes(16 * 8)
    sections = b"".join(name.ljust(8, b"\0") + struct.pack("<IIIIIIHHI", 0x200, address, 0x200, place, 0, 0, 0, 0, flags)
                        for name, address, place, flags in ((b".text", 0x1000, 0x200, 0x60000020),
                                                            (b".data", 0x2000, 0x400, 0xC0000040)))
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = struct.pack("<HHIIIHH", 0x8664, 2, 0, 0, 0, len(optional), 0x222)
    return (dos + b"PE\0\0" + coff + optional + sections).ljust(0x200, b"\0") + code + data


def boot_manager(major, minor, name="BOOTMGRSECURITYVERSIONNUMBER"):
    """Such a program with the resource in which Windows' boot manager has its version."""
    content = bytearray(program("", 0))
    folder = struct.Struct("<IIHHHHII")  # and its one entry
    tree = folder.pack(0, 0, 0, 0, 0, 1, 10, 1 << 31 | 24) + folder.pack(0, 0, 0, 0, 1, 0, 1 << 31 | 96, 1 << 31 | 48)
    tree += folder.pack(0, 0, 0, 0, 0, 1, 1033, 72) + struct.pack("<IIII", 0x2000 + 88, 4, 0, 0)
    tree += struct.pack("<HH", minor, major).ljust(8, b"\0") + struct.pack("<H", len(name)) + name.encode("utf-16-le")
    content[0x400:0x400 + len(tree)] = tree
    struct.pack_into("<II", content, 0x40 + 24 + 112 + 2 * 8, 0x2000, len(tree))
    return bytes(content)


class Keys:
    """Certificates by name, each with its key, in a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def make(self, name, issuer=None):
        own = ["-x509"] if issuer is None else ["-x509", "-CA", self.folder / f"{issuer}.pem", "-CAkey",
                                                  self.folder / f"{issuer}.key"]
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "3650", "-subj", f"/CN={name}",
            "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem", *own)

    def der(self, name):
        return run("openssl", "x509", "-in", self.folder / f"{name}.pem", "-outform", "DER")

    def tbs_sha256(self, name):
        """Of tbsCertificate, the first element inside of the certificate."""
        der = self.der(name)
        assert der[:2] == b"\x30\x82" and der[4:6] == b"\x30\x82"
        size = 4 + struct.unpack(">H", der[6:8])[0]
        return hashlib.sha256(der[4:4 + size]).digest()

    def sign(self, name, path):
        """Adds a signature to the program at `path`."""
        run("sbsign", "--key", self.folder / f"{name}.key", "--cert", self.folder / f"{name}.pem", "--output", path, path)


def entry_list(kind, *entries):
    """An EFI_SIGNATURE_LIST of entries of one size."""
    body = b"".join(OWNER + entry for entry in entries)
    return kind.bytes_le + struct.pack("<III", 28 + len(body), 0, 16 + len(entries[0])) + body


def authenticode(keys, path):
    """Authenticode's digest of SHA-256 of the program at `path`, as sbsign has it in the signature that it adds."""
    keys.sign(next(key.stem for key in keys.folder.glob("*.key")), path)
    # OID and NULL of the algorithm, and the octets of the digest; a further signature goes behind the others.
    pattern = bytes.fromhex("06096086480165030402010500") + b"\x04\x20(.{32})"
    return re.findall(pattern, path.read_bytes(), re.S)[-1]


def file_option(label, file, active=True):
    """A boot option whose path begins with the file."""
    name = (file + "\0").encode("utf-16le")
    path = struct.pack("<BBH", 4, 4, 4 + len(name)) + name + bytes.fromhex("7fff0400")
    return struct.pack("<IH", int(active), len(path)) + (label + "\0").encode("utf-16le") + path
