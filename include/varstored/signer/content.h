#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/guid.h"

namespace varstored::signer {

/// The forms in which an administrator has what a Secure Boot variable is to hold.
enum class ContentForm : std::uint8_t {
  kCertificates,    // PEM, any number in one file, or one in DER
  kHashes,          // text: a SHA-256 on each line
  kRevocationList,  // JSON: Microsoft's dbx_info_msft_latest.json
  kSignatureLists,  // EFI_SIGNATURE_LISTs, as in a .esl file
};

/// The content of one such file. What belongs to another form is empty.
struct Content {
  ContentForm form{};
  std::vector<crypto::Certificate> certificates = {};  // at least one
  std::vector<crypto::Sha256Digest> hashes = {};       // at least one, none twice
  base::Bytes signature_lists = {};                    // at least one list
};

/// The content of a whole file, whose form is told by its bytes. A byte order mark in front of text
/// is passed over, and text in UTF-16 with one is taken as well.
/// - PEM: every block is a certificate; text around the blocks is passed over.
/// - Text: each line is 64 hexadecimal digits, and nothing or a space and a comment behind them.
///   Empty lines, and lines that begin with '#', are passed over.
/// - JSON: the SHA-256 hashes of images.x64, in their order: the entries of Microsoft's own signed
///   update for this architecture. Its other members (other architectures, certificates, security
///   versions) are not in that update either, and are left out.
/// - Signature lists are well-formed as efi::ParseSignatureLists wants them.
/// The error says what is wrong, and where; a file without any entry is an error too.
[[nodiscard]] base::Result<Content> ParseContent(base::ByteSpan file);

/// What somebody has in hand for a Secure Boot variable.
struct Given {
  /// A signed update as SetVariable takes it: an EFI_VARIABLE_AUTHENTICATION_2, and signature lists
  /// or nothing behind it. Otherwise there is `content`.
  std::optional<base::Bytes> update;
  std::optional<Content> content;
  /// 4 bytes of attributes that stood in front, which are left out of the above: a file of
  /// efivarfs, or what `sbvarsign --include-attrs` makes.
  std::optional<std::uint32_t> attributes;
  /// What it is, for people: "signature lists, without a descriptor".
  std::string what;
};

/// Looks into a whole file. The error is that of ParseContent.
[[nodiscard]] base::Result<Given> ParseGiven(base::ByteSpan file);

/// The certificates of a PEM or DER file, as above; another form is an error.
[[nodiscard]] base::Result<std::vector<crypto::Certificate>> ParseCertificates(base::ByteSpan file);

/// Whether a Secure Boot variable may be given this; the error says why not. A list of revocations
/// is for dbx alone. PK and KEK say whose signatures are taken (UEFI 2.10, 8.2.2 and 32.3), and
/// with nothing but hashes in it neither of them verifies any.
[[nodiscard]] base::Result<void> CheckContent(std::string_view name, const Content& content);

/// Who owns the entries of a Secure Boot variable where nobody says otherwise: those of PK are the
/// host owner's, most others are Microsoft's certificates and revocations, which Microsoft's
/// updates bring again under this owner (docs/engine.md, "Authority").
[[nodiscard]] efi::Guid UsualOwner(std::string_view name);

/// The content as EFI_SIGNATURE_LISTs (UEFI 2.10, 32.4.1): a list for each certificate, because an
/// entry's size is its list's, or one list of all hashes, in the order of the file, of `owner`.
/// Signature lists stay as they are, with the owners that they name.
[[nodiscard]] base::Bytes EncodeContent(const Content& content, const efi::Guid& owner);

/// The same, of the usual owners of the variable `name`: Microsoft's for a certificate whose
/// subject has Microsoft as its organization, and the host's for another one.
[[nodiscard]] base::Bytes EncodeContent(const Content& content, std::string_view name);

/// A list of one entry of external management (UEFI 2.10, 32.4.1) of `owner`: the content of a PK
/// that has no private half, so that only the host's tools change PK and KEK.
[[nodiscard]] base::Bytes ManagedByTheHost(const efi::Guid& owner);

}  // namespace varstored::signer
