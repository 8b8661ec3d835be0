#!/usr/bin/env python3
"""Rows of a database that are one variable in another spelling: an old dbx beside the new one, which takes its place.

Each tool that reads a database, and the daemon, is called for one with such a row; it is to name the row and end."""

import argparse
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile

from databases import make_database

GUID = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
NAME = "dbx".encode("utf-16-le")
# Of two variables of one key that are loaded the last one would count, which is the oldest row.
ROW = ("INSERT INTO variable (position, name, name_text, vendor, attributes, timestamp, signer, data)"
       " VALUES (0, ?, ?, ?, 39, zeroblob(16), zeroblob(32), ?)")
OLD = b"old"

ALIASES = {
    "upper-case GUID": (NAME, "dbx", GUID.upper(), OLD),
    "GUID with one letter in upper case": (NAME, "dbx", GUID.replace("d7", "D7", 1), OLD),
    "GUID in braces": (NAME, "dbx", "{" + GUID + "}", OLD),
    "GUID with a blank": (NAME, "dbx", GUID + " ", OLD),
    "GUID with a NUL": (NAME, "dbx", GUID + "\0", OLD),
    "another name for people": ("db".encode("utf-16-le"), "dbx", GUID, OLD),
    "no name for people": ("db".encode("utf-16-le"), "", GUID, OLD),
}


def add_row(database, row):
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(ROW, row)
        connection.execute("UPDATE state SET kept = 1")
    connection.close()


def add_row_behind_the_index(database):
    """Two rows of the same bytes, which the table's index would not let in: the table is another one meanwhile."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'variable'").fetchone()
    (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name LIKE 'sqlite_autoindex%'").fetchone()
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ',\n  UNIQUE (name, vendor)', '')"
                       " WHERE name = 'variable'")
    connection.execute("DELETE FROM sqlite_schema WHERE name LIKE 'sqlite_autoindex%'")
    connection.close()
    add_row(database, (NAME, "dbx", GUID, OLD))
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'variable'", (sql,))
    # In its old place, so that the schema is the same to the letter.
    (state,) = connection.execute("SELECT rowid FROM sqlite_schema WHERE name = 'state'").fetchone()
    connection.execute("UPDATE sqlite_schema SET rowid = rowid + 10 WHERE rowid >= ?", (state,))
    connection.execute("INSERT INTO sqlite_schema (rowid, type, name, tbl_name, rootpage, sql)"
                       " VALUES (?, 'index', 'sqlite_autoindex_variable_1', 'variable', ?, NULL)", (state, root))
    connection.close()


class Attack:
    def __init__(self, programs):
        self.programs = programs
        self.tries = 0
        self.got = []

    def run(self, inside):
        """Each program that reads the database, and how it ended."""
        tool = lambda name, *arguments: [str(self.programs / name), *arguments]
        database = str(inside / "vm.db")
        for command in (tool("varstore-ls", database),
                        tool("varstore-get", database, GUID, "dbx"),
                        tool("varstore-inspect", database),
                        tool("varstore-repair", database),
                        tool("varstore-convert", database, str(inside / "out.json")),
                        tool("varstore-set", database, GUID, "Other", "7", str(inside / "data")),
                        tool("varstore-rm", database, GUID, "Other"),
                        tool("varstored-loopback", "--listen", str(inside / "socket"), "--backend", "sqlite",
                             "--arg", f"path:{database}")):
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, errors="replace") as process:
                try:
                    out, errors = process.communicate(timeout=5)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGTERM)
                    out, errors = process.communicate()
            yield command, process.returncode, out, errors

    def attempt(self, template, what, spoil, says):
        with tempfile.TemporaryDirectory() as name:
            inside = pathlib.Path(name)
            (inside / "data").write_bytes(b"data")
            database = inside / "vm.db"
            database.write_bytes(template)
            spoil(database)
            before = database.read_bytes()
            for command, code, out, errors in self.run(inside):
                self.tries += 1
                program = pathlib.Path(command[0]).name
                if code != 1 or says not in errors:
                    self.got.append(f"{program}: {what}: exit code {code}, {out[:60]!r}, {errors.strip()!r}")
                if database.read_bytes() != before:
                    self.got.append(f"{program}: {what}: the database is another one")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    attack = Attack(parser.parse_args().bin.resolve())
    template = make_database(attack.programs, [{"name": "dbx", "guid": GUID, "attr": 39, "data": b"new".hex(),
                                                "time": "e9070101000000000000000000000000"}])
    for what, row in ALIASES.items():
        attack.attempt(template, what, lambda database, row=row: add_row(database, row), "damaged: variable 0: ")
    attack.attempt(template, "two rows of one key", add_row_behind_the_index, "damaged: ")
    for line in attack.got:
        print(line)
    print(f"{attack.tries} calls for a database with a row in another spelling, {len(attack.got)} got something")
    return 1 if attack.got else 0


if __name__ == "__main__":
    sys.exit(main())
