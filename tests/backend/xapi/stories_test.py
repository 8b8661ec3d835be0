#!/usr/bin/env python3
"""varstored-loopback --backend xapidb against each generation of the toolstack: whole stories.

    stories_test.py --program PATH --vectors tests/vectors/xml_rpc [STORY...]

Stories run side by side, because most of their time is waiting.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import xmlrpc.client

import guest
import peer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "recordings"))
import recordings  # noqa: E402  pylint: disable=wrong-import-position

STORIES = []
VECTORS = ""


def story(function):
    STORIES.append(function)
    return function


class Host:
    """A toolstack, a VM, and the folder that they are in."""

    def __init__(self, generation="guard"):
        self.cleanup = contextlib.ExitStack()
        self.folder = self.cleanup.enter_context(tempfile.TemporaryDirectory())
        self.socket = os.path.join(self.folder, "toolstack")
        self.save = os.path.join(self.folder, "save")
        self.toolstack = None
        self.server = None
        self.open(generation)
        self.cleanup.callback(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cleanup.close()

    def open(self, generation="guard"):
        self.toolstack = peer.Toolstack(self.folder, generation)
        self.server = peer.Server(self.socket, self.toolstack)

    def close(self):
        if self.server is not None:
            self.server.close()
            self.server = None

    def start(self, *options, wait=True):
        daemon = guest.Daemon(self.folder, self.socket, "--platform", "auth-enforce=false",
                              "--arg", "save:" + self.save, *options, wait=wait)
        self.cleanup.push(daemon)
        return daemon

    def keep(self, *entries):
        """What the VM has stored."""
        self.toolstack.write("nvram", guest.encoded(*entries))

    def stored(self, name):
        """The data that the toolstack holds for this variable of the tests."""
        return find(base64.b64decode(self.toolstack.read("nvram", "")), name)

    def calls(self):
        return self.toolstack.read("calls", "").splitlines()

    def forget_calls(self):
        self.toolstack.write("calls", "")


def find(blob, name):
    """The data of a variable in a VARS blob."""
    encoded = name.encode("utf-16-le")
    at = blob.find(struct.pack("<Q", len(encoded)) + encoded)
    if at < 0:
        return None
    at += 8 + len(encoded)
    size, = struct.unpack_from("<Q", blob, at)
    return blob[at + 8:at + 8 + size]


def expect(found, wanted):
    assert found == wanted, f"{found!r}, not {wanted!r}"


ALERT = "message.create {} 5 VM " + guest.UUID
BODY = "The_VM_failed_to_pass_Secure_Boot_verification."
GET = "VM.get_NVRAM DUMMYVM"
FIELD = "VM.get_secureboot_certificates_state DUMMYVM"
SET2 = "VM.set_NVRAM_EFI_variables_v2 DUMMYVM BASE64"
SET1 = "VM.set_NVRAM_EFI_variables DUMMYVM BASE64"
XAPI_FIND = ["session.login_with_password root   varstored", "VM.get_by_uuid " + guest.UUID]
XAPI_GET = "VM.get_NVRAM OpaqueRef:vm"
XAPI_FIELD = "VM.get_secureboot_certificates_state OpaqueRef:vm"
XAPI_SET = "VM.set_NVRAM_EFI_variables OpaqueRef:vm BASE64"
# Start, two writes, a write of db, a write, and the end.
CALLS = {
    "guard": [GET, FIELD, SET2 + " no", SET2 + " no", FIELD, SET2 + " yes", SET2 + " no"],
    "old-guard": [GET, FIELD, SET2 + " no", SET1, SET1, SET1, SET1],
    "xapi": [GET, *XAPI_FIND, XAPI_GET, XAPI_FIELD, XAPI_SET + " no", XAPI_SET + " no", XAPI_FIELD,
             XAPI_SET + " yes", XAPI_SET + " no", "session.logout"],
    "old-xapi": [GET, *XAPI_FIND, XAPI_GET, XAPI_FIELD, XAPI_SET + " no", XAPI_SET, XAPI_SET,
                 XAPI_SET, XAPI_SET, "session.logout"],
}


def write_db(client, value=bytes(32)):
    return client.set("db", guest.hash_list(value), 0x27, guest.SECURITY_DATABASE)


@story
def each_generation_is_found_out_once_and_a_write_is_one_call():
    for generation, calls in CALLS.items():
        with Host(generation) as host:
            host.keep(guest.entry("Kept", b"old"))
            daemon = host.start()
            client = daemon.guest()
            expect(client.get("Kept"), b"old")
            expect(client.set("Kept", b"new"), guest.SUCCESS)
            expect(client.set("Fox", b"quick"), guest.SUCCESS)
            expect(write_db(client), guest.SUCCESS)
            expect(client.set("Fox", b"brown"), guest.SUCCESS)
            expect(host.stored("Fox"), b"brown")
            expect(daemon.stop(), 0)
            expect([call.strip() for call in host.calls()], calls)


@story
def the_socket_of_xapi_itself_is_known_by_its_path():
    if os.geteuid() != 0:
        print("only root can change into a root folder with that path: not tried")
        return
    with Host() as host:
        folder = os.path.join(host.folder, "root/var/lib/xcp")
        os.makedirs(folder)
        server = peer.Server(os.path.join(folder, "xapi"), peer.Toolstack(host.folder, "xapi"))
        host.cleanup.callback(server.close)
        host.socket = "/var/lib/xcp/xapi"
        daemon = host.start("--chroot", os.path.join(host.folder, "root"), "--arg", "save:/save")
        expect(daemon.guest().set("Fox", b"quick"), guest.SUCCESS)
        expect([call.strip() for call in host.calls()],
               [*XAPI_FIND, XAPI_GET, XAPI_SET + " no"])


@story
def what_was_written_is_there_at_the_next_start():
    for generation in CALLS:
        with Host(generation) as host:
            daemon = host.start()
            expect(daemon.guest().set("Fox", b"quick"), guest.SUCCESS)
            expect(daemon.stop(), 0)
            expect(host.start().guest().get("Fox"), b"quick")


@story
def requests_are_the_golden_bytes():
    """A stored blob stands in for the base64 that the daemon makes."""
    goldens = {}
    for name in sorted(os.listdir(VECTORS)):
        with open(os.path.join(VECTORS, name), "rb") as file:
            goldens[name] = file.read().rstrip(b"\n")
    used = set()
    for generation in CALLS:
        with Host(generation) as host:
            host.keep(guest.entry("Kept", b"old"))
            daemon = host.start()
            client = daemon.guest()
            client.set("Kept", b"new")
            write_db(client)
            client.report_secure_boot_failure()
            expect(daemon.stop(), 0)
            for name in sorted(os.listdir(os.path.join(host.folder, "requests"))):
                with open(os.path.join(host.folder, "requests", name), "rb") as file:
                    body = re.sub(rb"(<string>)VkFSU[A-Za-z0-9+/=]+", rb"\1BASE64", file.read())
                matches = [golden for golden, text in goldens.items() if text == body]
                assert matches, f"{generation}: no golden request is {body!r}"
                used.update(matches)
    expect(sorted(used), sorted(goldens))


@story
def a_write_that_changes_nothing_is_not_sent():
    with Host() as host:
        client = host.start().guest()
        expect(client.set("Fox", b"quick"), guest.SUCCESS)
        host.forget_calls()
        expect(client.set("Fox", b"quick"), guest.SUCCESS)
        expect(client.set("Volatile", b"quick", 6), guest.SUCCESS)
        expect(client.set("Absent", b""), guest.NOT_FOUND)
        expect(host.calls(), [])


def restart(host, seconds, generation="guard"):
    """The toolstack goes away now, and comes back after so many seconds."""
    host.close()
    timer = threading.Timer(seconds, host.open, [generation])
    timer.start()
    return timer


def write_over_a_restart(seconds, budget, generation):
    with Host(generation) as host:
        client = host.start("--request-budget", str(budget)).guest()
        expect(client.set("Fox", b"quick"), guest.SUCCESS)
        timer = restart(host, seconds, generation)
        before = time.monotonic()
        expect(client.set("Fox", b"brown"), guest.SUCCESS)
        timer.join()
        assert seconds - 0.1 <= time.monotonic() - before <= budget
        expect(host.stored("Fox"), b"brown")


@story
def a_write_outlives_a_short_restart_of_each_generation():
    for generation in CALLS:
        write_over_a_restart(1, 10, generation)


@story
def a_write_outlives_a_restart_of_ten_seconds():
    write_over_a_restart(10, 15, "guard")


@story
def a_write_outlives_a_connection_that_the_restart_breaks():
    with Host() as host:
        client = host.start().guest()
        host.toolstack.write("fault", "VM.set_NVRAM_EFI_variables_v2 closed 1")
        expect(client.set("Fox", b"quick"), guest.SUCCESS)
        host.toolstack.write("fault", "VM.set_NVRAM_EFI_variables_v2 truncated 1")
        expect(client.set("Fox", b"brown"), guest.SUCCESS)
        host.toolstack.write("fault", "VM.set_NVRAM_EFI_variables_v2 internal-error 2")
        expect(client.set("Fox", b"fox"), guest.SUCCESS)
        expect(host.stored("Fox"), b"fox")


@story
def a_start_outlives_a_restart():
    with Host() as host:
        host.keep(guest.entry("Kept", b"old"))
        timer = restart(host, 1)
        expect(host.start("--start-budget", "10").guest().get("Kept"), b"old")
        timer.join()


@story
def a_session_and_a_reference_that_are_refused_are_renewed():
    with Host("xapi") as host:
        client = host.start().guest()
        for fault in ("session-invalid", "handle-invalid"):
            host.toolstack.write("fault", f"VM.set_NVRAM_EFI_variables {fault} 1")
            expect(client.set("Fox", fault.encode()), guest.SUCCESS)
            expect(host.stored("Fox"), fault.encode())


@story
def a_session_that_is_always_refused_ends_in_an_error():
    with Host("xapi") as host:
        client = host.start().guest()
        for fault in ("session-invalid", "handle-invalid"):
            host.toolstack.write("fault", f"VM.set_NVRAM_EFI_variables {fault}")
            host.forget_calls()
            expect(client.set("Fox", b"quick"), guest.DEVICE_ERROR)
            assert len(host.calls()) < 15, host.calls()


@story
def a_newer_toolstack_is_found_out_after_its_restart():
    with Host("old-guard") as host:
        client = host.start().guest()
        expect(client.set("Fox", b"quick"), guest.SUCCESS)
        expect(host.calls()[-1], SET1)
        host.close()
        host.open("guard")
        host.toolstack.write("certificates", "update_on_boot")
        expect(client.set("Fox", b"brown"), guest.SUCCESS)
        expect(host.calls()[-1], SET2 + " no")
        expect(host.toolstack.read("certificates"), "update_on_boot")


@story
def a_newer_guard_before_an_older_xapi_is_served():
    with Host() as host:
        client = host.start().guest()
        real = host.toolstack.answer

        def answer(method, parameters):
            if method == "VM.set_NVRAM_EFI_variables_v2":
                raise peer.Refused(["Internal_error", "Server_error(MESSAGE_PARAMETER_COUNT_MISMATCH,"
                                    ' [ "VM.set_NVRAM_EFI_variables"; "3"; "4" ])'])
            return real(method, parameters)

        host.toolstack.answer = answer
        expect(client.set("Fox", b"quick"), guest.SUCCESS)
        expect(client.set("Fox", b"brown"), guest.SUCCESS)
        expect(host.calls()[-3:], [SET2 + " no", SET1, SET1])


@story
def a_toolstack_that_refuses_does_not_fill_the_log():
    with Host() as host:
        daemon = host.start()
        client = daemon.guest()
        host.toolstack.write("fault", "VM.set_NVRAM_EFI_variables_v2 failure")
        for i in range(60):
            expect(client.set("Fox", bytes([i])), guest.DEVICE_ERROR)
        expect(daemon.log().count("change-not-stored: "), 8)
        expect(daemon.log().count("backend-failed: "), 8)
        expect(daemon.stop(), 0)
        assert "lines-left-out: change-not-stored 52, backend-failed 52" in daemon.log(), daemon.log()


@story
def what_a_toolstack_hands_back_is_not_logged():
    with Host() as host:
        daemon = host.start()
        client = daemon.guest()
        real = host.toolstack.answer
        sent = []

        def answer(method, parameters):
            if method.startswith("VM.set_NVRAM"):
                sent.append(parameters[2])
                raise peer.Refused(["INVALID_VALUE", "NVRAM", f'[ "{parameters[2]}" ]'])
            return real(method, parameters)

        host.toolstack.answer = answer
        expect(client.set("Fox", b"quick"), guest.DEVICE_ERROR)
        expect(len(sent), 1)
        assert 'INVALID_VALUE, NVRAM, [ "(data)" ]' in daemon.log(), daemon.log()
        assert sent[0][:16] not in daemon.log(), daemon.log()


@story
def the_end_does_not_wait_for_a_call_that_hangs():
    for fault in ("hangs", "answer-lost"):
        with Host() as host:
            host.keep(guest.entry("Kept", b"old"))
            daemon = host.start()
            client = daemon.guest()
            host.toolstack.write("fault", f"VM.set_NVRAM_EFI_variables_v2 {fault}")
            host.forget_calls()
            client.send(1, client.set_fields("Kept", b"new"))
            while not host.calls():
                time.sleep(0.005)
            before = time.monotonic()
            daemon.process.terminate()
            expect(client.answer()[0], guest.DEVICE_ERROR)
            expect(daemon.process.wait(10), 0)
            taken = time.monotonic() - before
            assert taken < 1, taken
            with open(host.save, "rb") as file:
                expect(find(file.read(), "Kept"), b"old")
            assert "the toolstack may hold the newer state" in daemon.log(), daemon.log()
            assert "abandoned, because the daemon is told to stop" in daemon.log(), daemon.log()
            expect(host.stored("Kept"), b"old" if fault == "hangs" else b"new")


@story
def the_end_does_not_wait_for_the_next_try_of_a_call():
    with Host() as host:
        daemon = host.start()
        client = daemon.guest()
        host.close()
        client.send(1, client.set_fields("Fox", b"quick"))
        time.sleep(0.3)  # any moment between two tries will do
        before = time.monotonic()
        daemon.process.terminate()
        expect(client.answer()[0], guest.DEVICE_ERROR)
        expect(daemon.process.wait(10), 0)
        assert time.monotonic() - before < 1
        # Nothing was sent, so nobody holds anything newer.
        assert "may hold the newer state" not in daemon.log(), daemon.log()


@story
def nothing_is_sent_once_the_end_has_come():
    with Host() as host:
        daemon = host.start()
        client = daemon.guest()
        host.toolstack.write("fault", FIELD.split()[0] + " hangs")
        host.forget_calls()
        client.send(1, client.set_fields("db", guest.hash_list(bytes(32)), 0x27,
                                         guest.SECURITY_DATABASE))
        while not host.calls():
            time.sleep(0.005)
        expect(daemon.stop(), 0)
        expect(client.answer()[0], guest.DEVICE_ERROR)
        expect(host.calls(), [FIELD])
        assert "may hold the newer state" not in daemon.log(), daemon.log()


@story
def the_end_comes_at_once_while_a_start_hangs():
    with Host() as host:
        host.toolstack.write("fault", "VM.get_NVRAM hangs")
        daemon = host.start(wait=False)
        while not host.calls():
            time.sleep(0.005)
        before = time.monotonic()
        expect(daemon.stop(), 0)
        assert time.monotonic() - before < 1
        assert os.path.getsize(host.save) == 0  # made at the start, and nothing is saved


@story
def a_vm_makes_a_hundred_calls_at_once_and_then_two_a_second():
    with Host() as host:
        times = []
        real = host.toolstack.answer

        def answer(method, parameters):
            times.append(time.monotonic())
            return real(method, parameters)

        host.toolstack.answer = answer
        client = host.start().guest()
        for number in range(105):
            expect(client.set("Fox", b"%d" % number), guest.SUCCESS)
        # The start's call is the first of them. What a slow machine takes for the first hundred is
        # credited to the ones behind.
        credited = 2 * (times[99] - times[0])
        assert times[-1] - times[99] >= (len(times) - 100 - credited) / 2 - 0.1, times
        assert times[-1] - times[0] >= (len(times) - 100) / 2 - 0.1
        assert times[-1] - times[99] < 6


@story
def a_real_boot_needs_a_half_of_what_a_vm_may_ask_at_once():
    for name, exchanges in recordings.traces():
        with Host() as host:
            client = host.start().guest()
            for request, _ in exchanges:
                client.request(request)
            assert 10 < len(host.calls()) <= 50, (name, len(host.calls()))


@story
def resume_makes_no_call_and_looks_the_vm_up_at_the_first_write():
    for generation, calls in {
            "guard": [SET2 + " no"],
            "xapi": ["VM.set_NVRAM_EFI_variables_v2 DUMMYVM BASE64 no", SET1, *XAPI_FIND,
                     XAPI_SET + " no"]}.items():
        with Host(generation) as host:
            with open(host.save, "wb") as file:
                file.write(guest.blob(guest.entry("Kept", b"old"), guest.entry("V", b"old", 6)))
            daemon = host.start("--resume", "--arg", "resume:" + host.save)
            client = daemon.guest()
            expect(client.get("V"), b"old")
            expect(host.calls(), [])
            expect(client.set("Kept", b"new"), guest.SUCCESS)
            expect([call.strip() for call in host.calls()], calls)
            expect(host.stored("Kept"), b"new")
            expect(host.stored("V"), None)


@story
def nonpersistent_writes_nothing():
    with Host() as host:
        host.keep(guest.entry("Kept", b"old"))
        host.toolstack.write("certificates", "update_on_boot")
        client = host.start("--nonpersistent").guest()
        expect(client.set("Kept", b"new"), guest.SUCCESS)
        expect(host.stored("Kept"), b"old")
        expect(host.toolstack.read("certificates"), "update_on_boot")
        expect(host.calls(), [GET, FIELD])


@story
def resume_without_a_file_updates_no_certificates():
    with Host() as host:
        host.keep(guest.entry("Kept", b"old"))
        host.toolstack.write("certificates", "update_on_boot")
        expect(host.start("--resume").guest().get("Kept"), b"old")
        expect(host.calls(), [GET, FIELD])
        expect(host.toolstack.read("certificates"), "update_on_boot")


@story
def stored_variables_that_cannot_be_read_fail_the_start_and_stay():
    for nvram in ("", "no base64!", base64.b64encode(b"NOPE" + bytes(300)).decode(),
                  base64.b64encode(guest.blob(guest.entry("Kept", b"old"))[:-1]).decode()):
        with Host() as host:
            host.toolstack.write("nvram", nvram)
            daemon = host.start(wait=False)
            assert not daemon.is_ready()
            expect(daemon.process.returncode, 1)
            expect(host.toolstack.read("nvram"), nvram)
            expect(len(host.calls()), 2)
            alert = host.calls()[-1]
            assert alert.startswith(ALERT.format("VM_UEFI_VARIABLES_UNREADABLE")), alert
            assert alert.endswith("varstore-repair_--fix_" + guest.UUID), alert
            expect(len(daemon.log().splitlines()), 1)


@story
def an_answer_without_a_map_is_no_first_boot():
    for value in ("", "text", None, ["a", "b"]):
        with Host() as host:
            host.toolstack.answer = lambda method, parameters, value=value: value
            daemon = host.start("--start-budget", "2", wait=False)
            assert not daemon.is_ready()
            assert "VM.get_NVRAM: the answer is no map" in daemon.log(), daemon.log()
            expect(host.calls(), [GET])


@story
def a_variable_over_its_limit_is_served_and_reported_once():
    with Host() as host:
        host.keep(guest.entry("Large", bytes(60000)), guest.entry("Too", bytes(58000)))
        daemon = host.start()
        expect(len(daemon.guest().get("Large")), 60000)
        alerts = [call for call in host.calls() if call.startswith("message.create")]
        expect(len(alerts), 1)
        assert alerts[0].startswith(ALERT.format("VM_UEFI_VARIABLE_TOO_LARGE")
                                    + " The_UEFI_variable_Large_of"), alerts
        assert alerts[0].endswith("varstore-repair_" + guest.UUID), alerts
        assert len(daemon.log().splitlines()) <= 6, daemon.log()


@story
def variables_that_xapi_would_not_take_back_are_served_and_shrink():
    with Host() as host:
        names = ["First", "Second", "Third", "Fourth", "Fifth"]
        host.keep(*[guest.entry(name, bytes(50000)) for name in names], guest.entry("Small", b"1"))
        kept = host.toolstack.read("nvram")
        daemon = host.start()
        assert "takes 307200 with a write" in daemon.log(), daemon.log()
        client = daemon.guest()
        host.forget_calls()
        begun = time.monotonic()
        expect(client.set("Small", b""), guest.DEVICE_ERROR)
        assert time.monotonic() - begun < 5, "what is not sent is not tried again"
        assert "only a change after which the variables fit can be stored" in daemon.log()
        expect(client.get("Small"), b"1")
        expect(host.toolstack.read("nvram"), kept)
        expect(host.calls(), [])
        expect(client.set("Third", b""), guest.SUCCESS)
        expect(client.set("Small", b""), guest.SUCCESS)
        expect(host.calls(), [SET2 + " no", SET2 + " no"])
        expect(host.stored("Third"), None)
        expect(len(host.stored("Fifth")), 50000)


@story
def a_secure_boot_failure_is_reported_once():
    for generation in CALLS:
        with Host(generation) as host:
            client = host.start().guest()
            expect(client.report_secure_boot_failure(), guest.SUCCESS)
            client.report_secure_boot_failure()
            alerts = [call for call in host.calls() if call.startswith("message.create")]
            expect(alerts, [f"{ALERT.format('VM_SECURE_BOOT_FAILED')} {BODY}"])


@story
def the_keys_of_a_first_boot_are_stored_before_readiness():
    with Host() as host:
        with open(os.path.join(host.folder, "db.auth"), "wb") as file:
            file.write(guest.hash_list(bytes(32)))
        daemon = host.start("--auth-dir", host.folder)
        expect(host.calls(), [GET, SET2 + " yes"])
        expect(host.stored("db"), guest.hash_list(bytes(32))[40:])
        assert len(daemon.log().splitlines()) <= 6, daemon.log()


@story
def all_calls_of_a_start_share_its_budget():
    """Each of them fails as late as it can."""
    with Host() as host:
        host.keep(guest.entry("Large", bytes(60000)))
        host.toolstack.write("certificates", "update_on_boot")
        real = host.toolstack.answer

        def answer(method, parameters):
            if method.startswith("VM.set"):
                raise peer.Refused(["Internal_error", "later"])
            if method == "VM.get_NVRAM":
                time.sleep(1)
            return real(method, parameters)

        host.toolstack.answer = answer
        before = time.monotonic()
        daemon = host.start("--start-budget", "3")
        taken = time.monotonic() - before
        assert 2.5 < taken < 5, taken
        assert "the certificates were not updated" in daemon.log(), daemon.log()


@story
def a_mark_that_is_set_while_the_vm_runs_outlives_every_write():
    with Host() as host:
        client = host.start().guest()
        host.toolstack.write("certificates", "update_on_boot")
        expect(client.set("Fox", b"quick"), guest.SUCCESS)
        expect(write_db(client), guest.SUCCESS)
        expect(host.toolstack.read("certificates"), "update_on_boot")
        expect(host.calls()[-3:], [SET2 + " no", FIELD, SET2 + " no"])


@story
def a_mark_outlives_a_write_of_db_when_it_cannot_be_read():
    with Host() as host:
        client = host.start().guest()
        host.toolstack.write("certificates", "update_on_boot")
        host.toolstack.write("fault", "VM.get_secureboot_certificates_state failure")
        expect(write_db(client), guest.SUCCESS)
        expect(host.toolstack.read("certificates"), "update_on_boot")
        host.toolstack.write("fault", "")
        host.toolstack.write("certificates", "some_new_state")
        expect(write_db(client, bytes([1]) * 32), guest.SUCCESS)
        expect(host.calls()[-1], SET2 + " no")


@story
def what_a_lost_answer_did_to_the_mark_is_put_right_by_the_next_write():
    with Host() as host:
        client = host.start("--request-budget", "1").guest()
        host.toolstack.write("certificates", "update_available")
        host.toolstack.write("fault", "VM.set_NVRAM_EFI_variables_v2 answer-lost")
        expect(write_db(client), guest.DEVICE_ERROR)
        expect(host.toolstack.read("certificates"), "ok")
        host.toolstack.write("fault", "")
        expect(client.set("Fox", b"quick"), guest.SUCCESS)
        expect(host.calls()[-2:], [FIELD, SET2 + " yes"])
        expect(client.set("Fox", b"brown"), guest.SUCCESS)
        expect(host.calls()[-1], SET2 + " no")


@story
def a_vm_that_needs_no_update_loses_its_mark_at_the_boot():
    with Host() as host:
        host.keep(guest.entry("Kept", b"old"))
        host.toolstack.write("certificates", "update_on_boot")
        host.start()
        expect(host.calls(), [GET, FIELD, SET2 + " yes"])
        expect(host.toolstack.read("certificates"), "ok")


@story
def outages_do_not_fill_the_log():
    with Host() as host:
        daemon = host.start()
        client = daemon.guest()
        host.toolstack.write("fault", "VM.set_NVRAM_EFI_variables_v2 http-500")
        for number in range(40):
            expect(client.set("Fox", b"%d" % number), guest.DEVICE_ERROR)
        lines = [line for line in daemon.log().splitlines() if "backend-failed" not in line]
        assert len(lines) <= 14, daemon.log()


def http(host, text):
    """What the toolstack answers to these bytes: what comes first, the status, and all of the rest."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(host.socket)
        connection.sendall(text)
        first = connection.recv(1 << 16)
        rest = b""
        while piece := connection.recv(1 << 16):
            rest += piece
    header, _, body = (first + rest).partition(b"\r\n\r\n")
    return first, header.splitlines()[0].decode(), body


def post(host, body):
    return http(host, b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def ask(host, method, *parameters):
    """The value, or the failure's description."""
    first, status, body = post(host, xmlrpc.client.dumps(parameters, method).encode())
    expect(status, "HTTP/1.1 200 OK")
    if not host.toolstack.is_guard:
        assert first.endswith(b"\r\n\r\n"), "header and body come apart"
    (answer,), _ = xmlrpc.client.loads(body)
    return answer["Value"] if answer["Status"] == "Success" else answer["ErrorDescription"]


@story
def the_toolstack_of_the_tests_is_as_the_real_one():
    """What was seen of xapi and xapi-guard of August 2026 (docs/toolstack.md, "XML-RPC")."""
    by_uuid = "VM.get_by_uuid"
    for generation in CALLS:
        with Host(generation) as host:
            is_guard = host.toolstack.is_guard
            _, status, body = post(host, b"no XML-RPC")
            expect(status, "HTTP/1.1 200 OK" if is_guard else "HTTP/1.1 500 Internal Error")
            assert b"Xmlm.Error(" in body and (b"Internal_error" in body) == is_guard, body
            assert body.startswith(b"<?xml" if is_guard else b"<html>"), body
            expect(http(host, b"GET / HTTP/1.1\r\n\r\n")[1].split()[1], "405" if is_guard else "501")
            session = ask(host, "session.login_with_password", "root", "", "", "")
            large = xmlrpc.client.dumps((session, "OpaqueRef:vm", "A" * 307000), peer.SET).encode()
            _, status, body = post(host, large)
            if is_guard:
                expect((status, b"Success" in body), ("HTTP/1.1 200 OK", True))
                os.unlink(os.path.join(host.folder, "nvram"))
            else:
                expect(status, "HTTP/1.1 500 Internal Error")
                assert b"Http_svr.Client_requested_size_over_limit" in body, body
            expect(ask(host, "VM.get_NVRAM", session, "OpaqueRef:vm"), {})
            few, many = ask(host, by_uuid, session), ask(host, by_uuid, session, guest.UUID, "more")
            if is_guard:
                assert few[0] == "Internal_error" and few[1].startswith("Idl.MarshalError("), few
                expect(many, "DUMMYVM")
            else:
                expect(few, ["MESSAGE_PARAMETER_COUNT_MISMATCH", by_uuid, "1", "0"])
                expect(many, "OpaqueRef:vm" if generation == "xapi" else
                       ["MESSAGE_PARAMETER_COUNT_MISMATCH", by_uuid, "1", "2"])
            alert = ask(host, "message.create", session, "NAME", 5, "VM", guest.UUID, "body")
            assert alert is None if is_guard else alert.startswith("OpaqueRef:"), alert
            if generation == "xapi":
                expect(ask(host, peer.SET, session, "OpaqueRef:vm", "QQ==", "maybe"),
                       ["INTERNAL_ERROR", 'Failure("Unknown tag/contents")'])
            elif generation == "guard":
                expect(ask(host, peer.SET + "_v2", session, "OpaqueRef:vm", "QQ==", "maybe"), None)
                expect(host.toolstack.read("certificates"), "update_available")


@story
def the_daemon_says_its_name_and_version_to_every_toolstack():
    name = subprocess.run([guest.Daemon.program, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    for generation in CALLS:
        with Host(generation) as host:
            daemon = host.start()
            expect(daemon.guest().set("Fox", b"quick"), guest.SUCCESS)
            expect(daemon.stop(), 0)
            expect(set(host.toolstack.read("agents").splitlines()), {"varstored/" + name})


def run(function):
    try:
        function()
        return True
    except Exception:  # pylint: disable=broad-except
        print(f"{function.__name__}: FAILED\n{traceback.format_exc()}", file=sys.stderr)
        return False


def main(stories):
    global VECTORS  # pylint: disable=global-statement
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--locked-in", action="store_true", help="in the sandbox")
    parser.add_argument("--vectors")
    parser.add_argument("stories", nargs="*")
    options = parser.parse_args()
    guest.Daemon.program = options.program
    guest.Daemon.is_locked_in = options.locked_in
    VECTORS = options.vectors
    chosen = [one for one in stories if not options.stories or one.__name__ in options.stories]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, chosen))
    print(f"{sum(results)} of {len(results)} stories")
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main(STORIES)
