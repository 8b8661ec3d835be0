"""A guest of varstored-loopback (docs/loopback.md), and the program itself, for the tests here."""

import base64
import os
import socket
import struct
import subprocess
import time

PAGES = 65536
VENDOR = bytes(range(16))
GLOBAL = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
SECURITY_DATABASE = bytes.fromhex("cbb219d73a3d9645a3bcdad00e67656f")

SUCCESS = 0
DEVICE_ERROR = 0x8000000000000007
NOT_FOUND = 0x800000000000000E
STATUS_NAMES = {SUCCESS: "SUCCESS", DEVICE_ERROR: "DEVICE_ERROR", NOT_FOUND: "NOT_FOUND"}


class Guest:
    """What firmware would send and read."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)

    def send(self, command, fields):
        """Begins a call. `answer` ends it."""
        self.send_request(struct.pack("<II", 1, command) + fields)

    def send_request(self, request):
        self.socket.sendall(struct.pack("<IIII", 0, 0x100, 4, 0) + request.ljust(PAGES, b"\0"))

    def answer(self):
        reply = b""
        while len(reply) < 4 + PAGES:
            piece = self.socket.recv(4 + PAGES - len(reply))
            if not piece:
                raise EOFError("the daemon went away before it had answered")
            reply += piece
        return struct.unpack_from("<Q", reply, 4)[0], reply[12:]

    def call(self, command, fields):
        self.send(command, fields)
        return self.answer()

    def request(self, request):
        """A call of which all bytes are given."""
        self.send_request(request)
        return self.answer()

    @staticmethod
    def set_fields(name, data, attributes=7, vendor=VENDOR, is_runtime=False):
        encoded = name.encode("utf-16-le")
        return (struct.pack("<Q", len(encoded)) + encoded + vendor
                + struct.pack("<Q", len(data)) + data + struct.pack("<I?", attributes, is_runtime))

    def set(self, name, data, attributes=7, vendor=VENDOR, is_runtime=False):
        return self.call(1, self.set_fields(name, data, attributes, vendor, is_runtime))[0]

    def get(self, name, vendor=VENDOR):
        """The data, or nothing when there is no such variable."""
        encoded = name.encode("utf-16-le")
        status, rest = self.call(0, struct.pack("<Q", len(encoded)) + encoded + vendor
                                 + struct.pack("<Q?", PAGES - 20, False))
        if status == NOT_FOUND:
            return None
        assert status == SUCCESS, hex(status)
        size, = struct.unpack_from("<Q", rest, 4)
        return rest[12:12 + size]

    def report_secure_boot_failure(self):
        return self.call(4, b"")[0]


class Daemon:
    """varstored-loopback --backend xapidb, with all that it wrote."""

    program = "varstored-loopback"
    is_locked_in = False

    def __init__(self, folder, toolstack_socket, *options, wait=True):
        self.socket = os.path.join(folder, "guest")
        self.log_path = os.path.join(folder, "log")
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                [self.program, *(["--depriv"] if self.is_locked_in else []),
                 "--listen", self.socket, "--backend", "xapidb",
                 "--arg", "socket:" + toolstack_socket, "--arg", "uuid:" + UUID,
                 "--log-level", "debug", *options], stderr=log, env={"PATH": "/usr/bin:/bin"})
        if wait:
            assert self.is_ready(), self.log()

    def is_ready(self):
        """Waits until the daemon serves, or has ended."""
        while not self.has_ended() and "ready: " not in self.log():
            time.sleep(0.01)
        return not self.has_ended()

    def has_ended(self):
        return self.process.poll() is not None

    def guest(self):
        return Guest(self.socket)

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            log.seek(self.log_start)
            return log.read()

    def stop(self):
        """Ends it as the toolstack does, and gives its exit code."""
        self.process.terminate()
        return self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.has_ended():
            self.process.kill()
            self.process.wait()


UUID = "01234567-89ab-cdef-0123-456789abcdef"


def entry(name, data, attributes=7, vendor=VENDOR):
    """A record of a VARS blob (docs/formats.md)."""
    encoded = name.encode("utf-16-le")
    return (struct.pack("<Q", len(encoded)) + encoded + struct.pack("<Q", len(data)) + data
            + vendor + struct.pack("<I", attributes) + bytes(16) + bytes(32))


def blob(*entries):
    records = b"".join(entries)
    return b"VARS" + struct.pack("<IQQ", 2, len(entries), len(records)) + bytes(268) + records


def encoded(*entries):
    """The value of EFI-variables that holds these records."""
    return base64.b64encode(blob(*entries)).decode()


def hash_list(*hashes):
    """An EFI_SIGNATURE_LIST of SHA-256 values, behind a descriptor that nobody signed."""
    descriptor = struct.pack("<HBBBBBxIhBx", 2024, 1, 1, 0, 0, 0, 0, 0, 0)
    descriptor += struct.pack("<IHH", 24, 0x0200, 0x0EF1)
    descriptor += bytes.fromhex("9dd2af4adf68ee498aa9347d375665a7")
    entries = b"".join(VENDOR + value for value in hashes)
    return (descriptor + bytes.fromhex("2616c4c14c509240aca941f936934328")
            + struct.pack("<III", 28 + len(entries), 0, 48) + entries)
