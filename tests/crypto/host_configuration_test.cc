#include <cstdlib>

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "varstored/base/bytes.h"
#include "varstored/crypto/digest.h"

namespace varstored::crypto {
namespace {

// OpenSSL reads its configuration once for each process, so each of these runs in a fresh one.
class HostConfigurationDeathTest : public ::testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    ASSERT_EQ(setenv("OPENSSL_CONF", HOSTILE_OPENSSL_CNF, 1), 0);
  }
};

TEST_F(HostConfigurationDeathTest, IsNotRead) {
  EXPECT_EXIT(std::_Exit(Sha256({base::ToBytes("abc")}).ok() ? 0 : 1), ::testing::ExitedWithCode(0),
              "");
}

// The same file does break a program that uses OpenSSL without the room's door.
TEST_F(HostConfigurationDeathTest, WouldHaveBeenReadByOpenSsl) {
  EXPECT_EXIT(std::_Exit(EVP_MD_fetch(nullptr, "SHA256", nullptr) != nullptr ? 0 : 1),
              ::testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace varstored::crypto
