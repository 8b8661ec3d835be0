#include "varstored/efi/status.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace varstored::efi {
namespace {

// UEFI 2.10, appendix D: errors have the highest of 64 bits set.
TEST(Status, ValuesAreThoseOfTheSpecification) {
  constexpr std::uint64_t kError = std::uint64_t{1} << 63U;
  const auto value = [](Status status) { return static_cast<std::uint64_t>(status); };
  EXPECT_EQ(value(Status::kSuccess), 0U);
  EXPECT_EQ(value(Status::kInvalidParameter), kError | 2);
  EXPECT_EQ(value(Status::kUnsupported), kError | 3);
  EXPECT_EQ(value(Status::kBufferTooSmall), kError | 5);
  EXPECT_EQ(value(Status::kDeviceError), kError | 7);
  EXPECT_EQ(value(Status::kWriteProtected), kError | 8);
  EXPECT_EQ(value(Status::kOutOfResources), kError | 9);
  EXPECT_EQ(value(Status::kNotFound), kError | 14);
  EXPECT_EQ(value(Status::kAccessDenied), kError | 15);
  EXPECT_EQ(value(Status::kSecurityViolation), kError | 26);
}

TEST(Status, HasTheWordsOfTheSpecification) {
  EXPECT_EQ(StatusText(Status::kSuccess), "Success");
  EXPECT_EQ(StatusText(Status::kInvalidParameter), "Invalid Parameter");
  EXPECT_EQ(StatusText(Status::kUnsupported), "Unsupported");
  EXPECT_EQ(StatusText(Status::kBufferTooSmall), "Buffer Too Small");
  EXPECT_EQ(StatusText(Status::kDeviceError), "Device Error");
  EXPECT_EQ(StatusText(Status::kWriteProtected), "Write Protected");
  EXPECT_EQ(StatusText(Status::kOutOfResources), "Out of Resources");
  EXPECT_EQ(StatusText(Status::kNotFound), "Not Found");
  EXPECT_EQ(StatusText(Status::kAccessDenied), "Access Denied");
  EXPECT_EQ(StatusText(Status::kSecurityViolation), "Security Violation");
  EXPECT_EQ(StatusText(static_cast<Status>(0x8000000000000006)), "Unknown Status");
}

}  // namespace
}  // namespace varstored::efi
