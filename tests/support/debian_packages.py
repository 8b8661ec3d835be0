"""Files of Debian packages that are not installed, since what they install makes a machine boot otherwise."""
import os
import pathlib
import subprocess
import sys


def unpacked(build, *names):
    """The folder below `build` with the files of these packages. They are fetched once, from where this machine's packages
    come from. Where that cannot be, the test ends: skipped, or failed with REQUIRE_DATA=1."""
    folder = pathlib.Path(build, "debian-packages")
    for name in names:
        # Another test may do the same at the same time.
        work = folder.with_name(f"debian-packages.{os.getpid()}")
        if (folder / name).exists():
            continue
        work.mkdir(parents=True)
        done = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name], cwd=work, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
        if done.returncode == 0:
            package = next(work.glob("*.deb"))
            subprocess.run(["dpkg-deb", "-x", package, work / "files"], check=True)
            package.unlink()
            folder.mkdir(exist_ok=True)
            try:
                (work / "files").rename(folder / name)
            except OSError:
                subprocess.run(["rm", "-rf", work / "files"], check=True)
        work.rmdir()
        if not (folder / name).exists():
            print(f"SKIP: {name} cannot be fetched:\n{done.stdout}")
            sys.exit(1 if os.environ.get("REQUIRE_DATA") == "1" else 77)
    return folder


def newest(package):
    """The package on which a package without files depends, as linux-image-cloud-amd64."""
    shown = subprocess.run(["apt-cache", "depends", package], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    return next((line.split()[-1] for line in shown.splitlines() if "Depends:" in line), package)
