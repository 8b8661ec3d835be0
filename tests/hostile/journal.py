#!/usr/bin/env python3
"""A database brings a journal: a file that tells SQLite to remove another file of the host, or to cut the database off.

Whoever can leave a database for an administrator to look at can leave files beside it. Each tool that reads a database,
and the daemon, is called for one that has a journal; nothing but a refusal is to come of it."""

import argparse
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile

from databases import make_database

GUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
MAGIC = bytes.fromhex("d9d505f920a163d7")
SECTOR = 512
PAGE = 4096


def journal(pages, super_journal=None):
    """A rollback journal of no page, for a database of `pages` pages (https://www.sqlite.org/fileformat2.html, 3)."""
    content = (MAGIC + struct.pack(">IIIII", 0, 1, pages, SECTOR, PAGE)).ljust(SECTOR, b"\0")
    if super_journal:
        name = os.fsencode(super_journal)
        # The page of the lock byte, which is never in a database.
        content += struct.pack(">I", 0x40000000 // PAGE + 1) + name
        content += struct.pack(">II", len(name), sum(name)) + MAGIC
    return content


def regular(path, content):
    path.write_bytes(content)


def linked(path, content):
    other = path.parent / "elsewhere"
    other.write_bytes(content)
    path.symlink_to(other)


def fifo(path, _content):
    os.mkfifo(path)


def folder(path, _content):
    path.mkdir()


KINDS = {"file": regular, "link": linked, "fifo": fifo, "folder": folder}


class Attack:
    def __init__(self, programs):
        self.programs = programs
        self.tries = 0
        self.got = []

    def victims(self, inside):
        """Each program that reads the database `vm.db` in this folder."""
        tool = lambda name, *arguments: [str(self.programs / name), *arguments]
        database = str(inside / "vm.db")
        yield tool("varstore-ls", database)
        yield tool("varstore-get", database, GUID, "Boot0000")
        yield tool("varstore-inspect", database)
        yield tool("varstore-repair", database)
        yield tool("varstore-repair", "--fix", database)
        yield tool("varstore-convert", database, str(inside / "out.json"))
        yield tool("varstore-set", database, GUID, "Boot0001", "7", str(inside / "data"))
        yield tool("varstore-rm", database, GUID, "Boot0000")
        yield tool("varstore-sb-state", database, "user")
        for depriv in ([], ["--depriv"]):
            yield tool("varstored-loopback", "--listen", str(inside / "socket"), *depriv, "--backend", "sqlite",
                       "--arg", f"path:{database}")

    def run(self, command):
        """Its exit code and what it said; a daemon that starts is stopped."""
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True) as process:
            try:
                said = process.communicate(timeout=5)[1]
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM)
                said = process.communicate()[1] + "(did not end by itself)"
            return process.returncode, said

    def attempt(self, number, template, what, kind, pages):
        with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as host_name:
            inside = pathlib.Path(name)
            precious = pathlib.Path(host_name) / "precious"
            precious.write_bytes(b"a file of the host's\n" * 1000)
            database = inside / "vm.db"
            database.write_bytes(template)
            (inside / "data").write_bytes(b"data")
            KINDS[kind](pathlib.Path(f"{database}-journal"),
                        journal(pages, precious if what == "super-journal" else None))
            command = list(self.victims(inside))[number]
            code, said = self.run(command)
            self.tries += 1
            spoiled = []
            if not precious.exists():
                spoiled.append("the host's file is gone")
            if database.read_bytes() != template:
                spoiled.append(f"the database has {database.stat().st_size} bytes and other ones")
            if not os.path.lexists(f"{database}-journal"):
                spoiled.append("the journal is gone")
            if code != 1 or f"{database}-journal: " not in said:
                spoiled.append(f"no refusal: exit code {code}, {said.strip()!r}")
            if spoiled:
                program = pathlib.Path(command[0]).name
                self.got.append(f"{program} {command[1]}: {what}, {kind}: " + "; ".join(spoiled))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    attack = Attack(parser.parse_args().bin.resolve())
    template = make_database(attack.programs, [
        {"name": f"Boot000{i}", "guid": GUID, "attr": 7, "data": "ab" * 3000} for i in range(3)])
    pages = len(template) // PAGE
    for number in range(len(list(attack.victims(pathlib.Path("/"))))):
        attack.attempt(number, template, "super-journal", "file", pages)
        attack.attempt(number, template, "fewer pages", "file", 1)
        for kind in ("link", "fifo", "folder"):
            attack.attempt(number, template, "super-journal", kind, pages)
    for line in attack.got:
        print(line)
    print(f"{attack.tries} calls with a journal beside the database, {len(attack.got)} got something")
    return 1 if attack.got else 0


if __name__ == "__main__":
    sys.exit(main())
