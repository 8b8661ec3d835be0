"""What the attacks with databases share."""
import json
import pathlib
import subprocess
import tempfile


def make_database(programs, variables):
    """The bytes of a database of these variables, each a dictionary of QEMU's JSON, as the program itself makes it."""
    with tempfile.TemporaryDirectory() as name:
        inside = pathlib.Path(name)
        (inside / "in.json").write_text(json.dumps({"version": 2, "variables": variables}))
        subprocess.run([programs / "varstore-convert", "--to", "sqlite", inside / "in.json", inside / "vm.db"],
                       check=True)
        return (inside / "vm.db").read_bytes()
