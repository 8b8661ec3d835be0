#pragma once

#include <map>
#include <string>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/crypto/digest.h"
#include "varstored/health/known_certificates.h"
#include "varstored/store/variable.h"

/// The files of keys that a host gives to its VMs at their first boot (docs/keys.md): what they are
/// made of, making them, and what is wrong with them. Pure functions, for a helper process: who
/// made the files may be nobody of this host.
namespace varstored::keys {

/// What was found that such files can be made of.
struct Ingredients {
  /// Microsoft's certificates in DER, by their SHA-256. No other certificate is ever taken.
  std::map<crypto::Sha256Digest, base::Bytes> certificates = {};
  /// EFI_SIGNATURE_LISTs for dbx, each hash once; empty: none.
  base::Bytes revocations = {};
  /// For people: what was taken from where.
  std::vector<std::string> lines = {};
};

/// Takes what there is of use in a file: certificates in PEM, DER or signature lists, also in a
/// signed update; Microsoft's list of revocations in JSON; and an update that is signed for dbx, by
/// whomever. `path` is for people. Gives whether there was something.
bool AddFile(Ingredients& ingredients, const std::string& path, base::ByteSpan file);

/// The same of a VM's variables, such as those in a flash image: KEK, db and dbx.
bool AddVariables(Ingredients& ingredients, const std::string& path,
                  const std::vector<store::Entry>& entries);

/// Those of Microsoft's certificates that were not found, the optional ones too.
[[nodiscard]] std::vector<health::KnownCertificate> Missing(const Ingredients& ingredients);

}  // namespace varstored::keys
