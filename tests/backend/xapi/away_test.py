#!/usr/bin/env python3
"""varstored-loopback --backend xapidb while the toolstack is away, and what a start finds and requires.

    away_test.py --program PATH [STORY...]

How long is waited is told by the peer, which counts the calls; no story waits for a clock of its own.
"""

import os
import re
import socket
import struct
import threading

import guest
import peer
import stories_test
from stories_test import ALERT, Host, expect

STORIES = []
LONG = "3600"  # nobody waits so long for a test
KEYS = {"PK": guest.GLOBAL, "KEK": guest.GLOBAL, "db": guest.SECURITY_DATABASE, "dbx": guest.SECURITY_DATABASE}


def story(function):
    STORIES.append(function)
    return function


class Away:
    """The toolstack of a host answers no write from now on; the tries are counted."""

    def __init__(self, host, fault="still-booting"):
        self.toolstack = host.toolstack
        self.fault = fault
        self.counted = threading.Condition()
        self.tries = 0
        self.toolstack.take_fault = self.take_fault

    def take_fault(self, method):
        if not method.startswith(peer.SET) or self.fault is None:
            return None
        with self.counted:
            self.tries += 1
            self.counted.notify_all()
        return self.fault

    def wait_for(self, tries):
        with self.counted:
            assert self.counted.wait_for(lambda: self.tries >= tries, 60), f"{self.tries} tries"

    def ends(self):
        self.fault = None


def guest_of(daemon):
    """A guest for which a wait without end is a failure."""
    client = daemon.guest()
    client.socket.settimeout(60)
    return client


def begin_write(client, data, at_runtime=False):
    fields = guest.Guest.set_fields("Fox", data)
    client.send(1, fields[:-1] + bytes([at_runtime]))


# The pauses between two tries grow from 50 ms to 1 s, so that a second has five of them at most.
MORE_TRIES_THAN_A_SECOND_HAS = 7


@story
def while_the_firmware_runs_a_write_waits_as_long_as_boot_write_patience_says():
    with Host() as host:
        client = guest_of(host.start("--boot-write-patience", LONG, "--write-patience", "1"))
        away = Away(host)
        begin_write(client, b"quick")
        away.wait_for(MORE_TRIES_THAN_A_SECOND_HAS)
        away.ends()
        expect(client.answer()[0], guest.SUCCESS)
        expect(host.stored("Fox"), b"quick")


@story
def under_the_operating_system_a_write_waits_as_long_as_write_patience_says():
    """Also one that comes from the firmware later: what has begun does not end."""
    with Host() as host:
        client = guest_of(host.start("--boot-write-patience", LONG, "--write-patience", "1"))
        expect(client.set("Fox", b"old"), guest.SUCCESS)
        away = Away(host)
        for at_runtime in (True, False):
            begin_write(client, b"quick", at_runtime)
            expect(client.answer()[0], guest.DEVICE_ERROR)
        assert 2 <= away.tries < 2 * MORE_TRIES_THAN_A_SECOND_HAS, away.tries
        expect(client.get("Fox"), b"old")


@story
def a_guest_that_is_resumed_is_under_the_operating_system():
    with Host() as host:
        daemon = host.start()
        client = daemon.guest()
        begin_write(client, b"old", True)
        expect(client.answer()[0], guest.SUCCESS)
        expect(daemon.stop(), 0)
        os.rename(host.save, host.save + ".resumed")
        client = guest_of(host.start("--resume", "--arg", f"resume:{host.save}.resumed",
                                     "--boot-write-patience", LONG, "--write-patience", "1"))
        Away(host)
        expect(client.set("Fox", b"quick"), guest.DEVICE_ERROR)


@story
def a_signal_is_heard_at_once_while_a_write_waits():
    """In a pause between two calls, and in a call that is not answered."""
    for fault in ("still-booting", "hangs"):
        with Host() as host:
            daemon = host.start("--boot-write-patience", LONG)
            client = guest_of(daemon)
            away = Away(host, fault)
            begin_write(client, b"quick")
            away.wait_for(1)
            expect(daemon.stop(), 0)
            expect(client.answer()[0], guest.DEVICE_ERROR)
            with open(host.save, "rb") as saved:
                expect(stories_test.find(saved.read(), "Fox"), None)


def look_in(path):
    """What the daemon tells: version of the form, and how long the request at hand has waited."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(path)
        told = b""
        while part := client.recv(65536):
            told += part
    expect(told[:4], b"LIVE")
    blob = told.rindex(b"VARS", 0, told.index("SetupMode".encode("utf-16-le")))
    return struct.unpack_from("<I", told, 4)[0], struct.unpack_from("<Q", told, blob - 8)[0], told[:blob]


@story
def whoever_looks_into_the_vm_is_told_at_once_while_a_write_waits():
    for fault in ("still-booting", "hangs"):
        with Host() as host:
            live = os.path.join(host.folder, "live")
            daemon = host.start("--boot-write-patience", LONG, "--live", live)
            client = guest_of(daemon)
            path = os.path.join(live, "0." + guest.UUID)
            version, waits, _ = look_in(path)
            expect((version, waits), (2, 0))
            away = Away(host, fault)
            begin_write(client, b"quick")
            away.wait_for(1)
            for _ in range(3):
                _, waits, _ = look_in(path)
                assert waits > 0, waits
            if fault == "still-booting":
                away.ends()
                expect(client.answer()[0], guest.SUCCESS)
                expect(look_in(path)[1], 0)
            expect(daemon.stop(), 0)


# ---- what a start requires ----


def start_that_is_refused(host, *options):
    daemon = host.start("--platform", "secureboot=true", *options, wait=False)
    assert not daemon.is_ready(), daemon.log()
    expect(daemon.process.wait(10), 1)
    lines = [line for line in daemon.log().splitlines() if "secure-boot-not-in-force" in line]
    expect(len(lines), 1)
    alerts = [call for call in host.calls() if call.startswith("message.create")]
    expect(len(alerts), 1)
    assert alerts[0].startswith(ALERT.format("VM_SECURE_BOOT_NOT_IN_FORCE") + " The_VM_does_not_start:"), alerts
    host.forget_calls()
    return lines[0]


def hashes(*numbers):
    return guest.hash_list(*(bytes([number]) * 32 for number in numbers))


def key(name, *numbers):
    """A record of a key that holds these hashes."""
    return guest.entry(name, hashes(*numbers)[40:], 0x27, KEYS[name])


def put_host_keys(host, **numbers):
    folder = os.path.join(host.folder, "keys")
    os.makedirs(folder, exist_ok=True)
    for name, some in numbers.items():
        with open(os.path.join(folder, name + ".auth"), "wb") as file:
            file.write(hashes(*some))
    return folder


ENFORCE = (("--secure-boot", "enforce"), ("--platform", "secureboot-enforce=true"))


@story
def secure_boot_that_is_required_and_would_not_be_in_force_refuses_the_start():
    for how in ENFORCE:
        with Host() as host:
            host.keep(guest.entry("Kept", b"old"))
            line = start_that_is_refused(host, *how)
            assert "the VM has no PK and no db" in line, line
            host.keep(key("db", 1))
            assert "the VM has no PK." in start_that_is_refused(host, *how)
            host.keep(key("PK", 1), key("KEK", 1))
            assert "the VM has no db." in start_that_is_refused(host, *how)
            host.keep(key("PK", 1), key("db", 1))
            host.start("--platform", "secureboot=true", *how)


@story
def a_first_boot_that_is_refused_stays_a_first_boot():
    with Host() as host:
        folder = put_host_keys(host, db=[1])
        assert "the VM has no PK." in start_that_is_refused(host, *ENFORCE[0], "--auth-dir", folder)
        expect(host.toolstack.read("nvram"), None)


@story
def secure_boot_that_is_not_required_or_not_wanted_refuses_nothing():
    for options in (("--platform", "secureboot=true"), ENFORCE[0], ENFORCE[1],
                    ("--platform", "secureboot=true", "--platform", "secureboot-enforce=1"),
                    ("--platform", "secureboot=true", "--secure-boot", "no")):
        with Host() as host:
            host.keep(guest.entry("Kept", b"old"))
            expect(host.start(*options).guest().get("Kept"), b"old")
            expect([call for call in host.calls() if call.startswith("message.create")], [])


@story
def a_guest_that_goes_on_is_not_refused():
    with Host() as host:
        daemon = host.start("--platform", "secureboot=true")
        expect(daemon.stop(), 0)
        os.rename(host.save, host.save + ".resumed")
        host.start("--platform", "secureboot=true", *ENFORCE[0], "--resume", "--arg",
                   f"resume:{host.save}.resumed")


# ---- what a start finds ----


@story
def what_a_start_found_is_one_line_and_told_to_whoever_looks_in():
    for vm, hosts, found in (
            ({"PK": [1], "KEK": [1], "db": [1, 2]}, {"PK": [1], "KEK": [1], "db": [1]},
             ("on", 1, 1, 2, 0, "none")),
            ({"PK": [1], "KEK": [1], "db": [1]}, {}, ("on", 1, 1, 1, 0, "none")),
            ({"PK": [1], "KEK": [1], "db": [1]}, {"PK": [1], "KEK": [1], "db": [1, 2]},
             ("on", 1, 1, 1, 0, "older")),
            ({"PK": [1], "KEK": [1], "db": [1, 3]}, {"PK": [1], "KEK": [1], "db": [1, 2]},
             ("on", 1, 1, 2, 0, "other")),
            ({"PK": [3], "KEK": [1], "db": [1]}, {"PK": [1], "KEK": [1], "db": [1]},
             ("on", 1, 1, 1, 0, "other")),
            ({"PK": [1], "KEK": [1], "db": [1], "dbx": [8, 9]}, {"PK": [1], "KEK": [1], "db": [1], "dbx": [8]},
             ("on", 1, 1, 1, 2, "none")),
            ({"PK": [1], "KEK": [1], "db": [1], "dbx": [9]}, {"PK": [1], "KEK": [1], "db": [1], "dbx": [8]},
             ("on", 1, 1, 1, 1, "older")),
            ({"db": [1]}, {"PK": [1], "db": [1]}, ("off", 0, 0, 1, 0, "older"))):
        with Host() as host:
            host.keep(*(key(name, *numbers) for name, numbers in vm.items()))
            live = os.path.join(host.folder, "live")
            daemon = host.start("--platform", "secureboot=true", "--auth-dir", put_host_keys(host, **hosts),
                                "--live", live)
            lines = re.findall(r"keys-found: (.*)", daemon.log())
            expect(lines, ["Secure Boot {}; entries: PK {}, KEK {}, db {}, dbx {}; drift: {}".format(*found)])
            told = look_in(os.path.join(live, "0." + guest.UUID))[2]
            mode, *entries, drift = found
            part = struct.pack("<B4IB", mode == "on", *entries, len(drift)) + drift.encode() + bytes(8)
            assert told.endswith(part), (told, part)


if __name__ == "__main__":
    stories_test.main(STORIES)
