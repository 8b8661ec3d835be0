#!/usr/bin/env python3
"""What a look at many VMs costs: usage: pool.py PROGRAMS_FOLDER SOURCE_FOLDER [--static FOLDER] [--quick]

The pool is that of tests/health/inspect_pool_test.py: XAPI's answers from memory, in this process. FOLDER has a static
varstore-nvram-certcheck. Prints lines that page.py reads.
"""
import pathlib
import subprocess
import sys
import tempfile
import uuid

sys.path.append(str(pathlib.Path(sys.argv[2]) / "tests/health"))
import inspect_pool_test as pool  # noqa: E402  pylint: disable=wrong-import-position

OWNER = uuid.UUID("77fa9abd-0359-4d32-bd60-28f4e78f784b").bytes_le
SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328").bytes_le
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
# As many as Microsoft's list of 2026-04-09 has.
HASHES = 443


def signature_list(kind, entries):
    size = 16 + len(entries[0])
    head = kind + b"".join(number.to_bytes(4, "little") for number in (28 + size * len(entries), 0, size))
    return head + b"".join(OWNER + entry for entry in entries)


def certificate(folder, number):
    path = folder / f"{number}.der"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-days", "9",
                    "-subj", f"/CN=bench {number}", "-outform", "DER", "-out", path], check=True, capture_output=True)
    return signature_list(X509, [path.read_bytes()])


def variables(folder):
    """PK, two certificates in KEK, four in db, and a full dbx."""
    made = [certificate(folder, number) for number in range(7)]
    hashes = signature_list(SHA256, [number.to_bytes(32, "big") for number in range(HASHES)])
    return pool.guest.blob(*(
        pool.guest.entry(name, data, 0x27, pool.guest.GLOBAL if name in ("PK", "KEK") else pool.guest.SECURITY_DATABASE)
        for name, data in (("PK", made[0]), ("KEK", b"".join(made[1:3])), ("db", b"".join(made[3:])), ("dbx", hashes))))


# A process of its own, as small as can be: what it starts inherits its size as the least that is reported.
MEASURE = """import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
_, status, used = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), 1000 * (used.ru_utime + used.ru_stime), used.ru_maxrss)"""


def run(command):
    """(ms of processor time with all helper processes, kB of the largest one)"""
    shown = subprocess.run([sys.executable, "-S", "-E", "-c", MEASURE, *command], stdout=subprocess.PIPE, check=True).stdout
    exit_code, cpu, largest = map(float, shown.split())
    if exit_code not in (0, 2):
        raise SystemExit(f"{command}: exit code {exit_code:.0f}")
    return cpu, largest


def record(build, what, count, command, rounds):
    samples = [run(command) for _ in range(rounds)]
    for measure, column in (("cpu ms", 0), ("largest kB", 1)):
        print("pool", build, what, "null", count, measure, " ".join(f"{sample[column]:.3f}" for sample in samples),
              sep="\t", flush=True)


def main():
    quick = "--quick" in sys.argv
    static = sys.argv[sys.argv.index("--static") + 1] if "--static" in sys.argv else None
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        content = variables(folder)
        vms = pool.Pool(name)
        server = pool.peer.Server(f"{name}/socket", vms)
        for count in (10, 20) if quick else (100, 1000):
            while len(vms.vms) < count:
                vms.add(content, f"vm {len(vms.vms)}")
            for what in ("table", "--json", "--openmetrics -"):
                words = [] if what == "table" else what.split()
                record("dynamic", f"varstore-inspect --pool, {what}", count,
                       [pool.PROGRAM, "--pool", "-s", f"{name}/socket", *words], 2 if quick else 5)
        server.close()
        file = folder / "variables"
        file.write_bytes(content)
        for build, programs in (("dynamic", pool.PROGRAMS), ("static", static)):
            if programs:
                record(build, "varstore-nvram-certcheck", 1, [pathlib.Path(programs) / "varstore-nvram-certcheck", file],
                       3 if quick else 25)


if __name__ == "__main__":
    main()
