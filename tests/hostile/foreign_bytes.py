#!/usr/bin/env python3
"""Who looks at foreign bytes: usage: foreign_bytes.py BIN XAPI_FOLDER

Each tool is called with each kind of file that it takes, under strace. It passes when a process that was forked for it has
become nobody (as root), has no files (Landlock, where the kernel has it) and has the list of system calls; when the
tool itself, which keeps its rights, has not; and when qemu-img starts behind all of that.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BIN, XAPI = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
sys.path.insert(0, XAPI)
import guest  # pylint: disable=import-error,wrong-import-position

VENDOR = "03020100-0504-0706-0809-0a0b0c0d0e0f"
CALLS = "prctl,setresuid,landlock_restrict_self,execve"


def steps(folder, words):
    """What each process of a call gave up, by process, in order; the tool is the first."""
    trace = folder / "trace"
    subprocess.run(["strace", "-f", "-qq", "-o", trace, "-e", "trace=" + CALLS, *words], cwd=folder,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=60)
    found = {}
    for line in trace.read_text().splitlines():
        process, call = line.split(None, 1)
        found.setdefault(process, [])
        for pattern, step in ((r"setresuid\((65534|18790\d{5}|1879[1-9]\d{5}|188\d{7})", "nobody"), (r"landlock_restrict_self\(", "files"),
                              (r"prctl\(PR_SET_SECCOMP", "calls"), (r'execve\(".*qemu-img"', "qemu-img")):
            if re.match(pattern, call):
                found[process].append(step)
    trace.unlink()
    return list(found.values())


def main():
    if shutil.which("strace") is None:
        print("SKIP: needs strace")
        return 77
    failures = tried = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "vm.vars").write_bytes(guest.blob(guest.entry("Note", b"kept")))
        (folder / "data").write_bytes(b"x")
        (folder / "hashes").write_text("ab" * 32)
        (folder / "empty").write_bytes(b"")
        (folder / "keys").mkdir()
        (folder / "keys" / "KEK.auth").write_bytes(b"x" * 100)
        (folder / "keys" / "db.auth").write_bytes(b"x" * 100)
        subprocess.run([BIN / "varstore-convert", "vm.vars", "vm.db"], cwd=folder, check=True)
        subprocess.run([BIN / "varstore-convert", "vm.vars", "vm.json"], cwd=folder, check=True)
        calls = [[tool, *words, place, *more] for place in ("vm.vars", "vm.db") for tool, words, more in (
            ("varstore-ls", (), ()), ("varstore-get", (), (VENDOR, "Note")),
            ("varstore-set", (), (VENDOR, "New", "7", "data")), ("varstore-rm", (), (VENDOR, "Note")),
            ("varstore-sb-state", (), ("setup",)), ("varstore-inspect", (), ()), ("varstore-repair", (), ()),
            ("varstore-repair", ("--dry-run",), ()), ("varstore-repair", ("--fix",), ()),
            ("varstore", ("edit",), ("dbx",)), ("varstore", ("edit",), ("dbx", "--add", "hashes")),
            ("varstore", ("boot",), ()), ("varstore", ("boot",), ("--add", "x", "--label", "x")))]
        calls += [["varstore-nvram-certcheck", "vm.vars"],
                  ["varstore-authfile-certcheck", "--auth-dir", "keys", "--config", "empty"],
                  ["create-auth", "dbx", "out.auth", "data"]]
        calls += [["varstore-convert", source, "out.json"] for source in ("vm.vars", "vm.db", "vm.json")]
        calls += [[*words, "vm.json"] for words in (["varstore-ls"], ["varstore-inspect"], ["varstore-repair"])]
        firmware = pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
        has_qemu_img = shutil.which("qemu-img") is not None and firmware.exists()
        if has_qemu_img:
            calls.append(["varstore-convert", "--template", firmware, "vm.vars", "vm.qcow2"])
            calls.append(["varstore-convert", "vm.qcow2", "out.json"])
            calls.append(["varstore-ls", "vm.qcow2"])
        has_list = None
        for words in calls:
            (folder / "out.json").unlink(missing_ok=True)
            tool, *others = steps(folder, [BIN / words[0], *words[1:]])
            if has_list is None:
                has_list = any("calls" in one for one in others)
                if not has_list:
                    # One with a sanitizer has no list; without a helper process it has no other process at all.
                    if others:
                        print("SKIP: this build has no list of system calls")
                        return 77
            is_root = os.geteuid() == 0
            good = bool(others) and not tool and all(
                one and ("nobody" in one or not is_root) and ("calls" in one)
                and (one[-1] == "calls" or one[-1] == "qemu-img") for one in others)
            is_image = any(str(word).endswith(".qcow2") for word in words)
            good = good and (not is_image or any("qemu-img" in one for one in others))
            tried += 1
            if not good:
                failures += 1
                print("FAILED:", *words, "tool:", tool, "others:", others)
    print(f"{tried} calls, {failures} of which looked at foreign bytes with rights of the caller's")
    if not failures and not has_qemu_img:
        print("SKIP: qemu-img was not tried: needs qemu-utils and ovmf")
        return 77
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
