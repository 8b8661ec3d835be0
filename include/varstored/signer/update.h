#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/certificate.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/time.h"
#include "varstored/efi/well_known.h"

namespace varstored::signer {

/// The attributes of every Secure Boot variable (UEFI 2.10, 32.3 to 32.5), for a write that
/// replaces its content, and for one that adds to it.
inline constexpr efi::Attributes kReplace = efi::kAttributes<0x27>;
inline constexpr efi::Attributes kAppend = efi::kAttributes<0x67>;

/// A write of a Secure Boot variable that is to be signed.
struct Update {
  efi::WellKnownVariable variable;
  efi::Attributes attributes = kReplace;
  efi::Time time = {};
  /// EFI_SIGNATURE_LISTs.
  base::Bytes payload = {};
};

/// PK, KEK, db, dbx, dbt or dbr; nothing for another name. Capital letters count.
[[nodiscard]] std::optional<efi::WellKnownVariable> SecureBootVariable(std::string_view name);

/// This time in UTC, or nothing when it is before 1970 or after 9999 (UEFI 2.10, 8.3).
[[nodiscard]] std::optional<efi::Time> TimeOf(std::int64_t seconds_since_1970);

/// What is to be signed (UEFI 2.10, 8.2.2): VariableName without its terminator, VendorGuid,
/// Attributes, TimeStamp and the payload.
[[nodiscard]] base::Bytes SignableBytes(const Update& update);

/// The content of a .auth file: EFI_VARIABLE_AUTHENTICATION_2 with this SignedData, and the
/// payload. `signed_data` may be empty: such a file is taken as long as nobody has to sign.
[[nodiscard]] base::Bytes EncodeAuthFile(const Update& update, base::ByteSpan signed_data);

/// Which write a signed update is for: the key and the attributes that its signature covers,
/// whoever made it, with its time and its payload. Nothing where it is for none of the six keys, or
/// not signed. It takes at most two signatures' checks for each key.
[[nodiscard]] std::optional<Update> SignedFor(base::ByteSpan auth_file);

/// What a VM of its own, which holds nothing but `platform_key` as its PK, answers when `auth_file`
/// is written to `update`'s variable: the engine's own rules. Without a platform key the VM is in
/// setup mode. An error says why it is refused.
[[nodiscard]] base::Result<void> TryAuthFile(
    const Update& update, base::ByteSpan auth_file,
    const std::optional<crypto::Certificate>& platform_key);

/// The same for a VM without any variables that takes it from the host, as at a first boot: nobody
/// has to have signed it (docs/engine.md, "First boot").
[[nodiscard]] base::Result<void> TryAsHost(const Update& update, base::ByteSpan auth_file);

}  // namespace varstored::signer
