#!/usr/bin/env python3
"""Runs the documents' blocks of commands, as they are written: usage: documents_test.py BIN SOURCE_FOLDER [PAGE...]

A block is run when a command of ours begins one of its lines. The blocks of a page are one session of a shell, in a
namespace with a host of its own: XAPI's socket with a VM (tests/backend/xapi/peer.py), /var/lib, /dev, and the files
that the pages name. `UUID` stands for that VM, in whichever form a page has it. Programs of others that only a host has
(STAND_INS) are scripts that say what they are asked for, and do nothing else.

A page is run four times: with a VM in which nothing is wrong, with one whose keys are old, with one that cannot be
read, and where there is nothing at all. What cannot be run says so in its page, in a comment above the block:

    <!-- not run: it needs a disk of a VM -->
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BIN, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
sys.path[:0] = [str(SOURCE / "tests/backend/xapi"), str(SOURCE / "tests/boot")]
import guest  # noqa: E402
import loaders  # noqa: E402
import peer  # noqa: E402

DATA = os.environ.get("VARSTORED_TEST_DATA")
IN_A_LINE = re.compile(r"^\s*(?:\$ |\w+=\$\(|\S*/with-vdi \S+ )?"
                       r"(?:varstored?(?:-[a-z]+)*|create-auth|make auth|openssl)(?=\s|$)|^\s*time=", re.M)
FORMS = {"Synopsis", "The form of a page"}
STAND_INS = ("xe", "xl", "virsh", "aws", "install", "sendmail")
# What needs neither a VM nor a file: it works where nothing is, too.
NEEDS_NOTHING = re.compile(r"^openssl req|^ls |\$try/|^varstore help|varstored --version|create-auth --managed|"
                           r"make auth OUT|varstored-loopback |[a-z_]+=|PATH=|mkdir |kill |until |for ")
# What says that something is wrong, and changes nothing: exit code 2 of a VM with old keys.
LOOKS = re.compile(r"varstore bootcheck |varstore-inspect (?!--svg|--json|--pool|--history|\$try)|varstore inspect |"
                   r"varstore-repair (?!--fix|--restore|--pool)")
CHECKS = "varstore-inspect --check"
SKIPPED = 77
NEVER_ENDED = 1000
LABELS = ("one", "two", "three", "four")
WORLDS = ("good", "bad", "unreadable", "gone")
ANY_UUID = re.compile(r"\b3d6a8f4e-0a53-4c1e-9c38-0d6a3c2b7a11\b|\bVM-UUID\b|\bUUID\b(?!=)")


class Block:
    """Lines of a page that are code."""

    def __init__(self, page, line, heading, above, lines):
        self.name, self.heading = f"{page}:{line}", heading
        indent = min(len(text) - len(text.lstrip()) for text in lines if text.strip())
        self.text = "\n".join(text[indent:] for text in lines)
        said = re.search(r"<!-- not run: ([^>]+?) -->\s*\Z", above)
        self.why_not = " ".join(said[1].split()) if said else None
        if self.text.startswith("$ "):  # a screen: what was typed
            self.text = "\n".join(text[2:] for text in self.text.splitlines() if text.startswith("$ "))

    def is_ours(self):
        return self.heading not in FORMS and IN_A_LINE.search(self.text) is not None

    def commands(self):
        """Each as a shell takes it, over as many lines as it has."""
        gathered = []
        for line in self.text.splitlines():
            gathered.append(line)
            text = "\n".join(gathered)
            if not text.endswith("\\") and subprocess.run(["bash", "-n"], input=text, text=True, check=False,
                                                          stderr=subprocess.DEVNULL).returncode == 0:
                if text.strip() and not text.lstrip().startswith("#"):
                    yield text
                gathered = []
        assert not gathered, f"{self.name}: no whole command: {gathered}"


def blocks_of(path):
    page = str(path.relative_to(SOURCE))
    lines = path.read_text(encoding="utf-8").splitlines()
    heading, at, is_start, depth = "", 0, True, 4
    while at < len(lines):
        line, begin, is_first = lines[at], at, is_start
        if fence := re.match(r" *```", line):
            at += 1
            while not lines[at].startswith(fence[0]):
                at += 1
            found, is_start = lines[begin + 1:at], False
        elif line.startswith(" " * depth) and is_start and not re.match(r" +(?:[-*]|\d+\.) ", line):
            while at + 1 < len(lines) and (lines[at + 1].startswith(" " * depth) or not lines[at + 1].strip()):
                at += 1
            found, is_start = lines[begin:at + 1], True
        else:
            found, is_start = None, not line.strip() or line.startswith("<!--")
            if line[:1].strip():  # in a list, code is indented twice
                depth = 8 if re.match(r"(?:[-*]|\d+\.) ", line) else 4 if is_first else depth
            if line.startswith("#"):
                heading = line.lstrip("# ")
        if found and any(text.strip() for text in found):
            yield Block(page, begin + 1, heading, "\n".join(lines[:begin]), found)
        at += 1


class Toolstack(peer.Toolstack):
    """With a pool of this one VM."""

    def answer(self, method, parameters):
        if method == "VM.get_all":
            return ["OpaqueRef:2"]
        if method == "VM.get_record":
            return {"uuid": guest.UUID, "name_label": "web", "power_state": "Halted", "is_a_template": False,
                    "is_a_snapshot": False, "is_default_template": False, "is_control_domain": False,
                    "HVM_boot_params": {"firmware": "uefi"}, "platform": {"secureboot": "true"},
                    "NVRAM": {"EFI-variables": self.read("nvram")}, "other_config": {}}
        return super().answer(method, parameters)


def run(*words, **more):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, **more).stdout


def varstored_of(folder, auth, name):
    """The file of the VM that starts for the first time with these keys, and is switched off."""
    socket, log = folder / f"{name}.sock", folder / f"{name}.log"
    with open(log, "w", encoding="utf-8") as errors:
        daemon = subprocess.Popen([BIN / "varstored-loopback", "--listen", socket, "--backend", "sqlite", "--arg",
                                   f"path:{folder / name}", "--platform", "secureboot=true", "--auth-dir", auth],
                                  stderr=errors)
    while "ready: " not in log.read_text(encoding="utf-8"):
        assert daemon.poll() is None, log.read_text(encoding="utf-8")
    daemon.terminate()
    assert daemon.wait() == 0
    return folder / name


class Workshop:
    """The files that the pages name, made once."""

    def __init__(self, folder):
        self.folder = folder
        self.files = folder / "files"
        self.files.mkdir()
        data = pathlib.Path(DATA, "secureboot_objects")
        for path in [*data.glob("certificates/*"), *data.glob("dbx/*_amd64.bin"), *data.glob("dbx/*.json")]:
            shutil.copy(path, self.files)
        for name in ("DBXUpdate.bin", "DBXUpdate2024.bin"):
            shutil.copy(self.files / "DBXUpdate_amd64.bin", self.files / name)
        for name in ("windows-uefi-ca-2023.crt", "windows_uefi_ca_2023.der"):
            if not (self.files / name).exists():
                shutil.copy(self.files / "windows_uefi_ca_2023.der", self.files / name)
        keys = loaders.Keys(self.files)
        for name in ("PK", "KEK", "vendor", "loader"):
            keys.make(name)
        (self.files / "next.bin").write_bytes(b"\1\0")
        crash = self.files / "crash"
        crash.write_bytes(b"record")
        make = [SOURCE / "tools/make_auth.sh"]
        environment = {**os.environ, "CREATE_AUTH": str(BIN / "create-auth")}
        run(*make, folder / "auth", self.files, env=environment)
        shutil.copy(folder / "auth/dbx.auth", self.files)
        old = folder / "old"
        shutil.copytree(self.files, old)
        (old / "manifest.txt").write_text(
            "PK required - PK.pem\nKEK required - MicCorKEKCA2011_2011-06-24.der\n"
            "db required - MicWinProPCA2011_2011-10-19.der\n", encoding="utf-8")
        run(*make, folder / "old-auth", old, env=environment)
        self.good = varstored_of(folder, folder / "auth", "good.db")
        self.bad = varstored_of(folder, folder / "old-auth", "bad.db")
        boot = [BIN / "varstore", "boot"]
        for vm in (self.good, self.bad):
            for label in LABELS:
                run(*boot, vm, "--add", f"\\EFI\\{label}\\loader.efi", "--label", label)
            run(BIN / "varstore-set", vm, "cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0", "dump-type0-1", "7", crash)
        run(BIN / "varstore", "edit", self.good, "db", "--add", self.files / "loader.pem")
        self.esp = folder / "esp"
        for label in LABELS:
            loader = self.esp / f"EFI/{label}/loader.efi"
            loader.parent.mkdir(parents=True)
            loader.write_bytes(loaders.program(label))
            keys.sign("loader", loader)

    def forms(self, world):
        """The VM's variables in this world, in each form that the pages have: bytes by name."""
        vm = self.bad if world == "bad" else self.good
        made = self.folder / f"forms-{world}"
        made.mkdir()
        convert = BIN / "varstore-convert"
        template = ["--template", "/usr/share/OVMF/OVMF_VARS_4M.fd"]
        for name, words in (("b64", ["--to", "vars-base64"]), ("json", []), ("fd", template), ("aws", []), ("efivars", [])):
            run(convert, *words, vm, made / f"x.{name}")
        found = {f"efivars/{path.name}": path.read_bytes() for path in (made / "x.efivars").iterdir()}
        found |= {name: vm.read_bytes() for name in ("vm.db", "vm1.db", "web.db", "guest.sqlite", "variables.sqlite")}
        found |= {name: (made / "x.b64").read_bytes() for name in ("nvram.b64", "guest.b64", "web.b64")}
        found |= {"guest.json": (made / "x.json").read_bytes(), "guest_VARS.fd": (made / "x.fd").read_bytes(),
                  "aws.json": (made / "x.aws").read_bytes(),
                  "nvram.txt": b"EFI-variables: " + (made / "x.b64").read_bytes()}
        if world == "unreadable":
            found = {name: content[:len(content) // 2] for name, content in found.items()}
        return found

    def disk(self):
        """An ESP as a disk has it, and the same as an image of QEMU's."""
        disk = self.folder / "disk"
        run("mformat", "-C", "-T", "8192", "-i", disk, "::")
        run("mcopy", "-s", "-i", disk, self.esp / "EFI", "::")
        run("qemu-img", "convert", "-O", "qcow2", disk, self.folder / "disk.qcow2")


# What a page's session sees: its own /dev, /mnt and /var/lib.
# A mount namespace of its own.
UNSHARE = ["unshare", "--mount", "--propagation", "private", *([] if os.geteuid() == 0 else ["--map-root-user"])]
SESSION = r"""
host=$1
for name in null zero random urandom; do : >"$host/dev/$name"; mount --bind "/dev/$name" "$host/dev/$name"; done
ln -s /proc/self/fd "$host/dev/fd"
mount --bind "$host/lib" /var/lib
mount --bind "$host/mnt" /mnt
mount --bind "$host/dev" /dev
cd "$host/here"
exec bash "$host/session"
"""
STAND_IN = r"""#!/bin/sh
# A program of a host that this one is not.
echo "$(basename "$0") $*" >>HOST/asked
[ WORLD != gone ] || { echo "$(basename "$0"): there is no such host" >&2; exit 1; }
case "$(basename "$0") $*" in
  *"vm-list"*) echo UUID ;;
  *"param-name=NVRAM param-key="*) cat HOST/nvram ;;
  *"param-name=NVRAM"*) printf 'EFI-variables: %s\n' "$(cat HOST/nvram)" ;;
  "virsh domstate"*) echo "shut off" ;;
  "aws "*) cat HOST/here/aws.json ;;
esac
"""


class Session:
    """The commands of a page in one world: what became of each."""

    def __init__(self, workshop, forms, page, blocks, world):
        self.world = world
        self.commands = [(block, text) for block in blocks for text in block.commands()]
        with tempfile.TemporaryDirectory(dir=workshop.folder) as folder:
            self.host = pathlib.Path(folder)
            for name in ("lib/xcp", "lib/libvirt/qemu/nvram", "lib/libvirt/qemu/varstore", f"lib/varstored/{guest.UUID}",
                         "mnt/esp", "tmp", "dev/vg", "here/build/dev", "bin"):
                (self.host / name).mkdir(parents=True)
            for name in STAND_INS:
                script = self.host / "bin" / name
                script.write_text(STAND_IN.replace("HOST", folder).replace("WORLD", world).replace("UUID", guest.UUID),
                                  encoding="utf-8")
                script.chmod(0o755)
            (self.host / "here/build/dev/bin").symlink_to(BIN)
            for name in ("Makefile", "tools", "certs"):
                (self.host / "here" / name).symlink_to(SOURCE / name)
            toolstack = Toolstack(folder, "xapi")
            if world == "gone":
                toolstack.write("fault", "* failure")
            else:
                self.furnish(workshop, forms, toolstack)
            server = peer.Server(folder + "/lib/xcp/xapi", toolstack)
            self.results = self.run(workshop)
            server.close()

    def furnish(self, workshop, forms, toolstack):
        here, lib = self.host / "here", self.host / "lib"
        shutil.copytree(workshop.files, here, dirs_exist_ok=True)
        shutil.copytree(workshop.folder / "auth", here / "auth")
        (here / "efivars").mkdir()
        for name, content in forms.items():
            (here / name).write_bytes(content)
        toolstack.write("nvram", forms["nvram.b64"].decode().strip())
        toolstack.write("first", toolstack.read("nvram"))
        toolstack.write("secureboot", "true")
        for path in (workshop.folder / "auth").glob("*.auth"):
            shutil.copy(path, lib / "varstored")
        shutil.copy(here / "variables.sqlite", lib / "varstored" / guest.UUID)
        shutil.copy(here / "vm1.db", lib / "varstored")
        shutil.copy(here / "guest_VARS.fd", lib / "libvirt/qemu/nvram")
        shutil.copy(here / "guest.json", lib / "libvirt/qemu/varstore")
        shutil.copytree(workshop.esp, self.host / "mnt/esp", dirs_exist_ok=True)
        for name in ("dev/xvdb", "dev/vg/vm-disk"):
            shutil.copy(workshop.folder / "disk", self.host / name)
        shutil.copy(workshop.folder / "disk.qcow2", here)

    def run(self, workshop):
        """(exit code, standard output, standard error) of each command."""
        out = self.host / "out"
        out.mkdir()
        lines = ["trap 'kill $(jobs -p) 2>/dev/null' EXIT",
                 f"PATH={self.host}/bin:{BIN}:$PATH; uuid={guest.UUID}; export CREATE_AUTH={BIN}/create-auth"]
        for number, (block, text) in enumerate(self.commands):
            if number == 0 or block is not self.commands[number - 1][0]:  # of what a block does nothing is left in XAPI
                lines.append(f"[ ! -e {self.host}/first ] || cp {self.host}/first {self.host}/nvram")
            if text.startswith("until ") and self.world == "gone":
                text = ":"  # nobody ends what it waits for
            if text.startswith("varstore-convert ") and self.world != "gone":  # each of a page's is one of several ways
                lines.append(f"rm -rf {text.partition('#')[0].split()[-1]}")
            if text.startswith("make auth CERTS=certificates") and self.world != "gone":  # the step in words before it
                lines.append(f"cp -n {workshop.files}/*.der certificates")
            if text.startswith("varstored-loopback ") and not text.endswith("&"):
                text = "timeout --preserve-status --signal INT 1 " + text  # Ctrl-C
            text = ANY_UUID.sub(guest.UUID, text).replace("=/tmp/", f"={self.host}/tmp/")
            lines += [f"{{ {text}", f"}} >{out}/{number}.out 2>{out}/{number}.err </dev/null", f"echo $? >{out}/{number}.code"]
        (self.host / "session").write_text("\n".join(lines) + "\n", encoding="utf-8")
        subprocess.run(["timeout", "--signal", "KILL", "60", *UNSHARE, "sh", "-euc", SESSION, "sh", str(self.host)],
                       stdin=subprocess.DEVNULL, check=False,
                       stdout=subprocess.DEVNULL, stderr=open(out / "errors", "wb"))
        return [self.result(out, number) for number in range(len(self.commands))]

    @staticmethod
    def result(folder, number):
        def read(kind):
            path = folder / f"{number}.{kind}"
            return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return int(read("code") or NEVER_ENDED), read("out"), read("err") or (folder / "errors").read_text(encoding="utf-8")


def fault_of(world, text, code, output, errors):
    """What is wrong with an end of a command, or nothing."""
    if code >= 126:
        return "it does not end" if code == NEVER_ENDED else "it cannot be run"
    if CHECKS in text and not text.startswith(("for ", "line=")):
        wanted = {"good": 0, "bad": 2, "unreadable": 1}.get(world)
        if wanted is not None:
            return None if code == wanted else f"a check ends with {wanted}"
    if world == "good":
        return f"it fails with {code}" if code else None
    if world == "bad":
        return "a VM with old keys is a finding: 2" if LOOKS.match(text) and code != 2 else None
    if world == "gone" and not NEEDS_NOTHING.search(text) and (not errors or code == 0 and " | " not in text) \
            and CHECKS not in text:
        return "it does not say that there is nothing"
    return "it fails without a word" if code and not output and not errors and ">" not in text else None


def worlds_of(blocks):
    """A page that makes keys or a VM of its own finds the same in each world with a VM."""
    return ("good", "gone") if any("make auth" in block.text for block in blocks) else WORLDS


def main():
    if not DATA:
        print("not run: VARSTORED_TEST_DATA names no folder with Microsoft's certificates")
        return 1 if "REQUIRE_DATA" in os.environ else SKIPPED
    if subprocess.run([*UNSHARE, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        print("not run: no mount namespace can be made here, as in a chroot: the commands would be those of this host")
        return SKIPPED
    pages = [pathlib.Path(name).resolve() for name in sys.argv[3:]] or \
        [SOURCE / "README.md", *sorted(SOURCE.glob("docs/**/*.md"))]
    blocks = {path: [block for block in blocks_of(path) if block.is_ours()] for path in pages}
    left = [block for found in blocks.values() for block in found if block.why_not]
    taken = {path: [block for block in found if not block.why_not] for path, found in blocks.items()}
    faults, count = [], 0
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(pathlib.Path(folder))
        workshop.disk()
        forms = {world: {} if world == "gone" else workshop.forms(world) for world in WORLDS}
        with concurrent.futures.ThreadPoolExecutor(2) as threads:
            sessions = [(world, threads.submit(Session, workshop, forms[world], path, found, world))
                        for path, found in taken.items() if found
                        for world in worlds_of(found)]
        for world, future in sessions:
            session = future.result()
            for (block, text), result in zip(session.commands, session.results):
                count += 1
                if fault := fault_of(world, text, *result):
                    faults.append(f"{block.name}, {world}: {fault}\n    {text}\n    {result}")
    print(f"{count} ends of commands in {sum(map(len, taken.values()))} blocks; {len(left)} blocks are not run:")
    for block in left:
        print(f"    {block.name}: {block.why_not}")
    print("\n".join(faults))
    return 1 if faults or not count else 0


if __name__ == "__main__":
    sys.exit(main())
