#include "varstored/health/key_content.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "known.h"
#include "varstored/base/reader.h"
#include "varstored/crypto/certificate.h"
#include "varstored/efi/variable_name.h"

namespace varstored::health {
namespace {

constexpr std::array<KeyRow, 6> kKeys = {{
    {efi::kPk, "PK"},
    {efi::kKek, "KEK"},
    {efi::kDb, "db"},
    {efi::kDbx, "dbx"},
    {efi::kDbt, "dbt"},
    {efi::kDbr, "dbr"},
}};

constexpr std::array<KeyRow, 4> kDefaults = {{
    {efi::kPkDefault, "PKDefault"},
    {efi::kKekDefault, "KEKDefault"},
    {efi::kDbDefault, "dbDefault"},
    {efi::kDbxDefault, "dbxDefault"},
}};

/// What an entry means: two with the same meaning are one too many.
using Meaning = std::pair<efi::SignatureKind, base::Bytes>;

Meaning MeaningOf(efi::SignatureKind kind, const efi::SignatureEntry& entry) {
  base::Bytes bytes = base::ToBytes(entry.data);
  if (!efi::TypeOf(kind).is_hash) {
    bytes.insert(bytes.end(), entry.owner.bytes.begin(), entry.owner.bytes.end());
  }
  return {kind, std::move(bytes)};
}

bool IsUsable(efi::SignatureKind kind, const efi::SignatureEntry& entry) {
  return kind != efi::SignatureKind::kX509 || crypto::Certificate::Parse(entry.data).ok();
}

/// The lists in front of the first whose form is broken.
base::ByteSpan ReadableLists(base::ByteSpan bytes) {
  base::Reader reader(bytes);
  for (;;) {
    const std::size_t end = reader.offset();
    base::ByteSpan rest;
    std::uint32_t list_bytes = 0;
    constexpr std::uint32_t kTypeBytes = 16;
    constexpr std::uint32_t kTypeAndSizeBytes = 20;
    if (!reader.ReadBytes(kTypeBytes, rest) || !reader.ReadU32(list_bytes) ||
        list_bytes < kTypeAndSizeBytes || !reader.ReadBytes(list_bytes - kTypeAndSizeBytes, rest) ||
        !efi::ParseSignatureLists(bytes.subspan(end, list_bytes))) {
      return bytes.first(end);
    }
  }
}

}  // namespace

std::span<const KeyRow> KeyRows() { return kKeys; }
std::span<const KeyRow> DefaultRows() { return kDefaults; }

bool IsServed(const store::Entry& entry) {
  const auto is_this = [&entry](const efi::WellKnownVariable& variable) {
    return variable.Is(entry.name(), entry.vendor());
  };
  // One that a guest has stored, under another daemon, is kept.
  return !entry.Has(efi::kNonVolatile) &&
         (is_this(efi::kVendorKeys) ||
          std::any_of(kDefaults.begin(), kDefaults.end(),
                      [&](const KeyRow& row) { return is_this(row.variable); }));
}

VariableId IdOf(const store::Entry& entry) { return {std::string(entry.name()), entry.vendor()}; }

VariableId IdOf(const efi::WellKnownVariable& variable) {
  return {std::string(variable.name), variable.vendor};
}

bool IsKey(const VariableId& id) {
  return std::any_of(kKeys.begin(), kKeys.end(),
                     [&id](const KeyRow& row) { return row.variable.Is(id.name, id.vendor); });
}

std::vector<std::string> KeysLeftOut(const State& state) {
  std::vector<std::string> names;
  for (const KeyRow& row : kKeys) {
    if (std::any_of(state.damage.begin(), state.damage.end(), [&row](const Damage& damage) {
          return damage.left_out == IdOf(row.variable);
        })) {
      names.emplace_back(row.name);
    }
  }
  return names;
}

const store::Entry* FindEntry(const State& state, std::string_view name, const efi::Guid& vendor) {
  const auto found = std::find_if(
      state.entries.rbegin(), state.entries.rend(),
      [&](const store::Entry& entry) { return entry.name() == name && entry.vendor() == vendor; });
  return found == state.entries.rend() ? nullptr : &*found;
}

base::ByteSpan DataOf(const State& state, const efi::WellKnownVariable& variable) {
  const store::Entry* entry = FindEntry(state, variable);
  return entry == nullptr ? base::ByteSpan() : base::ByteSpan(entry->data());
}

std::string_view KindText(efi::SignatureKind kind) {
  switch (kind) {
    case efi::SignatureKind::kSha1:
      return "SHA-1";
    case efi::SignatureKind::kSha224:
      return "SHA-224";
    case efi::SignatureKind::kSha256:
      return "SHA-256";
    case efi::SignatureKind::kSha384:
      return "SHA-384";
    case efi::SignatureKind::kSha512:
      return "SHA-512";
    case efi::SignatureKind::kRsa2048:
      return "RSA-2048";
    case efi::SignatureKind::kRsa2048Sha1:
      return "RSA-2048 over SHA-1";
    case efi::SignatureKind::kRsa2048Sha256:
      return "RSA-2048 over SHA-256";
    case efi::SignatureKind::kX509:
      return "X.509";
    case efi::SignatureKind::kX509Sha256:
      return "X.509 by SHA-256";
    case efi::SignatureKind::kX509Sha384:
      return "X.509 by SHA-384";
    case efi::SignatureKind::kX509Sha512:
      return "X.509 by SHA-512";
    case efi::SignatureKind::kSm3:
      return "SM3";
    case efi::SignatureKind::kX509Sm3:
      return "X.509 by SM3";
    case efi::SignatureKind::kExternalManagement:
      return "external management";
  }
  return "";
}

std::string NameOf(const VariableId& id) { return efi::EscapeName(id.name); }

std::optional<base::Bytes> WithoutDoubles(base::ByteSpan bytes) {
  auto lists = efi::ParseSignatureLists(bytes);
  if (!lists) {
    return std::nullopt;
  }
  // Which copy of each stays, by its number.
  std::map<Meaning, std::pair<std::size_t, bool>> chosen;
  std::size_t number = 0;
  for (const efi::SignatureList& list : *lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      const bool is_microsofts = entry.owner == kMicrosoftOwner;
      const auto [place, is_new] =
          chosen.try_emplace(MeaningOf(list.kind, entry), number, is_microsofts);
      if (!is_new && is_microsofts && !place->second.second) {
        place->second = {number, true};
      }
      ++number;
    }
  }
  std::set<std::size_t> kept;
  for (const auto& [meaning, copy] : chosen) {
    kept.insert(copy.first);
  }
  number = 0;
  for (efi::SignatureList& list : *lists) {
    std::erase_if(list.entries, [&kept, &number](const efi::SignatureEntry& /*entry*/) {
      return !kept.contains(number++);
    });
  }
  return efi::EncodeSignatureLists(*lists);
}

std::optional<base::Bytes> WithOwnerMicrosoft(base::ByteSpan bytes) {
  auto lists = efi::ParseSignatureLists(bytes);
  if (!lists) {
    return std::nullopt;
  }
  std::set<base::Bytes> seen;
  for (efi::SignatureList& list : *lists) {
    if (list.kind != efi::SignatureKind::kX509) {
      continue;
    }
    std::erase_if(list.entries, [&seen](efi::SignatureEntry& entry) {
      const auto digest = crypto::Sha256({entry.data});
      if (!digest || !FindKnownCertificate(*digest)) {
        return false;
      }
      entry.owner = kMicrosoftOwner;
      return !seen.insert(base::ToBytes(entry.data)).second;
    });
  }
  return efi::EncodeSignatureLists(*lists);
}

bool HasRightForm(const store::Entry& key) {
  const auto lists = efi::ParseSignatureLists(key.data());
  if (!lists || lists->empty()) {
    return false;
  }
  const bool is_pk = efi::kPk.Is(key.name(), key.vendor());
  const efi::SignatureList& first = lists->front();
  if (is_pk && !efi::IsManagedByTheHost(key.data()) &&
      (lists->size() != 1 || first.entries.size() != 1 ||
       first.kind != efi::SignatureKind::kX509)) {
    return false;
  }
  return std::all_of(lists->begin(), lists->end(), [](const efi::SignatureList& list) {
    return std::all_of(
        list.entries.begin(), list.entries.end(),
        [&list](const efi::SignatureEntry& entry) { return IsUsable(list.kind, entry); });
  });
}

base::Bytes WithRightForm(base::ByteSpan bytes) {
  auto lists = efi::ParseSignatureLists(ReadableLists(bytes));
  if (!lists) {
    return {};
  }
  for (efi::SignatureList& list : *lists) {
    std::erase_if(list.entries, [&list](const efi::SignatureEntry& entry) {
      return !IsUsable(list.kind, entry);
    });
  }
  return efi::EncodeSignatureLists(*lists);
}

std::uint32_t ValidAttributes(const store::Entry& entry) {
  constexpr std::uint32_t kStorable = 0x27;
  return IsKey(entry) ? kKeyAttributes
                      : (entry.raw_attributes() & kStorable) | efi::kBootServiceAccess;
}

bool HasValidName(const store::Entry& entry) {
  return !entry.is_legacy() || efi::VariableName::FromBytes(base::ToBytes(entry.name()));
}

}  // namespace varstored::health
