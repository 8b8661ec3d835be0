#include "varstored/efi/authentication_descriptor.h"

#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "varstored/base/bytes.h"
#include "varstored/base/writer.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/time.h"

namespace varstored::efi {
namespace {

using base::Bytes;

constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kHeaderBytes = 24;  // WIN_CERTIFICATE_UEFI_GUID without its CertData

struct Fields {
  Time timestamp = {.year = 2024, .month = 2, .day = 29, .hour = 23, .minute = 59, .second = 58};
  std::uint32_t length = kHeaderBytes + 5;
  std::uint16_t revision = 0x0200;
  std::uint16_t type = 0x0EF1;
  Guid cert_type = ParseGuid("4aafd29d-68df-49ee-8aa9-347d375665a7").value();
  Bytes behind = Bytes(8, 0x30);
};

Bytes Encode(const Fields& fields) {
  base::Writer writer;
  WriteTime(writer, fields.timestamp);
  writer.WriteU32(fields.length);
  writer.WriteU16(fields.revision);
  writer.WriteU16(fields.type);
  writer.WriteBytes(fields.cert_type.bytes);
  writer.WriteBytes(fields.behind);
  return writer.Take();
}

bool Accepted(const Fields& fields) {
  return ParseAuthenticationDescriptor(Encode(fields)).has_value();
}

TEST(AuthenticationDescriptor, SplitsTheDataOfACall) {
  const Bytes data = Encode({});
  const auto descriptor = ParseAuthenticationDescriptor(data);
  ASSERT_TRUE(descriptor);
  EXPECT_EQ(descriptor->timestamp, Fields().timestamp);
  EXPECT_EQ(descriptor->signed_data.data(), data.data() + 40) << "a view of what was parsed";
  EXPECT_EQ(descriptor->signed_data.size(), 5U);
  EXPECT_EQ(descriptor->payload.data(), data.data() + 45);
  EXPECT_EQ(descriptor->payload.size(), 3U);
}

TEST(AuthenticationDescriptor, CutAtEveryByte) {
  const Bytes data = Encode({});
  for (std::size_t size = 0; size <= data.size(); ++size) {
    // A copy that ends there, so that a sanitizer sees one byte too many.
    const Bytes cut(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(size));
    const auto descriptor = ParseAuthenticationDescriptor(cut);
    EXPECT_EQ(descriptor.has_value(), size >= 45) << size;
    if (descriptor) {
      EXPECT_EQ(descriptor->signed_data.size(), 5U);
      EXPECT_EQ(descriptor->payload.size(), size - 45);
    }
  }
}

TEST(AuthenticationDescriptor, LengthsBelowTheHeaderOrBeyondTheDataAreRefused) {
  Fields fields;
  const auto behind = static_cast<std::uint32_t>(fields.behind.size());
  for (std::uint32_t length = 0; length <= kHeaderBytes + behind + 20; ++length) {
    fields.length = length;
    const bool fits = length >= kHeaderBytes && length <= kHeaderBytes + behind;
    EXPECT_EQ(Accepted(fields), fits) << length;
    if (fits) {
      const Bytes data = Encode(fields);
      const auto descriptor = ParseAuthenticationDescriptor(data);
      EXPECT_EQ(descriptor->signed_data.size(), length - kHeaderBytes);
      EXPECT_EQ(descriptor->payload.size(), behind + kHeaderBytes - length);
    }
  }
  for (const std::uint32_t length :
       {(1U << 16U) + 24, 1U << 16U, (1U << 31U) - 1, 1U << 31U, (1U << 31U) + 24, kMax32 - 23,
        kMax32 - 15, kMax32 - 1, kMax32}) {
    fields.length = length;
    EXPECT_FALSE(Accepted(fields)) << length;
  }
}

TEST(AuthenticationDescriptor, WithoutSignedDataAndPayloadItIs40Bytes) {
  Fields fields;
  fields.length = kHeaderBytes;
  fields.behind = {};
  const Bytes data = Encode(fields);
  ASSERT_EQ(data.size(), 40U);
  const auto descriptor = ParseAuthenticationDescriptor(data);
  ASSERT_TRUE(descriptor);
  EXPECT_TRUE(descriptor->signed_data.empty());
  EXPECT_TRUE(descriptor->payload.empty());
}

TEST(AuthenticationDescriptor, AnyRevisionIsTaken) {
  Fields fields;
  for (const unsigned revision : {0x0000U, 0x0100U, 0x0200U, 0x0201U, 0xFFFFU}) {
    fields.revision = static_cast<std::uint16_t>(revision);
    EXPECT_TRUE(Accepted(fields)) << revision;
  }
}

TEST(AuthenticationDescriptor, OtherCertificateTypesAreRefused) {
  Fields fields;
  // WIN_CERT_TYPE_PKCS_SIGNED_DATA, WIN_CERT_TYPE_EFI_PKCS115, the right one swapped, and others.
  for (const unsigned type : {0x0002U, 0x0EF0U, 0xF10EU, 0x0EF2U, 0x0000U, 0xFFFFU}) {
    fields.type = static_cast<std::uint16_t>(type);
    EXPECT_FALSE(Accepted(fields)) << type;
  }
}

TEST(AuthenticationDescriptor, OtherGuidsAreRefused) {
  for (std::size_t i = 0; i < 16; ++i) {
    Fields fields;
    fields.cert_type.bytes[i] ^= 0x01U;
    EXPECT_FALSE(Accepted(fields)) << i;
  }
}

TEST(AuthenticationDescriptor, ATimeThatIsNoTimestampIsRefused) {
  const std::vector<void (*)(Time&)> changes = {
      [](Time& t) { t.pad1 = 1; },      [](Time& t) { t.nanosecond = 1; },
      [](Time& t) { t.time_zone = 1; }, [](Time& t) { t.daylight = 1; },
      [](Time& t) { t.pad2 = 0x80; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Fields fields;
    changes[i](fields.timestamp);
    EXPECT_FALSE(Accepted(fields)) << i;
  }
  // The calendar is nobody's business: only the order of times counts.
  Fields fields;
  fields.timestamp = {
      .year = 0xFFFF, .month = 99, .day = 0, .hour = 77, .minute = 200, .second = 255};
  EXPECT_TRUE(Accepted(fields));
  fields.timestamp = {};
  EXPECT_TRUE(Accepted(fields));
}

}  // namespace
}  // namespace varstored::efi
