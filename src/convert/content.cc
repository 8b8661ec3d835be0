#include "varstored/convert/content.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "varstored/base/bytes.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"

namespace varstored::convert {
namespace {

/// The variables of UEFI 2.10, table 3.1, that firmware makes anew at each start.
constexpr std::array<std::string_view, 22> kMadeAtEachStart = {
    "AuditMode",
    "BootCurrent",
    "BootOptionSupport",
    "ConInDev",
    "ConOutDev",
    "CryptoIndicationsActivated",
    "CryptoIndicationsSupported",
    "DeployedMode",
    "ErrOutDev",
    "KEKDefault",
    "LangCodes",
    "OsIndicationsSupported",
    "PKDefault",
    "PlatformLangCodes",
    "SecureBoot",
    "SetupMode",
    "SignatureSupport",
    "VendorKeys",
    "dbDefault",
    "dbrDefault",
    "dbtDefault",
    "dbxDefault",
};

/// PlatformRecovery####, by which the firmware finds a boot loader when nothing else starts.
bool IsPlatformRecovery(std::string_view name) {
  constexpr std::string_view kFront = "PlatformRecovery";
  constexpr std::size_t kDigits = 4;
  return name.size() == kFront.size() + kDigits && name.starts_with(kFront) &&
         name.find_first_not_of("0123456789ABCDEF", kFront.size()) == std::string_view::npos;
}

bool IsMadeAtEachStart(const store::Entry& entry) {
  const std::string name = efi::NameToUtf8(entry.name());
  return entry.vendor() == efi::kGlobalVariableGuid &&
         (IsPlatformRecovery(name) || std::find(kMadeAtEachStart.begin(), kMadeAtEachStart.end(),
                                                name) != kMadeAtEachStart.end());
}

/// How a digest of `from` reads to a store that makes them as `to`.
std::string_view WhatSignersMeet(DigestKind from, DigestKind to) {
  if (to == DigestKind::kNone) {
    return "who may sign a change is not in this format";
  }
  if (from == DigestKind::kQemu || to == DigestKind::kQemu) {
    return "who may sign a change is carried, but QEMU computes it in another way: nobody can sign "
           "one there";
  }
  return "who may sign a change is carried, but it fits only a signer whose signatures bring no "
         "certificate of an issuer";
}

}  // namespace

std::string Describe(std::string_view name, const efi::Guid& vendor) {
  return efi::EscapeName(name) + " (" + efi::ToText(vendor) + ")";
}

std::string Describe(const store::Entry& entry) { return Describe(entry.name(), entry.vendor()); }

std::vector<const store::Entry*> KeptEntries(const Content& content, Losses& lost) {
  std::vector<const store::Entry*> kept;
  std::string names;
  std::size_t count = 0;
  for (const store::Entry& entry : content.entries) {
    if (entry.Has(efi::kNonVolatile)) {
      kept.push_back(&entry);
    } else if (!IsMadeAtEachStart(entry)) {
      ++count;
      names += (names.empty() ? "" : ", ") + Describe(entry);
    }
  }
  if (count > 0) {
    lost.push_back(std::to_string(count) +
                   (count == 1 ? " volatile variable" : " volatile variables") +
                   ", and this format is of a VM that is off: " + names);
  }
  if (content.ancillary != store::Ancillary{}) {
    lost.emplace_back(
        "the key of the MOR lock and the registers of physical presence: this format is of a VM "
        "that is off");
  }
  return kept;
}

Losses LostSigners(const std::vector<store::Entry>& entries, DigestKind from, DigestKind to) {
  Losses lost;
  if (from == to) {
    return lost;
  }
  for (const store::Entry& entry : entries) {
    if (entry.Has(efi::kNonVolatile) && entry.signer() != store::SignerDigest{}) {
      lost.push_back(Describe(entry) + ": " + std::string(WhatSignersMeet(from, to)));
    }
  }
  return lost;
}

base::Failure<base::Error> TooManyRecords() {
  return base::Fail("more than " + std::to_string(kMaxRecords) +
                    " variables, or as many that would be lost: no VM has so many");
}

void ContentBuilder::Add(store::LegacyRecord record) {
  if (content_.entries.size() == kMaxRecords) {
    has_too_many_ = true;
    return;
  }
  const std::string vendor = efi::ToText(record.vendor);
  if (record.name.empty()) {
    return Lose("a variable of " + vendor + " without a name");
  }
  if (record.name.size() > efi::kMaxNameBytes) {
    return Lose("a variable of " + vendor + ": its name has " + std::to_string(record.name.size()) +
                " bytes, the limit is " + std::to_string(efi::kMaxNameBytes));
  }
  if (record.data.empty()) {
    return Lose(Describe(record.name, record.vendor) + ": it has no data");
  }
  if (!seen_.emplace(record.name, record.vendor).second) {
    return Lose(Describe(record.name, record.vendor) +
                ": a second one of this name; firmware finds the first");
  }
  content_.entries.push_back(store::MakeEntry(std::move(record)));
}

void ContentBuilder::Lose(std::string what) {
  if (content_.lost.size() == kMaxRecords) {
    has_too_many_ = true;
    return;
  }
  content_.lost.push_back(std::move(what));
}

base::Result<Content> ContentBuilder::Take() {
  return has_too_many_ ? base::Result<Content>(TooManyRecords()) : std::move(content_);
}

}  // namespace varstored::convert
