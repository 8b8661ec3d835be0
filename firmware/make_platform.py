#!/usr/bin/env python3
"""make_platform.py SOURCE FOLDER: edk2's platform OvmfXen, with the variables kept by the host.

Writes FOLDER/VarstoredXen.dsc and FOLDER/VarstoredXen.fdf: copies of OvmfPkg/OvmfXen.dsc and .fdf of the
unpacked source SOURCE, with the changes below. A change that does not find its place, or finds more than one,
ends the program: then the source has changed, and somebody has to look at it.
"""
import os
import sys


class Description:
    """A platform (.dsc) or flash (.fdf) description, changed by whole lines."""

    def __init__(self, source, name):
        self.name = name
        with open(os.path.join(source, name), encoding="utf-8") as file:  # CRLF or LF
            self.text = file.read()

    def replace(self, old, new):
        """The lines `old`, which stand there exactly once, become the lines `new`."""
        old, new = ("".join(line + "\n" for line in lines) for lines in (old, new))
        places = ("\n" + self.text).count("\n" + old)
        if places != 1:
            sys.exit(f"{sys.argv[0]}: {self.name} has {places} places, not one, with these lines:\n{old}"
                     "The source has changed: look at what it does there now, and mend this step.")
        self.text = ("\n" + self.text).replace("\n" + old, "\n" + new)[1:]

    def remove(self, *old):
        self.replace(old, ())

    def add_before(self, place, *new):
        self.replace((place,), (*new, place))

    def add_behind(self, place, *new):
        self.replace((place,), (place, *new))

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.text)


DRIVER = "VarstoredPkg/VarstoreDxe/VarstoreDxe.inf"
# Built with it, and no part of the image.
TEST_PROGRAMS = ("VarstoredTestPkg/VarstoredTestHello.inf", "VarstoredTestPkg/VarstoredTestStart.inf")
CONFIGURATION = "SecurityPkg/VariableAuthenticated/SecureBootConfigDxe/SecureBootConfigDxe.inf"


def platform(dsc):
    dsc.replace(("  FLASH_DEFINITION               = OvmfPkg/OvmfXen.fdf",),
                ("  FLASH_DEFINITION               = VarstoredXen.fdf",))

    # The same bytes wherever the tree stands: names of files in messages are relative.
    dsc.add_behind("  RELEASE_*_*_GENFW_FLAGS = --zero",
                   "  GCC:*_*_*_CC_FLAGS = -ffile-prefix-map=$(EDK2_SOURCE)=. -ffile-prefix-map=$(EDK2_WORK)=.")

    # The variable stack out, ours in.
    dsc.remove(
        "  OvmfPkg/QemuFlashFvbServicesRuntimeDxe/FvbServicesRuntimeDxe.inf",
        "  OvmfPkg/EmuVariableFvbRuntimeDxe/Fvb.inf {",
        "    <LibraryClasses>",
        "      PlatformFvbLib|OvmfPkg/Library/EmuVariableFvbLib/EmuVariableFvbLib.inf",
        "  }",
        "  MdeModulePkg/Universal/FaultTolerantWriteDxe/FaultTolerantWriteDxe.inf")
    dsc.replace(
        ("  MdeModulePkg/Universal/Variable/RuntimeDxe/VariableRuntimeDxe.inf {",
         "    <LibraryClasses>",
         "      NULL|MdeModulePkg/Library/VarCheckUefiLib/VarCheckUefiLib.inf",
         "  }"),
        ("  " + DRIVER, *("  " + program for program in TEST_PROGRAMS)))

    # Secure Boot: images are verified, and there are pages to look at the keys.
    dsc.replace(
        ("  MdeModulePkg/Universal/SecurityStubDxe/SecurityStubDxe.inf",),
        ("  MdeModulePkg/Universal/SecurityStubDxe/SecurityStubDxe.inf {",
         "    <LibraryClasses>",
         "      NULL|SecurityPkg/Library/DxeImageVerificationLib/DxeImageVerificationLib.inf",
         "  }",
         "  " + CONFIGURATION))
    security = "SecurityPkg/Library"
    dsc.add_before(
        "  AuthVariableLib|MdeModulePkg/Library/AuthVariableLibNull/AuthVariableLibNull.inf",
        "  PlatformSecureLib|OvmfPkg/Library/PlatformSecureLib/PlatformSecureLib.inf",
        f"  SecureBootVariableLib|{security}/SecureBootVariableLib/SecureBootVariableLib.inf",
        "  SecureBootVariableProvisionLib|"
        f"{security}/SecureBootVariableProvisionLib/SecureBootVariableProvisionLib.inf",
        "  PlatformPKProtectionLib|"
        f"{security}/PlatformPKProtectionLibVarPolicy/PlatformPKProtectionLibVarPolicy.inf")


def flash(fdf):
    # Files that stood beside it are named by their way from the source's root.
    for file in ("OvmfPkgDefines", "XenElfHeader", "VarStore", "FvmainCompactScratchEnd"):
        fdf.replace((f"!include {file}.fdf.inc",), (f"!include OvmfPkg/{file}.fdf.inc",))

    fdf.remove("  INF  OvmfPkg/QemuFlashFvbServicesRuntimeDxe/FvbServicesRuntimeDxe.inf")  # APRIORI
    fdf.replace(
        ("INF  OvmfPkg/QemuFlashFvbServicesRuntimeDxe/FvbServicesRuntimeDxe.inf",
         "INF  OvmfPkg/EmuVariableFvbRuntimeDxe/Fvb.inf",
         "INF  MdeModulePkg/Universal/FaultTolerantWriteDxe/FaultTolerantWriteDxe.inf",
         "INF  MdeModulePkg/Universal/Variable/RuntimeDxe/VariableRuntimeDxe.inf"),
        ("INF  " + DRIVER,))
    fdf.add_behind("INF  MdeModulePkg/Universal/SecurityStubDxe/SecurityStubDxe.inf", "INF  " + CONFIGURATION)


def main(source, folder):
    for name, change in (("dsc", platform), ("fdf", flash)):
        description = Description(source, f"OvmfPkg/OvmfXen.{name}")
        change(description)
        description.write(os.path.join(folder, f"VarstoredXen.{name}"))


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
