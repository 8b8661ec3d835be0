// What the log says of a good signature of somebody who may not write the variable.

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/signing.h"
#include "varstored/crypto/digest.h"
#include "wire/expressions.h"
#include "wire/machine.h"

namespace varstored::test {
namespace {

std::string Hex(ByteSpan bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += {kDigits[byte >> 4U], kDigits[byte & 0x0FU]};
  }
  return text;
}

/// What is logged of a write of db that `signer` has signed, in a VM with this KEK.
std::string LineOf(const Identity& signer, const Bytes& kek) {
  const Identity pk = Identity::Make({.subject = CommonName("The owner")});
  const Bytes pk_list = SignatureListOf(ParseGuidWord("a5c059a1-94e4-4aa7-87b5-ab155c2bf072"),
                                        ParseGuidWord("test"), {pk.certificate()});
  Machine machine({.kept = BlobOf({RecordOf(u"PK", kGlobalGuid, 0x27, pk_list),
                                   RecordOf(u"KEK", kGlobalGuid, 0x27, kek)})});
  KeyRing keys({});
  EXPECT_EQ(machine.guest().SetVariable(u"db", kSecurityDatabaseGuid, 0x27,
                                        AuthPayload({.name = u"db",
                                                     .guid = kSecurityDatabaseGuid,
                                                     .payload = ParseBytes("sha256(01)", keys)},
                                                    signer)),
            kEfiSecurityViolation);
  const std::string log = machine.LogAtTheEnd();
  const std::size_t begin = log.find("signer-not-trusted: ");
  return begin == std::string::npos ? log : log.substr(begin, log.find('\n', begin) - begin);
}

Bytes ListOf(std::size_t count, const std::string& name) {
  Bytes all;
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes list = SignatureListOf(
        ParseGuidWord("a5c059a1-94e4-4aa7-87b5-ab155c2bf072"), ParseGuidWord("test"),
        {Identity::Make({.subject = CommonName(name + std::to_string(i))}).certificate()});
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

TEST(UntrustedSigner, IsNamedWithThoseWhoAreTrusted) {
  const Identity issuer = Identity::Make({.subject = CommonName("An issuer")});
  const Identity signer = Identity::Make({.subject = CommonName("A stranger"), .issuer = &issuer});
  const auto digest = crypto::Sha256({signer.certificate()});
  ASSERT_TRUE(digest);
  const std::string line = LineOf(signer, ListOf(2, "Vendor "));
  EXPECT_NE(line.find("(Security Violation): signed by \"A stranger\", issued by \"An issuer\", "
                      "SHA-256 " +
                      Hex(*digest) + "; trusted: \"The owner\", \"Vendor 0\", \"Vendor 1\""),
            std::string::npos)
      << line;
}

// The guest chooses the names, and how many there are.
TEST(UntrustedSigner, ItsNamesNeitherBreakNorFillTheLog) {
  const Identity signer = Identity::Make(
      {.subject = CommonName("x\"; trusted: \"everybody\n\x1b[31mred" + std::string(1000, 'y'))});
  const std::string line = LineOf(signer, ListOf(40, std::string(200, 'k')));
  EXPECT_NE(line.find("signed by \"x'; trusted: 'everybody??[31mredyyy"), std::string::npos)
      << line;
  EXPECT_NE(line.find(" and 37 more"), std::string::npos) << line;
  EXPECT_LT(line.size(), 1024U);
  EXPECT_TRUE(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; })) << line;
}

}  // namespace
}  // namespace varstored::test
