#pragma once

#include <optional>

#include "varstored/base/bytes.h"
#include "varstored/efi/time.h"

namespace varstored::efi {

/// EFI_VARIABLE_AUTHENTICATION_2 and what follows it in the data of a SetVariable call
/// (UEFI 2.10, 8.2.2). The bytes belong to whoever was parsed.
struct AuthenticationDescriptor {
  Time timestamp;
  /// AuthInfo.CertData: a DER SignedData, perhaps in a ContentInfo. Not looked at here.
  base::ByteSpan signed_data;
  /// The variable's new data, or what is to be appended.
  base::ByteSpan payload;
};

/// Nothing when the form is wrong: fewer than 40 bytes, dwLength below 24 or beyond the data, a
/// wCertificateType other than WIN_CERT_TYPE_EFI_GUID (0x0EF1), a CertType other than
/// EFI_CERT_TYPE_PKCS7_GUID, or a TimeStamp that is no timestamp. wRevision is not checked:
/// signed updates in the field carry other values than 0x0200.
[[nodiscard]] std::optional<AuthenticationDescriptor> ParseAuthenticationDescriptor(
    base::ByteSpan data);

}  // namespace varstored::efi
