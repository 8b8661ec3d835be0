#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "special_variables.h"
#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/engine/reason.h"
#include "varstored/engine/requests.h"
#include "varstored/engine/variable_services.h"
#include "varstored/store/store.h"

namespace varstored::engine {

// An authenticated write is decided by three things, in this order and nowhere else: in which mode
// the VM is, what the write does, and who must have signed it.

/// UEFI 2.10, 32.3. Permissive is the host's word (docs/engine.md, "Modes"), and wins.
enum class Mode : std::uint8_t { kSetup, kUser, kPermissive };

enum class Operation : std::uint8_t {
  kSet,     // create or replace
  kAppend,  // add to what is there
  kTouch,   // append nothing: only the timestamp may move
  kDelete,  // an empty payload without APPEND_WRITE
};

enum class Authority : std::uint8_t {
  kNobody,        // no signature is asked for
  kNewKeyItself,  // PK: the certificate that is being enrolled
  kPlatformKey,   // the certificate in PK, byte for byte
  kKeyExchange,   // that one, or a signer that is or chains to a certificate in KEK
  kRecovery,      // one of those, or a signer that is or chains to a certificate in dbr
  kFirstSigner,   // private: the signer of the first write
  kAnySigner,     // private: a valid signature, whoever made it
};

[[nodiscard]] Mode ModeOf(const Policy& policy, const store::StagedStore& staged);

/// `exists`: the variable is there already. Appending to an absent one creates it, unless there is
/// nothing to append.
[[nodiscard]] Operation OperationOf(efi::Attributes attributes, bool payload_is_empty, bool exists);

/// The table of docs/engine.md, "Authority".
[[nodiscard]] Authority AuthorityFor(Special special, Mode mode, Operation operation,
                                     const Policy& policy);

/// Whether a write under this authority must be later than what is stored: every one but those that
/// nobody has to sign and those of any signer.
[[nodiscard]] bool ChecksTime(Authority authority);

/// Whether `request`, whose data is `descriptor`, is signed as `authority` asks. The result is the
/// digest that a private variable keeps of its signer, zero for every other variable. `current` is
/// the variable as it is, or null. Of kSignerNotTrusted `untrusted`, when there is one, is told who
/// signed.
[[nodiscard]] base::Result<store::SignerDigest, Reason> VerifyAuthority(
    Authority authority, const store::StagedStore& staged, const store::Entry* current,
    const SetVariableRequest& request, const efi::AuthenticationDescriptor& descriptor,
    std::optional<UntrustedSigner>* untrusted);

/// One line for people: the signer's name, its issuer's and its SHA-256, and the names of those who
/// are trusted. Names are the guest's: only printable ASCII of them is shown, and not all of a long
/// one.
[[nodiscard]] std::string UntrustedSignerText(const UntrustedSigner& untrusted);

}  // namespace varstored::engine
