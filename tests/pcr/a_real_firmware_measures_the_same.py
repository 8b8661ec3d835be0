#!/usr/bin/env python3
"""What `varstore pcr7` says is what a real firmware measures: Debian's OVMF boots in QEMU from what varstore-convert has
written, with a TPM emulator (swtpm). Then its event log is read from the guest's memory, PCR 7 from the TPM, and both
are compared, event by event.

usage: a_real_firmware_measures_the_same.py BIN BUILD

With Secure Boot on and off, no keys, Microsoft's keys and keys of our own, and with a loader that these have signed; and
Debian's shim and GRUB as they are signed, of which shim measures more. BUILD is the folder where their packages are kept.
"""
import json
import mmap
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import uuid

from tpm import Tpm, event_log

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import debian_packages  # noqa: E402  pylint: disable=wrong-import-position
import ovmf  # noqa: E402  pylint: disable=wrong-import-position

BIN, BUILD = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
OVMF = ovmf.FOLDER
HELLO = next(pathlib.Path("/usr/lib/efitools").glob("*/HelloWorld.efi"))
BANKS = ("sha1", "sha256", "sha384")
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
DATABASE = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
OWNER = uuid.UUID("3f5ab2a8-54c4-4f8a-8f0a-6fd1b4f8d3c1")
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328")
TYPES = {0x4: "EV_SEPARATOR", 0x80000001: "EV_EFI_VARIABLE_DRIVER_CONFIG", 0x800000E0: "EV_EFI_VARIABLE_AUTHORITY"}


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def convert(*arguments):
    run(BIN / "varstore-convert", "--strict", *arguments)


def expect(is_good, what):
    if not is_good:
        sys.exit(f"failed: {what}")
    print(f"good: {what}")


def signature_list(kind, *entries):
    size = 16 + len(entries[0])
    return (kind.bytes_le + (28 + size * len(entries)).to_bytes(4, "little") + bytes(4) + size.to_bytes(4, "little") +
            b"".join(OWNER.bytes_le + entry for entry in entries))


def make_key(name):
    """{name}.key, {name}.pem, and the signature list of its certificate."""
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"/CN=Test {name}",
        "-keyout", f"{name}.key", "-out", f"{name}.pem")
    run("openssl", "x509", "-in", f"{name}.pem", "-outform", "DER", "-out", f"{name}.der")
    return signature_list(X509, pathlib.Path(f"{name}.der").read_bytes())


def make_store(name, variables):
    """{name}.sqlite, and {name}.fd of it."""
    time = bytes.fromhex("ea07010101000000" + "00" * 8).hex()
    listed = [{"guid": guid, "name": key, "attr": attributes, "data": data.hex(), **({"time": time} if attributes == 39 else {})}
              for guid, key, attributes, data in variables]
    pathlib.Path(f"{name}.json").write_text(json.dumps({"version": 2, "variables": listed}))
    convert(f"{name}.json", f"{name}.sqlite")
    convert("--template", OVMF / "OVMF_VARS_4M.fd", f"{name}.sqlite", f"{name}.fd")


def save_memory(path):
    """All of the guest's, over the monitor (QEMU's QMP)."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect("monitor")
        answers = monitor.makefile(encoding="utf-8")
        for command in ({"execute": "qmp_capabilities"}, {"execute": "stop"},
                        {"execute": "pmemsave", "arguments": {"val": 0, "size": ovmf.MEMORY_MIB << 20, "filename": path}}):
            monitor.sendall(json.dumps(command).encode())
            for line in answers:
                answer = json.loads(line)
                if "error" in answer:
                    sys.exit(f"{command}: {answer}")
                if "return" in answer:
                    break


def make_disk(name, loader, next_loader):
    """{name}.disk, a folder with this boot loader and, where it is one, what shim starts."""
    folder = pathlib.Path(f"{name}.disk/EFI/BOOT")
    folder.mkdir(parents=True)
    (folder / "BOOTX64.EFI").write_bytes(pathlib.Path(loader).read_bytes())
    if next_loader:
        (folder / "grubx64.efi").write_bytes(next_loader.read_bytes())


def boot(name, last_line, has_smm):
    """Boots OVMF with {name}.fd and {name}.disk up to the line that matches. Gives the events of PCR 7, and its values."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        pathlib.Path(folder, "tpm.d").mkdir()
        tpm = Tpm(f"{folder}/tpm.d")
        with ovmf.Machine(f"{name}.fd", f"{name}.disk",
                          "-chardev", f"socket,id=tpm,path={tpm.path}", "-tpmdev", "emulator,id=tpm0,chardev=tpm",
                          "-device", "tpm-crb,tpmdev=tpm0", "-monitor", "none",
                          "-qmp", "unix:monitor,server=on,wait=off", has_smm=has_smm) as machine:
            machine.until(last_line)
            save_memory(f"{folder}/memory")
        with open(f"{folder}/memory", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            events = event_log(memory)
        values = {bank: tpm.pcr7(bank) for bank in BANKS}
        extended = list(tpm.extended)
        tpm.close()
    expect([digests for _, digests, _ in events] == extended,
           f"{name}: the event log has what the TPM was given, {len(extended)} events")
    return events, values


def as_told(kind, digests, data):
    """An event of the log as `varstore pcr7 --json` has it."""
    variable = guid = None
    if kind != 4:
        guid = str(uuid.UUID(bytes_le=data[:16]))
        variable = data[32:32 + 2 * int.from_bytes(data[16:24], "little")].decode("utf-16-le")
    return {"type": TYPES.get(kind, hex(kind)), "variable": variable, "guid": guid,
            "digests": {bank: digests[bank].hex() for bank in BANKS}}


def compare(name, loader, last_line, types, *options, has_smm=False, next_loader=None):
    """`types` are the events that there have to be, so that a boot which measures nothing is no agreement."""
    make_disk(name, loader, next_loader)
    told = subprocess.run([BIN / "varstore", "pcr7", f"{name}.sqlite", "--json", *options], check=True,
                          stdout=subprocess.PIPE).stdout
    told = json.loads(told)["before"]
    events, values = boot(name, last_line, has_smm)
    measured = [as_told(*event) for event in events]
    for one in measured:
        print(f"  {one['type']} {one['variable']} {one['digests']['sha256']}")
    expect([event["type"] for event in measured] == types, f"{name}: the firmware measures these events")
    expect(measured == told["events"], f"{name}: they are those that varstore pcr7 names, each in each bank")
    expect(values == told["values"], f"{name}: PCR 7 is what it says: {values['sha256']}")


scratch = tempfile.TemporaryDirectory(prefix="varstored-pcr.")
os.chdir(scratch.name)
config, separator, authority = TYPES[0x80000001], TYPES[4], TYPES[0x800000E0]

keys = {name: make_key(name) for name in ("PK", "KEK", "db")}
run("sbsign", "--key", "db.key", "--cert", "db.pem", "--output", "signed.efi", HELLO)
unlisted = signature_list(SHA256, b"\x5a" * 32)
own = [(GLOBAL, "PK", 39, keys["PK"]), (GLOBAL, "KEK", 39, keys["KEK"]), (DATABASE, "db", 39, keys["db"]),
       (DATABASE, "dbx", 39, unlisted)]

make_store("none", [])
compare("none", HELLO, "BdsDxe: starting", [config] * 5 + [separator])

make_store("own", own)
compare("own", "signed.efi", "BdsDxe: starting", [config] * 5 + [separator, authority], "--authority", "db.pem", has_smm=True)

enable = ("f0a30bc7-af08-4556-99c4-001009c93a44", "SecureBootEnable", 3, b"\0")
make_store("off", [*own, enable])
compare("off", HELLO, "BdsDxe: starting", [config] * 5 + [separator], "--secure-boot", "off")

# dbt is measured where it is there, dbr never.
make_store("more", [*own, (DATABASE, "dbt", 39, keys["KEK"]), (DATABASE, "dbr", 39, keys["KEK"])])
compare("more", "signed.efi", "BdsDxe: starting", [config] * 6 + [separator, authority], "--authority", "db.pem")

convert(OVMF / "OVMF_VARS_4M.ms.fd", "microsoft.sqlite")
convert("--template", OVMF / "OVMF_VARS_4M.fd", "microsoft.sqlite", "microsoft.fd")
# The firmware measures shim's authority; then shim measures SbatLevel and GRUB's, the certificate inside of itself.
debian = debian_packages.unpacked(BUILD, "shim-signed", "grub-efi-amd64-signed")
compare("microsoft", debian / "shim-signed/usr/lib/shim/shimx64.efi.signed", "Welcome to GRUB!",
        [config] * 5 + [separator] + [authority] * 3, "--esp", "microsoft.disk",
        next_loader=debian / "grub-efi-amd64-signed/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
