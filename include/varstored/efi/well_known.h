#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "varstored/efi/guid.h"

namespace varstored::efi {

/// A name and vendor GUID that a specification gives a meaning. `name` is UTF-16LE bytes without a
/// terminator, as everywhere.
struct WellKnownVariable {
  std::string_view name;
  Guid vendor;

  [[nodiscard]] bool Is(std::string_view name_bytes, const Guid& guid) const {
    return name == name_bytes && vendor == guid;
  }
};

namespace detail {

/// The UTF-16LE bytes of an ASCII literal, made at compile time.
template <std::size_t N>
struct Utf16 {
  std::array<char, 2 * (N - 1)> bytes{};

  // Implicit, so that a literal can be a template argument.
  consteval Utf16(const char (&text)[N]) {  // NOLINT(google-explicit-constructor)
    for (std::size_t i = 0; i + 1 < N; ++i) {
      bytes[2 * i] = text[i];
    }
  }
};

template <Utf16 kText>
consteval std::string_view NameOf() {
  return {kText.bytes.data(), kText.bytes.size()};
}

}  // namespace detail

/// EFI_GLOBAL_VARIABLE (UEFI 2.10, 3.3).
inline constexpr Guid kGlobalVariableGuid = *ParseGuid("8be4df61-93ca-11d2-aa0d-00e098032b8c");
/// EFI_IMAGE_SECURITY_DATABASE_GUID (UEFI 2.10, 32.4.1).
inline constexpr Guid kImageSecurityDatabaseGuid =
    *ParseGuid("d719b2cb-3d3a-4596-a3bc-dad00e67656f");
/// TCG Platform Reset Attack Mitigation Specification 1.10, 4.1 and 4.2.
inline constexpr Guid kMorControlGuid = *ParseGuid("e20939be-32d4-41be-a150-897f85d49829");
inline constexpr Guid kMorLockGuid = *ParseGuid("bb983ccf-151d-40e1-a07b-4a17be168292");
/// The variables behind the TPM's physical presence interface (EDK II's Tcg2PhysicalPresenceData).
inline constexpr Guid kTcg2PhysicalPresenceGuid =
    *ParseGuid("9d1947eb-09bb-4780-a3cd-bea956e0e056");
/// WIN_CERTIFICATE_UEFI_GUID.CertType (UEFI 2.10, 8.2.2).
inline constexpr Guid kCertTypePkcs7Guid = *ParseGuid("4aafd29d-68df-49ee-8aa9-347d375665a7");

// UEFI 2.10, 3.3 and 32.3: computed here, read-only for everybody.
inline constexpr WellKnownVariable kSetupMode = {detail::NameOf<"SetupMode">(),
                                                 kGlobalVariableGuid};
inline constexpr WellKnownVariable kAuditMode = {detail::NameOf<"AuditMode">(),
                                                 kGlobalVariableGuid};
inline constexpr WellKnownVariable kDeployedMode = {detail::NameOf<"DeployedMode">(),
                                                    kGlobalVariableGuid};
inline constexpr WellKnownVariable kSecureBoot = {detail::NameOf<"SecureBoot">(),
                                                  kGlobalVariableGuid};
inline constexpr WellKnownVariable kSignatureSupport = {detail::NameOf<"SignatureSupport">(),
                                                        kGlobalVariableGuid};

// UEFI 2.10, 32.3.1 to 32.5: the keys and the databases of Secure Boot.
inline constexpr WellKnownVariable kPk = {detail::NameOf<"PK">(), kGlobalVariableGuid};
inline constexpr WellKnownVariable kKek = {detail::NameOf<"KEK">(), kGlobalVariableGuid};
inline constexpr WellKnownVariable kDb = {detail::NameOf<"db">(), kImageSecurityDatabaseGuid};
inline constexpr WellKnownVariable kDbx = {detail::NameOf<"dbx">(), kImageSecurityDatabaseGuid};
inline constexpr WellKnownVariable kDbt = {detail::NameOf<"dbt">(), kImageSecurityDatabaseGuid};
inline constexpr WellKnownVariable kDbr = {detail::NameOf<"dbr">(), kImageSecurityDatabaseGuid};

// UEFI 2.10, 3.3: what the platform was made with, which is firmware's to say.
inline constexpr WellKnownVariable kPkDefault = {detail::NameOf<"PKDefault">(),
                                                 kGlobalVariableGuid};
inline constexpr WellKnownVariable kKekDefault = {detail::NameOf<"KEKDefault">(),
                                                  kGlobalVariableGuid};
inline constexpr WellKnownVariable kDbDefault = {detail::NameOf<"dbDefault">(),
                                                 kGlobalVariableGuid};
inline constexpr WellKnownVariable kDbxDefault = {detail::NameOf<"dbxDefault">(),
                                                  kGlobalVariableGuid};
inline constexpr WellKnownVariable kDbtDefault = {detail::NameOf<"dbtDefault">(),
                                                  kGlobalVariableGuid};
inline constexpr WellKnownVariable kDbrDefault = {detail::NameOf<"dbrDefault">(),
                                                  kGlobalVariableGuid};
inline constexpr WellKnownVariable kVendorKeys = {detail::NameOf<"VendorKeys">(),
                                                  kGlobalVariableGuid};

/// UEFI 2.10, 3.4.1: the vendors that have recovery options, as a list of GUIDs. Each option is a
/// variable OsRecovery####, four hexadecimal digits, under the GUID of its vendor.
inline constexpr WellKnownVariable kOsRecoveryOrder = {detail::NameOf<"OsRecoveryOrder">(),
                                                       kGlobalVariableGuid};
inline constexpr std::string_view kOsRecoveryPrefix = detail::NameOf<"OsRecovery">();

/// Ours: in which mode of Secure Boot a VM is whose guest has chosen one (docs/engine.md, "Modes").
inline constexpr WellKnownVariable kModeMark = {detail::NameOf<"SecureBootMode">(),
                                                *ParseGuid("5c2f8e0a-1d74-4b0c-9a3e-7f6d2b91c845")};

inline constexpr WellKnownVariable kMorControl = {detail::NameOf<"MemoryOverwriteRequestControl">(),
                                                  kMorControlGuid};
inline constexpr WellKnownVariable kMorLock = {
    detail::NameOf<"MemoryOverwriteRequestControlLock">(), kMorLockGuid};

inline constexpr WellKnownVariable kPpiFlags = {detail::NameOf<"Tcg2PhysicalPresenceFlags">(),
                                                kTcg2PhysicalPresenceGuid};
inline constexpr WellKnownVariable kPpiFlagsLock = {
    detail::NameOf<"Tcg2PhysicalPresenceFlagsLock">(), kTcg2PhysicalPresenceGuid};
inline constexpr WellKnownVariable kPpiBuffer = {detail::NameOf<"PPIBuffer">(),
                                                 kTcg2PhysicalPresenceGuid};

}  // namespace varstored::efi
