#!/usr/bin/env python3
"""patch_tcg_module.py MODULE COPY: QEMU's software emulation, for guests with real firmware.

When a guest's guest writes its task priority while a virtual interrupt is pending, QEMU 7.2 calls
tcg_handle_interrupt() without the big lock, whose first act is to assert that it is held, and ends. In the copy the
conditional jump over the assertion is always taken: one byte. What is left is a window of a few instructions in which
a timer's interrupt may be lost, and the machine then stands still; `run` begins such a machine once more. A module
that does not look as expected is refused.
"""
import subprocess
import sys

CALL, TEST_AL, JUMP_IF_NOT_ZERO, JUMP = b"\xe8", b"\x84\xc0", b"\x75", 0xEB


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def only(found, what):
    if len(found) != 1:
        sys.exit(f"{sys.argv[0]}: {len(found)} of {what}, not one: another QEMU than 7.2?")
    return found[0]


def main(module, copy):
    with open(module, "rb") as file:
        content = bytearray(file.read())

    symbols = output("readelf", "-W", "--dyn-syms", module).splitlines()
    symbol = only([line.split() for line in symbols if line.endswith(" tcg_handle_interrupt")], "the function")
    address, size = int(symbol[1], 16), int(symbol[2])
    segments = [line.split() for line in output("readelf", "-lW", module).splitlines()]
    start = only([address - int(words[2], 16) + int(words[1], 16) for words in segments if words[:1] == ["LOAD"]
                  and int(words[2], 16) <= address < int(words[2], 16) + int(words[4], 16)], "its segment")
    stubs = output("objdump", "-d", "--section=.plt.sec", "--section=.plt", module).splitlines()
    asked = only([int(line.split()[0], 16) for line in stubs
                  if line.endswith("<qemu_mutex_iothread_locked@plt>:")], "the question for the lock")

    def asks(place):
        distance = int.from_bytes(content[place + 1:place + 5], "little", signed=True)
        return (content[place:place + 1] == CALL and content[place + 5:place + 8] == TEST_AL + JUMP_IF_NOT_ZERO
                and address + (place - start) + 5 + distance == asked)

    jump = only([place + 7 for place in range(start, start + size - 9) if asks(place)], "the assertion")
    content[jump] = JUMP
    with open(copy, "wb") as file:
        file.write(content)


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
