#!/usr/bin/env python3
"""What XCP-ng's public tests do to this daemon and its tools (docs/xcp-ng-tests.md): xcp_ng_test.py BIN XAPI_FOLDER [NAME...]

BIN has the programs, XAPI_FOLDER the toolstack of Python. As on a host, the tools are at xapi's own socket, and the
daemon is behind a guard of the same VM.
"""
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import uuid

BIN, XAPI = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
sys.path.insert(0, XAPI)
import guest  # pylint: disable=import-error,wrong-import-position
import peer  # pylint: disable=import-error,wrong-import-position

GLOBAL, DATABASE = guest.GLOBAL, guest.SECURITY_DATABASE
ALL = ("PK", "KEK", "db", "dbx")
SET, APPEND = "39", "103"  # their suite says attributes in decimal
SIGNED, SIGNED_APPEND = 0x27, 0x67
SUCCESS = guest.SUCCESS
SECURITY_VIOLATION = 0x800000000000001A
OUT_OF_RESOURCES = 0x8000000000000009
PKCS7 = uuid.UUID("4aafd29d-68df-49ee-8aa9-347d375665a7").bytes_le
SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328").bytes_le
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
MICROSOFT = uuid.UUID("77fa9abd-0359-4d32-bd60-28f4e78f784b").bytes_le
SIZE_OF_DBX = 39764

KEYS = None  # the folder of keys


def setUpModule():  # pylint: disable=invalid-name
    global KEYS  # pylint: disable=global-statement
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    KEYS = pathlib.Path(folder.name)
    for name in ("PK", "KEK", "db", "PK2", "KEK2", "db2", "stranger"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "9000",
                        "-keyout", KEYS / f"{name}.key", "-out", KEYS / f"{name}.pem"], check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-in", KEYS / f"{name}.pem", "-outform", "DER", "-out", KEYS / f"{name}.der"],
                       check=True)


def guid_of(name):
    return DATABASE if name in ("db", "dbx") else GLOBAL


def certificate(name):
    """A signature list with the certificate of this key."""
    return certificate_list((KEYS / f"{name}.der").read_bytes())


def certificate_list(der):
    return X509 + struct.pack("<III", 44 + len(der), 0, 16 + len(der)) + MICROSOFT + der


def hash_lists(values, count=1, owner=MICROSOFT):
    """So many signature lists, which have these SHA-256 values between them."""
    lists = b""
    for number in range(count):
        entries = b"".join(owner + value for value in values[number::count])
        lists += SHA256 + struct.pack("<III", 28 + len(entries), 0, 48) + entries
    return lists


def hashes(count, first=0):
    return [struct.pack("<Q", first + number) * 4 for number in range(count)]


def signed(name, signer, minute, payload=b"", attributes=SIGNED, guid=None):
    """What a guest's own tool passes to SetVariable: signed at this minute of a day in 2024, by openssl."""
    time = struct.pack("<HBBBBBxIhBx", 2024, 5, 1, 12, minute, 0, 0, 0, 0)
    covered = name.encode("utf-16-le") + (guid or guid_of(name)) + struct.pack("<I", attributes) + time + payload
    message = subprocess.run(["openssl", "cms", "-sign", "-binary", "-noattr", "-md", "sha256", "-outform", "DER", "-signer",
                              KEYS / f"{signer}.pem", "-inkey", KEYS / f"{signer}.key"],
                             input=covered, check=True, capture_output=True).stdout
    return time + struct.pack("<IHH", 24 + len(message), 0x0200, 0x0EF1) + PKCS7 + message + payload


def payload_of(update):
    """The signature lists of a signed update."""
    return update[16 + struct.unpack_from("<I", update, 16)[0]:]


def four(suffix="", minute=0):
    """The .auth files of a pool, or of a VM. Their dbx is their db under another name, and signed as db."""
    db = signed("db", "KEK" + suffix, minute, certificate("db" + suffix))
    return {"PK": signed("PK", "PK" + suffix, minute, certificate("PK" + suffix)),
            "KEK": signed("KEK", "PK" + suffix, minute, certificate("KEK" + suffix)), "db": db, "dbx": db}


class Suite(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.toolstack, self.xapi = self.serve("xapi")
        self.guard = self.serve("guard")[1]
        self.keep_variables(guest.entry("Lang", b"eng\0", 7, GLOBAL))
        self.auths = four()

    def serve(self, generation):
        toolstack = peer.Toolstack(str(self.folder), generation)
        server = peer.Server(str(self.folder / generation), toolstack)
        self.addCleanup(server.close)
        return toolstack, server.server_address

    def keep_variables(self, *entries):
        self.toolstack.write("nvram", guest.encoded(*entries))

    def forget_variables(self):
        (self.folder / "nvram").unlink()

    def run_tool(self, name, *words):
        return subprocess.run([BIN / name, *words, "-s", self.xapi], capture_output=True, timeout=60, check=False)

    def tool(self, name, *words):
        done = self.run_tool(name, *words)
        # A change of keys is told besides, to who looks on.
        told = re.sub(rb"(?m)^varstore-[a-z-]+: (?:PCR 7 (?:stays|changes: .*)|(?:PK|KEK|db|dbx): (?:written|left|removed|there was).*)\n", b"", done.stderr)
        self.assertEqual((done.returncode, told), (0, b""), done)
        return done.stdout

    def install(self, names, auths=None):
        """As their suite does: on the host, with one call a key."""
        for name in names:
            file = self.folder / "update"
            file.write_bytes((auths or self.auths)[name])
            self.assertEqual(self.tool("varstore-set", guest.UUID, str(uuid.UUID(bytes_le=guid_of(name))), name, SET, file),
                             b"")

    def get(self, name):
        """The data, or nothing: presence is the exit code."""
        done = self.run_tool("varstore-get", guest.UUID, str(uuid.UUID(bytes_le=guid_of(name))), name)
        return done.stdout if done.returncode == 0 else None

    def check(self, names, auths=None):
        """The VM has these keys, as the raw lists of these files, and no others."""
        for name in ALL:
            self.assertEqual(self.get(name), payload_of((auths or self.auths)[name]) if name in names else None, name)

    def readiness(self):
        """VM.get_secureboot_readiness of a VM with UEFI and Secure Boot: the second word of each line counts."""
        if self.toolstack.read("nvram") is None:
            return "first_boot"
        names = {line.split(" ")[1] for line in self.tool("varstore-ls", guest.UUID).decode().splitlines()}
        if "PK" not in names:
            return "setup_mode"
        if not {"KEK", "db"} <= names:
            return "certs_incomplete"
        return "ready" if "dbx" in names else "ready_no_dbx"

    def pool(self, names=ALL, auths=None):
        """The folder that XAPI makes of a pool's keys on each host."""
        folder = self.folder / "varstored"
        folder.mkdir(exist_ok=True)
        for name in ALL:
            (folder / f"{name}.auth").unlink(missing_ok=True)
        for name in names:
            (folder / f"{name}.auth").write_bytes((auths or self.auths)[name])
        return folder

    def start(self, *options):
        daemon = guest.Daemon(str(self.folder), self.guard, *options)
        self.addCleanup(daemon.__exit__)
        return daemon

    def guest(self, daemon):
        client = daemon.guest()
        self.addCleanup(client.socket.close)
        return client

    def start_and_stop(self, *options):
        daemon = self.start(*options)
        self.assertEqual(daemon.stop(), 0, daemon.log())

    def alerts(self):
        return [line for line in self.toolstack.read("calls", "").splitlines() if line.startswith("message.create")]


class Readiness(Suite):
    def test_a_vm_says_how_ready_it_is(self):
        nobody = self.toolstack.read("nvram")
        for names, state in (((), "setup_mode"), (("KEK", "db", "dbx"), "setup_mode"), (ALL, "ready"),
                             (("PK", "KEK", "db"), "ready_no_dbx"), (("PK", "db", "dbx"), "certs_incomplete"),
                             (("PK", "KEK", "dbx"), "certs_incomplete"), (("PK",), "certs_incomplete")):
            with self.subTest(names=names):
                self.toolstack.write("nvram", nobody)
                self.install(names)
                self.assertEqual(self.readiness(), state)
        self.forget_variables()
        self.assertEqual(self.readiness(), "first_boot")

    def test_each_line_is_a_guid_a_blank_and_a_name(self):
        self.install(ALL)
        for line in self.tool("varstore-ls", guest.UUID).decode().splitlines():
            self.assertRegex(line, r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} [A-Za-z0-9_-]+\Z")

    def test_a_vm_goes_to_setup_mode_and_to_user_mode(self):
        self.install(ALL)
        self.assertEqual(self.readiness(), "ready")
        self.tool("varstore-sb-state", guest.UUID, "setup")
        self.assertEqual(self.readiness(), "setup_mode")
        self.tool("varstore-sb-state", guest.UUID, "user", "--auth-dir", self.pool())
        self.assertEqual(self.readiness(), "ready")


class Inheritance(Suite):
    def test_a_vm_without_variables_gets_the_keys_of_the_pool(self):
        self.forget_variables()
        self.start_and_stop("--auth-dir", self.pool())
        self.check(ALL)

    def test_a_vm_gets_what_the_pool_has_without_a_dbx_file(self):
        self.forget_variables()
        self.start_and_stop("--auth-dir", self.pool(("PK", "KEK", "db")))
        self.check(("PK", "KEK", "db"))
        self.assertEqual(self.readiness(), "ready_no_dbx")

    def test_a_vm_gets_pk_alone_of_a_pool_that_has_pk_alone(self):
        self.forget_variables()
        # Without keys of its own a pool's folder is a link to the defaults.
        link = self.folder / "link"
        link.symlink_to(self.pool(("PK",)))
        self.start_and_stop("--auth-dir", link)
        self.check(("PK",))

    def test_a_vm_in_setup_mode_with_other_variables_gets_no_keys(self):
        self.start_and_stop("--auth-dir", self.pool())
        self.check(())

    def test_a_vm_with_a_pk_of_its_own_keeps_that_alone(self):
        own = four("2")
        self.install(("PK",), own)
        self.start_and_stop("--auth-dir", self.pool())
        self.check(("PK",), own)

    def test_user_mode_takes_the_keys_of_the_pool_each_time(self):
        for auths in (four(), four("2")):
            self.tool("varstore-sb-state", guest.UUID, "user", "--auth-dir", self.pool(auths=auths))
            self.check(ALL, auths)


class FromTheHost(Suite):
    def test_a_revert_brings_all_four_back_as_raw_lists(self):
        self.install(ALL)
        snapshot = self.toolstack.read("nvram")
        self.tool("varstore-sb-state", guest.UUID, "setup")
        self.check(())
        self.toolstack.write("nvram", snapshot)
        self.check(ALL)

    def test_an_import_brings_all_four_back_as_raw_lists(self):
        self.install(ALL)
        exported = self.toolstack.read("nvram")
        other = Suite()
        other.setUp()
        self.addCleanup(other.doCleanups)
        other.toolstack.write("nvram", exported)
        other.check(ALL, self.auths)
        other.start_and_stop()
        other.check(ALL, self.auths)

    def test_each_variable_is_the_same_on_another_host(self):
        self.install(ALL)
        daemon = self.start()
        self.assertEqual(self.guest(daemon).set("Fox", b"quick"), SUCCESS)
        self.assertEqual(daemon.stop(), 0)
        lines = self.tool("varstore-ls", guest.UUID).decode().splitlines()
        before = {line: self.tool("varstore-get", guest.UUID, *line.split(" ")) for line in lines}
        self.assertIn(f"{uuid.UUID(bytes_le=guest.VENDOR)} Fox", before)
        self.start_and_stop()  # another process, as another host has
        self.assertEqual({line: self.tool("varstore-get", guest.UUID, *line.split(" ")) for line in lines}, before)

    def test_the_attributes_are_decimal_and_a_dbx_is_signed_as_db(self):
        self.install(("PK", "KEK", "db"))
        file = self.folder / "dbx.auth"
        file.write_bytes(self.auths["db"])
        place = (guest.UUID, str(uuid.UUID(bytes_le=DATABASE)), "dbx")
        self.tool("varstore-set", *place, SET, file)
        self.assertEqual(self.get("dbx"), payload_of(self.auths["db"]))
        file.write_bytes(signed("db", "stranger", 1, hash_lists(hashes(1))))
        self.tool("varstore-set", *place, APPEND, file)
        self.assertEqual(self.get("dbx"), payload_of(self.auths["db"]) + hash_lists(hashes(1)))
        self.assertIn(b"Attributes = 0x00000027 (39)", self.tool("varstore-get", "-a", *place))

    def test_keys_that_sign_themselves_are_installed(self):
        auths = {name: signed(name, name, 0, certificate(name)) for name in ("PK", "KEK", "db")}
        self.install(auths, auths)
        self.check(auths, auths)
        self.assertEqual(self.guest(self.start("--platform", "secureboot=true")).get("SecureBoot", GLOBAL), b"\1")

    def test_the_host_replaces_all_keys_whoever_signed_the_new_ones(self):
        self.install(ALL)
        self.start_and_stop()
        new = {name: signed(name, "PK", 1, certificate(f"{name}2" if name != "dbx" else "db2")) for name in ALL}
        self.install(ALL, new)
        self.check(ALL, new)
        self.start_and_stop()
        self.check(ALL, new)


class SecureBootWanted(Suite):
    def test_a_vm_in_setup_mode_has_it_off(self):
        client = self.guest(self.start("--platform", "secureboot=true"))
        self.assertEqual((client.get("SecureBoot", GLOBAL), client.get("SetupMode", GLOBAL)), (b"\0", b"\1"))
        self.assertEqual(self.alerts(), [])

    def test_off_means_off(self):
        self.install(ALL)
        client = self.guest(self.start("--platform", "secureboot=false"))
        self.assertEqual((client.get("SecureBoot", GLOBAL), client.get("SetupMode", GLOBAL)), (b"\0", b"\0"))

    def test_with_incomplete_keys_it_is_on_and_the_firmware_s_refusal_is_one_alert(self):
        nobody = self.toolstack.read("nvram")
        for names in (("PK",), ("PK", "KEK"), ("PK", "db")):
            with self.subTest(names=names):
                self.toolstack.write("nvram", nobody)
                self.toolstack.write("calls", "")
                self.install(names)
                daemon = self.start("--platform", "secureboot=true")
                client = self.guest(daemon)
                self.assertEqual((client.get("SecureBoot", GLOBAL), client.get("SetupMode", GLOBAL)), (b"\1", b"\0"))
                self.assertEqual(self.alerts(), [])
                # The firmware reports what it refuses, and goes to its shell, which has its variables.
                client.report_secure_boot_failure()
                client.report_secure_boot_failure()
                self.assertEqual(self.alerts(), [f"message.create VM_SECURE_BOOT_FAILED 5 VM {guest.UUID} "
                                                 "The_VM_failed_to_pass_Secure_Boot_verification."])
                self.assertEqual(client.set("Shell", b"1"), SUCCESS)
                self.assertEqual(daemon.stop(), 0)


class InTheGuest(Suite):
    """What a guest's own tools do after its operating system runs."""

    def test_the_thirteen_steps_of_a_key_exchange(self):
        # In the order in which their suite signs.
        pk = signed("PK", "PK", 0, certificate("PK"))
        null_pk = signed("PK", "PK", 1)
        kek, null_kek = signed("KEK", "PK", 2, certificate("KEK")), signed("KEK", "PK", 3)
        new_pk = signed("PK", "PK", 4, certificate("PK2"))
        db_of_pk, null_db_of_pk = signed("db", "PK", 5, certificate("db")), signed("db", "PK", 6)
        db_of_kek, null_db_of_kek = signed("db", "KEK", 7, certificate("db2")), signed("db", "KEK", 8)
        bad_pk = signed("PK", "stranger", 9, certificate("stranger"))
        steps = [("PK", pk, True), ("PK", null_pk, True), ("PK", pk, True), ("PK", bad_pk, False), ("KEK", kek, True),
                 ("KEK", null_kek, True), ("KEK", kek, True), ("db", db_of_kek, True), ("db", null_db_of_kek, True),
                 ("db", db_of_pk, True), ("db", null_db_of_pk, True), ("PK", new_pk, True), ("PK", pk, False)]
        self.assertEqual(len(steps), 13)
        daemon = self.start()
        client = self.guest(daemon)
        kept = {}
        for number, (name, update, is_taken) in enumerate(steps, 1):
            self.assertEqual(client.set(name, update, SIGNED, guid_of(name), is_runtime=True),
                             SUCCESS if is_taken else SECURITY_VIOLATION, f"step {number}")
            if is_taken:
                kept[name] = payload_of(update) or None
            # What the guest was told is what the toolstack has.
            self.assertEqual({name: self.get(name) for name in kept}, kept, f"step {number}")
        self.assertEqual(daemon.stop(), 0)
        client = self.guest(self.start())
        self.assertEqual((client.get("PK", GLOBAL), client.get("db", DATABASE)), (certificate("PK2"), None))

    def test_a_private_variable_of_the_global_guid(self):
        client = self.guest(self.start())
        steps = [("db", b"I am old", SUCCESS), ("db", b"I am new", SUCCESS), ("db", b"", SUCCESS), ("db", b"data", SUCCESS),
                 ("stranger", b"no", SECURITY_VIOLATION), ("db", b"", SUCCESS), ("stranger", b"taken over", SUCCESS)]
        kept = None
        for minute, (signer, data, status) in enumerate(steps):
            update = signed("myvariable", signer, minute, data, guid=GLOBAL)
            self.assertEqual(client.set("myvariable", update, SIGNED, GLOBAL, is_runtime=True), status, minute)
            kept = (data or None) if status == SUCCESS else kept
            self.assertEqual(client.get("myvariable", GLOBAL), kept)
            self.assertEqual(self.get("myvariable"), kept)

    def test_db_is_appended_to_by_a_key_of_kek(self):
        self.install(("PK", "KEK", "db"))
        client = self.guest(self.start())
        old = client.get("db", DATABASE)
        update = signed("db", "KEK", 1, certificate("db2"), SIGNED_APPEND)
        self.assertEqual(client.set("db", update, SIGNED_APPEND, DATABASE, is_runtime=True), SUCCESS)
        self.assertEqual(client.get("db", DATABASE), old + certificate("db2"))
        self.assertEqual(self.get("db"), old + certificate("db2"))

    def append_to_dbx(self, kept, update, kek=None):
        """A dbx of the size of XCP-ng's, and then an append in the guest: its answer. The VM starts again with the rest."""
        self.assertEqual(len(kept), SIZE_OF_DBX)
        self.toolstack.write("nvram", guest.encoded(guest.entry("Lang", b"eng\0", 7, GLOBAL)))
        auths = dict(self.auths, dbx=signed("dbx", "KEK", 0, kept))
        if kek is not None:
            auths["KEK"] = signed("KEK", "PK", 0, kek)
        self.install(ALL, auths)
        daemon = self.start("--platform", "secureboot=true")
        client = self.guest(daemon)
        status = client.set("dbx", update, SIGNED_APPEND, DATABASE, is_runtime=True)
        held = client.get("dbx", DATABASE)
        self.assertLessEqual(len(held), 57344)
        self.assertEqual(daemon.stop(), 0)
        daemon = self.start("--platform", "secureboot=true")
        self.assertEqual(self.guest(daemon).get("dbx", DATABASE), held)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.get("dbx"), held)
        if status != SUCCESS:
            self.assertEqual(held, kept)
        return status, held

    def test_an_append_to_a_large_dbx_is_taken_where_it_fits(self):
        more = hashes(10, 5000)
        update = signed("dbx", "KEK", 1, hash_lists(hashes(430) + more), SIGNED_APPEND)
        # The default: what is there already is not stored twice. The poison: the same under another owner.
        for owner in (MICROSOFT, guest.VENDOR):
            status, held = self.append_to_dbx(hash_lists(hashes(822), 11, owner), update)
            self.assertEqual(status, SUCCESS)
            for value in more:
                self.assertIn(value, held)
        # What is new and does not fit is refused, and the VM starts with what it had.
        update = signed("dbx", "KEK", 1, hash_lists(hashes(430, 5000)), SIGNED_APPEND)
        self.assertEqual(self.append_to_dbx(hash_lists(hashes(822), 11), update)[0], OUT_OF_RESOURCES)

    def test_microsoft_s_append_to_a_large_dbx(self):
        data = pathlib.Path(os.environ.get("VARSTORED_TEST_DATA", "/nowhere")) / "secureboot_objects"
        if not data.is_dir() and "REQUIRE_DATA" not in os.environ:
            self.skipTest("without VARSTORED_TEST_DATA there is no update of Microsoft's")
        update = (data / "dbx/DBXUpdate_amd64.bin").read_bytes()
        kek, = data.glob("certificates/**/MicCorKEKCA2011*.der")
        lists = payload_of(update)
        size, header, entry = struct.unpack_from("<III", lists, 16)
        self.assertEqual((size, header, entry), (len(lists), 0, 48))
        known = [lists[at + 16:at + 48] for at in range(28, size, 48)]
        others = hashes(822 - len(known) + 20)
        for owner in (lists[28:44], guest.VENDOR):
            # All but the newest twenty are there already.
            status, held = self.append_to_dbx(hash_lists(known[:-20] + others, 11, owner), update,
                                              certificate_list(kek.read_bytes()))
            self.assertEqual(status, SUCCESS)
            for value in known:
                self.assertIn(value, held)
        # None is there: whether there is room says the size, and the VM starts in both cases.
        status, _ = self.append_to_dbx(hash_lists(hashes(822), 11), update, certificate_list(kek.read_bytes()))
        self.assertEqual(status, SUCCESS if SIZE_OF_DBX + len(lists) <= 57344 else OUT_OF_RESOURCES)


if __name__ == "__main__":
    guest.Daemon.program = BIN / "varstored-loopback"
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
