// Every allocation that OpenSSL makes fails once. The program has an allocator of its own for that.

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include "support/signing.h"
#include "varstored/crypto/digest.h"
#include "varstored/crypto/signed_data.h"

namespace varstored::crypto {
namespace {

using base::Bytes;
using test::CommonName;
using test::Identity;

// What fails: the allocation with this number, counted down, and all behind it if `from_then_on`.
struct Fault {
  int countdown = -1;  // negative: none
  bool from_then_on = false;
  bool struck = false;
};
Fault fault;

bool Strikes() {
  if (fault.countdown < 0) {
    return false;
  }
  if (fault.countdown > 0) {
    --fault.countdown;
    return false;
  }
  fault.struck = true;
  if (!fault.from_then_on) {
    fault.countdown = -1;
  }
  return true;
}

// NOLINTBEGIN(cppcoreguidelines-no-malloc): this is an allocator
void* Allocate(std::size_t size, const char* /*file*/, int /*line*/) {
  return Strikes() ? nullptr : std::malloc(size);
}

void* Reallocate(void* memory, std::size_t size, const char* /*file*/, int /*line*/) {
  return Strikes() ? nullptr : std::realloc(memory, size);
}

void Free(void* memory, const char* /*file*/, int /*line*/) { std::free(memory); }
// NOLINTEND(cppcoreguidelines-no-malloc)

// Whether one allocation fails, or all from then on.
class OutOfMemory : public ::testing::TestWithParam<bool> {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(CRYPTO_set_mem_functions(Allocate, Reallocate, Free), 1);
  }

  struct Outcome {
    int faults = 0;     // how many allocations there are
    int successes = 0;  // how often it went well although one of them failed
  };

  // Calls `operation`, which says whether it went well, with the first allocation failing, then
  // with the second, until there is none left to fail.
  template <class Operation>
  [[nodiscard]] static Outcome WithEveryFault(const Operation& operation) {
    Outcome outcome;
    for (;;) {
      fault = {.countdown = outcome.faults, .from_then_on = GetParam()};
      const bool ok = operation();
      const bool struck = fault.struck;
      fault = {};
      if (!struck) {
        return outcome;
      }
      ++outcome.faults;
      outcome.successes += ok ? 1 : 0;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(OnceOrFromThenOn, OutOfMemory, ::testing::Bool());

TEST_P(OutOfMemory, DigestIsRightOrFails) {
  const Bytes abc = base::ToBytes("abc");
  const Sha256Digest right = Sha256({abc}).value();
  const Outcome outcome = WithEveryFault([&] {
    const auto digest = Sha256({abc});
    EXPECT_TRUE(!digest.ok() || *digest == right);
    return digest.ok();
  });
  EXPECT_LT(outcome.successes, outcome.faults);
}

TEST_P(OutOfMemory, NameOfACertificateIsRightOrMissing) {
  const Bytes der = Identity::Make({.subject = CommonName("name")}).certificate();
  const Certificate certificate = Certificate::Parse(der).value();
  const Outcome outcome = WithEveryFault([&certificate] {
    const auto name = certificate.common_name();
    EXPECT_TRUE(!name || *name == base::ToBytes("name"));
    return name.has_value();
  });
  EXPECT_GT(outcome.faults, 10);
  EXPECT_LT(outcome.successes, outcome.faults);
}

// OpenSSL gets over the loss of many single allocations, because it has other ways to decode a key.
TEST_P(OutOfMemory, SignatureIsAcceptedOnlyWhenItIsGood) {
  const Identity anchor = Identity::Make({.subject = CommonName("KEK")});
  const Identity signer = Identity::Make({.subject = CommonName("leaf"), .issuer = &anchor});
  const Identity other = Identity::Make({.subject = CommonName("KEK")});
  const Trust right = {.anchors = {Certificate::Parse(anchor.certificate()).value()}};
  const Trust wrong = {.anchors = {Certificate::Parse(other.certificate()).value()}};
  const Bytes content = base::ToBytes("content");
  for (const bool signed_attributes : {false, true}) {
    const Bytes message =
        test::Sign(content, signer, {.wrapped = true, .signed_attributes = signed_attributes});
    const auto verify = [&message](const Bytes& bytes, const Trust& trust) {
      return WithEveryFault([&] { return VerifyDetached(message, {bytes}, trust).ok(); });
    };
    const Outcome good = verify(content, right);
    EXPECT_GT(good.faults, 100);
    EXPECT_LT(good.successes, good.faults);
    EXPECT_EQ(verify(base::ToBytes("tampered"), right).successes, 0);
    EXPECT_EQ(verify({}, right).successes, 0);
    EXPECT_EQ(verify(content, wrong).successes, 0);
  }
}

// As far as OpenSSL tells: it takes a single loss for a key that it does not know, and without any
// memory it cannot note the error.
TEST_P(OutOfMemory, IsTheReasonThatIsGiven) {
  const Identity signer = Identity::Make();
  const Bytes message = test::Sign({}, signer);
  const Trust trust = {.equals = {Certificate::Parse(signer.certificate()).value()}};
  int given = 0;
  const Outcome outcome = WithEveryFault([&] {
    const auto verified = VerifyDetached(message, {}, trust);
    given += !verified.ok() && verified.error() == VerifyError::kOutOfMemory ? 1 : 0;
    return verified.ok();
  });
  EXPECT_GT(given, GetParam() ? outcome.faults * 9 / 10 : 0);
}

}  // namespace
}  // namespace varstored::crypto
