#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/boot/image.h"
#include "varstored/crypto/certificate.h"
#include "varstored/efi/well_known.h"
#include "varstored/health/revoked.h"
#include "varstored/health/state.h"

namespace varstored::boot {

/// Why a firmware starts a program, or refuses it.
enum class Reason : std::uint8_t {
  // It starts:
  kSignerInDb,    // a signature chains to a certificate of db
  kHashInDb,      // the digest of the image is in db
  kSignerInShim,  // shim's rules: a signature chains to a certificate inside of shim or of MokList
  kHashInShim,    // shim's rules: the digest is in one of the two
  // It is refused:
  kNoImage,            // it is no program
  kTableBroken,        // the certificate table breaks its form
  kNotSigned,          // it has no signature, and its digest is not in db
  kSignerNotInDb,      // no signature chains to db, and the digest is not there
  kSignatureBad,       // no signature is one of its signer's over this image
  kSignerRevoked,      // a signature chains to a certificate of dbx
  kSignerHashRevoked,  // the hash of the signer's tbsCertificate is in dbx
  kAnchorHashRevoked,  // that of the certificate of db which would let it start
  kHashRevoked,        // the digest of the image is in dbx
  kSbatRevoked,        // shim's rules: a component of it is too old
  // Nobody can tell:
  kTimeNotKnown,  // it is revoked since a day, and a time stamp that db's dbt trusts may be older
  kTooManySignatures,  // more than are looked at here
  kSbatNotKnown,       // shim's rules: a row of SBAT cannot be read here, or there are too many
};

/// The stable name of it, such as "signer-in-db".
[[nodiscard]] std::string_view NameOf(Reason reason);

enum class Outcome : std::uint8_t { kStarts, kRefused, kNotKnown };
[[nodiscard]] Outcome OutcomeOf(Reason reason);

/// The entry of a variable that lets a program start: what firmware measures as
/// EV_EFI_VARIABLE_AUTHORITY (TCG PC Client Platform Firmware Profile, 3.3.4.8).
struct Authority {
  efi::WellKnownVariable variable;
  /// EFI_SIGNATURE_DATA: SignatureOwner, and the certificate or the digest.
  base::Bytes signature_data;
};

/// A signature of an image.
struct SignatureInfo {
  /// Texts of the certificate that signed; the file's own characters. Empty: it has no such
  /// certificate.
  std::string signer;
  std::string issuer;
  /// What is said of this signature alone. Nothing when it could not be looked at, as firmware
  /// passes it over.
  std::optional<Reason> reason;
  /// One of Microsoft's of 2011 or 2023 by the name of its issuer; else 0.
  int microsoft_year = 0;
};

/// What a firmware does with a program.
struct Verdict {
  Reason reason = Reason::kNoImage;
  /// What is revoked, or allows: the name of a certificate, a day. For people; the file's and the
  /// guest's characters.
  std::string detail;
  /// With Secure Boot on, where it starts by db.
  std::optional<Authority> authority;
  std::vector<SignatureInfo> signatures;
  /// Authenticode's digest of SHA-256; empty where it is no image.
  base::Bytes sha256;
  std::uint16_t machine = 0;
};

/// What allows programs and what forbids them, read once: db and dbx of a VM.
class Databases {
 public:
  explicit Databases(const health::State& state);

  /// Adds signature lists, as `variable` holds them, to what allows.
  void Allow(const efi::WellKnownVariable& variable, base::ByteSpan lists);
  /// Adds one certificate, as an entry of `owner`; nothing is done with bytes that are none.
  void AllowCertificate(const efi::WellKnownVariable& variable, const efi::Guid& owner,
                        base::ByteSpan certificate);

  /// An entry of a variable that is a certificate.
  struct Anchor {
    crypto::Certificate certificate;
    Authority entry;
  };
  [[nodiscard]] const std::vector<Anchor>& allowed() const { return allowed_; }
  [[nodiscard]] const std::vector<Anchor>& forbidden() const { return forbidden_; }
  /// The entry that allows this digest.
  [[nodiscard]] std::optional<Authority> AllowedHash(crypto::DigestKind kind,
                                                     base::ByteSpan digest) const;
  [[nodiscard]] bool IsHashRevoked(crypto::DigestKind kind, base::ByteSpan digest) const;
  [[nodiscard]] const health::RevokedEntries& revoked() const { return revoked_; }

 private:
  struct Hash {
    efi::SignatureKind kind{};
    Authority entry;
  };

  std::vector<Anchor> allowed_;
  std::vector<Hash> allowed_hashes_;
  std::vector<Anchor> forbidden_;
  health::RevokedEntries revoked_;
};

/// What firmware with these variables does with the program `file`, with Secure Boot on: the order
/// of UEFI 2.10, 32.5.3, as edk2's DxeImageVerificationHandler follows it. For each signature: is
/// it revoked by a certificate in dbx, or by the hash of its signer's; does a certificate of db
/// allow it; is the image's digest in dbx; is it in db. A signature of an unknown kind or digest is
/// passed over. Of an image without any, the SHA-256 digest counts.
///
/// Work is bounded by the size of the file, and by the number of its signatures times that of the
/// certificates in db and dbx that may be decoded.
[[nodiscard]] Verdict VerdictOn(base::ByteSpan file, const Databases& databases);

}  // namespace varstored::boot
