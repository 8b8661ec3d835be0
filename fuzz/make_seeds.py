#!/usr/bin/env python3
"""Makes the seeds of the fuzzers from the vectors of the tests: usage: make_seeds.py BUILD OUTPUT

The stories of tests/vectors/wire are told to the daemon of BUILD, and what their guests sent is
written down; so are the recorded boots of tests/recordings. OUTPUT gets a folder for each fuzzer. They are more than the tree should hold: fuzz/minimise picks.
"""
import base64
import hashlib
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import uuid

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests/backend/xapi"))
sys.path.insert(0, str(TOP / "tests/recordings"))
import peer  # noqa: E402  pylint: disable=wrong-import-position
import recordings  # noqa: E402  pylint: disable=wrong-import-position

BUILD = pathlib.Path(sys.argv[1])
OUTPUT = pathlib.Path(sys.argv[2])
PAGES = 65536
MAX_SEED = 24000

SPECIAL = {b"P\0K\0": 0, b"K\0E\0K\0": 1, b"d\0b\0": 2, b"d\0b\0x\0": 3}


def seed(fuzzer, content):
    if len(content) <= MAX_SEED:
        folder = OUTPUT / fuzzer
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)


def request_bytes(pages):
    """A request without what is left over behind it."""
    version, command = struct.unpack_from("<II", pages)
    if version != 1 or command > 4:
        return pages[:8]
    if command >= 3:
        return pages[:12]
    at = 16 if command == 2 else 8
    name, = struct.unpack_from("<Q", pages, at)
    if name > 4096:
        return pages[:at + 8]
    at += 8 + name + 16
    if command == 0:
        return pages[:at + 9]
    if command == 1:
        data, = struct.unpack_from("<Q", pages, at)
        if data > 57344:
            return pages[:at + 8]
        at += 8 + data + 4
    return pages[:at + 1]


class Life:
    """A sequence for the guest fuzzer (guest_sequence.h), and what is in its requests."""

    def __init__(self, platform=1):
        self.platform = platform
        self.sequence = bytes([platform])
        self.files = [b""] * 4

    def command(self, request):
        self.sequence += struct.pack("<BH", 0, min(len(request), 65535)) + request[:65535]
        if request[:8] == struct.pack("<II", 1, 1) and len(request) > 45:
            self.look_at_write(request)

    def access(self, kind, port, size, value):
        self.sequence += struct.pack("<BBBI", kind, (port - 0xFE) & 0xFF, size & 0xFF, value)

    def look_at_write(self, request):
        name_bytes, = struct.unpack_from("<Q", request, 8)
        name = request[16:16 + name_bytes]
        at = 16 + name_bytes + 16
        if len(request) < at + 12:
            return
        size, = struct.unpack_from("<Q", request, at)
        data = request[at + 8:at + 8 + size]
        attributes, = struct.unpack_from("<I", request, at + 8 + size)
        if attributes & 0x20 and len(data) > 40:
            # What is signed: the message alone would be refused before anything else is looked at.
            length, = struct.unpack_from("<I", data, 16)
            payload = data[16 + length:]
            seed("authentication", data)
            if name in SPECIAL:
                seed("signature_list", struct.pack("<H", len(payload) // 2) + payload)
                seed("signature_list", struct.pack("<H", len(payload)) + payload + payload)
                self.files[SPECIAL[name]] = data

    def keep(self):
        seed("guest", self.sequence)
        if any(self.files):
            given = [(1 << i, data) for i, data in enumerate(self.files) if data]
            choice = sum(bit for bit, _ in given) | 64
            seed("auth_files", bytes([choice]) + b"".join(
                struct.pack("<H", len(data)) + data for _, data in given))


def tell_stories():
    with tempfile.TemporaryDirectory() as folder:
        # One suite for each file of vectors.
        suites = ":".join(path.stem.title().replace("_", "") + ".*"
                          for path in (TOP / "tests/vectors/wire").glob("*.txt"))
        subprocess.run([BUILD / "tests/wire/wire_test", "--gtest_filter=" + suites, "--gtest_brief=1"],
                       env={**os.environ, "VARSTORED_RECORDINGS": folder}, check=True)
        for path in pathlib.Path(folder).iterdir():
            messages = path.read_bytes()
            life = Life()
            while messages:
                operation, port, size, value = struct.unpack_from("<IIII", messages)
                messages = messages[16:]
                if operation == 0:
                    life.command(request_bytes(messages[:PAGES]))
                    messages = messages[PAGES:]
                else:
                    life.access(operation, port, size, value)
            life.keep()


def read_recorded_boots():
    for _, exchanges in recordings.traces():
        life = Life()
        for request, _ in exchanges:
            life.command(request)
            if len(life.sequence) > 3000:
                life.keep()
                life = Life()


GUIDS = {"global": "61dfe48bca93d211aa0d00e098032b8c", "security": "cbb219d73a3d9645a3bcdad00e67656f"}


def blob_word(word):
    """The words of tests/vectors/README.md, "Blobs"."""
    function, argument = re.fullmatch(r"(\w+)\((.*)\)", word).groups()
    if function in ("u32", "u64"):
        bits = int(function[1:])
        return (int(argument, 0) % (1 << bits)).to_bytes(bits // 8, "little")
    if function == "hex":
        return bytes.fromhex(argument)
    if function == "text":
        return argument.encode()
    if function == "utf16":
        return argument.encode("utf-16-le")
    if function == "bytes":
        count, _, unit = argument.partition(",")
        return bytes.fromhex(unit) * int(count)
    if function == "guid":
        return bytes.fromhex(GUIDS.get(argument, "00" * 16))
    numbers = list(map(int, re.split("[-T:]", argument)))
    return struct.pack("<HBBBBB", *numbers).ljust(16, b"\0")


def read_blobs():
    for path in (TOP / "tests/vectors/blob").glob("*.txt"):
        for text in re.findall(r"^blob: *(.*(?:\n[ \t].*)*)", path.read_text(encoding="ascii"), re.M):
            words = [word for line in text.split() for word in line.split("+")]
            seed("vars_blob", b"".join(map(blob_word, words)))
    seed("vars_blob", b"VkFSUwIAAAAAAAAAAAAAAAAAAAAAAAAA\n" + b"AAAA" * 89 + b"AA==")


def make_lists():
    """What create-auth is given besides certificates."""
    for value in ("0" * 64, "g" * 64, "0" * 63, None):
        images = {"x64": [{"authenticodeHash": value} if value else {}]}
        seed("content", json.dumps({"images": images}).encode())


def make_answers():
    """XML-RPC answers as a toolstack writes them, typed and bare, and what is not one."""
    values = ["text", {"EFI-variables": "AAAA", "other": "1"}, [], ["a", ["b", {"c": None}]], None, ""]
    answers = []
    for value in values:
        answers.append({"Status": "Success", "Value": value})
    for description in peer.FAILURES.values():
        answers.append({"Status": "Failure", "ErrorDescription": description})
    texts = [f"<?xml version='1.0'?><methodResponse><params><param>{peer.bare(answer)}</param></params>"
             "</methodResponse>" for answer in answers]
    texts += [
        peer.xmlrpc.client.dumps(({"Status": "Success", "Value": {"a": 1, "b": True, "c": 1.5}},),
                                 methodresponse=True),
        peer.xmlrpc.client.dumps(peer.xmlrpc.client.Fault(1, "no")),
        "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><methodResponse>&b;</methodResponse>",
        "<methodResponse><params><param><value><struct><member><name>Status</name><value>Success"
        "</value></member><member><name>Value</name><value><![CDATA[a&b]]>&lt;&#65;<!-- c --></value>"
        "</member></struct></value></param></params></methodResponse>",
    ]
    for text in texts:
        seed("xml_rpc", text.encode())
    heads = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n",
             b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
             b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n", b"HTTP/1.1 101 Other\r\n\r\n",
             b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
             b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300 + b"\r\n folded\r\n\r\n"]
    for head in heads:
        for body in (b"", b"<a/>"):
            for piece in (b"\0", b"\1", b"\7"):
                seed("http", piece + (head % len(body) if b"%d" in head else head) + body)
    for chunks in (b"4;x=y\r\n<a/>\r\n0\r\nTrailer: 1\r\n\r\n", b"0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n"):
        seed("http", b"\3HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)


def make_words():
    options = (TOP / "src/daemon/options.cc").read_text(encoding="utf-8")
    names = sorted(set(re.findall(r'"(-?-?[a-z][a-z-]+)"', options)))
    for value in ("1", "true", "memory", "path:/x", "save:/x", "nobody", "debug", ""):
        seed("configuration", "\n".join(f"{name}={value}" for name in names).encode())
    for name in names:
        name = name.lstrip("-")
        for value in ("=1", "=true", "", "= x", "=/a b", "=65536", "=info"):
            seed("configuration", f"# words\n\n{name}{value}\n".encode())
            seed("configuration", f"--domain\n1\n--{name}\n{value[1:]}\n".encode())
            seed("configuration", f"--backend=sqlite\n--arg=path:/x\n--domain=1\n--{name}{value}".encode())
    seed("configuration", "Bärenfuß \U0001F43B".encode())


def make_databases():
    with tempfile.TemporaryDirectory() as folder:
        life = [BUILD / "bin/varstored-loopback", "--listen", folder + "/socket", "--backend", "sqlite",
                "--arg", f"path:{folder}/vm.db"]
        sys.path.insert(0, str(TOP / "tests/backend/xapi"))
        import guest  # pylint: disable=import-outside-toplevel
        with subprocess.Popen(life, stderr=subprocess.PIPE) as daemon:
            while b"ready" not in daemon.stderr.readline():
                pass
            client = guest.Guest(folder + "/socket")
            client.set("First", b"1")
            client.set("Second", bytes(300))
            client.set("First", b"")
            log = pathlib.Path(folder, "vm.db-wal").read_bytes()
            database = pathlib.Path(folder, "vm.db").read_bytes()
            daemon.terminate()
        whole = pathlib.Path(folder, "vm.db").read_bytes()
        seed("sqlite", b"\0\0\0\0" + whole)
        # A journal that names another file, and one that claims a page less.
        start = bytes.fromhex("d9d505f920a163d7") + struct.pack(">IIIII", 0, 1, len(whole) // 4096, 512, 4096)
        named = start.ljust(512, b"\0") + struct.pack(">I", 0x40001) + b"\xfe" + struct.pack(">II", 40, 4000) + start[:8]
        for journal in (named, start[:16] + struct.pack(">I", 1) + start[20:]):
            seed("sqlite", b"\0\0" + struct.pack("<H", len(journal)) + journal + whole)
        if len(log) < 65536:
            seed("sqlite", struct.pack("<H", len(log)) + log + b"\0\0" + database)
    for text in (b"", b"SQLite format 3\0"):
        seed("sqlite", b"\0\0\0\0" + text)


def make_flash_image(is_authenticated, records, write_flags):
    """A volume of 12 KiB: variables, the log of writes, the spare area (docs/tools/varstore-convert.md)."""
    store_bytes, log_bytes, volume_bytes = 1024, 4096, 12288
    header = struct.pack("<16x16sQ4sIHHHBBIIQ", uuid.UUID("fff12b8d-7696-4c8b-a985-2747075b4f50").bytes_le,
                         volume_bytes, b"_FVH", 0x4FEFF, 72, 0, 0, 0, 2, volume_bytes // 4096, 4096, 0)
    checksum = -sum(struct.unpack("<36H", header)) & 0xFFFF
    image = bytearray(header[:50] + struct.pack("<H", checksum) + header[52:])
    kind = "aaf32c78-947b-439a-a180-2e144ec37792" if is_authenticated else "ddcf3616-3275-4164-98b6-fe85707ffe7d"
    image += struct.pack("<16sIBB6x", uuid.UUID(kind).bytes_le, store_bytes - 72, 0x5A, 0xFE)
    for state, attributes, name, data in records:
        name = (name + "\0").encode("utf-16le")
        authentication = struct.pack("<QHBBBBB9xI", 0, 2024, 5, 6, 7, 8, 9, 0) if is_authenticated else b""
        guid = "d9bee56e-75dc-49d9-b4d7-b534210f637a" if name.startswith(b"c") else "0" * 31 + "1"
        image += struct.pack("<HBBI", 0x55AA, state, 0, attributes) + authentication
        image += struct.pack("<II16s", len(name), len(data), uuid.UUID(guid).bytes_le) + name + data
        image += b"\xff" * (-len(image) % 4)
    image = image.ljust(log_bytes, b"\xff")
    image += struct.pack("<16sIIQ", uuid.UUID("9e58292b-7c68-497d-a0ce-6500fd9f1b95").bytes_le, 0, 0xFFFFFFFE, 4064)
    for header_flags, record_flags in write_flags:
        image += struct.pack("<B23xQQB39x", header_flags, 1, 0, record_flags)
    return bytes(image.ljust(volume_bytes, b"\xff"))


def make_conversions():
    node = struct.pack("<16sIII", uuid.UUID("0" * 31 + "1").bytes_le, 28 + 2 + 32, 1, 32) + b"P\0" + bytes(range(32))
    certdb = (0x3F, 0x27, "certdb", struct.pack("<I", 4 + len(node)) + node)
    records = [(0x3F, 7, "A", b"1"), (0x3C, 7, "B", b"22"), (0x3E, 7, "C", b"3"), (0x3F, 7, "C", b"4"),
               certdb, (0x3F, 0x27, "P", b"5"), (0x7F, 7, "D", b"6"), (0xFF, 7, "", b"")]
    for is_authenticated in (True, False):
        for count in (0, 1, 4, 8):
            seed("flash_image", make_flash_image(is_authenticated, records[:count], [(0xF8, 0xF9)]))
    seed("flash_image", make_flash_image(True, records[:1], [(0xFC, 0xFD)]))

    vector = (TOP / "tests/convert/qemu_json_test.cc").read_text(encoding="utf-8")
    for text in re.findall(r'R"\((.*?)\)"', vector, re.S):
        seed("qemu_json", text.encode())

    variable = b"".join(struct.pack("<Q", len(part)) + part for part in (b"A", b"1"))
    for attributes, tail in ((7, b""), (0x27, bytes(16) + struct.pack("<Q", 32) + bytes(32))):
        seed("aws_uefi_data", b"\1" + struct.pack("<Q", 1) + variable + bytes(16) + struct.pack("<I", attributes) + tail)
    aws = (TOP / "tests/cases/aws-uefidata/uefi-data.aws").read_bytes()
    seed("aws_uefi_data", b"\0" + aws)
    seed("aws_uefi_data", b'\0{"InstanceId": "i-0", "UefiData": "' + aws.strip() + b'"}')

    for case in ("aws-uefidata/uefi-data.aws", "xapi-map-text/nvram.txt", "hyperv-template/template.json", "json-of-windows/guest.json"):
        seed("format", (TOP / "tests/cases" / case).read_bytes())

    for name in ("Boot0000", "..", "a/b", "\u00e9\U0001f600"):
        for file in (name.encode("utf-16le"), f"{name}-{'0' * 8}-0000-0000-0000-{'0' * 12}".encode()):
            seed("variable_files", bytes([len(file)]) + file + struct.pack("<HI", 6, 7) + b"xy")


def signature_list(kind, owner, *entries):
    size = 16 + len(entries[0])
    return (uuid.UUID(kind).bytes_le + struct.pack("<III", 28 + size * len(entries), 0, size)
            + b"".join(uuid.UUID(owner).bytes_le + entry for entry in entries))


def state_blob(*records):
    """A `VARS` blob of (GUID, name, attributes, data)."""
    bodies = b""
    for guid, name, attributes, data in records:
        name = name if isinstance(name, bytes) else name.encode("utf-16le")
        bodies += struct.pack("<Q", len(name)) + name + struct.pack("<Q", len(data)) + data
        bodies += uuid.UUID(guid).bytes_le + struct.pack("<I", attributes) + bytes(48)
    return b"VARS" + struct.pack("<IQQ", 2, len(records), len(bodies)) + bytes(268) + bodies


def make_save_files():
    """The save file of a guest in its firmware, whose latch is said to be open, and that of another."""
    unmarked = state_blob(("8be4df61-93ca-11d2-aa0d-00e098032b8c", "SetupMode", 6, b"\x01"),
                          ("11111111-1111-1111-1111-111111111111", "BootOnly", 3, b"\x01"))
    mark = hashlib.sha256(b"varstored: the operating system has not been started" + unmarked).digest()
    at = 292 + 84 + 18 + 1
    marked = unmarked[:at - 32] + mark + unmarked[at:]
    for blob in (unmarked, marked, marked[:-33] + b"\x01" + marked[-32:]):
        seed("vars_blob", blob)


# Behind type and subtype (UEFI 2.10, 10.3): a node of each kind that has a text.
NODES = ["0101021f", "0104" + "11" * 18, "010503000000", "0201d041030a00000000", "0201d041080a01000000",
         "0201d041050100000000", "02017856341202000000", "030101000000", "030202000100", "03050301",
         "030a" + "11" * 16, "030b0203" + "00" * 30 + "01", "030c" + "0a" * 12 + "060000",
         "030c" + "0a" * 12 + "110001" + "0a" * 8, "030d" + "fe" * 36 + "060000", "030d" + "fe" * 56,
         "03120100ffff0000", "0317010000000102030405060708", "0318687474703a2f2f61",
         "040101000000" + "08" * 16 + "11" * 16 + "0203", "040101000000" + "08" * 16 + "11" * 16 + "0202", "040101000000" + "08" * 16 + "11" * 16 + "0101",
         "04020100000000000000000000001000000000000000", "0403" + "11" * 16 + "00", "04045c0045000000",
         "0406" + "11" * 16, "0407" + "11" * 16, "050180000000" + "4e00", "05010200000000", "0363dead", "4d00"]


def device_path(nodes):
    path = b""
    for node in nodes:
        body = bytes.fromhex(node)
        path += body[:2] + struct.pack("<H", 2 + len(body)) + body[2:]
    return path + bytes.fromhex("7fff0400")


def load_option(path, description="A\u00e9"):
    return (struct.pack("<IH", 9, len(path)) + (description + "\0").encode("utf-16le") + path)


def make_states():
    """The variables of VMs, as the tools that show and mend them read them."""
    x509, sha256 = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072", "c1c41626-504c-4092-aca9-41f936934328"
    one, other = "0" * 31 + "1", "0" * 31 + "2"
    bound = "8be4df61-93ca-11d2-aa0d-00e098032b8c", "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
    certificate = subprocess.run(
        ["openssl", "req", "-new", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         "/dev/null", "-subj", "/CN=Seed", "-outform", "DER"], check=True, capture_output=True).stdout
    certificates = signature_list(x509, one, certificate)
    hashes = signature_list(sha256, one, bytes(32), bytes(range(32)))
    keys = [(bound[0], "PK", 0x27, certificates), (bound[0], "KEK", 0x27, certificates),
            (bound[1], "db", 0x27, certificates + hashes),
            (bound[1], "dbx", 0x27, hashes + signature_list(sha256, other, bytes(32))),
            (bound[1], "dbt", 0x27, signature_list(x509, one, b"none")), (bound[1], "dbr", 0x27, hashes[:60])]
    boots = [(bound[0], "BootOrder", 7, struct.pack("<HHH", 0, 1, 0xABCD)), (bound[0], "BootNext", 7, b"\1\0\2"),
             (bound[0], "Boot0000", 7, load_option(device_path(NODES))), (bound[0], "Boot0001", 7, b"short"),
             (bound[0], "Boot000x", 7, b"1"), (bound[0], "Boot00FF", 6, load_option(device_path(NODES)[:-4]))]
    others = [(one, "A<&\u202e\x1b", 7, b"1"), (one, b"odd", 7, b"1"), (one, "A", 0xFF, b"1"), (one, "A", 4, b"2"),
              (one, "Large", 7, bytes(5000))]
    blobs = [state_blob(*records) for records in
             ([], keys, keys[1:], keys[:1], keys[:2] + keys[3:], boots, others, keys + boots + others)]
    blobs += [state_blob(*([record] * 2)) for record in keys + boots]
    # Each alone, cut off by a byte, and behind the end of another path.
    for node in NODES:
        for nodes in ([node], [node[:-2]], [node, "7f01", node]):
            blobs.append(state_blob((bound[0], "Boot0000", 7, load_option(device_path(nodes)))))
    whole = blobs[7]
    blobs += [whole[:-7], whole[:300] + b"\xff" * 9 + whole[309:], whole[:2000] + whole[2300:], whole + b"more",
              whole[:4] + b"\x03" + whole[5:], whole[:8] + b"\x01" + whole[9:], whole[:16] + b"\x01" + whole[17:],
              b"vars" + whole[4:], whole[:20]]
    for blob in blobs:
        for choices in (0, 1, 2, 4 + 8, 16, 32):
            seed("health", bytes([choices]) + blob)
        seed("health", b"\0" + base64.b64encode(blob))
    seed("health", b"\0" + base64.b64encode(whole)[:-2] + b"!")


def make_messages():
    """SignedData over a payload that is the certificate at which the signer's chain ends."""
    with tempfile.TemporaryDirectory() as folder:
        def openssl(*words, **options):
            return subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, **options).stdout

        def certify(name, key, issuer=None, subject=None):
            openssl("genpkey", "-quiet", *key, "-out", name + ".key")
            by = ["-CA", issuer + ".pem", "-CAkey", issuer + ".key"] if issuer else []
            openssl("req", "-new", "-x509", "-key", name + ".key", "-subj", subject or "/CN=" + name, "-days", "9000",
                    *by, "-addext", "basicConstraints=CA:TRUE", "-out", name + ".pem")

        rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]
        curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        certify("root", curve)
        certify("middle", rsa, "root")
        certify("leaf", curve, "middle")
        certify("rsa", rsa, "middle", "/O=no common name")
        many = pathlib.Path(folder, "middle.pem").read_text(encoding="ascii")
        for number in range(16):
            certify(f"other{number}", curve)
            many += pathlib.Path(folder, f"other{number}.pem").read_text(encoding="ascii")
        pathlib.Path(folder, "many.pem").write_text(many, encoding="ascii")
        payload = openssl("x509", "-in", "root.pem", "-outform", "DER")
        for signer in ("leaf", "rsa"):
            for form in ([], ["-noattr"], ["-md", "sha384", "-noattr"], ["-md", "sha512"], ["-md", "sha1"], ["-keyid"],
                         ["-nocerts"], ["-keyopt", "rsa_padding_mode:pss", "-noattr"], ["-signer", "root.pem"],
                         ["-certfile", "many.pem", "-noattr"]):
                if signer == "leaf" and "-keyopt" in form:
                    continue
                others = [] if "-certfile" in form else ["-certfile", "middle.pem"]
                message = openssl("cms", "-sign", "-binary", "-outform", "DER", "-md", "sha256", "-signer",
                                  signer + ".pem", "-inkey", signer + ".key", *others, *form,
                                  *(["-inkey", "root.key"] if "-signer" in form else []), input=payload)
                # Behind the ContentInfo's header, which may be left out: 4 + 11 + 4 bytes.
                for data in (message, message[19:], message[:-1], message + b"\0"):
                    head = struct.pack("<HBBBBB9x", 2024, 1, 2, 3, 4, 5) + struct.pack("<IHH", 24 + len(data), 0x200, 0xEF1)
                    seed("authentication", head + uuid.UUID("4aafd29d-68df-49ee-8aa9-347d375665a7").bytes_le + data + payload)


def make_costly_messages():
    """Messages that nobody signed, whose signer has the dearest key (tests/hostile/costly_certificates.cc)."""
    def der(tag, *parts):
        body = b"".join(parts)
        size = bytes([len(body)]) if len(body) < 128 else b"\x82" + struct.pack(">H", len(body))
        return bytes([tag]) + size + body

    def number(value):
        return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))

    rsa, data = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d010701")
    signed, sha256 = bytes.fromhex("300d06092a864886f70d01010b0500"), bytes.fromhex("300d06096086480165030402010500")
    prime = 15 * 2**654 + 1
    generator = b"\x02" + bytes(83)
    curve = der(0x30, number(1), der(0x30, bytes.fromhex("06072a8648ce3d0101"), number(prime)),
                der(0x30, der(4, bytes(83)), der(4, (121).to_bytes(83, "big"))), der(4, generator), number(prime))
    explicit = der(0x30, der(0x30, bytes.fromhex("06072a8648ce3d0201"), curve), der(3, b"\0", generator))
    large = der(0x30, der(0x30, rsa, b"\5\0"), der(3, b"\0", der(0x30, number(2**8192 - 1), number(2**64 - 1))))

    def name(text):
        return der(0x30, der(0x31, der(0x30, bytes.fromhex("0603550403"), der(0x0C, text))))

    def certificate(subject, issuer, key):
        time = der(0x17, b"240101000000Z")
        tbs = der(0x30, der(0xA0, number(2)), number(7), signed, name(issuer), der(0x30, time, time), name(subject), key)
        return der(0x30, tbs, signed, der(3, b"\0", b"\1" * 1024))

    for key, count in ((explicit, 1), (large, 1), (large, 7)):
        anchor = certificate(b"KEK", b"KEK", key)
        info = der(0x30, number(1), der(0x30, name(b"KEK"), number(7)), sha256, der(0x30, rsa, b"\5\0"),
                   der(4, b"\1" * 1024))
        message = der(0x30, number(1), der(0x31, sha256), der(0x30, data), der(0xA0, anchor * count), der(0x31, info))
        head = struct.pack("<HBBBBB9x", 2024, 1, 2, 3, 4, 5) + struct.pack("<IHH", 24 + len(message), 0x200, 0xEF1)
        seed("authentication",
             head + uuid.UUID("4aafd29d-68df-49ee-8aa9-347d375665a7").bytes_le + message + anchor)


def make_choices():
    for start in range(8):
        seed("model", b"".join(hashlib.sha256(bytes([start, i])).digest() for i in range(16)))


if __name__ == "__main__":
    tell_stories()
    read_recorded_boots()
    read_blobs()
    make_save_files()
    make_lists()
    make_answers()
    make_words()
    make_databases()
    make_conversions()
    make_states()
    make_messages()
    make_costly_messages()
    make_choices()
