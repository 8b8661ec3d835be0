// Updates as Microsoft and the makers of computers published them (microsoft/secureboot_objects).

#include <cstdint>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "support/real_data.h"
#include "support/signing.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/crypto/signed_data.h"

namespace varstored::crypto {
namespace {

using base::Bytes;
using base::ByteSpan;

constexpr test::Guid kGlobal = {0x61, 0xDF, 0xE4, 0x8B, 0xCA, 0x93, 0xD2, 0x11,
                                0xAA, 0x0D, 0x00, 0xE0, 0x98, 0x03, 0x2B, 0x8C};
constexpr test::Guid kImageSecurityDatabase = {0xCB, 0xB2, 0x19, 0xD7, 0x3A, 0x3D, 0x96, 0x45,
                                               0xA3, 0xBC, 0xDA, 0xD0, 0x0E, 0x67, 0x65, 0x6F};

// EFI_VARIABLE_AUTHENTICATION_2 and what follows, as the one write that it was signed for.
struct Update {
  Bytes signed_data;
  Bytes content;
};

Update Split(ByteSpan file, const std::string& name, const test::Guid& guid) {
  constexpr std::uint32_t kTimeBytes = 16;
  constexpr std::uint32_t kWinCertificateUefiGuidBytes = 24;
  constexpr std::uint32_t kAppend = 0x67;
  base::Reader reader(file);
  ByteSpan time;
  std::uint32_t length = 0;
  ByteSpan rest_of_header;
  ByteSpan signed_data;
  EXPECT_TRUE(reader.ReadBytes(kTimeBytes, time) && reader.ReadU32(length) &&
              reader.ReadBytes(kWinCertificateUefiGuidBytes - 4, rest_of_header) &&
              reader.ReadBytes(length - kWinCertificateUefiGuidBytes, signed_data));
  base::Writer content;
  for (const char character : name) {
    content.WriteU16(static_cast<std::uint8_t>(character));
  }
  content.WriteBytes(guid);
  content.WriteU32(kAppend);
  content.WriteBytes(time);
  content.WriteBytes(reader.ReadRest());
  return {.signed_data = base::ToBytes(signed_data), .content = content.Take()};
}

std::string Verify(const Update& update, const Trust& trust) {
  const auto signer = VerifyDetached(update.signed_data, {update.content}, trust);
  return signer.ok() ? "" : std::string(VerifyErrorName(signer.error()));
}

class RealPayload : public test::RealDataTest {
 protected:
  [[nodiscard]] Certificate ReadCertificate(const std::string& name) const {
    return Certificate::Parse(Read("secureboot_objects/certificates/" + name)).value();
  }

  [[nodiscard]] Update ReadUpdate(const std::string& path, const std::string& name,
                                  const test::Guid& guid) const {
    return Split(Read(path), name, guid);
  }
};

TEST_F(RealPayload, DbAndDbxUpdatesAreSignedUnderTheKekOf2011) {
  const Certificate kek_2011 = ReadCertificate("MicCorKEKCA2011_2011-06-24.der");
  const Certificate kek_2023 = ReadCertificate("microsoft_corporation_kek_2k_ca_2023.der");
  std::map<std::string, std::string> name_of;
  for (const std::string& path : Find("secureboot_objects/db", "DBUpdate")) {
    name_of[path] = "db";
  }
  for (const std::string& path : Find("secureboot_objects/dbx", "DBXUpdate")) {
    name_of[path] = "dbx";
  }
  EXPECT_EQ(name_of.size(), 4U);
  for (const auto& [path, name] : name_of) {
    SCOPED_TRACE(path);
    Update update = ReadUpdate(path, name, kImageSecurityDatabase);
    EXPECT_EQ(Verify(update, {.anchors = {kek_2011}}), "");
    EXPECT_EQ(Verify(update, {.anchors = {kek_2023, kek_2011}}), "");
    EXPECT_EQ(Verify(update, {.anchors = {kek_2023}}), "signer_untrusted");
    EXPECT_EQ(Verify(update, {.equals = {kek_2011}}), "signer_untrusted");
    update.content.back() ^= 1;
    EXPECT_EQ(Verify(update, {.anchors = {kek_2011}}), "signature_bad");
  }
}

TEST_F(RealPayload, KekUpdatesAreSignedByTheirPlatformKeys) {
  const Certificate other = ReadCertificate("WindowsOEMDevicesPK.der");
  const Trust any_signer = {.any_signer = true};
  int good = 0;
  for (const std::string& path : Find("secureboot_objects/kek", "KEKUpdate_")) {
    SCOPED_TRACE(path);
    Update update = ReadUpdate(path, "KEK", kGlobal);
    if (path.ends_with("ECS_PK1.bin")) {
      // It holds its payload, and the signature is over that alone.
      EXPECT_EQ(Verify(update, any_signer), "signature_bad");
      continue;
    }
    const auto signer = VerifyDetached(update.signed_data, {update.content}, any_signer);
    ASSERT_TRUE(signer.ok()) << VerifyErrorName(signer.error());
    EXPECT_EQ(Verify(update, {.equals = {*signer}}), "");
    EXPECT_EQ(Verify(update, {.equals = {other}, .anchors = {other}}), "signer_untrusted");
    update.content.back() ^= 1;
    EXPECT_EQ(Verify(update, {.equals = {*signer}}), "signature_bad");
    ++good;
  }
  EXPECT_EQ(good, 9);
}

TEST_F(RealPayload, L25SignerOfHpPk4IsTheSecondCertificate) {
  const Update update = ReadUpdate("secureboot_objects/kek/KEKUpdate_HP_PK4.bin", "KEK", kGlobal);
  const auto signer = VerifyDetached(update.signed_data, {update.content}, {.any_signer = true});
  ASSERT_TRUE(signer.ok());
  EXPECT_EQ(base::ToString(signer->common_name().value()), "HPE UEFI Secure Boot 2016 PK Key");
}

}  // namespace
}  // namespace varstored::crypto
