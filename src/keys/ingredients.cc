#include "varstored/keys/ingredients.h"

#include <algorithm>
#include <utility>

#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"
#include "varstored/health/key_content.h"
#include "varstored/health/text.h"
#include "varstored/signer/content.h"
#include "varstored/signer/update.h"

namespace varstored::keys {
namespace {

/// Takes the certificate if it is one of Microsoft's.
bool AddCertificate(Ingredients& ingredients, const std::string& path, base::ByteSpan der) {
  const auto digest = crypto::Sha256({der});
  const auto known = digest ? health::FindKnownCertificate(*digest) : std::nullopt;
  if (known && ingredients.certificates.insert({*digest, base::ToBytes(der)}).second) {
    ingredients.lines.push_back(std::string(known->certificate.name) + ": " +
                                health::ForTerminal(path));
  }
  return known.has_value();
}

bool AddCertificatesIn(Ingredients& ingredients, const std::string& path, base::ByteSpan lists) {
  bool has_some = false;
  for (const efi::SignatureList& list :
       efi::UsableSignatureLists(lists).value_or(std::vector<efi::SignatureList>())) {
    for (const efi::SignatureEntry& entry : list.entries) {
      has_some = (list.kind == efi::SignatureKind::kX509 &&
                  AddCertificate(ingredients, path, entry.data)) ||
                 has_some;
    }
  }
  return has_some;
}

std::size_t EntriesIn(base::ByteSpan lists) {
  std::size_t count = 0;
  for (const efi::SignatureList& list :
       efi::ParseSignatureLists(lists).value_or(std::vector<efi::SignatureList>())) {
    count += list.entries.size();
  }
  return count;
}

bool AddRevocations(Ingredients& ingredients, const std::string& path, base::ByteSpan lists) {
  const std::size_t count = EntriesIn(lists);
  base::Bytes all = ingredients.revocations;
  all.insert(all.end(), lists.begin(), lists.end());
  auto once = health::WithoutDoubles(all);
  if (!once || count == 0) {
    return false;
  }
  ingredients.lines.push_back(std::to_string(count) +
                              (count == 1 ? " revocation: " : " revocations: ") +
                              health::ForTerminal(path));
  ingredients.revocations = *std::move(once);
  return true;
}

bool AddContent(Ingredients& ingredients, const std::string& path, const signer::Content& content) {
  if (content.form == signer::ContentForm::kRevocationList) {
    return AddRevocations(ingredients, path,
                          signer::EncodeContent(content, health::kMicrosoftOwner));
  }
  bool has_some = AddCertificatesIn(ingredients, path, content.signature_lists);
  for (const crypto::Certificate& certificate : content.certificates) {
    has_some = AddCertificate(ingredients, path, certificate.der()) || has_some;
  }
  return has_some;
}

}  // namespace

bool AddFile(Ingredients& ingredients, const std::string& path, base::ByteSpan file) {
  const auto given = signer::ParseGiven(file);
  if (!given) {
    return false;
  }
  if (given->content) {
    return AddContent(ingredients, path, *given->content);
  }
  const auto update = signer::SignedFor(*given->update);
  if (update && health::IdOf(update->variable) == health::IdOf(efi::kDbx)) {
    return AddRevocations(ingredients, path, update->payload);
  }
  const auto descriptor = efi::ParseAuthenticationDescriptor(*given->update);
  return descriptor && AddCertificatesIn(ingredients, path, descriptor->payload);
}

bool AddVariables(Ingredients& ingredients, const std::string& path,
                  const std::vector<store::Entry>& entries) {
  bool has_some = false;
  for (const store::Entry& entry : entries) {
    const health::VariableId id = health::IdOf(entry);
    if (id == health::IdOf(efi::kDbx)) {
      has_some = AddRevocations(ingredients, path, entry.data()) || has_some;
    } else if (id == health::IdOf(efi::kKek) || id == health::IdOf(efi::kDb)) {
      has_some = AddCertificatesIn(ingredients, path, entry.data()) || has_some;
    }
  }
  return has_some;
}

std::vector<health::KnownCertificate> Missing(const Ingredients& ingredients) {
  std::vector<health::KnownCertificate> missing;
  for (const health::KnownCertificate& known : health::MicrosoftCertificates()) {
    if (!ingredients.certificates.contains(known.certificate.digest)) {
      missing.push_back(known);
    }
  }
  return missing;
}

}  // namespace varstored::keys
