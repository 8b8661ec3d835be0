#include "varstored/pcr/pcr7.h"

#include <algorithm>

#include "varstored/base/hex.h"
#include "varstored/base/writer.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"

namespace varstored::pcr {
namespace {

struct BankRow {
  crypto::DigestKind kind{};
  std::string_view name;
  std::size_t bytes = 0;
};
constexpr std::array<BankRow, 3> kBankRows = {{{crypto::DigestKind::kSha1, "sha1", 20},
                                               {crypto::DigestKind::kSha256, "sha256", 32},
                                               {crypto::DigestKind::kSha384, "sha384", 48}}};

const BankRow& RowOf(crypto::DigestKind bank) {
  return *std::find_if(kBankRows.begin(), kBankRows.end(),
                       [bank](const BankRow& row) { return row.kind == bank; });
}

/// UEFI_VARIABLE_DATA (TCG PC Client Platform Firmware Profile 1.06, 10.4.2): the name is counted
/// in characters and has no terminator.
base::Bytes VariableData(std::string_view name, const efi::Guid& vendor, base::ByteSpan data) {
  base::Writer writer(vendor.bytes.size() + 2 * sizeof(std::uint64_t) + name.size() + data.size());
  writer.WriteBytes(vendor.bytes);
  writer.WriteU64(name.size() / 2);
  writer.WriteU64(data.size());
  writer.WriteBytes(base::ToBytes(name));
  writer.WriteBytes(data);
  return writer.Take();
}

Event EventOf(EventType type, std::string_view name, const efi::Guid& vendor, base::ByteSpan data) {
  return {type, std::string(name), vendor, VariableData(name, vendor, data)};
}

/// `find` gives the entry of a variable, or null.
template <class Find>
std::vector<Event> EventsOf(const Find& find, bool wants_secure_boot) {
  constexpr std::array<efi::WellKnownVariable, 4> kAlways = {efi::kPk, efi::kKek, efi::kDb,
                                                             efi::kDbx};
  const auto config = [](const efi::WellKnownVariable& variable, base::ByteSpan data) {
    return EventOf(EventType::kVariableDriverConfig, variable.name, variable.vendor, data);
  };
  const bool is_on = wants_secure_boot && find(efi::kPk) != nullptr;
  const std::array<std::uint8_t, 1> secure_boot = {static_cast<std::uint8_t>(is_on ? 1 : 0)};
  std::vector<Event> events = {config(efi::kSecureBoot, secure_boot)};
  for (const efi::WellKnownVariable& variable : kAlways) {
    const store::Entry* entry = find(variable);
    events.push_back(config(variable, entry == nullptr ? base::ByteSpan() : entry->data()));
  }
  if (const store::Entry* dbt = find(efi::kDbt); dbt != nullptr) {
    events.push_back(config(efi::kDbt, dbt->data()));
  }
  events.push_back({.type = EventType::kSeparator, .data = base::Bytes(sizeof(std::uint32_t))});
  return events;
}

const store::Entry* Last(std::span<const store::Entry> entries,
                         const efi::WellKnownVariable& variable) {
  const auto found = std::find_if(
      entries.rbegin(), entries.rend(),
      [&variable](const store::Entry& entry) { return variable.Is(entry.name(), entry.vendor()); });
  return found == entries.rend() ? nullptr : &*found;
}

}  // namespace

std::string_view BankName(crypto::DigestKind bank) { return RowOf(bank).name; }

std::optional<crypto::DigestKind> BankOf(std::string_view name) {
  const auto* const found = std::find_if(kBankRows.begin(), kBankRows.end(),
                                         [name](const BankRow& row) { return row.name == name; });
  return found == kBankRows.end() ? std::nullopt : std::optional(found->kind);
}

std::string_view ToText(EventType type) {
  switch (type) {
    case EventType::kSeparator:
      return "EV_SEPARATOR";
    case EventType::kVariableDriverConfig:
      return "EV_EFI_VARIABLE_DRIVER_CONFIG";
    case EventType::kVariableAuthority:
      return "EV_EFI_VARIABLE_AUTHORITY";
  }
  return {};
}

std::vector<Event> PcrEvents(std::span<const store::Entry> entries, bool wants_secure_boot) {
  return EventsOf(
      [entries](const efi::WellKnownVariable& variable) { return Last(entries, variable); },
      wants_secure_boot);
}

std::vector<Event> PcrEvents(const store::Store& store, bool wants_secure_boot) {
  return EventsOf(
      [&store](const efi::WellKnownVariable& variable) {
        return store.Find(store::KeyOf(variable));
      },
      wants_secure_boot);
}

std::vector<Event> AuthorityEvents(std::span<const Authority> authorities) {
  std::vector<Event> events;
  for (auto one = authorities.begin(); one != authorities.end(); ++one) {
    if (std::find(authorities.begin(), one, *one) == one) {
      events.push_back(
          EventOf(EventType::kVariableAuthority, one->name, one->vendor, one->signature_data));
    }
  }
  return events;
}

base::Result<Authority> AuthorityInDb(std::span<const store::Entry> entries,
                                      std::string_view digits) {
  std::string wanted;
  for (const char c : digits) {
    if (c != ':') {
      wanted += static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    }
  }
  const store::Entry* db = Last(entries, efi::kDb);
  const auto lists = db == nullptr ? std::optional(std::vector<efi::SignatureList>())
                                   : efi::ParseSignatureLists(db->data());
  if (!lists) {
    return base::Fail("the lists of db are malformed");
  }
  for (const efi::SignatureList& list : *lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      const auto sha256 = crypto::Sha256({entry.data});
      if (!sha256) {
        return sha256.failure();
      }
      if (wanted == base::ToHex(*sha256) || wanted == base::ToHex(entry.data)) {
        base::Writer writer;
        writer.WriteBytes(entry.owner.bytes);
        writer.WriteBytes(entry.data);
        return Authority{std::string(efi::kDb.name), efi::kDb.vendor, writer.Take()};
      }
    }
  }
  return base::Fail("db has no entry with these digits");
}

base::Result<base::Bytes> DigestOf(const Event& event, crypto::DigestKind bank) {
  return crypto::Digest(bank, event.data);
}

base::Result<base::Bytes> ValueAfter(std::span<const Event> events, crypto::DigestKind bank) {
  base::Bytes value(RowOf(bank).bytes);
  for (const Event& event : events) {
    const auto digest = DigestOf(event, bank);
    if (!digest) {
      return digest.failure();
    }
    value.insert(value.end(), digest->begin(), digest->end());
    auto extended = crypto::Digest(bank, value);
    if (!extended) {
      return extended.failure();
    }
    value = *std::move(extended);
  }
  return value;
}

std::string WordsOnChange(std::span<const Event> before, std::span<const Event> after) {
  return WordsOnChange(!std::ranges::equal(before, after));
}

std::string WordsOnChange(bool changes) {
  return changes ? "PCR 7 changes: BitLocker and TPM-sealed keys will ask for recovery"
                 : "PCR 7 stays";
}

}  // namespace varstored::pcr
