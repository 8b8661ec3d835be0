#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/efi/guid.h"

namespace varstored::efi {

/// The kinds of EFI_SIGNATURE_LIST (UEFI 2.10, 32.4.1).
enum class SignatureKind : std::uint8_t {
  kSha1,
  kSha224,
  kSha256,
  kSha384,
  kSha512,
  kRsa2048,
  kRsa2048Sha1,
  kRsa2048Sha256,
  kX509,
  kX509Sha256,
  kX509Sha384,
  kX509Sha512,
  kSm3,
  kX509Sm3,
  kExternalManagement,
};

/// How many they are.
inline constexpr std::size_t kSignatureKinds = 15;

/// What the specification says of a kind.
struct SignatureType {
  SignatureKind kind{};
  Guid guid;
  /// Bytes of one entry behind its SignatureOwner; 0 where the entry says it itself (X.509).
  std::uint32_t data_bytes = 0;
  /// The entry is a digest, so the same data means the same under any owner.
  bool is_hash = false;
};

/// The row of `kind`.
[[nodiscard]] const SignatureType& TypeOf(SignatureKind kind);

/// Whether an entry of this kind is the hash of a certificate's tbsCertificate, with a
/// TimeOfRevocation behind it: only dbx has such.
[[nodiscard]] bool IsHashOfCertificate(SignatureKind kind);

/// One EFI_SIGNATURE_DATA. The bytes belong to whoever was parsed.
struct SignatureEntry {
  Guid owner;
  base::ByteSpan data;
};

/// One EFI_SIGNATURE_LIST: any number of entries, all of the size that fits its kind. The bytes of
/// the entries belong to whoever was parsed.
struct SignatureList {
  SignatureKind kind;
  /// SignatureSize: SignatureOwner and data of one entry.
  std::uint32_t entry_bytes;
  std::vector<SignatureEntry> entries;
};

/// A sequence of EFI_SIGNATURE_LIST as PK, KEK, db, dbx, dbt and dbr hold them, or nothing when its
/// form is wrong: an unknown type, a SignatureHeaderSize other than 0 (all fifteen types have
/// none), a SignatureSize that does not fit the type, sizes that do not add up exactly, a list of
/// X.509 without an entry (of the other types a list may be empty). Empty bytes are a sequence of
/// no list. Whether an X.509 entry is a certificate is not looked at.
[[nodiscard]] std::optional<std::vector<SignatureList>> ParseSignatureLists(base::ByteSpan bytes);

/// Of such a sequence that was stored by somebody with other rules, the lists whose form is right.
/// The others are passed over: a list of one type keeps no list of another from being used (UEFI
/// 2.10, 32.4.1). Nothing when a size leaves open where the next list begins.
[[nodiscard]] std::optional<std::vector<SignatureList>> UsableSignatureLists(base::ByteSpan bytes);

/// Whether these lists are one entry of EFI_CERT_EXTERNAL_MANAGEMENT_GUID and nothing else
/// (UEFI 2.10, 32.4.1): the content of a PK that only the host's tools can change.
[[nodiscard]] bool IsManagedByTheHost(base::ByteSpan bytes);

/// The reverse: byte for byte what was parsed, but a list without entries is left out.
[[nodiscard]] base::Bytes EncodeSignatureLists(const std::vector<SignatureList>& lists);

}  // namespace varstored::efi
