"""A program whose standard output or standard error is a terminal."""
import os
import pty
import subprocess


def on_terminal(command, stream, **environment):
    """Runs it with `stream`, "stdout" or "stderr", on a terminal. Gives what it wrote there, and to standard output
    where that is none."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL,
                          env={"PATH": os.environ["PATH"], **environment},
                          **{"stdout": subprocess.PIPE, stream: theirs}) as process:
        os.close(theirs)
        output = process.stdout.read() if process.stdout else b""
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # the other side is closed
            pass
        process.wait(60)
    os.close(ours)
    return shown, output
