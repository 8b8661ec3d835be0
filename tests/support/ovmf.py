"""Debian's OVMF in QEMU: the machine in which a real firmware starts from what the tests have made."""
import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path("/usr/share/OVMF")
BOUND_SECONDS = 150
MEMORY_MIB = 256


class Machine:
    """`image` is the flash with the variables, `disk` a folder; `options` are more of QEMU's. With `has_smm` the firmware
    guards its variables from the guest. `qemu` is the command, and `environment` its own, where they are not the machine's."""

    def __init__(self, image, disk, *options, has_smm=False, qemu=("qemu-system-x86_64",), environment=None):
        code = FOLDER / ("OVMF_CODE_4M.secboot.fd" if has_smm else "OVMF_CODE_4M.fd")
        smm = "on" if has_smm else "off"
        self.said = []
        self.process = subprocess.Popen(
            ["timeout", "-k", "5", str(BOUND_SECONDS), *qemu,
             "-nodefaults", "-display", "none", "-no-reboot", "-accel", "tcg", "-m", str(MEMORY_MIB),
             "-machine", f"q35,smm={smm}", "-global", f"driver=cfi.pflash01,property=secure,value={smm}",
             "-global", "ICH9-LPC.disable_s3=1",
             "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}",
             "-drive", f"if=pflash,unit=1,format=raw,file={image}",
             "-drive", f"if=virtio,format=raw,readonly=on,file=fat:{disk}",
             "-serial", "stdio", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8", errors="replace", env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def lines(self):
        """What the firmware writes, without the terminal's commands. That the machine ends is the end of the test."""
        for line in self.process.stdout:
            self.said.append(re.sub(r"\x1b\[[0-9;=?]*[A-Za-z]", "", line).strip())
            yield self.said[-1]
        print("\n".join(self.said))
        sys.exit(f"the machine ended (or was ended after {BOUND_SECONDS} s) before what was waited for")

    def until(self, pattern):
        """Up to the line that matches. Gives all lines."""
        next(line for line in self.lines() if re.search(pattern, line))
        return self.said
