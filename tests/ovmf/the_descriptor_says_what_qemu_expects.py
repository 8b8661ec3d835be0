#!/usr/bin/env python3
"""Checks a firmware descriptor by the words of QEMU's docs/interop/firmware.json.

usage: the_descriptor_says_what_qemu_expects.py FILE
"""
import fnmatch
import json
import pathlib
import sys

FEATURES = {"acpi-s3", "acpi-s4", "amd-sev", "amd-sev-es", "amd-sev-snp", "intel-tdx", "enrolled-keys",
            "host-uefi-vars", "requires-smm", "secure-boot", "verbose-dynamic", "verbose-static"}

descriptor = json.loads(pathlib.Path(sys.argv[1]).read_text())
assert set(descriptor) == {"description", "interface-types", "mapping", "targets", "features", "tags"}
assert descriptor["interface-types"] == ["uefi"]
# The form of a firmware that is loaded into memory which every version of QEMU and libvirt knows.
assert set(descriptor["mapping"]) == {"device", "filename"} and descriptor["mapping"]["device"] == "memory"
assert set(descriptor["features"]) <= FEATURES and "host-uefi-vars" in descriptor["features"]
for target in descriptor["targets"]:
    assert set(target) == {"architecture", "machines"}
    for machine in ("pc-q35-7.2", "pc-i440fx-7.2", "microvm", "virt-7.2"):
        assert not any(fnmatch.fnmatch(machine, pattern) for pattern in target["machines"]), machine
    assert any(fnmatch.fnmatch("xenfv-4.2", pattern) for pattern in target["machines"])
