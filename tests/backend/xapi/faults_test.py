#!/usr/bin/env python3
"""Every call to the toolstack with every fault in it, against varstored-loopback.

    faults_test.py --program PATH --document docs/xapi-faults.md [--write]

What comes out is the document: --write makes it, without it the test fails where the document says
something else. Beside the table, each case checks that the guest still sees what is stored, that the
log names the call and the fault, and that the first call without a fault works.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import os
import socket
import sys
import tempfile
import threading
import time

import guest
import peer

REQUEST_BUDGET = 2
START_BUDGET = 3

# What the log says of a fault, behind the method. The wording belongs to the table of faults.
LOG = {
    "vanished": "given up: {socket}: cannot connect: No such file or directory",
    "refused": "given up: {socket}: cannot connect: Connection refused",
    "closed": "given up: the connection was closed before the answer",
    "truncated": "given up: the connection was closed before the answer",
    "hangs": "no answer in time",
    "slow": "no answer in time",
    "http-500": "HTTP status 500",
    "not-xml": "the answer is no XML-RPC",
    "huge": "the answer is not usable: body limit exceeded",
    "fault": "1, no",
    "failure": "SOME_CODE, one, two",
    "failure-bare": "Unknown_error",
    "failure-nested": "SOME_CODE, one, two",
    "failure-empty": "no reason was given",
    "failure-none": "no reason was given",
    "internal-error": 'given up: Internal_error, Unix.Unix_error(Unix.ECONNREFUSED, "connect", "")',
    "server-error": 'Internal_error, Server_error(UUID_INVALID, [ "VM"; "x" ])',
    "marshal-error": 'Internal_error, Idl.MarshalError("Expecting string, got nothing")',
    "xmlm-error": "Internal_error, Xmlm.Error(_)",
    "session-lost": 'given up: Internal_error, Server_error(SESSION_INVALID, [ "OpaqueRef:1" ])',
    "bad-enum": 'INTERNAL_ERROR, Failure("Unknown tag/contents")',
    "host-is-slave": "given up: HOST_IS_SLAVE, 10.0.0.7",
    "still-booting": "given up: HOST_STILL_BOOTING",
    "answer-lost": "no answer in time",
}
MEANING = {
    "vanished": "there is no socket",
    "refused": "nobody listens on the socket",
    "closed": "the connection ends without an answer",
    "truncated": "the connection ends in the middle of the answer",
    "hangs": "no answer",
    "slow": "one byte a second",
    "http-500": "HTTP status 500, with HTML",
    "not-xml": "200, and a page of HTML",
    "huge": "64 MB",
    "fault": "an XML-RPC fault",
    "failure": "a Failure: code and arguments",
    "failure-bare": "a Failure: a bare string",
    "failure-nested": "a Failure: lists in lists",
    "failure-empty": "a Failure: an empty list",
    "failure-none": "a Failure without a description",
    "internal-error": "a guard that does not reach xapi",
    "server-error": "a guard that hands on what xapi refused",
    "marshal-error": "a guard that misses a parameter",
    "xmlm-error": "a guard that gets no XML-RPC",
    "session-lost": "a guard whose own session xapi does not know any more",
    "bad-enum": "a word on certificates that xapi does not know",
    "host-is-slave": "a pool that gets another master",
    "still-booting": "a toolstack that starts",
    "answer-lost": "the toolstack does what it was asked for, and no answer comes",
}
# Who does so.
GUARD, XAPI, NOBODY = "xapi-guard", "xapi", "nobody that is known"
EITHER = f"{XAPI}, {GUARD}"
SOURCE = {
    "vanished": f"{EITHER}: stopped",
    "refused": f"{EITHER}: ended without removing its socket",
    "closed": f"{EITHER}: stopped in the middle of a call",
    "truncated": f"{EITHER}: stopped in the middle of a call",
    "hangs": f"{GUARD}: it gives xapi 120 s for each call of its own",
    "slow": NOBODY,
    "http-500": f"{XAPI}: an exception before there is a call: `Xmlm.Error(...)` for a body that is no XML-RPC, "
                "`Client_requested_size_over_limit` for one of more than 300 KiB",
    "not-xml": NOBODY,
    "huge": NOBODY,
    "fault": f"{NOBODY}; XML-RPC has it",
    "failure": f"{XAPI}: what it refuses",
    "failure-bare": f"{GUARD}",
    "failure-nested": f"{GUARD}",
    "failure-empty": NOBODY,
    "failure-none": NOBODY,
    "internal-error": f"{GUARD}: the exception of its own call to xapi",
    "server-error": f"{GUARD}",
    "marshal-error": f"{GUARD}: `Idl`, which reads parameters",
    "xmlm-error": f"{GUARD}: `Xmlm`, which reads XML",
    "session-lost": f"{GUARD}: after three tries of its own, or at once",
    "bad-enum": f"{XAPI}",
    "host-is-slave": f"{XAPI}",
    "still-booting": f"{XAPI}",
    "answer-lost": f"{EITHER}: stopped between the deed and the answer",
}
# The next try may go well: it is made. All others are final; that the time is up is final, too.
PASSING = {"vanished", "refused", "closed", "truncated", "internal-error", "session-lost", "host-is-slave", "still-booting"}
# Of the shapes of a Failure, one stands for all except with the first write.
FEW = [name for name in LOG if not name.startswith("failure-")
       and name not in ("marshal-error", "xmlm-error", "session-lost", "bad-enum", "host-is-slave")]
# Without a socket an earlier call fails already.
WITH_SOCKET = [name for name in FEW if name not in ("vanished", "refused")]


class Case:
    """One call with one fault. A subclass says when the call is made."""

    title = ""
    method = ""
    generation = "guard"
    faults = FEW
    at_start = False

    def __init__(self, fault):
        self.fault = fault

    def run(self):
        """The row of the table: status, durable state, time."""
        with tempfile.TemporaryDirectory() as self.folder, contextlib.ExitStack() as self.cleanup:
            self.socket = os.path.join(self.folder, "toolstack")
            self.toolstack = peer.Toolstack(self.folder, self.generation)
            self.server = peer.Server(self.socket, self.toolstack)
            self.cleanup.callback(lambda: self.server and self.server.close())
            self.prepare()
            return self.measure()

    def prepare(self):
        self.toolstack.write("nvram", guest.encoded(guest.entry("Kept", b"old")))

    def stored(self, name):
        """Whether the toolstack has the data of this variable: old, new, or none."""
        data = base64.b64decode(self.toolstack.read("nvram", ""))
        return next((word for word in ("new", "old")
                     if name.encode("utf-16-le") + b"\3" + bytes(7) + word.encode() in data), "none")

    def start(self, *options, wait=True):
        daemon = guest.Daemon(
            self.folder, self.socket, "--request-budget", str(REQUEST_BUDGET), "--start-budget",
            str(START_BUDGET), "--platform", "auth-enforce=false", *options, wait=wait)
        self.cleanup.push(daemon)
        return daemon

    def break_toolstack(self):
        if self.fault in ("vanished", "refused"):
            self.server.close()
            self.server = None
            if self.fault == "refused":
                self.bound = socket.socket(socket.AF_UNIX)
                self.bound.bind(self.socket)
        else:
            self.toolstack.write("fault", f"{self.method} {self.fault}")

    def mend_toolstack(self):
        if self.server is None:
            if self.fault == "refused":
                self.bound.close()
                os.unlink(self.socket)
            self.server = peer.Server(self.socket, self.toolstack)
        self.toolstack.write("fault", "")

    def check_log(self, daemon):
        text = LOG[self.fault].format(socket=self.socket)
        assert f"{self.method}: {text}" in daemon.log(), f"the log lacks '{text}':\n{daemon.log()}"

    def measure(self):
        if self.at_start:
            self.break_toolstack()
            before = time.monotonic()
            daemon = self.start(wait=False)
            is_ready = daemon.is_ready()
            taken = (time.monotonic() - before) / START_BUDGET
            status = "served" if is_ready else f"not ready, exit {daemon.process.returncode}"
            state = self.look_after_start(daemon if is_ready else None)
        else:
            daemon = self.start()
            client = daemon.guest()
            self.break_toolstack()
            before = time.monotonic()
            status = self.request(client)
            taken = (time.monotonic() - before) / REQUEST_BUDGET
            state = self.look(client, status)
            status = guest.STATUS_NAMES[status]
        self.check_log(daemon)
        return status, state, time_class(taken)

    def request(self, client):
        raise NotImplementedError

    def look(self, client, status):
        """The durable state; and that the guest sees what it was told."""
        del client, status
        return "-"

    def look_after_start(self, daemon):
        del daemon
        return self.stored("Kept")


def time_class(part):
    if part > 1.5:
        return f"{part:.1f} times the budget"
    return "at once" if part < 0.2 else "a third" if part < 0.6 else "the budget"


class Start(Case):
    title = "the start"
    method = "VM.get_NVRAM"
    at_start = True


class FieldAtStart(Case):
    title = "the start"
    method = "VM.get_secureboot_certificates_state"
    faults = WITH_SOCKET
    at_start = True

    def look_after_start(self, daemon):
        assert daemon.guest().get("Kept") == b"old"
        return super().look_after_start(daemon)


class UpdateAtStart(Case):
    title = "the start of a VM that is marked for an update"
    method = "VM.set_NVRAM_EFI_variables_v2"
    faults = WITH_SOCKET
    at_start = True

    def prepare(self):
        super().prepare()
        self.toolstack.write("certificates", "update_on_boot")

    def look_after_start(self, daemon):
        assert daemon.guest().get("Kept") == b"old"
        mark = self.toolstack.read("certificates")
        return "old, marked" if mark == "update_on_boot" else f"new, {mark}"


class KeysAtStart(Case):
    title = "the keys of a first boot"
    method = "VM.set_NVRAM_EFI_variables_v2"
    faults = WITH_SOCKET
    at_start = True

    def prepare(self):
        with open(os.path.join(self.folder, "db.auth"), "wb") as file:
            file.write(guest.hash_list(bytes(32)))

    def start(self, *options, wait=True):
        return super().start("--auth-dir", self.folder, *options, wait=wait)

    def look_after_start(self, daemon):
        return "a first boot" if self.toolstack.read("nvram") is None else "the keys"


class Write(Case):
    title = "a guest's write, behind a guard"
    method = "VM.set_NVRAM_EFI_variables_v2"
    faults = list(LOG)

    def request(self, client):
        return client.set("Kept", b"new")

    def look(self, client, status):
        assert client.get("Kept") == (b"new" if status == guest.SUCCESS else b"old")
        state = self.stored("Kept")
        self.mend_toolstack()
        assert client.set("Other", b"new") == guest.SUCCESS
        assert self.stored("Kept") == client.get("Kept").decode()
        return state + (", until the next write" if state != self.stored("Kept") else "")


class FailsOnce(Write):
    """What tells a failure that passes from one that is final."""

    title = "a guest's write whose first try fails"

    def break_toolstack(self):
        super().break_toolstack()
        if self.server is None:
            timer = threading.Timer(0.3, self.mend_toolstack)
            timer.start()
            self.cleanup.callback(timer.join)
        else:
            self.toolstack.write("fault", f"{self.method} {self.fault} 1")

    def look(self, client, status):
        is_passing = status == guest.SUCCESS
        assert is_passing == (self.fault in PASSING), f"{self.fault} is {'' if is_passing else 'not '}passing"
        assert client.get("Kept") == (b"new" if is_passing else b"old")
        return self.stored("Kept")

    def check_log(self, daemon):
        if self.fault not in PASSING:
            super().check_log(daemon)

    def measure(self):
        status, state, taken = super().measure()
        # How long a try and its pause take is no matter of the budget.
        return status, state, "the next try" if self.fault in PASSING else taken


class WriteToOldGuard(Write):
    title = "a guest's write, behind an older guard"
    method = "VM.set_NVRAM_EFI_variables"
    generation = "old-guard"
    faults = WITH_SOCKET


class WriteToXapi(WriteToOldGuard):
    title = "a guest's write, to xapi itself"
    generation = "xapi"


class FieldAtWrite(Write):
    title = "a guest's write of db"
    method = "VM.get_secureboot_certificates_state"
    faults = WITH_SOCKET

    def request(self, client):
        # A record of the name that `stored` looks for would not be a list.
        status = client.set("db", guest.hash_list(bytes(32)), 0x27, guest.SECURITY_DATABASE)
        if status == guest.SUCCESS:
            assert client.set("Kept", b"new") == guest.SUCCESS
            with open(os.path.join(self.folder, "calls"), encoding="ascii") as file:
                assert "_v2 DUMMYVM BASE64 no" in file.read()
        return status


class LogIn(Write):
    title = "the first write after a resume, to xapi itself"
    method = "session.login_with_password"
    generation = "xapi"
    faults = WITH_SOCKET

    def prepare(self):
        super().prepare()
        self.saved = os.path.join(self.folder, "saved")
        with open(self.saved, "wb") as file:
            file.write(guest.blob(guest.entry("Kept", b"old")))

    def start(self, *options, wait=True):
        return super().start("--resume", "--arg", "resume:" + self.saved, *options, wait=wait)


    def check_log(self, daemon):
        # The write itself was not sent.
        assert "may hold the newer state" not in daemon.log(), daemon.log()
        super().check_log(daemon)


class FindVm(LogIn):
    method = "VM.get_by_uuid"


class Report(Case):
    title = "a Secure Boot failure"
    method = "message.create"

    def request(self, client):
        return client.report_secure_boot_failure()

    def check_log(self, daemon):
        # An alert is not sent a second time when nobody knows what became of the first.
        text = LOG[self.fault].format(socket=self.socket)
        if self.fault in ("closed", "truncated", "internal-error", "still-booting"):
            text = text.removeprefix("given up: ")
        assert f"{self.method}: {text}" in daemon.log(), daemon.log()


class LogOut(Case):
    title = "the end"
    method = "session.logout"
    generation = "xapi"

    def measure(self):
        daemon = self.start()
        self.break_toolstack()
        before = time.monotonic()
        code = daemon.stop()
        return f"exit {code}", "-", time_class((time.monotonic() - before) / REQUEST_BUDGET)


SCENARIOS = [Start, FieldAtStart, UpdateAtStart, KeysAtStart, Write, FailsOnce, WriteToOldGuard, WriteToXapi,
             FieldAtWrite, LogIn, FindVm, Report, LogOut]

HEAD = f"""# What a failing toolstack does to a guest

Made by `tests/backend/xapi/faults_test.py --write`, which runs `varstored-loopback --backend xapidb`
against a toolstack of Python that fails in each way at each call, as the real one does where that is known
([how far that goes](toolstack.md#the-real-one-and-the-tests-one)). The test fails when this page says
something else than what happens. What the calls are for is in
[toolstack.md, "XML-RPC"](toolstack.md#xml-rpc).

The budget of a guest's request is 15 s, that of a write in the firmware 5 minutes, and that of a start
25 s; the test shortens them to {REQUEST_BUDGET}, {REQUEST_BUDGET} and {START_BUDGET} s. Where the guest was told DEVICE_ERROR it goes on to see the old value.

## Faults

After a failure that passes by itself the call is made again, until the budget is spent; one that is final is told as
it is, because the next try would end in the same way, or has no time. `message.create` is never made again once it may have
been done, and for `varstore-repair --pool` it is final that a host is not the master of its pool. In the code it is
the table `kKnownFailures` of `src/backend/toolstack.cc` for what the toolstack says, and `Toolstack::Try` there for what
happens to the connection. The test of each row is `xapi.faults_are_as_documented`: the row "a guest's write whose first try
fails" of the outcomes below shows that a failure is of its kind.

Not a failure, though it is said as one: `UnknownMethod` and `MESSAGE_METHOD_UNKNOWN`, an older toolstack;
`MESSAGE_PARAMETER_COUNT_MISMATCH, METHOD, n, m`, which xapi counts without the session, for the word on certificates;
`SESSION_INVALID` and `HANDLE_INVALID` of xapi itself. After these the call is made in another form, or with a new session
([toolstack.md](toolstack.md#xml-rpc)); `xapi.stories`.

| fault | what happens | who does so | passing or final | the line in the log has, behind the method |
| --- | --- | --- | --- | --- |
"""


def document(results):
    """The page. Faults with the same outcome share a row."""
    text = HEAD
    for name, log in LOG.items():
        kind = "passing" if name in PASSING else "final"
        text += f"| `{name}` | {MEANING[name]} | {SOURCE[name]} | {kind} | `{log.format(socket='PATH')}` |\n"
    text += """
## Outcome

| when | call | fault | the guest is told | the toolstack then holds | after |
| --- | --- | --- | --- | --- | --- |
"""
    for scenario in SCENARIOS:
        groups = {}
        for fault in scenario.faults:
            groups.setdefault(results[scenario, fault], []).append(f"`{fault}`")
        for (status, state, taken), faults in groups.items():
            text += (f"| {scenario.title} | `{scenario.method}` | {', '.join(faults)} | {status} "
                     f"| {state} | {taken} |\n")
    return text


def documented(text):
    """The outcome of each case in the page."""
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for fault in cells[2].split(", ") if len(cells) == 6 else ():
            rows[cells[0], cells[1].strip("`"), fault.strip("`")] = tuple(cells[3:])
    return rows


def run(scenario, fault):
    try:
        return scenario(fault).run()
    except Exception as error:  # pylint: disable=broad-except
        return "FAILED", f"{type(error).__name__}: {error}".replace("\n", " / "), "-"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--locked-in", action="store_true", help="in the sandbox")
    parser.add_argument("--document", required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=16)
    options = parser.parse_args()
    guest.Daemon.program = options.program
    guest.Daemon.is_locked_in = options.locked_in

    cases = [(scenario, fault) for scenario in SCENARIOS for fault in scenario.faults]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = dict(zip(cases, pool.map(lambda case: run(*case), cases)))
    expected = ""
    if not options.write:
        with open(options.document, encoding="utf-8") as file:
            expected = file.read()
    # Another program may have taken the processor, so what is odd is done again, and alone.
    rows = documented(expected)
    for scenario, fault in cases:
        if not options.write and results[scenario, fault] != rows.get(
                (scenario.title, scenario.method, fault)):
            results[scenario, fault] = run(scenario, fault)
    failed = [case for case in cases if results[case][0] == "FAILED"]
    for scenario, fault in failed:
        print(f"{scenario.__name__}, {fault}: {results[scenario, fault][1]}", file=sys.stderr)
    if failed:
        sys.exit(1)
    text = document(results)
    if options.write:
        with open(options.document, "w", encoding="utf-8") as file:
            file.write(text)
        return
    if text != expected:
        sys.stderr.writelines(difference(expected, text))
        sys.exit(f"{options.document} is out of date; faults_test.py --write makes it anew")
    print(f"{len(cases)} cases")


def difference(expected, text):
    import difflib  # pylint: disable=import-outside-toplevel
    return difflib.unified_diff(expected.splitlines(True), text.splitlines(True), "document", "now")


if __name__ == "__main__":
    main()
