#!/usr/bin/env python3
"""The tools against each generation of the toolstack, called as it calls them.

    xapi_test.py --bin FOLDER --xapi tests/backend/xapi [STORY...]
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback

UUID = "01234567-89ab-cdef-0123-456789abcdef"
VENDOR = "03020100-0504-0706-0809-0a0b0c0d0e0f"  # guest.VENDOR
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
DATABASE = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
REMOVING = "Removing PK...\nRemoving KEK...\nRemoving db...\nRemoving dbx...\n"
UID = 64100

# In a mount namespace of its own: /etc, and /var/lib, where xapi's own socket is.
IN_NAMESPACE = 'mount --bind "$1" /etc; mount --bind "$2" /var/lib; shift 2; exec "$@"'
UNSHARE = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", IN_NAMESPACE, "sh"]

STORIES = []
OPTIONS = None


class Skipped(Exception):
    """Why a story cannot be told on this machine."""


def story(function):
    STORIES.append(function)
    return function


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"\nfound  {found!r}\nwanted {wanted!r}")


class Host:
    """A toolstack with a VM, and what the tools said."""

    def __init__(self, generation, variables=()):
        self.cleanup = contextlib.ExitStack()
        self.folder = self.cleanup.enter_context(tempfile.TemporaryDirectory())
        self.socket = os.path.join(self.folder, "socket")
        self.toolstack = peer.Toolstack(self.folder, generation)
        self.peers = []
        if variables is not None:
            self.toolstack.write("nvram", guest.encoded(*variables))

    def listen(self, path=None):
        self.server = peer.Server(path or self.socket, self.toolstack)
        self.cleanup.callback(self.server.close)
        get_request = self.server.get_request

        def note_peer():
            connection, address = get_request()
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            self.peers.append(struct.unpack("3i", credentials)[1:])
            return connection, address

        self.server.get_request = note_peer
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cleanup.close()

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        return path

    def run(self, tool, *words, before=()):
        """Exit code, standard output and standard error."""
        command = [*before, os.path.join(OPTIONS.bin, tool), *words]
        # As another user, a sanitizer that looks for leaks has no right to.
        environment = {"PATH": "/sbin:/usr/sbin:/bin:/usr/bin", "LSAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=environment, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def here(self, tool, *words):
        """The same, at the socket of this toolstack."""
        return self.run(tool, *words, "-s", self.socket)

    def namespace(self):
        """What to run a program with that sees the folders etc and lib of this host."""
        for name in ("etc", "lib"):
            os.makedirs(self.path(name), exist_ok=True)
        before = [*UNSHARE, self.path("etc"), self.path("lib")]
        if subprocess.run([*before, "true"], stderr=subprocess.DEVNULL).returncode != 0:
            raise Skipped("no right to make a mount namespace")
        return before

    def calls(self):
        return [line.split()[0] for line in (self.toolstack.read("calls") or "").splitlines()]

    def names(self):
        """The variables that are stored, by name."""
        code, lines, _ = self.here("varstore-ls", UUID)
        expect(code, 0)
        return [line.split(" ", 1)[1] for line in lines.splitlines() if line.startswith(VENDOR)]


def usual():
    return (guest.entry("Note", b"kept"), guest.entry("Other", b"other"))


@story
def a_clone_as_xapi_makes_one():
    if os.geteuid() != 0:
        raise Skipped("needs root")
    with Host("guard", usual()) as host:
        host.path("etc/xapi.d/efi-clone/list",
                  f"# comes with XAPI\n{VENDOR} Note\n{VENDOR} Absent\n".encode())
        root = host.path("varstored-root-0-" + UUID)
        os.mkdir(root, 0o750)
        os.chown(root, 0, UID)
        os.chmod(host.folder, 0o755)
        host.listen(os.path.join(root, "xapi-depriv-socket"))
        os.chmod(host.server.server_address, 0o660)
        os.chown(host.server.server_address, 0, UID)
        expect(host.run("varstore-rm", "-c", UUID, "-r", root, "-u", str(UID), "-g", str(UID),
                        "-s", "/xapi-depriv-socket", before=host.namespace()),
               (0, f"Removing: GUID: '{VENDOR}' Name: 'Note'\n"
                   f"Removing: GUID: '{VENDOR}' Name: 'Absent'\n", ""))
        expect(set(host.peers), {(UID, UID)})
        expect(host.calls(), ["VM.get_NVRAM", "VM.set_NVRAM_EFI_variables_v2"])
        # A clone without one of the variables is no change.
        expect(host.run("varstore-rm", "-c", UUID, "-r", root, "-u", str(UID), "-g", str(UID),
                        "-s", "/xapi-depriv-socket", before=host.namespace())[0], 0)
        expect(host.calls()[2:], ["VM.get_NVRAM"])


@story
def the_calls_that_xapi_makes_on_its_own_socket():
    with Host("xapi", usual()) as host:
        before = host.namespace()
        os.mkdir(host.path("lib/xcp"))
        host.listen(host.path("lib/xcp/xapi"))
        code, lines, errors = host.run("varstore-ls", UUID, before=before)
        expect((code, errors), (0, ""))
        expect([line.split(" ")[1] for line in lines.splitlines() if line.startswith(VENDOR)],
               ["Note", "Other"])
        expect(host.run("varstore-sb-state", UUID, "setup", before=before),
               (0, REMOVING, "".join(f"varstore-sb-state: {words}\n" for words in (
                   "PCR 7 stays", *(f"{name}: there was none" for name in ("PK", "KEK", "db", "dbx"))))))
        code, output, errors = host.run("varstore-sb-state", UUID, "user", before=before)
        expect((code, output), (1, ""))
        expect(errors.splitlines()[-1],
               "varstore-sb-state: the host's keys: the VM would be left in setup mode")
        expect(host.run("varstore-nvram-certcheck", host.path("nvram"), before=before),
               (0, "update_ok\n", ""))
        login = ["session.login_with_password", "VM.get_by_uuid", "VM.get_NVRAM", "session.logout"]
        expect(host.calls(), login * 3)


@story
def a_clone_of_a_host_without_lists():
    with Host("guard", usual()) as host:
        expect(host.listen().run("varstore-rm", "-c", UUID, "-s", host.socket,
                                 before=host.namespace()), (0, "", ""))
        expect(host.names(), ["Note", "Other"])


@story
def l27_a_change_of_a_vm_that_is_not_halted_is_made_with_a_warning():
    for generation in ("xapi", "old-xapi"):
        for power in ("Running", "Paused", "Suspended"):
            with Host(generation, usual()) as host:
                host.listen()
                host.toolstack.write("power", power)
                data = host.path("data", b"hello")
                for call in (("varstore-set", UUID, VENDOR, "New", "7", data),
                             ("varstore-rm", UUID, VENDOR, "Note")):
                    code, output, errors = host.here(*call)
                    expect((code, output), (0, ""))
                    expect(errors, f"{call[0]}: warning: the VM is not halted but {power}: its "
                           "varstored has its own copy of the variables, and overwrites this change "
                           "with its next one. Change them while the VM is halted\n")
                expect(host.names(), ["New", "Other"])


@story
def l27_nothing_is_said_of_a_vm_that_is_halted():
    with Host("xapi", usual()) as host:
        expect(host.listen().here("varstore-rm", UUID, VENDOR, "Note"), (0, "", ""))
        expect(host.names(), ["Other"])


@story
def l27_a_guard_is_not_asked_what_it_does_not_know():
    for generation in ("guard", "old-guard"):
        with Host(generation, usual()) as host:
            expect(host.listen().here("varstore-rm", UUID, VENDOR, "Note"), (0, "", ""))
            expect("VM.get_power_state" in host.calls(), False)
            expect(host.names(), ["Other"])


@story
def l27_a_state_that_is_not_known_is_no_failure():
    with Host("xapi", usual()) as host:
        host.listen().toolstack.write("fault", "VM.get_power_state failure")
        code, output, errors = host.here("varstore-rm", UUID, VENDOR, "Note")
        expect((code, output), (0, ""))
        expect(errors.startswith("varstore-rm: warning: whether the VM runs is not known: "), True)
        expect(host.names(), ["Other"])


@story
def reading_asks_for_nothing_more():
    for generation in peer.GENERATIONS:
        with Host(generation, usual()) as host:
            expect(host.listen().here("varstore-get", UUID, VENDOR, "Note"), (0, "kept", ""))
            calls = {call for call in host.calls() if not call.startswith("session.")}
            expect(calls - {"VM.get_by_uuid"}, {"VM.get_NVRAM"})


@story
def variables_that_cannot_be_read_are_left_as_they_are_without_an_alert():
    for generation in ("guard", "xapi"):
        with Host(generation) as host:
            host.listen().toolstack.write("nvram", "VkFSUwI=")
            for call in (("varstore-ls", UUID), ("varstore-rm", UUID, VENDOR, "Note"),
                         ("varstore-sb-state", UUID, "setup")):
                code, output, errors = host.here(*call)
                expect((code, output), (1, ""))
                expect(errors, f"{call[0]}: VM.NVRAM EFI-variables: VARS blob, offset 4: "
                       "the blob ends inside of its header\n")
            expect(host.toolstack.read("nvram"), "VkFSUwI=")
            expect("message.create" in host.calls(), False)


@story
def a_vm_that_was_never_started():
    for generation in ("guard", "xapi"):
        with Host(generation, None) as host:
            host.listen()
            expect(host.here("varstore-rm", UUID, VENDOR, "Note")[0], 1)
            expect(host.toolstack.read("nvram"), None)
            data = host.path("data", b"hello")
            code, _, errors = host.here("varstore-set", UUID, VENDOR, "New", "7", data)
            expect(code, 0)
            expect("the VM has never been started" in errors, True)
            expect(host.names(), ["New"])
        with Host(generation, None) as host:
            code, output, _ = host.listen().here("varstore-sb-state", UUID, "setup")
            expect((code, output), (0, REMOVING))
            expect(host.toolstack.read("nvram") is None, False)


@story
def a_change_that_cannot_be_stored_is_a_failure():
    for generation, method in (("guard", "VM.set_NVRAM_EFI_variables_v2"),
                               ("xapi", "VM.set_NVRAM_EFI_variables")):
        with Host(generation, usual()) as host:
            before = host.toolstack.read("nvram")
            host.listen().toolstack.write("fault", method + " failure")
            code, output, errors = host.here("varstore-rm", UUID, VENDOR, "Note")
            expect((code, output), (1, ""))
            expect(errors, f"varstore-rm: {method}: SOME_CODE, one, two\n")
            expect(host.toolstack.read("nvram"), before)


@story
def a_vm_that_the_toolstack_does_not_know():
    with Host("xapi", usual()) as host:
        host.listen().toolstack.write("fault", "VM.get_by_uuid failure")
        expect(host.here("varstore-ls", UUID),
               (1, "", "varstore-ls: VM.get_by_uuid: SOME_CODE, one, two\n"))
        expect(host.calls()[-1], "session.logout")


@story
def a_change_of_keys_carries_a_word_on_certificates():
    for state, word in (("ok", "yes"), ("update_on_boot", "no")):
        with Host("xapi", usual()) as host:
            host.listen().toolstack.write("certificates", state)
            update = host.path("db.auth", guest.hash_list(bytes(32)))
            expect(host.here("varstore-set", UUID, DATABASE, "db", "0x27", update),
                   (0, "", "varstore-set: PCR 7 changes: BitLocker and TPM-sealed keys will ask for recovery\n"))
            line, = [line for line in host.toolstack.read("calls").splitlines()
                     if line.startswith("VM.set_NVRAM")]
            expect(line.split()[-1], word)


@story
def a_toolstack_that_restarts_is_waited_for():
    with Host("guard", usual()) as host:
        timer = threading.Timer(0.5, host.listen)
        timer.start()
        expect(host.here("varstore-get", UUID, VENDOR, "Note")[:2], (0, "kept"))
        timer.join()
    with Host("guard", usual()) as host:
        # Whoever waits longer than two seconds says so, once; then the toolstack comes.
        process = subprocess.Popen([os.path.join(OPTIONS.bin, "varstore-get"), UUID, VENDOR, "Note", "-s", host.socket],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        expect(process.stderr.readline(), "varstore-get: the toolstack has not answered yet; one that restarts is waited for "
                                          "10 seconds (--wait)\n")
        host.listen()
        expect(process.communicate(timeout=60), ("kept", ""))
    with Host("guard", usual()) as host:
        code, output, errors = host.here("varstore-ls", UUID, "--wait", "0")
        expect((code, output), (1, ""))
        expect("given up" in errors, True)


@story
def without_a_toolstack_a_uuid_is_the_database_of_a_vm_of_xls_and_nobody_waits():
    with Host("xapi", usual()) as host:
        root = host.path("root")
        if os.geteuid() == 0:
            os.makedirs(f"{root}/var/lib/varstored/{UUID}")
            os.makedirs(f"{root}/tmp")
            blob = host.path("blob", guest.blob(*usual()))
            expect(host.run("varstore-convert", blob, f"{root}/var/lib/varstored/{UUID}/variables.sqlite")[0], 0)
            expect(host.run("varstore-get", UUID, VENDOR, "Note", "-r", root), (0, "kept", ""))
            code, output, errors = host.run("varstore-get", UUID[:-1] + "0", VENDOR, "Note", "-r", root, "--wait", "3600")
            expect((code, output), (1, ""))
            expect("there is no toolstack on this host" in errors, True)
            # With one, nothing else is a VM of this uuid.
            os.makedirs(f"{root}/var/lib/xcp")
            code, output, errors = host.run("varstore-get", UUID, VENDOR, "Note", "-r", root, "--wait", "0")
            expect((code, output), (1, ""))
            expect("given up" in errors, True)


@story
def without_a_toolstack_a_name_is_that_of_a_vm_of_xls():
    with Host("xapi", usual()) as host:
        if os.geteuid() != 0:
            raise Skipped("needs root")
        root = host.path("root")
        vms = f"{root}/var/lib/varstored"
        os.makedirs(f"{root}/tmp")
        blob = host.path("blob", guest.blob(*usual()))
        other = UUID[:-1] + "0"
        for uuid in (UUID, other):
            os.makedirs(f"{vms}/{uuid}")
            expect(host.run("varstore-convert", blob, f"{vms}/{uuid}/variables.sqlite")[0], 0)
        host.path(f"{vms}/{UUID}.name", b"web")
        expect(host.run("varstore-get", "web", VENDOR, "Note", "-r", root), (0, "kept", ""))
        # Findings and commands speak of the uuid.
        expect(json.loads(host.run("varstore-inspect", "web", "--json", "-r", root)[1])["target"], UUID)
        host.path(f"{vms}/{other}.name", b"web")
        code, output, errors = host.run("varstore-get", "web", VENDOR, "Note", "-r", root)
        expect((code, output), (2, ""))
        expect(f"'web' is the name of 2 VMs ({other}, {UUID}): give the uuid" in errors, True)


@story
def a_name_is_asked_for_at_the_toolstack():
    with Host("xapi", usual()) as host:
        named = {"web": ["vm"], "two": ["vm", "more"], "with templates": ["template", "snapshot", "vm"],
                  "<&>": ["vm"], "gone": ["absent"], "many": ["vm"] * 65, "odd": ["odd"]}
        records = {"vm": {}, "more": {"uuid": UUID[:-1] + "0"}, "template": {"is_a_template": True},
                   "snapshot": {"is_a_snapshot": True, "is_a_template": True}, "odd": {"uuid": "../../etc"}}
        answer = host.toolstack.answer

        def with_names(method, parameters):
            if method == "VM.get_by_name_label":
                return ["OpaqueRef:" + name for name in named.get(parameters[1], [])]
            if method == "VM.get_record":
                name = parameters[1].removeprefix("OpaqueRef:")
                if name not in records:
                    raise peer.Refused(["HANDLE_INVALID", "VM", parameters[1]])
                return {"uuid": UUID, "is_a_template": False, "is_a_snapshot": False, "NVRAM": {}, **records[name]}
            return answer(method, parameters)

        host.toolstack.answer = with_names
        host.listen()
        for name in ("web", "with templates", "<&>"):
            expect(host.here("varstore-get", name, VENDOR, "Note"), (0, "kept", ""))
        for name, wanted, says in (
                ("two", 2, f"'two' is the name of 2 VMs ({UUID[:-1]}0, {UUID}): give the uuid"),
                ("gone", 1, "no VM has this name in the toolstack"), ("absent", 1, "no VM has this name"),
                ("many", 1, "more than 64"), ("odd", 1, "is no uuid"), ("\x1b[2J", 1, "'?[2J'")):
            code, output, errors = host.here("varstore-get", name, VENDOR, "Note")
            expect((code, output), (wanted, ""))
            expect(errors if says not in errors else says, says)


@story
def every_tool_says_the_name_of_the_daemon_and_its_version():
    """So an administrator exempts them from xapi's rate limits with one rule."""
    with Host("xapi", usual()) as host:
        host.listen()
        data = host.path("data", b"hello")
        for call in (("varstore-ls", UUID), ("varstore-get", UUID, VENDOR, "Note"),
                     ("varstore-set", UUID, VENDOR, "New", "7", data), ("varstore-rm", UUID, VENDOR, "Note"),
                     ("varstore-sb-state", UUID, "setup"), ("varstore-repair", UUID), ("varstore-inspect", UUID)):
            host.toolstack.write("agents", "")
            version = host.run(call[0], "--version")[1].split()[1]
            host.here(*call)
            expect(set(host.toolstack.read("agents").splitlines()), {"varstored/" + version})


@story
def the_backend_can_be_named():
    with Host("xapi", usual()) as host:
        expect(host.listen().run("varstore-get", "--backend", "xapidb", "--arg", "uuid:" + UUID,
                                 "--arg", "socket:" + host.socket, VENDOR, "Note"),
               (0, "kept", ""))


def tell(function):
    try:
        function()
    except Skipped as reason:
        return f"skipped: {function.__name__}: {reason}", True
    except Exception:  # pylint: disable=broad-except
        return f"FAILED: {function.__name__}\n{traceback.format_exc()}", False
    return f"passed: {function.__name__}", True


def main():
    global OPTIONS, guest, peer  # pylint: disable=global-statement
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--xapi", required=True)
    parser.add_argument("stories", nargs="*")
    OPTIONS = parser.parse_args()
    sys.path.insert(0, OPTIONS.xapi)
    import guest  # pylint: disable=import-outside-toplevel
    import peer  # pylint: disable=import-outside-toplevel
    chosen = [one for one in STORIES if not OPTIONS.stories or one.__name__ in OPTIONS.stories]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(tell, chosen))
    for line, _ in results:
        print(line)
    return 0 if all(is_good for _, is_good in results) else 1


if __name__ == "__main__":
    sys.exit(main())
