#!/usr/bin/env python3
"""What a stranger's file costs at worst: the processor time of each tool, its helper process included.

    worst_file.py BIN WORST_REQUEST XAPI_FOLDER [--page docs/performance.md]

BIN has the tools, WORST_REQUEST leaves the dearest stored states of requests (--states). Each tool is called with each
file that is known to be dear, as a blob and as a database. One call for one VM may take a second of a processor,
whoever is waited for; what takes more is tried again twice, since the machine may have other work. With --page the
dearest call of each tool goes into that page, between its two marks.
"""

import argparse
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import uuid

import page_table

BOUND = 1.0
BEGIN = "<!-- worst files: begin -->"
END = "<!-- worst files: end -->"

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
SECURITY = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328").bytes_le
OWNER = bytes([1]).ljust(16, b"\0")
NOTE = "Note"
# A blob may have 1 MiB of variables, a flash image 64, a JSON file 4.
STORE = (1 << 20) - 4096
FLASH = 64 << 20


# ---- files, byte by byte ----

def signature_list(kind, entries):
    size = len(entries[0])
    return kind + struct.pack("<III", 28 + size * len(entries), 0, size) + b"".join(entries)


def der(tag, content):
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 | len(octets)]) + octets) + content


def certificate(subject=b""):
    """The smallest that has the form of one, with this subject."""
    algorithm = der(0x30, der(6, b"\x2a"))
    times = der(0x30, der(0x17, b"240101000000Z") * 2)
    key = der(0x30, algorithm + der(3, b"\0\0"))
    tbs = der(2, b"\1") + algorithm + der(0x30, b"") + times + der(0x30, subject) + key
    return der(0x30, der(0x30, tbs) + algorithm + der(3, b"\0\0"))


def fill(size, entry):
    """So many of entry(i) as fit."""
    return [entry(i) for i in range(size // len(entry(0)))]


def states(guest):
    """Blobs by what they are, and whether each is whole."""
    key = lambda name, data: guest.entry(name, data, 39, (GLOBAL if name == "KEK" else SECURITY).bytes_le)
    free = lambda name, data, attributes=7: guest.entry(name, data, attributes, GLOBAL.bytes_le)
    note = free(NOTE, b"kept")
    surname = der(0x31, der(0x30, der(6, b"\x55\4\4") + der(0x0C, b"a")))
    numbers = lambda count: b"".join(struct.pack("<H", i) for i in range(count))
    node = bytes([1, 1, 6, 0, 1, 1])
    option = lambda nodes: (struct.pack("<IH", 1, len(node) * nodes + 4 & 0xFFFF) + "x\0".encode("utf-16-le")
                            + node * nodes + bytes([0x7F, 0xFF, 4, 0]))
    half = STORE // 2
    lists = {
        "the smallest entries": signature_list(X509, fill(STORE, lambda i: OWNER + bytes([i & 255]))),
        "the smallest lists": b"".join(fill(STORE, lambda i: signature_list(X509, [OWNER + bytes([i & 255])]))),
        "the smallest certificates": signature_list(X509, fill(STORE, lambda i: OWNER + certificate(
            der(0x31, der(0x30, der(6, b"\x55\4\3") + der(0x0C, b"%06d" % i)))))),
        "a certificate with 80000 names": signature_list(
            X509, [OWNER + certificate(surname * (STORE // len(surname) - 9))]),
        "hashes, each twice": signature_list(SHA256, fill(half, lambda i: OWNER + i.to_bytes(32, "big")) * 2),
    }
    whole = {f"{name} of 1 MiB: {what}": guest.blob(note, key(name, data))
             for what, data in lists.items() for name in ("KEK", "db", "dbx")}
    whole |= {
        "1000 variables of 900 bytes": guest.blob(note, *(free(f"{i:04}", b"x" * 900) for i in range(1000))),
        "240 names of 4096 bytes": guest.blob(note, *(free("\u202e" * 2044 + f"{i:04}", b"x" * 8) for i in range(240))),
        "1000 variables with attributes of no call": guest.blob(
            note, *(free(f"{i:04}", b"x" * 900, 0x1000) for i in range(1000))),
        "1000 variables with names of no call": guest.blob(
            note, *(free(f"a\0{i:04}", b"x" * 900) for i in range(1000))),
        "500 variables, each twice": guest.blob(note, *([free(f"{i:04}", b"x" * 900) for i in range(500)] * 2)),
        "BootOrder with all numbers": guest.blob(note, free("BootOrder", numbers(65536) * 7)),
        "1000 boot options": guest.blob(
            note, *(free(f"Boot{i:04X}", option(140)) for i in range(1000)), free("BootOrder", numbers(1000))),
    }
    # Behind the damage: what might be 58000 records, all of which end in front of the same one with a long name.
    count = STORE // 18 - 600
    records = b"".join(struct.pack("<Q2sQ", 2, b"ab", (count - 1 - i) * 18) for i in range(count))
    tail = GLOBAL.bytes_le + struct.pack("<I", 7) + bytes(48)
    damaged = {
        "damage before 58000 places for a record": (
            guest.blob() + b"\xff" * 9 + records + tail + free("y" * 2048, b"d", 0x1000)),
        "11000 variables in one blob": guest.blob(*(free(f"{i:04x}", b"x") for i in range(11000))),
    }
    return ([(what, blob, True) for what, blob in whole.items()]
            + [(what, blob, False) for what, blob in damaged.items()])


def flash(record_of):
    """An image of 64 MiB full of record_of(i): state, name (docs/formats.md has no more of it than the tool needs)."""
    volume = bytearray(bytes(16) + uuid.UUID("fff12b8d-7696-4c8b-a985-2747075b4f50").bytes_le
                       + struct.pack("<Q4sIHHHBB", FLASH, b"_FVH", 0x800, 72, 0, 0, 0, 2)
                       + struct.pack("<IIII", FLASH // 4096, 4096, 0, 0))
    struct.pack_into("<H", volume, 50, -sum(struct.unpack("<36H", volume)) & 0xFFFF)
    store = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792").bytes_le + struct.pack("<IBB6x", FLASH - 72, 0x5A, 0xFE)

    def record(i):
        state, name = record_of(i)
        text = name.encode("utf-16-le") + b"\0\0"
        whole = (struct.pack("<HBBIQ16xIII", 0x55AA, state, 0, 7, 0, 0, len(text), 1) + GLOBAL.bytes_le + text + b"d")
        return whole + b"\xff" * (-len(whole) % 4)
    records = b"".join(record(i) for i in range(700000))
    return (bytes(volume) + store + records)[:FLASH - 4096].ljust(FLASH, b"\xff")


def text_of(head, middle, count, tail):
    return (head + "".join(middle(i) for i in range(count)) + tail).encode()


def foreign_files():
    """For varstore-convert alone: by name, of which the end says the form."""
    variable = '{"guid": "%s", "name": "%%x", "attr": 7, "data": "00"}' % GLOBAL
    return {
        "700000 variables.fd": flash(lambda i: (0x3F, f"{i:x}")),
        "700000 of one name.fd": flash(lambda _i: (0x3F, "a")),
        "700000 deleted ones.fd": flash(lambda _i: (0x3C, "a")),
        "250000 unknown keys.json": text_of("{", lambda i: f'"{i}": 1, ', 250000, '"version": 2, "variables": []}'),
        "50000 variables.json": text_of('{"version": 2, "variables": [', lambda i: (", " if i else "") + variable % i,
                                        50000, "]}"),
        "2000000 brackets.json": text_of('{"x": ', lambda _i: "[", 2000000, ""),
    }


def endless(database):
    """The database with the descriptions of its tables on a page of their own, and the index's again and again behind
    it: three levels, each of which has the next one 500 times (https://www.sqlite.org/fileformat2.html, 1.6)."""
    page = lambda number: bytearray(database[4096 * number:4096 * (number + 1)])

    def inner(child, count, last, front=0):
        made = bytearray(4096)
        cells = 4096 - 5 * count
        struct.pack_into(">BHHHBI", made, front, 5, 0, count, cells, 0, last)
        for i in range(count):
            struct.pack_into(">H", made, front + 12 + 2 * i, cells + 5 * i)
            struct.pack_into(">IB", made, cells + 5 * i, child, 1)
        return made
    next_page = len(database) // 4096 + 1
    first, leaf = page(0), page(0)
    leaf[:100] = leaf[100:200]
    index = bytearray(leaf)
    struct.pack_into(">H", index, 3, 1)
    index[8:10] = leaf[10:12]
    first[100:] = inner(next_page, 1, next_page + 1, 100)[100:]
    struct.pack_into(">I", first, 28, next_page + 4)
    levels = b"".join(inner(next_page + i, 500, next_page + i) for i in (2, 3, 4))
    return bytes(first) + database[4096:] + bytes(leaf) + levels + bytes(index)


# ---- the tools ----

class Calls:
    def __init__(self, programs, folder):
        self.programs, self.folder = programs, folder
        self.dearest = {}
        self.failures = []
        self.count = 0

    def once(self, words):
        with open(self.folder / "out", "wb") as out, open(self.folder / "errors", "wb") as errors:
            with subprocess.Popen([self.programs / words[0], *words[1:]], cwd=self.folder, stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=errors) as process:
                # Whoever the tool has waited for is in it.
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
        said = (self.folder / "errors").read_bytes()[-300:].decode(errors="replace").strip()
        return process.returncode, usage.ru_utime + usage.ru_stime, said

    def call(self, what, exits, *words, makes=None):
        """One call, which is to end in one of these ways."""
        for _ in range(3):
            if makes:
                shutil.rmtree(self.folder / makes, ignore_errors=True)
                (self.folder / makes).unlink(missing_ok=True)
            code, seconds, said = self.once(words)
            if code not in exits or seconds <= BOUND:
                break
        self.count += 1
        if seconds > BOUND or code not in exits or "processor time" in said:
            self.failures.append(f"{' '.join(words)}: {what}: {seconds:.2f} s, exit code {code}: {said}")
        if seconds > self.dearest.get(words[0], (0, ""))[0]:
            shown = " ".join(pathlib.Path(word).name for word in words)
            self.dearest[words[0]] = (seconds, f"`{shown}`", what)

    def everything(self, what, place, whole):
        """All tools for one place of variables. Of what is damaged only some can do something."""
        ends = (0,) if whole else (1,)
        guid = str(GLOBAL)
        self.call(what, ends, "varstore-ls", place)
        self.call(what, ends, "varstore-get", place, guid, NOTE)
        for words in ((), ("--json",), ("--svg",)):
            # 2: findings.
            self.call(what, (0, 2) if whole else (0, 1, 2), "varstore-inspect", *words, place)
        for words in ((), ("--dry-run",)):
            self.call(what, (0, 2) if whole else (0, 1, 2), "varstore-repair", *words, place)
        self.call(what, ends, "varstore-sb-state", place, "setup")
        # A store that is full takes nothing.
        self.call(what, (0, 1), "varstore-set", place, guid, "New", "7", "data")
        shutil.copy(self.folder / place, self.folder / ("fixed." + place))
        self.call(what, (0, 2, 3) if whole else (0, 1, 2, 3), "varstore-repair", "--fix", "fixed." + place)
        self.call(what, ends, "varstore-rm", place, guid, NOTE)


def measure(calls, program, guest):
    folder = calls.folder
    (folder / "data").write_bytes(b"d" * 1000)
    for what, blob, whole in states(guest):
        (folder / "vm.vars").write_bytes(blob)
        for out in ("out.json", "out.db", "out.b64", "out.efivarfs"):
            # 1: a variable that the other format, or varstored, does not take.
            calls.call(what, (0, 1), "varstore-convert", *(("--to", "vars-base64") if out == "out.b64" else ()),
                       *(("--to", "efivarfs") if out == "out.efivarfs" else ()), "vm.vars", out, makes=out)
        calls.call(what, (0,) if whole else (1,), "varstore-nvram-certcheck", "vm.vars")
        calls.everything(what, "vm.vars", whole)
        if (folder / "out.db").exists():
            (folder / "out.db").rename(folder / "vm.db")
            calls.everything(what, "vm.db", True)

    worst = folder / "worst"
    worst.mkdir()
    subprocess.run([program, "--states", worst], check=True)
    for path in sorted(worst.glob("*.vars"), key=lambda one: int(one.stem)):
        what = path.with_suffix(".name").read_text()
        calls.call(what, (0, 2), "varstore-inspect", str(path))
        calls.call(what, (0,), "varstore-nvram-certcheck", str(path))
        if path.with_suffix(".set").exists():
            calls.call(what, (0, 1), "varstore-set", str(path), *path.with_suffix(".set").read_text().split("\n"),
                       str(path.with_suffix(".data")))

    for name, content in foreign_files().items():
        (folder / name).write_bytes(content)
        for out in ("out.vars", "out.json"):
            calls.call(name, (0, 1), "varstore-convert", name, out, makes=out)
        (folder / name).unlink()

    (folder / "vm.vars").write_bytes(guest.blob(guest.entry(NOTE, b"kept")))
    (folder / "small.db").unlink(missing_ok=True)
    subprocess.run([calls.programs / "varstore-convert", "vm.vars", "small.db"], cwd=folder, check=True)
    (folder / "vm.db").write_bytes(endless((folder / "small.db").read_bytes()))
    what = "a database with tables without end"
    for words in (("varstore-ls", "vm.db"), ("varstore-inspect", "vm.db"), ("varstore-repair", "vm.db"),
                  ("varstore-convert", "vm.db", "out.json"), ("varstore-rm", "vm.db", str(GLOBAL), NOTE)):
        calls.call(what, (1,), *words)

    keys = folder / "keys"
    keys.mkdir()
    (folder / "empty").write_bytes(b"")
    descriptor = guest.hash_list(bytes(32))[:40]
    most = 57344  # as of every update
    lists = signature_list(X509, fill(most - 128, lambda i: OWNER + bytes([i & 255])))
    for name in ("KEK", "db"):
        (keys / f"{name}.auth").write_bytes(descriptor + lists)
    # The entries are no certificates, which a first boot refuses as well.
    calls.call("KEK.auth and db.auth, full of the smallest entries", (1,), "varstore-authfile-certcheck", "-v",
               "--auth-dir", "keys", "--config", "empty")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("xapi")
    parser.add_argument("--page")
    arguments = parser.parse_args()
    sys.path.insert(0, arguments.xapi)
    import guest  # pylint: disable=import-error,import-outside-toplevel
    with tempfile.TemporaryDirectory() as name:
        calls = Calls(arguments.bin.resolve(), pathlib.Path(name))
        measure(calls, arguments.program.resolve(), guest)
    table = ["| tool | dearest call | with | processor seconds |", "| --- | --- | --- | --- |"]
    table += [f"| {tool} | {words} | {what} | {seconds:.2f} |"
              for tool, (seconds, words, what) in sorted(calls.dearest.items())]
    print("\n".join(table))
    if arguments.page:
        page_table.put(arguments.page, BEGIN, END, table)
    for line in calls.failures:
        print("FAILED:", line)
    print(f"{calls.count} calls, {len(calls.failures)} of which took more than {BOUND} s or ended in another way")
    sys.exit(1 if calls.failures else 0)


if __name__ == "__main__":
    main()
