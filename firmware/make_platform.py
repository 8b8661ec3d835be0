#!/usr/bin/env python3
"""make_platform.py SOURCE FOLDER: edk2's platform OvmfXen, with the variables kept by the host.

Writes FOLDER/VarstoredXen.dsc and FOLDER/VarstoredXen.fdf: copies of OvmfPkg/OvmfXen.dsc and .fdf of the
unpacked source SOURCE, with the changes below; FOLDER/PciHostBridgeLibScan, a copy of its library; and
FOLDER/Conf/build_rule.txt, how edk2's tools are called. A change that does not find its place, or finds more than
one, ends the program: then the source has changed, and somebody has to look at it.
"""
import os
import shutil
import sys


class Description:
    """A platform (.dsc) or flash (.fdf) description, or a file of C, changed by whole lines."""

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
PCI_LIBRARY = "PciHostBridgeLibScan"
RESET_LIBRARY = "VarstoredPkg/XenResetSystemLib/XenResetSystemLib.inf"
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

    # Resets by the hypervisor, which need no device.
    reset = "MdeModulePkg/Universal/ResetSystemRuntimeDxe/ResetSystemRuntimeDxe.inf"
    dsc.replace(
        ("  " + reset,),
        ("  " + reset + " {",
         "    <LibraryClasses>",
         f"      ResetSystemLib|{RESET_LIBRARY}",
         "  }"))

    # Never set in this platform. A constant, it costs no search for the drivers of settings: one for each of 524288
    # entries of page tables, and in a PVH guest each of these is slow (docs/firmware.md).
    dsc.remove("  # Noexec settings for DXE.",
               "  gEfiMdeModulePkgTokenSpaceGuid.PcdSetNxForStack|FALSE")
    dsc.add_behind("  gEfiMdeModulePkgTokenSpaceGuid.PcdUse1GPageTable|TRUE",
                   "  gEfiMdeModulePkgTokenSpaceGuid.PcdSetNxForStack|FALSE")

    dsc.replace(
        (f"      PciHostBridgeLib|OvmfPkg/Library/{PCI_LIBRARY}/{PCI_LIBRARY}.inf",),
        (f"      PciHostBridgeLib|{PCI_LIBRARY}/{PCI_LIBRARY}.inf",))

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


def one_root_bridge(scan):
    """The device model of Xen has one root bridge, bus 0. The scan of all 256 buses for another asks it 8160 times:
    half of the time of a whole boot where exits are slow."""
    scan.replace(("  for (PrimaryBus = 0; PrimaryBus <= PCI_MAX_BUS; PrimaryBus = SubBus + 1) {",),
                 ("  for (PrimaryBus = 0; PrimaryBus < 1; PrimaryBus = SubBus + 1) {",))


def short_names(rules):
    """GenFw keeps room for the name of the file that it reads, as it is given. With the whole path an image would be larger
    where the tree stands deeper, though the name itself is cleared."""
    kept = "        -$(CP) $(DEBUG_DIR)(+)$(MODULE_NAME).debug $(BIN_DIR)(+)$(MODULE_NAME_GUID).debug"
    rules.replace((kept, "", '        "$(GENFW)" -e $(MODULE_TYPE) -o ${dst} ${src} $(GENFW_FLAGS)'),
                  (kept, "", '        cd $(DEBUG_DIR) && "$(GENFW)" -e $(MODULE_TYPE) -o ${dst} $(MODULE_NAME).dll'
                             ' $(GENFW_FLAGS)'))


def main(source, folder):
    rules = Description(source, "BaseTools/Conf/build_rule.template")
    short_names(rules)
    rules.write(os.path.join(folder, "Conf/build_rule.txt"))

    library = os.path.join(folder, PCI_LIBRARY)
    shutil.rmtree(library, ignore_errors=True)
    shutil.copytree(os.path.join(source, "OvmfPkg/Library", PCI_LIBRARY), library)
    scan = Description(source, f"OvmfPkg/Library/{PCI_LIBRARY}/ScanForRootBridges.c")
    one_root_bridge(scan)
    scan.write(os.path.join(library, "ScanForRootBridges.c"))

    for name, change in (("dsc", platform), ("fdf", flash)):
        description = Description(source, f"OvmfPkg/OvmfXen.{name}")
        change(description)
        description.write(os.path.join(folder, f"VarstoredXen.{name}"))


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
