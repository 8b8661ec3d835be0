#include "varstored/efi/authentication_descriptor.h"

#include <cstdint>

#include "varstored/base/reader.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/well_known.h"

namespace varstored::efi {
namespace {

constexpr std::uint16_t kWinCertTypeEfiGuid = 0x0EF1;
/// WIN_CERTIFICATE_UEFI_GUID without its CertData.
constexpr std::uint32_t kCertificateHeaderBytes = 24;

}  // namespace

std::optional<AuthenticationDescriptor> ParseAuthenticationDescriptor(base::ByteSpan data) {
  base::Reader reader(data);
  AuthenticationDescriptor descriptor;
  std::uint32_t length = 0;
  std::uint16_t revision = 0;
  std::uint16_t type = 0;
  Guid cert_type;
  if (!ReadTime(reader, descriptor.timestamp) || !reader.ReadU32(length) ||
      !reader.ReadU16(revision) || !reader.ReadU16(type) || !reader.ReadArray(cert_type.bytes)) {
    return std::nullopt;
  }
  if (length < kCertificateHeaderBytes || type != kWinCertTypeEfiGuid ||
      cert_type != kCertTypePkcs7Guid || !descriptor.timestamp.IsTimestamp() ||
      !reader.ReadBytes(length - kCertificateHeaderBytes, descriptor.signed_data)) {
    return std::nullopt;
  }
  descriptor.payload = reader.ReadRest();
  return descriptor;
}

}  // namespace varstored::efi
