#!/usr/bin/env python3
"""Real firmware starts exactly those boot loaders of which varstore bootcheck says so: usage: firmware_agrees.py BIN

For each of several stores Debian's OVMF boots in QEMU with Secure Boot on and tries all boot loaders, one boot option
after the other: each returns an error of its own, so that the firmware goes on. What it says of each is held against the
verdict. BIN has the programs.
"""
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

for folder in (".", "../support"):
    sys.path.insert(0, str((pathlib.Path(__file__).resolve().parent / folder).resolve()))
import loaders  # noqa: E402  pylint: disable=wrong-import-position
import ovmf  # noqa: E402  pylint: disable=wrong-import-position

BIN = pathlib.Path(sys.argv[1]).resolve()
OVMF = ovmf.FOLDER
FOR_EVER = bytes(16)  # TimeOfRevocation

scratch = tempfile.TemporaryDirectory(prefix="firmware-agrees.")
WORK = pathlib.Path(scratch.name)
DISK = WORK / "disk"
FILES = DISK / "EFI/test"
FILES.mkdir(parents=True)

keys = loaders.Keys(WORK)
for name, issuer in (("root", None), ("signer", "root"), ("leaf", None), ("stranger", None), ("bad", "root")):
    keys.make(name, issuer)


def make(name, *signers):
    path = FILES / f"{name}.efi"
    path.write_bytes(loaders.program(name))
    for signer in signers:
        keys.sign(signer, path)
    return path


make("unsigned")
make("signed", "signer")
make("strange", "stranger")
make("leafs", "leaf")
make("both", "stranger", "signer")
make("revoked-and-good", "bad", "signer")
make("listed")
make("strange-listed", "stranger")
make("banned", "signer")
changed = make("changed", "signer")
content = bytearray(changed.read_bytes())
content[0x400] ^= 1  # in its section of data
changed.write_bytes(content)
other = make("other-digest")
loaders.run("osslsigncode", "sign", "-h", "sha384", "-certs", WORK / "signer.pem", "-key", WORK / "signer.key",
            "-in", other, "-out", WORK / "signed.efi")
shutil.move(WORK / "signed.efi", other)
# Behind the certificates: the table says more than there is in it.
table = make("broken-table", "signer")
content = bytearray(table.read_bytes()) + bytes(8)
entry = struct.unpack_from("<I", content, 0x3C)[0] + 24 + 112 + 32
struct.pack_into("<I", content, entry + 4, struct.unpack_from("<I", content, entry + 4)[0] + 8)
table.write_bytes(content)
NAMES = sorted(path.stem for path in FILES.iterdir())


def digest(name):
    """Of the signature that sbsign makes of a copy."""
    copy = WORK / "copy.efi"
    shutil.copyfile(FILES / f"{name}.efi", copy)
    return loaders.authenticode(keys, copy)


def certificates(*names):
    return b"".join(loaders.entry_list(loaders.X509, keys.der(name)) for name in names)


def hashes(*names):
    return loaders.entry_list(loaders.SHA256, *(digest(name) for name in names))


def revoked(name):
    return loaders.entry_list(loaders.X509_SHA256, keys.tbs_sha256(name) + FOR_EVER)


STORES = {
    "a chain, a leaf and two digests in db": (certificates("root", "leaf") + hashes("listed", "strange-listed"), b""),
    "a certificate and two digests in dbx": (certificates("root", "leaf") + hashes("listed", "banned"),
                                             certificates("bad", "leaf") + hashes("banned", "listed")),
    "the hash of a signer in dbx": (certificates("root") + hashes("banned"), revoked("signer")),
    "the hash of a root in dbx": (certificates("root", "leaf"), revoked("root")),
}


def write_store(image, db, dbx):
    """Microsoft's store of Debian's, with other lists and with a boot option for each boot loader."""
    made = WORK / "store.json"
    loaders.run(BIN / "varstore-convert", OVMF / "OVMF_VARS_4M.ms.fd", made)
    store = json.loads(made.read_text())
    made.unlink()
    variables = [one for one in store["variables"] if one["name"] not in ("dbx", "BootOrder")]
    for one in variables:
        if one["name"] == "db":
            one["data"] = db.hex()
            if dbx:
                variables.append({**one, "name": "dbx", "data": dbx.hex()})
    for number, name in enumerate(NAMES):
        variables.append({"guid": loaders.GLOBAL, "name": f"Boot{number + 0x100:04X}", "attr": 7,
                          "data": loaders.file_option(name, rf"\EFI\test\{name}.efi").hex()})
    order = b"".join(struct.pack("<H", number + 0x100) for number in range(len(NAMES)))
    variables.append({"guid": loaders.GLOBAL, "name": "BootOrder", "attr": 7, "data": order.hex()})
    source = WORK / "source.json"
    source.write_text(json.dumps({**store, "variables": variables}))
    loaders.run(BIN / "varstore-convert", "--template", OVMF / "OVMF_VARS_4M.fd", source, image)
    source.unlink()


def boot(image):
    """{name: has it run} of what the firmware says."""
    found = {}
    with ovmf.Machine(image, DISK, "-monitor", "none") as machine:
        for line in machine.lines():
            failed = re.search(r'failed to (load|start) Boot\w+ "([^"]+)" .*: ([\w ]+)$', line)
            if failed and failed.group(2) in NAMES:
                found[failed.group(2)] = (failed.group(1), failed.group(3)) == ("start", "Aborted")
            if len(found) == len(NAMES):
                break
    return found


def verdicts(image):
    done = subprocess.run([BIN / "varstore", "bootcheck", image, "--esp", DISK, "--json"], capture_output=True, check=False)
    if done.returncode not in (0, 2):
        sys.exit(done.stderr.decode())
    return {one["label"]: one["now"] for one in json.loads(done.stdout)["loaders"] if one["option"]}


failed, cells, started = 0, 0, 0
for title, (db, dbx) in STORES.items():
    image = WORK / "VARS.fd"
    write_store(image, db, dbx)
    ours = verdicts(image)
    theirs = boot(image)
    image.unlink()
    for name in NAMES:
        is_same = (ours[name]["outcome"] == "starts") == theirs[name] and ours[name]["outcome"] != "not-known"
        cells, started, failed = cells + 1, started + theirs[name], failed + (not is_same)
        print(f"{'good' if is_same else 'FAILED'}: {title}: {name}: the firmware {'starts' if theirs[name] else 'refuses'} it,"
              f" bootcheck: {ours[name]['outcome']}, {ours[name]['reason']}")
print(f"{cells} cells, {started} started, {failed} differ")
# Both answers are there, or nothing was compared.
sys.exit(0 if failed == 0 and 0 < started < cells else 1)
