#!/usr/bin/env python3
"""extract_vmlinux.py VMLINUZ OUTPUT: the kernel out of a bzImage.

Xen could do it when it boots, but takes seconds for it on an emulated CPU. The fields are those of
Documentation/arch/x86/boot.rst of Linux: where the payload begins and how long it is.
"""
import lzma
import struct
import sys

SECTOR_BYTES = 512

with open(sys.argv[1], "rb") as file:
    image = file.read()
setup_sectors = image[0x1F1]
payload_offset, payload_bytes = struct.unpack_from("<II", image, 0x248)
begin = (setup_sectors + 1) * SECTOR_BYTES + payload_offset
# What follows the compressed stream in the payload is the kernel's own note of its size.
kernel = lzma.LZMADecompressor().decompress(image[begin : begin + payload_bytes])
if not kernel.startswith(b"\x7fELF"):
    sys.exit(f"{sys.argv[1]}: no ELF kernel inside")
with open(sys.argv[2], "wb") as file:
    file.write(kernel)
