#include "signature_database.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "varstored/crypto/certificate.h"
#include "varstored/efi/signature_list.h"

namespace varstored::engine {
namespace {

/// Orders entries by what makes them the same. The spans belong to what was parsed.
class Identity {
 public:
  Identity(efi::SignatureKind kind, const efi::SignatureEntry& entry, SameEntry same)
      : kind_(kind) {
    // UEFI 2.10, 32.4.1: the byte of this type is ignored.
    if (kind != efi::SignatureKind::kExternalManagement) {
      data_ = entry.data;
    }
    if (same == SameEntry::kOwnerAndData || !efi::TypeOf(kind).is_hash) {
      owner_ = entry.owner;
    }
  }

  bool operator<(const Identity& other) const {
    if (std::tie(kind_, owner_) != std::tie(other.kind_, other.owner_)) {
      return std::tie(kind_, owner_) < std::tie(other.kind_, other.owner_);
    }
    return std::lexicographical_compare(data_.begin(), data_.end(), other.data_.begin(),
                                        other.data_.end());
  }

 private:
  efi::SignatureKind kind_;
  efi::Guid owner_;
  base::ByteSpan data_;
};

}  // namespace

std::optional<Reason> CheckSignatureDatabase(Special special, base::ByteSpan content) {
  const auto lists = efi::ParseSignatureLists(content);
  if (!lists || lists->empty()) {
    return Reason::kSignatureListMalformed;
  }
  if (special == Special::kPk && !efi::IsManagedByTheHost(content) &&
      (lists->size() != 1 || lists->front().kind != efi::SignatureKind::kX509 ||
       lists->front().entries.size() != 1)) {
    return Reason::kPkNotOneCertificate;
  }
  for (const efi::SignatureList& list : *lists) {
    if (list.kind != efi::SignatureKind::kX509) {
      continue;
    }
    for (const efi::SignatureEntry& entry : list.entries) {
      if (!crypto::Certificate::Parse(entry.data)) {
        return Reason::kCertificateMalformed;
      }
    }
  }
  return std::nullopt;
}

std::optional<base::Bytes> AppendNewEntries(base::ByteSpan stored, base::ByteSpan incoming,
                                            SameEntry same) {
  const auto stored_lists = efi::UsableSignatureLists(stored);
  auto new_lists = efi::ParseSignatureLists(incoming);
  if (!stored_lists || !new_lists) {
    return std::nullopt;
  }
  std::set<Identity> known;
  for (const efi::SignatureList& list : *stored_lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      known.emplace(list.kind, entry, same);
    }
  }
  for (efi::SignatureList& list : *new_lists) {
    std::erase_if(list.entries, [&](const efi::SignatureEntry& entry) {
      return known.contains(Identity(list.kind, entry, same));
    });
  }
  const base::Bytes added = efi::EncodeSignatureLists(*new_lists);
  base::Bytes merged = base::ToBytes(stored);
  merged.insert(merged.end(), added.begin(), added.end());
  return merged;
}

}  // namespace varstored::engine
