// L-16: the bit EFI_VARIABLE_AUTHENTICATED_WRITE_ACCESS is deprecated (UEFI 2.10, 8.2.2), and the
// answer to it does not depend on what else is wrong.

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/signing.h"
#include "wire/machine.h"

namespace varstored::test {
namespace {

constexpr Guid kVendor = {1, 2, 3};
constexpr std::uint32_t kHardwareErrorRecord = 0x08;
constexpr std::uint32_t kDeprecated = 0x10;

/// Every combination with the bits that the specification names, and with one that it does not.
std::vector<std::uint32_t> WithTheDeprecatedBit() {
  std::vector<std::uint32_t> all;
  for (std::uint32_t bits = 0; bits < 0x200; ++bits) {
    if ((bits & kDeprecated) != 0 && (bits & kHardwareErrorRecord) == 0) {
      all.push_back(bits);
    }
  }
  return all;
}

class L16 : public testing::Test {
 protected:
  void ExpectUnsupported(const std::u16string& name, bool at_runtime = false) {
    for (const std::uint32_t attributes : WithTheDeprecatedBit()) {
      const VariableWrite write = {
          .name = name, .guid = kVendor, .attributes = attributes, .payload = {1, 2, 3}};
      for (const Bytes& data :
           {AuthPayload(write, owner_), Bytes{1, 2, 3}, Bytes(), Bytes(39), Bytes(57344)}) {
        EXPECT_EQ(machine_.guest().SetVariable(name, kVendor, attributes, data, at_runtime),
                  kEfiUnsupported)
            << "attributes " << attributes << ", " << data.size() << " bytes";
      }
    }
  }

  const Identity owner_ = Identity::Make();
  Machine machine_;
};

TEST_F(L16, TheDeprecatedBitIsUnsupportedWithEveryOther) {
  // Among them are the eleven of it alone, with some of NV, BS and RT, and with the other kinds of
  // authentication.
  EXPECT_EQ(WithTheDeprecatedBit().size(), 128U);
  ExpectUnsupported(u"Absent");
  EXPECT_EQ(machine_.guest().GetVariable(u"Absent", kVendor).status, kEfiNotFound);
}

TEST_F(L16, TheDeprecatedBitIsUnsupportedForAVariableThatIsThere) {
  ASSERT_EQ(machine_.guest().SetVariable(u"Plain", kVendor, 0x07, Bytes{9}), kEfiSuccess);
  const VariableWrite write = {.name = u"Private", .guid = kVendor, .payload = {9}};
  ASSERT_EQ(machine_.guest().SetVariable(u"Private", kVendor, 0x27, AuthPayload(write, owner_)),
            kEfiSuccess);
  ExpectUnsupported(u"Plain");
  ExpectUnsupported(u"Private");
  EXPECT_EQ(machine_.guest().GetVariable(u"Plain", kVendor).data, Bytes{9});
  EXPECT_EQ(machine_.guest().GetVariable(u"Private", kVendor).data, Bytes{9});
}

TEST_F(L16, TheDeprecatedBitIsUnsupportedAtRuntime) { ExpectUnsupported(u"Absent", true); }

TEST_F(L16, AHardwareErrorRecordIsNamedFirst) {
  for (std::uint32_t bits = 0; bits < 0x200; ++bits) {
    if ((bits & kHardwareErrorRecord) != 0) {
      EXPECT_EQ(machine_.guest().SetVariable(u"Absent", kVendor, bits, Bytes{1}),
                kEfiInvalidParameter)
          << bits;
    }
  }
}

}  // namespace
}  // namespace varstored::test
