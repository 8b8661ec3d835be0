#!/usr/bin/env python3
"""to_png.py PICTURE COPY: a picture as QEMU's screendump writes it (PPM, P6, 8 bits), as PNG."""

import re
import struct
import sys
import zlib


def chunk(kind, data):
    """A chunk of a PNG file (PNG, 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main(source, target):
    with open(source, "rb") as file:
        picture = file.read()
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", picture)
    if not header:
        raise SystemExit(f"{source}: no PPM picture")
    width, height = int(header[1]), int(header[2])
    pixels = picture[header.end():]
    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))
    with open(target, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


main(*sys.argv[1:])
