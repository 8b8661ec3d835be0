#include "varstored/boot/shim.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "varstored/base/reader.h"
#include "varstored/efi/well_known_names.h"
#include "varstored/health/key_content.h"

namespace varstored::boot {
namespace {

constexpr efi::WellKnownVariable kSbatLevel = {efi::detail::NameOf<"SbatLevel">(),
                                               efi::kShimLockGuid};
constexpr efi::WellKnownVariable kMokList = {efi::detail::NameOf<"MokList">(), efi::kShimLockGuid};
constexpr efi::WellKnownVariable kMokListX = {efi::detail::NameOf<"MokListX">(),
                                              efi::kShimLockGuid};
/// The name under which shim measures the certificate inside of it.
constexpr efi::WellKnownVariable kShim = {efi::detail::NameOf<"Shim">(), efi::kShimLockGuid};

/// The copy of MokList and of the certificates inside of shim, in which shim looks.
constexpr efi::WellKnownVariable kMokListRt = {efi::detail::NameOf<"MokListRT">(),
                                               efi::kShimLockGuid};
/// MokManager's, which most VMs have not. shim measures some of them where they are there.
constexpr std::array kMeasuredToo = {
    efi::WellKnownVariable{efi::detail::NameOf<"MokSBState">(), efi::kShimLockGuid},
    efi::WellKnownVariable{efi::detail::NameOf<"MokDBState">(), efi::kShimLockGuid},
    efi::WellKnownVariable{efi::detail::NameOf<"MokListTrusted">(), efi::kShimLockGuid},
    efi::WellKnownVariable{efi::detail::NameOf<"MokPolicy">(), efi::kShimLockGuid}, kMokListX};

constexpr std::size_t kMaxRows = 256;

/// The text up to its first `end`, which goes away with it.
std::string_view TakeUpTo(std::string_view& text, char end) {
  const std::size_t size = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, size);
  text.remove_prefix(std::min(size + 1, text.size()));
  return taken;
}

/// The third field of the first row, which is that of "sbat"; empty when there is none.
std::string DateOf(base::ByteSpan level) {
  const std::string text = base::ToString(level);
  std::string_view rest = text;
  std::string_view row = TakeUpTo(rest, '\n');
  TakeUpTo(row, ',');
  TakeUpTo(row, ',');
  const std::string date(TakeUpTo(row, ','));
  return std::all_of(date.begin(), date.end(), [](char c) { return c >= '0' && c <= '9'; })
             ? date
             : std::string();
}

/// The level that this shim sees to: the first one of its section .sbatlevel, "automatic". The
/// section: a version, which is 0, and two offsets from behind it, of this level and the latest.
base::ByteSpan LevelInside(const Image& image) {
  base::Reader reader(FindSection(image, ".sbatlevel").value_or(base::ByteSpan()));
  std::uint32_t version = 0;
  if (!reader.ReadU32(version) || version != 0) {
    return {};
  }
  const base::ByteSpan offsets = reader.ReadRest();
  base::Reader from_offsets(offsets);
  std::uint32_t offset = 0;
  if (!from_offsets.ReadU32(offset) || offset > offsets.size()) {
    return {};
  }
  const base::ByteSpan text = offsets.subspan(offset);
  return text.first(
      static_cast<std::size_t>(std::find(text.begin(), text.end(), 0) - text.begin()));
}

/// The certificates that shim trusts by itself. The section: sizes of what it allows and forbids,
/// their offsets, and then either one certificate or signature lists.
void AllowVendor(base::ByteSpan section, Databases& databases) {
  base::Reader reader(section);
  std::uint32_t size = 0;
  std::uint32_t forbidden_size = 0;
  std::uint32_t offset = 0;
  if (!reader.ReadU32(size) || !reader.ReadU32(forbidden_size) || !reader.ReadU32(offset) ||
      offset > section.size() || size > section.size() - offset) {
    return;
  }
  const base::ByteSpan allowed = section.subspan(offset, size);
  databases.AllowCertificate(kShim, efi::kShimLockGuid, allowed);
  databases.Allow(kShim, allowed);
}

}  // namespace

Sbat ParseSbat(base::ByteSpan text) {
  const auto end = std::find(text.begin(), text.end(), 0);
  const std::string characters(text.begin(), end);
  std::string_view rest = characters;
  Sbat sbat;
  while (!rest.empty()) {
    std::string_view line = TakeUpTo(rest, '\n');
    if (line.empty() || line == "\r") {
      continue;
    }
    SbatRow row;
    row.component = TakeUpTo(line, ',');
    const std::string_view number = TakeUpTo(line, ',');
    const char* const number_end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), number_end, row.generation);
    if (sbat.rows.size() < kMaxRows && read.ec == std::errc() && read.ptr == number_end &&
        !row.component.empty()) {
      sbat.rows.push_back(std::move(row));
    } else {
      sbat.is_whole = false;
    }
  }
  return sbat;
}

std::optional<ShimRules> ShimRulesOf(const Image& image, const health::State& state) {
  const auto vendor = FindSection(image, ".vendor_cert");
  if (!vendor) {
    return std::nullopt;
  }
  ShimRules rules = {.databases = Databases(state),
                     .level = {},
                     .level_source = {},
                     .level_date = {},
                     .level_data = {},
                     .has_mok_list_x = !health::DataOf(state, kMokListX).empty(),
                     .measures_more = std::any_of(kMeasuredToo.begin(), kMeasuredToo.end(),
                                                  [&state](const efi::WellKnownVariable& variable) {
                                                    return !health::DataOf(state, variable).empty();
                                                  })};
  AllowVendor(*vendor, rules.databases);
  rules.databases.Allow(kMokList, health::DataOf(state, kMokList));
  const base::ByteSpan kept = health::DataOf(state, kSbatLevel);
  const base::ByteSpan inside = LevelInside(image);
  // It replaces the variable when its own is later (ten digits each).
  const bool is_insides = DateOf(inside) > DateOf(kept);
  if (!kept.empty() || is_insides) {
    rules.level = ParseSbat(is_insides ? inside : kept);
    rules.level_source = is_insides ? "shim" : "SbatLevel";
    rules.level_date = DateOf(is_insides ? inside : kept);
    rules.level_data = base::ToBytes(is_insides ? inside : kept);
  }
  return rules;
}

SbatComparison CompareSbat(const Image& image, const Sbat& level) {
  const Sbat own = ParseSbat(FindSection(image, ".sbat").value_or(base::ByteSpan()));
  SbatComparison comparison = {.too_old = {}, .is_whole = own.is_whole && level.is_whole};
  for (const SbatRow& row : own.rows) {
    const auto wanted =
        std::find_if(level.rows.begin(), level.rows.end(),
                     [&row](const SbatRow& one) { return one.component == row.component; });
    if (wanted != level.rows.end() && row.generation < wanted->generation) {
      comparison.too_old.push_back(row.component + " " + std::to_string(row.generation) + ", not " +
                                   std::to_string(wanted->generation));
    }
  }
  return comparison;
}

std::vector<Authority> MeasuredByShim(base::ByteSpan level, const Authority& next) {
  const bool is_db = next.variable.Is(efi::kDb.name, efi::kDb.vendor);
  return {{kSbatLevel, base::ToBytes(level)}, {is_db ? efi::kDb : kMokListRt, next.signature_data}};
}

Verdict ShimVerdictOn(base::ByteSpan file, const ShimRules& rules) {
  Verdict verdict = VerdictOn(file, rules.databases);
  const auto image = ParseImage(file);
  if (!image || OutcomeOf(verdict.reason) != Outcome::kStarts) {
    return verdict;
  }
  const SbatComparison sbat = CompareSbat(*image, rules.level);
  const bool has_sbat = FindSection(*image, ".sbat").has_value();
  if (!sbat.too_old.empty() || !has_sbat) {
    verdict.reason = Reason::kSbatRevoked;
    verdict.detail = has_sbat ? sbat.too_old.front() : "it has no section .sbat";
    verdict.authority.reset();
  } else if (!sbat.is_whole) {
    verdict.reason = Reason::kSbatNotKnown;
    verdict.detail = kSbatNotWhole;
    verdict.authority.reset();
  }
  return verdict;
}

}  // namespace varstored::boot
