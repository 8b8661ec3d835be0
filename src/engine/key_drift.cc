#include "varstored/engine/key_drift.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "built_in.h"
#include "varstored/base/bytes.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"

namespace varstored::engine {
namespace {

struct Signature {
  efi::SignatureKind kind{};
  base::ByteSpan data;
};

bool IsBefore(const Signature& a, const Signature& b) {
  if (a.kind != b.kind) {
    return a.kind < b.kind;
  }
  return std::lexicographical_compare(a.data.begin(), a.data.end(), b.data.begin(), b.data.end());
}

/// Each entry once, in one order. The bytes belong to `lists`.
std::vector<Signature> SignaturesIn(base::ByteSpan lists) {
  std::vector<Signature> all;
  for (const efi::SignatureList& list :
       efi::UsableSignatureLists(lists).value_or(std::vector<efi::SignatureList>())) {
    for (const efi::SignatureEntry& entry : list.entries) {
      all.push_back({list.kind, entry.data});
    }
  }
  std::sort(all.begin(), all.end(), IsBefore);
  const auto is_same = [](const Signature& a, const Signature& b) { return !IsBefore(a, b); };
  all.erase(std::unique(all.begin(), all.end(), is_same), all.end());
  return all;
}

base::ByteSpan ListsOf(const std::optional<base::Bytes>& file) {
  const auto descriptor = file ? efi::ParseAuthenticationDescriptor(*file) : std::nullopt;
  return descriptor ? descriptor->payload : base::ByteSpan();
}

/// Whether `all` has each of `some`.
bool Includes(const std::vector<Signature>& all, const std::vector<Signature>& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end(), IsBefore);
}

}  // namespace

std::string_view DriftText(KeyDrift drift) {
  switch (drift) {
    case KeyDrift::kNone:
      break;
    case KeyDrift::kOlder:
      return "older";
    case KeyDrift::kOther:
      return "other";
  }
  return "none";
}

KeysFound FindKeys(const store::Store& store, const FirstBootKeys& hosts) {
  KeysFound found;
  bool is_missing = false;
  bool is_foreign = false;
  const auto look = [&](const efi::WellKnownVariable& variable,
                        const std::optional<base::Bytes>& file, bool may_have_others) {
    const store::Entry* entry = store.Find(store::KeyOf(variable));
    const auto held = SignaturesIn(entry != nullptr ? entry->data() : base::ByteSpan());
    const auto wanted = SignaturesIn(ListsOf(file));
    is_missing = is_missing || !Includes(held, wanted);
    is_foreign = is_foreign || (!may_have_others && !Includes(wanted, held));
    return held.size();
  };
  found.pk = look(efi::kPk, hosts.pk, false);
  found.kek = look(efi::kKek, hosts.kek, false);
  found.db = look(efi::kDb, hosts.db, false);
  // A guest's updates revoke what the host's file does not know yet.
  found.dbx = look(efi::kDbx, hosts.dbx, true);
  found.is_secure_boot_on = SingleByte(store.Find(store::KeyOf(efi::kSecureBoot))) == 1;
  if (is_missing) {
    found.drift = is_foreign ? KeyDrift::kOther : KeyDrift::kOlder;
  }
  return found;
}

std::string ToText(const KeysFound& found) {
  return std::string("Secure Boot ") + (found.is_secure_boot_on ? "on" : "off") + "; entries: PK " +
         std::to_string(found.pk) + ", KEK " + std::to_string(found.kek) + ", db " +
         std::to_string(found.db) + ", dbx " + std::to_string(found.dbx) +
         "; drift: " + std::string(DriftText(found.drift));
}

}  // namespace varstored::engine
