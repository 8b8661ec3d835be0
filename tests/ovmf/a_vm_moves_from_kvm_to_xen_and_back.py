#!/usr/bin/env python3
"""A VM moves from KVM to Xen and back as docs/libvirt-nova.md says, and a real firmware boots from the result. It also
starts a boot option that the host has made.

usage: a_vm_moves_from_kvm_to_xen_and_back.py BIN TESTBED

BIN has the programs. TESTBED is the folder of the Xen tests (tests/xen/README.md), whose QEMU is used; the firmware is the package
ovmf's. Exit status 77: this machine cannot; with REQUIRE_XEN=1 that is a failure.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import ovmf  # noqa: E402  pylint: disable=wrong-import-position

BIN = pathlib.Path(sys.argv[1])
PROGRAM = next(pathlib.Path("/usr/lib/efitools").glob("*/HelloWorld.efi"), pathlib.Path("/usr/lib/efitools"))
PACKAGES = pathlib.Path(sys.argv[2], "packages")
OVMF = ovmf.FOLDER
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
KEYS = ("PK", "KEK", "db", "dbx")

for needed in (OVMF / "OVMF_VARS_4M.ms.fd", PACKAGES / "usr/bin/qemu-system-x86_64", PROGRAM):
    if not needed.exists():
        print(f"SKIP: no {needed}")
        sys.exit(1 if os.environ.get("REQUIRE_XEN") == "1" else 77)


def convert(*arguments):
    """Without a loss."""
    subprocess.run([BIN / "varstore-convert", "--strict", *arguments], check=True)


def boot(image, folder, last_line):
    """Boots OVMF with this flash image and this folder as a disk, up to the line that matches. Gives all lines."""
    libraries = PACKAGES / "usr/lib/x86_64-linux-gnu"
    qemu = (libraries / "ld-linux-x86-64.so.2", "--library-path", libraries, PACKAGES / "usr/bin/qemu-system-x86_64",
            "-L", PACKAGES / "usr/share/qemu", "-L", PACKAGES / "usr/share/seabios")
    environment = {**os.environ, "QEMU_MODULE_DIR": str(libraries / "qemu")}
    with ovmf.Machine(image, folder, "-monitor", "none", qemu=qemu, environment=environment) as machine:
        return machine.until(last_line)


def variables_shown(lines):
    """{name: data} of what the shell's dmpstore says."""
    shown, data = {}, bytearray()
    for line in lines:
        if header := re.match(r"Variable .*:(\S.*)' DataSize = 0x[0-9A-F]+", line):
            data = shown.setdefault(header.group(1), bytearray())
        elif dump := re.match(r"[0-9A-F]{8}: ((?:[0-9A-F]{2}[ -])+) *\*", line):
            data += bytes.fromhex(dump.group(1).replace("-", " "))
    return shown


def expect(is_good, what):
    if not is_good:
        sys.exit(f"failed: {what}")
    print(f"good: {what}")


scratch = tempfile.TemporaryDirectory(dir=sys.argv[2], prefix="ovmf.")
work = pathlib.Path(scratch.name)
os.chdir(work)

# A guest on KVM: Microsoft's keys, Secure Boot, and a boot entry of its own that starts the firmware's shell.
convert(OVMF / "OVMF_VARS_4M.ms.fd", "debian.json")
store = json.loads(pathlib.Path("debian.json").read_text())
entry = (bytes.fromhex("010000002c00") + "moved from KVM\0".encode("utf-16le") +
         bytes.fromhex("04071400c9bdb87cebf8344faaea3ee4af6516a1"
                       "0406140083a5047c3e9e1c4fad65e05268d0b4d17fff0400"))
store["variables"] += [
    {"guid": GLOBAL, "name": "Boot00AA", "attr": 7, "data": entry.hex()},
    {"guid": GLOBAL, "name": "BootOrder", "attr": 7, "data": "aa00"}]
pathlib.Path("guest.json").write_text(json.dumps(store))
data = {variable["name"]: bytes.fromhex(variable["data"]) for variable in store["variables"]}
convert("--template", OVMF / "OVMF_VARS_4M.fd", "guest.json", "guest_VARS.fd")

# To Xen, and back.
convert("guest_VARS.fd", "variables.sqlite")
convert("--template", OVMF / "OVMF_VARS_4M.fd", "variables.sqlite", "back_VARS.fd")
expect(pathlib.Path("back_VARS.fd").read_bytes() == pathlib.Path("guest_VARS.fd").read_bytes(),
       "after the way to Xen and back the image is the same, byte for byte")

# With Secure Boot the firmware finds the boot entry, and does not start a program that nobody signed.
pathlib.Path("disk").mkdir()
pathlib.Path("disk/startup.nsh").write_text("dmpstore -all\nbcfg boot dump\necho the end is here\n")
lines = boot(work / "back_VARS.fd", work / "disk", "No bootable option|Shell>")
expect(any('loading Boot00AA "moved from KVM"' in line for line in lines), "the firmware loads the boot entry")
expect(any('start Boot00AA' in line and "Security Violation" in line for line in lines),
       "Secure Boot is on: the firmware's shell, which nobody signed, is not started")

# What the firmware has written is read again, with nothing lost.
convert("back_VARS.fd", "booted.sqlite")
convert("booted.sqlite", "booted.json")
booted = {variable["name"]: bytes.fromhex(variable["data"])
          for variable in json.loads(pathlib.Path("booted.json").read_text())["variables"]}
expect(all(booted[name] == data[name] for name in (*KEYS, "Boot00AA")), "boot entry and keys are there after a boot")
expect(booted["BootOrder"][:2] == b"\xaa\0", "the boot entry is still the first")

# Without Secure Boot the same entry starts the shell, which shows what the firmware sees.
without = json.loads(pathlib.Path("booted.json").read_text())
for variable in without["variables"]:
    if variable["name"] == "SecureBootEnable":
        variable["data"] = "00"
pathlib.Path("without.json").write_text(json.dumps(without))
convert("--template", OVMF / "OVMF_VARS_4M.fd", "without.json", "without_VARS.fd")
lines = boot(work / "without_VARS.fd", work / "disk", "^the end is here")
shown = variables_shown(lines)
for name in (*KEYS, "Boot00AA"):
    expect(bytes(shown.get(name, b"")) == data[name], f"the firmware has {name}, byte for byte")
expect(shown["SetupMode"] == b"\0", "the firmware is in user mode")
expect(any("Variable: Boot00AA" in line for line in lines) and any("moved from KVM" in line for line in lines),
       "its boot menu has the entry")

# An option of varstore's, which says nothing of the disk, goes before it.
convert("without.json", "host.sqlite")
pathlib.Path("disk/EFI/test").mkdir(parents=True)
pathlib.Path("disk/EFI/test/hello.efi").write_bytes(PROGRAM.read_bytes())
subprocess.run([BIN / "varstore", "boot", "host.sqlite", "--add", "/EFI/test/hello.efi", "--label", "made by the host",
                "--first"], check=True)
convert("--template", OVMF / "OVMF_VARS_4M.fd", "host.sqlite", "host_VARS.fd")
# It says so once it has found and loaded the file.
lines = boot(work / "host_VARS.fd", work / "disk", 'starting Boot.* "made by the host"|failed to load Boot.* "made by')
expect("starting" in lines[-1], "the firmware finds the file that the host's option names, and starts it")
