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

/// SHIM_LOCK_GUID, the vendor of shim's variables.
inline constexpr efi::Guid kShimGuid = *efi::ParseGuid("605dab50-e046-4300-abb6-3dd810dd8b23");

/// A row of the section .sbat, or of a SbatLevel: a component, and its generation or the lowest one
/// that may start.
struct SbatRow {
  std::string component;
  std::uint32_t generation = 0;
};

/// The rows of a text of that form, up to a NUL. A row without a number, and more than 256, are
/// left out.
[[nodiscard]] std::vector<SbatRow> ParseSbat(base::ByteSpan text);

/// What a shim brings with it and what the VM's variables add.
struct ShimRules {
  /// db and dbx, the certificates inside of shim, and MokList.
  Databases databases;
  /// Which components are too old: of SbatLevel in the VM's variables and of the level that this
  /// shim writes there, the later one.
  std::vector<SbatRow> level;
  /// "SbatLevel" or "shim"; empty where there is neither.
  std::string level_source;
  /// Its date, "2025021800"; empty likewise.
  std::string level_date;
  /// MokListX is not empty: it may forbid more, and is not looked at.
  bool has_mok_list_x = false;
};

/// The rules of the shim `image`; nothing when it is none (it has no section .vendor_cert).
[[nodiscard]] std::optional<ShimRules> ShimRulesOf(const Image& image, const health::State& state);

/// The components of an image that are older than `level` wants, as "grub 3, not 4". An image
/// without a section .sbat gives nothing: whether it needs one is for the caller.
[[nodiscard]] std::vector<std::string> TooOld(const Image& image,
                                              const std::vector<SbatRow>& level);

/// What shim does with the program `file` that it is to start. Its SBAT comes first, then the
/// signatures and digests by `rules`.
[[nodiscard]] Verdict ShimVerdictOn(base::ByteSpan file, const ShimRules& rules);

}  // namespace varstored::boot
