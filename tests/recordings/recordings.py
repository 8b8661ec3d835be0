"""The recorded boots, for tests in Python; README.md beside this file says what they are."""
import pathlib
import struct
import tarfile

ARCHIVE = pathlib.Path(__file__).with_name("boots.tar.xz")


def read_all():
    """The files by name, each as bytes."""
    with tarfile.open(ARCHIVE) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def exchanges(trace):
    """The requests of a trace, each with its answer."""
    while trace:
        length, = struct.unpack_from("<I", trace)
        request, trace = trace[4:4 + length], trace[4 + length:]
        length, = struct.unpack_from("<I", trace)
        answer, trace = trace[4:4 + length], trace[4 + length:]
        yield request, answer


def traces():
    """The name of each trace, in order, with its exchanges."""
    for name, content in sorted(read_all().items()):
        if name.endswith(".trace"):
            yield name, list(exchanges(content))
