#!/usr/bin/env python3
"""Another user puts a symbolic link into a path of theirs while root reads and writes it back.

    link_race.py BIN [ROUNDS]

BIN has the tools. Root runs each on a file in a folder of the other user's. That user waits for the moment in which
the tool has looked, and then lets the name, or the folder, be a link into a folder of root's. The attack has won a
round when anything in that folder is another one afterwards. It ends with a line for each tool and way.
"""

import base64
import ctypes
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

SOMEBODY = 4711
IN_CLOSE_NOWRITE = 0x10
LIBC = ctypes.CDLL(None, use_errno=True)
GUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
GUID_BYTES = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
MADE = "made"
DONE = (0, 3)  # of varstore-repair 3 says that something was fixed


def entry(name, data):
    """docs/formats.md, "The VARS blob"."""
    text = name.encode("utf-16-le")
    return (struct.pack("<Q", len(text)) + text + struct.pack("<Q", len(data)) + data + GUID_BYTES
            + struct.pack("<I", 7) + bytes(16 + 32))


def blob(*entries):
    body = b"".join(entries)
    return b"VARS" + struct.pack("<IQQ", 2, len(entries), len(body)) + bytes(256 + 4 + 8) + body


# With something to fix: an entry of the boot order that is not there.
VM = base64.b64encode(blob(entry("Lang", b"eng\0"), entry("BootOrder", b"\1\0")))


class Watch:
    """Tells how often a file was read and closed."""

    def __init__(self, path):
        self.fd = LIBC.inotify_init1(0)
        assert self.fd >= 0 and LIBC.inotify_add_watch(self.fd, os.fsencode(path), IN_CLOSE_NOWRITE) >= 0, path

    def wait_for(self, count):
        """Root ends the process when the file is not closed so often."""
        while count > 0:
            data = os.read(self.fd, 65536)
            while data:
                count -= 1
                data = data[16 + struct.unpack_from("<iIII", data)[3]:]


class Round:
    """A folder of root's, with what the attack is after, and one of somebody's."""

    def __init__(self, top):
        self.roots, self.theirs = top / "roots", top / "theirs"
        self.roots.mkdir(mode=0o755)
        for name in ("vm", "out"):
            (self.roots / name).write_bytes(VM if name == "vm" else b"root's")
        self.theirs.mkdir()
        (self.theirs / "folder").mkdir()
        self.file = self.theirs / "folder" / "vm"
        self.file.write_bytes(VM)
        self.data = top / "data"
        self.data.write_bytes(b"new")
        for path in (self.theirs, self.file.parent, self.file):
            os.chown(path, SOMEBODY, SOMEBODY)
        self.before = self.state()

    def state(self):
        return {path.name: (path.lstat().st_ino, path.lstat().st_uid, path.is_file() and path.read_bytes())
                for path in sorted(self.roots.iterdir())}


def swap_file(place, ready, looks):
    """The file becomes a link to root's of the same name."""
    watch = Watch(place.file)
    os.symlink(place.roots / "vm", place.theirs / "link")
    ready()
    watch.wait_for(looks)
    os.rename(place.theirs / "link", place.file)


def swap_folder(place, ready, looks):
    """The folder becomes a link to root's folder."""
    watch = Watch(place.file)
    os.symlink(place.roots, place.theirs / "link")
    ready()
    watch.wait_for(looks)
    os.rename(place.file.parent, place.theirs / "moved")
    os.rename(place.theirs / "link", place.file.parent)


# Command, way of the attack, and how often the tool closes the file before it writes.
ATTACKS = [
    (["varstore-rm", "VM", GUID, "Lang"], swap_file, 1),
    (["varstore-rm", "VM", GUID, "Lang"], swap_folder, 1),
    (["varstore-set", "VM", GUID, "Lang", "7", "DATA"], swap_file, 1),
    (["varstore-set", "VM", GUID, "Lang", "7", "DATA"], swap_folder, 1),
    (["varstore-repair", "--fix", "VM"], swap_file, 1),
    (["varstore-repair", "--fix", "VM"], swap_folder, 1),
    (["varstore-repair", "--fix", "VM"], swap_file, 2),
    (["varstore-convert", "--to", "vars", "VM", "OUT"], swap_folder, 1),
    (["varstore-convert", "--to", "sqlite", "VM", "OUT"], swap_folder, 1),
    (["varstore-convert", "--to", "efivarfs", "VM", "OUT"], swap_folder, 1),
]


def run(tools, command, place):
    words = {"VM": place.file, "OUT": place.file.parent / MADE, "DATA": place.data}
    return subprocess.run([tools / command[0], *(words.get(word, word) for word in command[1:])], capture_output=True,
                          check=False, timeout=60)


def attack(tools, command, way, looks):
    """Whether root's folder is another one after one round, and the tool's exit code."""
    with tempfile.TemporaryDirectory() as name:
        top = pathlib.Path(name)
        top.chmod(0o755)
        place = Round(top)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(SOMEBODY)
                os.setuid(SOMEBODY)
                way(place, lambda: os.write(writer, b"x"), looks)
            finally:
                os._exit(0)
        os.close(writer)
        assert os.read(reader, 1) == b"x", "the attacker could not begin"
        os.close(reader)
        done = run(tools, command, place)
        os.kill(child, 9)
        os.waitpid(child, 0)
        return place.state() != place.before, done.returncode


def serves_root(tools, command):
    """The same command in a folder of root's own does its work, so that a refusal says something."""
    with tempfile.TemporaryDirectory() as name:
        place = Round(pathlib.Path(name))
        for path in (place.theirs, place.file.parent):
            os.chown(path, 0, 0)
        done = run(tools, command, place)
        is_made = (place.file.parent / MADE).exists()
        assert done.returncode in DONE and (is_made or place.file.read_bytes() != VM), (command, done)


def main():
    if os.geteuid() != 0:
        print("SKIP: only root can be two users")
        return 77
    tools = pathlib.Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    won = 0
    for command, way, looks in ATTACKS:
        results = [attack(tools, command, way, looks) for _ in range(rounds)]
        wins = sum(result[0] for result in results)
        written = sum(result[1] in DONE for result in results)
        won += wins
        print(f"{' '.join(command)}, {way.__name__} at {looks}: {wins} of {rounds} won, {written} written", flush=True)
        serves_root(tools, command)
    return 1 if won else 0


if __name__ == "__main__":
    sys.exit(main())
