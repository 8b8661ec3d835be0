#!/usr/bin/env python3
"""Other programs make the same of real boot loaders as varstore bootcheck: usage: witnesses_agree.py BIN BUILD

pesign and osslsigncode for the digest, sbverify for the signers and for what starts. The loaders are Debian's: shim, GRUB
and the kernel as they are signed, systemd-boot and shim as they are not, and each with a signature of ours besides.
BUILD is the folder where the packages are kept.
"""
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("boot", "backend/xapi", "support")]
import debian_packages  # noqa: E402  pylint: disable=wrong-import-position
import guest  # noqa: E402  pylint: disable=wrong-import-position
import loaders  # noqa: E402  pylint: disable=wrong-import-position

BIN = pathlib.Path(sys.argv[1]).resolve()
KERNEL = debian_packages.newest("linux-image-cloud-amd64")
DEBIAN = debian_packages.unpacked(sys.argv[2], "shim-signed", "grub-efi-amd64-signed", KERNEL)
SIGNED = {"shim": DEBIAN / "shim-signed/usr/lib/shim/shimx64.efi.signed",
          "GRUB": DEBIAN / "grub-efi-amd64-signed/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
          "Linux": next(DEBIAN.glob(f"{KERNEL}/boot/vmlinuz-*"))}
UNSIGNED = {"shim, unsigned": pathlib.Path("/usr/lib/shim/shimx64.efi"),
            "systemd-boot": pathlib.Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")}

scratch = tempfile.TemporaryDirectory(prefix="witnesses-agree.")
WORK = pathlib.Path(scratch.name)
ESP = WORK / "EFI/BOOT"
ESP.mkdir(parents=True)
LOADER = ESP / "BOOTX64.EFI"
keys = loaders.Keys(WORK)
keys.make("ours")
keys.make("stranger")
failed = 0


def expect(what, ours, theirs):
    global failed
    failed += ours != theirs
    print(f"{'good' if ours == theirs else 'FAILED'}: {what}: {ours}" + ("" if ours == theirs else f", not {theirs}"))


def said(*words):
    return subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          errors="replace")


def verdict(*certificates):
    db = b"".join(loaders.entry_list(loaders.X509, der) for der in certificates)
    (WORK / "vm").write_bytes(guest.blob(guest.entry("db", db, 0x27, guest.SECURITY_DATABASE),
                                         guest.entry("PK", loaders.entry_list(loaders.X509, keys.der("ours")), 0x27,
                                                     guest.GLOBAL)))
    done = subprocess.run([BIN / "varstore", "bootcheck", WORK / "vm", "--esp", WORK, "--json"], check=False,
                          stdout=subprocess.PIPE)
    return next(one["now"] for one in json.loads(done.stdout)["loaders"] if one["is_found"])


def vendor_certificate():
    """The certificate inside of shim: its section has four numbers of 32 bits in front of it."""
    loaders.run("objcopy", "-O", "binary", "--only-section=.vendor_cert", SIGNED["shim"], WORK / "vendor")
    section = (WORK / "vendor").read_bytes()
    size, _, place = struct.unpack_from("<III", section)
    return section[place:place + size]


def common_name(text):
    return text.rsplit("CN=", 1)[-1].strip()


certificates = {"ours": keys.der("ours"), "stranger": keys.der("stranger"), "Debian": vendor_certificate()}
for name, der in certificates.items():
    (WORK / f"{name}.der").write_bytes(der)
    loaders.run("openssl", "x509", "-inform", "DER", "-in", WORK / f"{name}.der", "-out", WORK / f"{name}.crt")

starts = by_osslsigncode = 0
for name, path in {**SIGNED, **UNSIGNED}.items():
    for is_ours in (False, True):
        LOADER.write_bytes(path.read_bytes())
        title = name
        if is_ours:
            keys.sign("ours", LOADER)
            title += ", signed by us"
        shown = verdict(certificates["ours"])
        expect(f"{title}: the digest of pesign", shown["sha256"],
               said("pesign", "-h", "-i", LOADER).stdout.split("hash: ")[-1].strip())
        listed = said("sbverify", "--list", LOADER).stdout
        signers = [common_name(line) for line in re.findall(r"certificates:\n - subject: (.*)", listed)]
        expect(f"{title}: the signers of sbverify", [one["signer"] for one in shown["signatures"]], signers)
        if path == SIGNED["shim"]:
            continue  # two signatures, whose chains end outside of their messages: here a firmware is asked (tests/pcr)
        digest = re.search(r"Calculated message digest *: *([0-9A-F]+)", said("osslsigncode", "verify", "-in", LOADER).stdout)
        if digest and len(signers) == 1:  # version 2.5 says nothing of what sbsign has signed
            expect(f"{title}: the digest of osslsigncode", shown["sha256"], digest.group(1).lower())
            by_osslsigncode += 1
        for certificate, der in certificates.items():
            theirs = said("sbverify", "--cert", WORK / f"{certificate}.crt", LOADER).returncode == 0
            expect(f"{title}: starts with {certificate}'s certificate as sbverify says", verdict(der)["outcome"] == "starts", theirs)
            starts += theirs
# All answers are there, or nothing was compared.
print(f"{starts} start, {by_osslsigncode} digests of osslsigncode, {failed} differ")
sys.exit(0 if failed == 0 and starts >= 6 and by_osslsigncode >= 2 else 1)
