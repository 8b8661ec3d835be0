#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "known.h"
#include "put_data.h"
#include "varstored/base/ascii.h"
#include "varstored/base/hex.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/signature_list.h"
#include "varstored/health/edit.h"
#include "varstored/health/key_content.h"
#include "varstored/health/text.h"

namespace varstored::health {
namespace {

using Lists = std::vector<efi::SignatureList>;

/// What makes two entries the same, whoever owns them.
using Content = std::pair<efi::SignatureKind, base::Bytes>;

constexpr std::size_t kShownCandidates = 8;

Content ContentOf(const efi::SignatureList& list, const efi::SignatureEntry& entry) {
  return {list.kind, base::ToBytes(entry.data)};
}

/// Hexadecimal digits without the colons that may stand between them, or nothing.
std::optional<std::string> DigitsIn(std::string_view text) {
  std::string digits = base::LowerAscii(text);
  std::erase(digits, ':');
  return digits.empty() || digits.find_first_not_of("0123456789abcdef") != std::string::npos
             ? std::nullopt
             : std::optional(digits);
}

/// An entry as an administrator names it.
struct Named {
  std::string name;    // of a certificate; for a terminal
  std::string digits;  // of its SHA-256, or of the hash that the entry is
};

/// How many bytes of an entry of this kind are a hash; the rest is a time of revocation.
std::size_t HashBytes(efi::SignatureKind kind, std::size_t data_bytes) {
  constexpr std::size_t kTimeBytes = 16;
  return efi::IsHashOfCertificate(kind) ? data_bytes - std::min(data_bytes, kTimeBytes)
                                        : data_bytes;
}

Named NamedOf(efi::SignatureKind kind, const efi::SignatureEntry& entry) {
  if (efi::TypeOf(kind).data_bytes != 0) {
    return {"", base::ToHex(entry.data.first(HashBytes(kind, entry.data.size())))};
  }
  Named named;
  const auto certificate = crypto::Certificate::Parse(entry.data);
  named.name = certificate ? ForTerminal(certificate->subject_text()) : "not a certificate";
  if (const auto digest = crypto::Sha256({entry.data})) {
    named.digits = base::ToHex(*digest);
  }
  return named;
}

std::string Line(efi::SignatureKind kind, const efi::SignatureEntry& entry) {
  const Named named = NamedOf(kind, entry);
  return named.name.empty() ? std::string(KindText(kind)) + " " + named.digits
                            : named.name + ", SHA-256 " + named.digits;
}

base::Result<Lists> ParsedLists(base::ByteSpan bytes, const std::string& name) {
  auto lists = efi::ParseSignatureLists(bytes);
  if (!lists) {
    return base::Fail(name + ": its signature lists are malformed; varstore-repair says more");
  }
  return *std::move(lists);
}

/// All entries that `wanted` may mean, each content once.
std::set<Content> Candidates(const Lists& lists, const std::string& wanted) {
  const auto digits = DigitsIn(wanted);
  const std::string lower = base::LowerAscii(wanted);
  std::set<Content> same;
  std::set<Content> alike;
  for (const efi::SignatureList& list : lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      const Named named = NamedOf(list.kind, entry);
      if (named.name == wanted || (digits && named.digits == *digits)) {
        same.insert(ContentOf(list, entry));
      } else if (!lower.empty() && base::LowerAscii(named.name).find(lower) != std::string::npos) {
        alike.insert(ContentOf(list, entry));
      }
    }
  }
  return same.empty() ? alike : same;
}

std::string Listed(const std::set<Content>& candidates) {
  std::string text;
  std::size_t number = 0;
  for (const auto& [kind, data] : candidates) {
    if (number++ == kShownCandidates) {
      return text + "; and others";
    }
    text += (text.empty() ? "" : "; ") + Line(kind, {{}, data});
  }
  return text;
}

base::Result<void> Remove(Lists& lists, const std::string& name, const std::string& wanted) {
  const std::set<Content> candidates = Candidates(lists, wanted);
  if (candidates.empty()) {
    return base::Fail(name + ": no entry is '" + wanted +
                      "': give a certificate's name or SHA-256, or a hash, as `varstore edit VM " +
                      name + "` lists them");
  }
  if (candidates.size() > 1) {
    return base::Fail(name + ": '" + wanted + "' may be each of " +
                      std::to_string(candidates.size()) +
                      " entries, so give the SHA-256 of one: " + Listed(candidates));
  }
  for (efi::SignatureList& list : lists) {
    std::erase_if(list.entries, [&](const efi::SignatureEntry& entry) {
      return ContentOf(list, entry) == *candidates.begin();
    });
  }
  return {};
}

/// Takes what `lists` hold already out of `added`.
void LeaveOutKnown(const Lists& lists, Lists& added) {
  std::set<Content> known;
  for (const efi::SignatureList& list : lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      known.insert(ContentOf(list, entry));
    }
  }
  for (efi::SignatureList& list : added) {
    std::erase_if(list.entries, [&](const efi::SignatureEntry& entry) {
      return !known.insert(ContentOf(list, entry)).second;
    });
  }
}

base::Result<void> CheckKinds(const Lists& added, const efi::WellKnownVariable& variable) {
  const bool is_kek = variable.Is(efi::kKek.name, efi::kKek.vendor);
  for (const efi::SignatureList& list : added) {
    if (is_kek && list.kind != efi::SignatureKind::kX509) {
      return base::Fail("KEK: only certificates can be added");
    }
    for (const efi::SignatureEntry& entry : list.entries) {
      if (list.kind == efi::SignatureKind::kX509 && !crypto::Certificate::Parse(entry.data)) {
        return base::Fail("an entry that is to be added is no certificate");
      }
    }
  }
  return {};
}

}  // namespace

base::Result<efi::WellKnownVariable> EditableKey(std::string_view name) {
  const auto rows = KeyRows();
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [name](const KeyRow& row) { return row.name == name; });
  if (found == rows.end()) {
    return base::Fail("'" + ForTerminal(name) + "' is none of KEK, db, dbx, dbt and dbr");
  }
  if (found->name == "PK") {
    return base::Fail(
        "PK has one entry: varstore-set replaces it, and varstore-sb-state gives a VM the host's");
  }
  return found->variable;
}

std::optional<efi::WellKnownVariable> UsualKeyOf(base::ByteSpan certificate) {
  const auto digest = crypto::Sha256({certificate});
  if (!digest) {
    return std::nullopt;
  }
  const auto rows = engine::Successions();
  const auto row = std::find_if(rows.begin(), rows.end(), [&digest](const engine::Succession& one) {
    return one.successor.digest == *digest;
  });
  if (row != rows.end()) {
    return row->holder == engine::CertificateHolder::kKek ? efi::kKek : efi::kDb;
  }
  return *digest == kOptionRom2023.digest ? std::optional(efi::kDb) : std::nullopt;
}

base::Result<std::vector<std::string>> EntryLines(const State& state,
                                                  const efi::WellKnownVariable& variable) {
  const auto lists = ParsedLists(DataOf(state, variable), NameOf(IdOf(variable)));
  if (!lists) {
    return lists.failure();
  }
  std::vector<std::string> lines;
  for (const efi::SignatureList& list : *lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      lines.push_back(Line(list.kind, entry));
    }
  }
  return lines;
}

base::Result<State> EditKey(State state, const KeyEdit& edit) {
  const std::string name = NameOf(IdOf(edit.variable));
  const base::Bytes stored = base::ToBytes(DataOf(state, edit.variable));
  auto lists = ParsedLists(stored, name);
  if (!lists) {
    return lists.failure();
  }
  for (const std::string& wanted : edit.removed) {
    if (auto removed = Remove(*lists, name, wanted); !removed) {
      return removed.failure();
    }
  }
  const auto added = WithOwnerMicrosoft(edit.added);
  auto added_lists = added ? efi::ParseSignatureLists(*added) : std::nullopt;
  if (!added_lists) {
    return base::Fail("the signature lists that are to be added are malformed");
  }
  if (auto right = CheckKinds(*added_lists, edit.variable); !right) {
    return right.failure();
  }
  LeaveOutKnown(*lists, *added_lists);
  lists->insert(lists->end(), added_lists->begin(), added_lists->end());
  PutData(state, IdOf(edit.variable), kKeyAttributes, efi::EncodeSignatureLists(*lists));
  return state;
}

}  // namespace varstored::health
