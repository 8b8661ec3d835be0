#pragma once

/// The commands of varstore that are part of it, and no programs of their own.
namespace varstored::tools {

/// All of main of `varstore edit`: its words, of which the first one is the command.
[[nodiscard]] int EditMain(int argc, char** argv);
/// The same of `varstore boot`.
[[nodiscard]] int BootMain(int argc, char** argv);
/// The same of `varstore bootcheck`; 2 is a finding.
[[nodiscard]] int BootCheckMain(int argc, char** argv);
/// The same of `varstore keys`; 2 is a set of files with which something is wrong.
[[nodiscard]] int KeysMain(int argc, char** argv);
/// The same of `varstore pcr7`.
[[nodiscard]] int Pcr7Main(int argc, char** argv);
/// The same of `varstore update`; 2 is a wave that is not over, or a plan that has VMs.
[[nodiscard]] int UpdateMain(int argc, char** argv);

}  // namespace varstored::tools
