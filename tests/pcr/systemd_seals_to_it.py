#!/usr/bin/env python3
"""A key that systemd-cryptenroll seals to PCR 7 opens as long as `varstore pcr7` says that PCR 7 stays: usage:
systemd_seals_to_it.py BIN

A TPM emulator (swtpm) is given the events that `varstore pcr7` names, as at a start. systemd-cryptenroll puts the key of a
LUKS file into it; tpm2-tools compute the same policy from the value that is told, and open the key. That a firmware
measures these events is what a_real_firmware_measures_the_same.py shows.
"""
import base64
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import uuid

BIN = pathlib.Path(sys.argv[1]).resolve()
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
DATABASE = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")

scratch = tempfile.TemporaryDirectory(prefix="varstored-seal.")
WORK = pathlib.Path(scratch.name)
os.chdir(WORK)
os.environ["TPM2TOOLS_TCTI"] = f"swtpm:path={WORK}/tpm"


def run(*words, **more):
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, **more).stdout


def expect(is_good, what):
    if not is_good:
        sys.exit(f"failed: {what}")
    print(f"good: {what}")


class Start:
    """The TPM while a guest runs that was started with these events."""

    def __init__(self, events):
        self.events = events

    def __enter__(self):
        # Once it has gone into the background its sockets are there.
        run("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={WORK}/state", "--ctrl", f"type=unixio,path={WORK}/tpm.ctrl",
            "--server", f"type=unixio,path={WORK}/tpm", "--flags", "startup-clear", "--daemon", "--pid", f"file={WORK}/pid")
        for event in self.events:
            run("tpm2_pcrextend", f"7:sha256={event['digests']['sha256']}")

    def __exit__(self, *_):
        run("swtpm_ioctl", "--unix", WORK / "tpm.ctrl", "-s")


def told(*options):
    return json.loads(run(BIN / "varstore", "pcr7", "vm", "--json", "--authority", "db.pem", *options))


def policy(value):
    """The policy of systemd-cryptenroll --tpm2-pcrs=7 where PCR 7 has this value."""
    pathlib.Path("value").write_bytes(bytes.fromhex(value))
    run("tpm2_createpolicy", "--policy-pcr", "-l", "sha256:7", "-f", "value", "-L", "policy")
    return pathlib.Path("policy").read_bytes().hex()


def opens():
    """Whether the TPM gives the key out."""
    run("tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", "primary")
    run("tpm2_load", "-Q", "-C", "primary", "-u", "public", "-r", "private", "-c", "key")
    run("tpm2_flushcontext", "-t")
    return subprocess.run(["tpm2_unseal", "-c", "key", "-p", "pcr:sha256:7"], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).returncode == 0


def make_certificate(name):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"/CN=Test {name}", "-keyout",
        f"{name}.key", "-out", f"{name}.pem", stderr=subprocess.DEVNULL)
    der = run("openssl", "x509", "-in", f"{name}.pem", "-outform", "DER")
    return X509.bytes_le + struct.pack("<III", 44 + len(der), 0, 16 + len(der)) + bytes(16) + der


pathlib.Path("state").mkdir()
time = bytes.fromhex("ea07010101000000" + "00" * 8).hex()
pathlib.Path("vm.json").write_text(json.dumps({"version": 2, "variables": [
    {"guid": guid, "name": name, "attr": 39, "data": make_certificate(name).hex(), "time": time}
    for guid, name in ((GLOBAL, "PK"), (GLOBAL, "KEK"), (DATABASE, "db"))]}))
run(BIN / "varstore-convert", "vm.json", "vm.sqlite")
pathlib.Path("vm.sqlite").rename("vm")
pathlib.Path("hash.txt").write_text("22" * 32 + "\n")
before = told()["before"]

pathlib.Path("password").write_text("password")
with open("disk", "wb") as disk:
    disk.truncate(20 << 20)
run("cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "disk",
    "password")
with Start(before["events"]):
    run("systemd-cryptenroll", f"--tpm2-device={os.environ['TPM2TOOLS_TCTI']}", "--tpm2-pcrs=7", "disk",
        env={**os.environ, "PASSWORD": "password"}, stderr=subprocess.DEVNULL)
    token = json.loads(run("cryptsetup", "luksDump", "--dump-json-metadata", "disk"))["tokens"]["0"]
    blob = base64.b64decode(token["tpm2-blob"])
    end = 2 + struct.unpack_from(">H", blob)[0]
    pathlib.Path("private").write_bytes(blob[:end])
    pathlib.Path("public").write_bytes(blob[end:])
    expect(token["tpm2-policy-hash"] == policy(before["values"]["sha256"]),
           "systemd-cryptenroll seals to the value that varstore pcr7 tells")
    expect(opens(), "the key opens in the start in which it was sealed")

for change, stays in ((("dbr=db.pem",), True), (("dbx=hash.txt",), False)):
    answer = told(*[word for file in change for word in ("--after", file)])
    expect(answer["changes"] != stays, f"{change[0]}: varstore pcr7 says that PCR 7 {'stays' if stays else 'changes'}")
    with Start(answer["after"]["events"]):
        expect((policy(answer["after"]["values"]["sha256"]) == token["tpm2-policy-hash"]) == stays,
               f"{change[0]}: the policy is {'the same' if stays else 'another'}")
        expect(opens() == stays, f"{change[0]}: the key {'opens' if stays else 'does not open'} after it")
