#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/boot/image.h"
#include "varstored/boot/verdict.h"
#include "varstored/health/state.h"

/// shim, the boot loader of most Linux distributions, which starts the next one by rules of its own
/// (https://github.com/rhboot/shim, its notes on SBAT, cert.S, sbat_var.S and shim.c).
namespace varstored::boot {

/// A row of the section .sbat, or of a SbatLevel: a component, and its generation or the lowest one
/// that may start.
struct SbatRow {
  std::string component;
  std::uint32_t generation = 0;
};

/// What is said where one of these texts cannot be read as a whole.
inline constexpr const char* kSbatNotWhole =
    "SBAT has a row without a number, or more than 256 rows";

struct Sbat {
  std::vector<SbatRow> rows;
  /// False: a row has no number of 32 bits, or there are more than 256, and they are left out. What
  /// shim makes of the text is not known then.
  bool is_whole = true;
};

/// The rows of a text of that form, up to a NUL.
[[nodiscard]] Sbat ParseSbat(base::ByteSpan text);

/// What a shim brings with it and what the VM's variables add.
struct ShimRules {
  /// db and dbx, the certificates inside of shim, and MokList.
  Databases databases;
  /// Which components are too old: of SbatLevel in the VM's variables and of the level that this
  /// shim writes there, the later one.
  Sbat level;
  /// "SbatLevel" or "shim"; empty where there is neither.
  std::string level_source;
  /// Its date, "2025021800"; empty likewise.
  std::string level_date;
  /// All of its bytes, as the variable SbatLevel has them then.
  base::Bytes level_data;
  /// MokListX is not empty: it may forbid more, and is not looked at.
  bool has_mok_list_x = false;
  /// There are variables of MokManager's because of which shim may measure more than
  /// MeasuredByShim says.
  bool measures_more = false;
};

/// The rules of the shim `image`; nothing when it is none (it has no section .vendor_cert).
[[nodiscard]] std::optional<ShimRules> ShimRulesOf(const Image& image, const health::State& state);

/// How an image's own SBAT compares with what is wanted.
struct SbatComparison {
  /// The components that are older than wanted, as "grub 3, not 4".
  std::vector<std::string> too_old;
  /// Both texts could be read as a whole.
  bool is_whole = true;
};

/// Compares with `level`. An image without a section .sbat has no component: whether it needs one
/// is for the caller.
[[nodiscard]] SbatComparison CompareSbat(const Image& image, const Sbat& level);

/// What shim measures into PCR 7 when its level has the bytes `level` and the entry `next` lets the
/// next stage start: SbatLevel, and the entry, which it finds in db or else in MokListRT. As shim
/// 16.1 of Debian's does it; older ones measured other things.
[[nodiscard]] std::vector<Authority> MeasuredByShim(base::ByteSpan level, const Authority& next);

/// What shim does with the program `file` that it is to start. Its SBAT comes first, then the
/// signatures and digests by `rules`.
[[nodiscard]] Verdict ShimVerdictOn(base::ByteSpan file, const ShimRules& rules);

}  // namespace varstored::boot
