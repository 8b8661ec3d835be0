#!/usr/bin/env python3
"""A guest that was restricted, and is not any more after a suspend, a migration, or the end of its daemon.

    resume.py --bin FOLDER        with the varstored-loopback in it

Each case is a guest that did something before, and a save file as it was written, as an older daemon passes it on,
as somebody forges it on its way, or none at all. Then the guest tries what it could not do before."""

import argparse
import hashlib
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile

PAGES = 65536
GLOBAL = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
MOR = bytes.fromhex("be3909e2d432be41a150897f85d49829")
MOR_LOCK = bytes.fromhex("cf3c98bb1d15e140a07b4a17be168292")
PPI = bytes.fromhex("eb47199dbb098047a3cdbea956e0e056")
VENDOR = bytes(range(16))
FRONT = 292
SUCCESS = 0
MARK = b"varstored: the operating system has not been started"


class Guest:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)

    def call(self, command, fields):
        request = struct.pack("<II", 1, command) + fields
        self.socket.sendall(struct.pack("<IIII", 0, 0x100, 4, 0) + request.ljust(PAGES, b"\0"))
        reply = b""
        while len(reply) < 4 + PAGES:
            piece = self.socket.recv(4 + PAGES - len(reply))
            if not piece:
                raise EOFError("the daemon went away")
            reply += piece
        return struct.unpack_from("<Q", reply, 4)[0]

    def set(self, name, vendor, attributes, data, at_runtime=False):
        name = name.encode("utf-16-le")
        return self.call(1, struct.pack("<Q", len(name)) + name + vendor + struct.pack("<Q", len(data)) + data
                         + struct.pack("<I?", attributes, at_runtime)) == SUCCESS

    def get(self, name, vendor, at_runtime=False):
        name = name.encode("utf-16-le")
        return self.call(0, struct.pack("<Q", len(name)) + name + vendor
                         + struct.pack("<Q?", PAGES - 20, at_runtime)) == SUCCESS


class Daemon:
    def __init__(self, program, folder, *options):
        self.path = os.path.join(folder, "guest")
        pathlib.Path(self.path).unlink(missing_ok=True)
        self.process = subprocess.Popen([program, "--depriv", "--listen", self.path, "--backend", "memory", *options],
                                        stderr=subprocess.PIPE)
        while not os.path.exists(self.path):
            if self.process.poll() is not None:
                raise EOFError(self.process.stderr.read().decode())
            os.sched_yield()
        self.guest = Guest(self.path)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate()
        return self.process.returncode


def records(blob):
    """Name, vendor and bytes of each record."""
    found, at = [], FRONT
    while at < len(blob):
        name_bytes, = struct.unpack_from("<Q", blob, at)
        name = blob[at + 8:at + 8 + name_bytes]
        data_bytes, = struct.unpack_from("<Q", blob, at + 8 + name_bytes)
        end = at + 84 + name_bytes + data_bytes
        found.append((name.decode("utf-16-le"), blob[end - 68:end - 52], blob[at:end]))
        at = end
    return found


def blob_of(front, bodies):
    body = b"".join(bodies)
    return b"VARS" + struct.pack("<IQQ", 2, len(bodies), len(body)) + front[24:FRONT] + body


def without(blob, name):
    return blob_of(blob[:FRONT], [body for found, _, body in records(blob) if found != name])


def reversed_records(blob):
    return blob_of(blob[:FRONT], [body for _, _, body in records(blob)][::-1])


def marked(blob, digest):
    """Some digest where the mark of boot time is."""
    return blob_of(blob[:FRONT], [body[:-32] + digest if name == "SetupMode" else body
                                  for name, _, body in records(blob)])


def digest_of(blob):
    for name, _, body in records(blob):
        if name == "SetupMode":
            return body[-32:]
    return bytes(32)


# What a guest whose operating system runs, and whose firmware has locked what it can, must not do.
ATTEMPTS = {
    "reads a variable of its firmware": lambda guest: guest.get("BootOnly", VENDOR),
    "changes a variable of its firmware": lambda guest: guest.set("BootOnly", VENDOR, 3, b"x"),
    "makes a variable of its firmware": lambda guest: guest.set("BootNew", VENDOR, 3, b"x"),
    "changes a volatile variable": lambda guest: guest.set("Volatile", VENDOR, 6, b"x"),
    "asks that memory is not cleared": lambda guest: guest.set("MemoryOverwriteRequestControl", MOR, 7, b"\0"),
    "opens the MOR lock": lambda guest: guest.set("MemoryOverwriteRequestControlLock", MOR_LOCK, 7, b"\0"),
    "opens the MOR lock with a key of zeros":
        lambda guest: guest.set("MemoryOverwriteRequestControlLock", MOR_LOCK, 7, bytes(8)),
    "writes the flags of physical presence": lambda guest: guest.set("Tcg2PhysicalPresenceFlags", PPI, 7, b"x"),
}


def prepare(guest, runs):
    """The guest's boot, up to its operating system if it `runs`."""
    done = [guest.set("BootOnly", VENDOR, 3, b"1"), guest.set("Volatile", VENDOR, 6, b"1"),
            guest.set("Tcg2PhysicalPresenceFlags", PPI, 7, b"1"),
            guest.set("Tcg2PhysicalPresenceFlagsLock", PPI, 7, b"\1"),
            guest.set("MemoryOverwriteRequestControlLock", MOR_LOCK, 7, b"\1")]
    if not all(done):
        raise AssertionError("the guest cannot boot")
    if runs:
        guest.get("None", VENDOR, at_runtime=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    program = os.path.join(parser.parse_args().bin, "varstored-loopback")
    got = []
    tries = 0
    with tempfile.TemporaryDirectory() as folder:
        save, state = os.path.join(folder, "save"), os.path.join(folder, "state")

        def saved(runs):
            daemon = Daemon(program, folder, "--arg", "save:" + save)
            prepare(daemon.guest, runs)
            if daemon.end() != 0:
                raise AssertionError("nothing was saved")
            return pathlib.Path(save).read_bytes()

        later, earlier = saved(True), saved(False)
        zeros = marked(later, bytes(32))
        files = {
            "the file as it was saved": later,
            "one that an older daemon has passed on": reversed_records(later),
            "one of the firmware's time that an older daemon has passed on": reversed_records(earlier),
            "one with the mark of another state": marked(without(earlier, "Volatile"), digest_of(earlier)),
            "one whose mark is the text alone": marked(later, hashlib.sha256(MARK).digest()),
            "one whose mark is of the file without the text": marked(later, hashlib.sha256(zeros).digest()),
            "one with a mark of ones": marked(later, b"\xff" * 32),
            "one without SetupMode": without(later, "SetupMode"),
            "one without the locks": without(without(later, "MemoryOverwriteRequestControlLock"),
                                             "Tcg2PhysicalPresenceFlagsLock"),
            "one with SetupMode twice": blob_of(earlier[:FRONT], [body for _, _, body in records(earlier)]
                                                + [records(earlier)[0][2]]),
            "no file": None,
        }
        for what, content in files.items():
            kept = blob_of(later[:FRONT], [body for _, _, body in records(later)
                                           if struct.unpack_from("<I", body, len(body) - 52)[0] & 1])
            if content is None:
                pathlib.Path(state).write_bytes(kept)
                options = ["--resume", "--arg", "init:" + state]
            else:
                pathlib.Path(state).write_bytes(content)
                options = ["--resume", "--arg", "resume:" + state]
            for attempt, act in ATTEMPTS.items():
                daemon = Daemon(program, folder, *options)
                tries += 1
                if act(daemon.guest):
                    got.append(f"{what}: the guest {attempt}")
                daemon.end()
    for line in got:
        print(line)
    print(f"resume: {tries} attempts, {len(got)} got something")
    return 1 if got else 0


sys.exit(main())
