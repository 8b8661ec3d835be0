#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/boot/verdict.h"
#include "varstored/health/finding.h"
#include "varstored/health/json.h"
#include "varstored/health/render.h"
#include "varstored/health/state.h"

/// Which boot loaders a VM would start, and what its firmware would do with each.
namespace varstored::boot {

/// A file that the firmware would try.
struct Candidate {
  /// "Boot0001"; empty: no option names it, it is where firmware looks on a disk by itself.
  std::string option;
  /// Of the next start alone.
  bool is_next = false;
  std::string label;  // the guest's
  /// Its path on the ESP, such as "\EFI\BOOT\BOOTX64.EFI"; the guest's.
  std::string file;
  /// UniquePartitionGUID of where it is; nothing: on whichever ESP it is found.
  std::optional<efi::Guid> partition;
};

struct Candidates {
  /// BootNext, then the active ones of BootOrder, then the files of a disk without any (UEFI 2.10,
  /// 3.5.1.1: x64, then aarch64), in the order in which they are tried. An option of a partition
  /// or of a disk alone means these files too.
  std::vector<Candidate> tried;
  /// Active options that lead to no file of a disk: a network, a program inside of the firmware.
  std::vector<std::string> elsewhere;
};
/// At most 64 are tried.
[[nodiscard]] Candidates CandidatesOf(const health::State& state);

/// The file that the shim at `path` starts, for programs of `machine` (image.h): it is beside it.
[[nodiscard]] std::string FileBehindShim(std::string_view path, std::uint16_t machine);

/// The paths of all files that LookAt may ask for, each once: for whoever has to get them first.
[[nodiscard]] std::vector<std::string> WantedFiles(const health::State& state);

/// The file at `path` of the ESP with this GUID, or of the first ESP that has it. Nothing when it
/// is not there. The error says why it cannot be read.
using ReadEspFile = std::function<base::Result<std::optional<base::Bytes>>(
    std::string_view path, const std::optional<efi::Guid>& partition)>;

/// What shim starts, and what it would do with it.
struct NextStage {
  std::string file;
  bool is_found = false;
  /// Why the file cannot be read; else empty.
  std::string error;
  Verdict now;
  std::optional<Verdict> after;
};

/// The version of Windows' boot manager, which its resource BOOTMGRSECURITYVERSIONNUMBER has: four
/// bytes, minor in front of major. dbx has the lowest that may go on.
struct Version {
  std::uint16_t major = 0;
  std::uint16_t minor = 0;

  [[nodiscard]] auto operator<=>(const Version&) const = default;
};

/// "7.0".
[[nodiscard]] std::string ToText(const Version& version);

/// What becomes of a candidate.
struct Loader {
  Candidate candidate;
  bool is_found = false;
  std::string error;  // as above
  /// As if Secure Boot were on.
  Verdict now;
  /// With the update that is asked about.
  std::optional<Verdict> after;
  /// It is a shim: what it starts. Its own components that are too old for itself, so that it ends.
  std::optional<NextStage> next;
  std::vector<std::string> too_old;
  /// Why it is not known whether this shim ends itself; else empty.
  std::string sbat_not_known;
  /// It is Windows' boot manager, and says its version.
  std::optional<Version> version;
  /// It is a program for another machine than the VM's, which no firmware of the VM's loads.
  bool is_for_other_machine = false;
  std::string level_date;  // as ShimRules has them
  std::string level_source;
  base::Bytes level_data;
  bool measures_more = false;
  bool has_mok_list_x = false;
};

/// All that is said of a VM and its ESP.
struct BootReport {
  std::string target;
  /// Nothing: the host cannot tell.
  std::optional<bool> secure_boot;
  std::vector<Loader> loaders;
  std::vector<std::string> elsewhere;
  std::vector<health::Finding> findings;
  /// What the update is called; empty without one.
  std::string update;
  std::vector<health::Finding> findings_after;
  /// dbx holds minimum versions, which Windows' own loaders see to.
  bool has_minimum_versions = false;
  /// The highest for Windows' boot manager among them; and with the update.
  std::optional<Version> minimum;
  std::optional<Version> minimum_after;
  /// What the VM's firmware starts programs for: the host's machine (image.h), unless the disk has
  /// programs for the other one alone.
  std::uint16_t machine = 0;
};

/// What the firmware would do, with the variables `state`; and with `after`, when it is not null.
/// Work is bounded by the number of candidates times the size of an image.
[[nodiscard]] BootReport LookAt(const health::State& state, const health::State* after,
                                const std::string& update, const health::Context& context,
                                const ReadEspFile& read);

/// The boot loader that a firmware starts.
struct Started {
  /// Its path, and the option that names it; the guest's characters.
  std::string name;
  /// What the firmware measures because of it.
  Authority authority;
  bool is_shim = false;
  /// What shim measures then (MeasuredByShim); empty where that is not known.
  std::vector<Authority> by_shim;
};

/// The first one of `report` that starts, with Secure Boot on; with the update where `is_after`.
/// Those for another machine do not.
/// The error says in words that there is none, or why it is not known which it is: one before it
/// cannot be judged, or it is a shim that goes no further. The guest's characters are in it.
[[nodiscard]] base::Result<Started> StartedOf(const BootReport& report, bool is_after);

/// "x64" and the like; digits of a machine that has no name here; empty for 0.
[[nodiscard]] std::string MachineName(std::uint16_t machine);

/// Why Windows' boot manager ends itself, or empty; with the update where `is_after`.
[[nodiscard]] std::string WhyTooOld(const BootReport& report, const Loader& loader, bool is_after);

/// Whether it starts, and why, in words; the file's and the guest's characters are in them.
[[nodiscard]] std::string WordsOn(const Verdict& verdict);

/// The report for people; nothing of a guest's reaches a terminal but as plain characters.
[[nodiscard]] std::string RenderScreen(const BootReport& report,
                                       const health::ScreenOptions& options);
/// For machines: one object of JSON of the form that docs/tools/varstore-bootcheck.schema.json
/// says, and a line end.
[[nodiscard]] std::string RenderJson(const BootReport& report);
/// The same object, to be a part of another one.
[[nodiscard]] health::Json JsonOf(const BootReport& report);

}  // namespace varstored::boot
