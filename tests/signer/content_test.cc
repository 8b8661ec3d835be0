#include "varstored/signer/content.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/signing.h"
#include "varstored/efi/guid.h"
#include "workshop.h"

namespace varstored::signer {
namespace {

using base::Bytes;
using base::ToBytes;

constexpr efi::Guid kOwner = *efi::ParseGuid("00112233-4455-6677-8899-aabbccddeeff");
constexpr efi::Guid kX509 = *efi::ParseGuid("a5c059a1-94e4-4aa7-87b5-ab155c2bf072");
constexpr efi::Guid kSha256 = *efi::ParseGuid("c1c41626-504c-4092-aca9-41f936934328");

const std::string kOnes(64, '1');
const std::string kTwos(64, '2');

std::string Json(const std::string& entries) {
  return R"({"images": {"ia32": [], "x64": [)" + entries +
         R"(]}, "certificates": [{"value": "x"}]})";
}

std::string JsonEntry(const std::string& hash) {
  return R"({"authenticodeHash": ")" + hash + R"(", "hashType": "SHA256", "flatHash": ""})";
}

std::string Message(base::ByteSpan file) {
  const auto content = ParseContent(file);
  return content ? "parsed" : content.error().message;
}

/// What is made of the file, for kOwner.
Bytes Encoded(base::ByteSpan file) {
  const auto content = ParseContent(file);
  return content ? EncodeContent(*content, kOwner) : ToBytes(content.error().message);
}

Bytes HashList(const std::vector<std::uint8_t>& bytes) {
  std::vector<Bytes> entries;
  entries.reserve(bytes.size());
  for (const std::uint8_t byte : bytes) {
    entries.emplace_back(32, byte);
  }
  return test::SignatureListOf(kSha256.bytes, kOwner.bytes, entries);
}

Bytes Joined(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

class ContentTest : public Workshop {
 protected:
  [[nodiscard]] Bytes CertificateList(const std::string& name) const {
    return test::SignatureListOf(kX509.bytes, kOwner.bytes, {Key(name + ".der")});
  }
};

TEST_F(ContentTest, EachFormIsToldByItsBytes) {
  EXPECT_EQ(Encoded(Key("PK.pem")), CertificateList("PK"));
  EXPECT_EQ(Encoded(Key("PK.der")), CertificateList("PK"));
  EXPECT_EQ(Encoded(ToBytes(kOnes + "\n")), HashList({0x11}));
  EXPECT_EQ(Encoded(ToBytes(Json(JsonEntry(kTwos)))), HashList({0x22}));
  const Bytes lists = test::SignatureListOf(kX509.bytes, kX509.bytes, {Bytes(5, 'x')});
  EXPECT_EQ(Encoded(lists), lists);  // with their own owner
}

TEST_F(ContentTest, PemMayHoldManyCertificatesAndText) {
  const std::string pem = "Subject: someone\n" + base::ToString(Key("PK.pem")) + "\n# the next\n" +
                          base::ToString(Key("KEK.pem")) + "the end";
  EXPECT_EQ(Encoded(ToBytes(pem)), Joined(CertificateList("PK"), CertificateList("KEK")));
}

TEST_F(ContentTest, PemWithSomethingElseInItIsRefused) {
  EXPECT_EQ(Message(Key("PK.key")), "PEM block 1 is no certificate but a PRIVATE KEY");
  EXPECT_EQ(Message(Joined(Key("PK.pem"), Key("PK.key"))),
            "PEM block 2 is no certificate but a PRIVATE KEY");
  EXPECT_EQ(Message(ToBytes("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")),
            "PEM block 1: not an X.509 certificate");
  EXPECT_EQ(Message(ToBytes("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n")),
            "PEM block 1 is damaged");
}

TEST_F(ContentTest, HashesHaveComments) {
  EXPECT_EQ(Encoded(ToBytes("# list\n\n  " + kOnes + "  grubx64.efi\r\n\t\n" + kTwos + "\t# x")),
            HashList({0x11, 0x22}));
  EXPECT_EQ(Encoded(ToBytes(std::string(32, 'a') + std::string(32, 'A'))), HashList({0xAA}));
}

TEST_F(ContentTest, ALineThatIsNoHashIsNamed) {
  const std::string what = " does not begin with a SHA-256 of 64 hexadecimal digits";
  EXPECT_EQ(Message(ToBytes(kOnes + "\n\n" + kTwos + "2\n")), "line 3" + what);
  EXPECT_EQ(Message(ToBytes(kOnes.substr(1))), "line 1" + what);
  EXPECT_EQ(Message(ToBytes(kOnes + "#x")), "line 1" + what);
  EXPECT_EQ(Message(ToBytes("g" + kOnes.substr(1))), "line 1" + what);
}

TEST_F(ContentTest, AHashThatIsThereTwiceIsTakenOnce) {
  EXPECT_EQ(Encoded(ToBytes(kTwos + "\n" + kOnes + "\n" + kTwos + "\n")), HashList({0x22, 0x11}));
  EXPECT_EQ(Encoded(ToBytes(Json(JsonEntry(kTwos) + "," + JsonEntry(kTwos)))), HashList({0x22}));
}

TEST_F(ContentTest, AFileWithoutAnEntryIsRefused) {
  EXPECT_EQ(Message({}), "empty");
  EXPECT_EQ(Message(ToBytes("# nothing\n")), "no hash in it");
  EXPECT_EQ(Message(ToBytes(Json(""))), "no hash in it");
}

TEST_F(ContentTest, JsonOfAnotherShapeIsRefused) {
  EXPECT_EQ(Message(ToBytes("{}")), "JSON without images.x64: not Microsoft's list of revocations");
  EXPECT_EQ(Message(ToBytes(R"({"images": {"x64": [{}]}})")),
            "images.x64, entry 1: hashType is not SHA256");
  EXPECT_EQ(Message(ToBytes(Json(JsonEntry(kOnes) + "," + JsonEntry("12")))),
            "images.x64, entry 2: authenticodeHash is not 64 hexadecimal digits");
  const std::string other = "JSON without images.x64: not Microsoft's list of revocations";
  for (const char* json : {R"({"images": {"x64": "text"}})", R"({"images": []})",
                           R"({"images": 1})", R"({"images": {"x64": null}})"}) {
    EXPECT_EQ(Message(ToBytes(json)), other) << json;
  }
  for (const char* json : {R"({"images": {"x64": [1]}})", R"({"images": {"x64": [[]]}})",
                           R"({"images": {"x64": [{"hashType": 256}]}})"}) {
    EXPECT_EQ(Message(ToBytes(json)), "images.x64, entry 1: hashType is not SHA256") << json;
  }
  EXPECT_EQ(
      Message(ToBytes(R"({"images": {"x64": [{"hashType": "SHA256", "authenticodeHash": 1}]}})")),
      "images.x64, entry 1: authenticodeHash is not 64 hexadecimal digits");
  EXPECT_EQ(Message(ToBytes("{\n\"images\":\n}")), "not JSON");
  EXPECT_EQ(Message(ToBytes("{\"a\": " + std::string(1000000, '['))), "not JSON");
}

TEST_F(ContentTest, ASignedUpdateIsNoContent) {
  EXPECT_EQ(Message(test::WithDescriptor({}, {}, HashList({1}))),
            "this is a signed update already, for SetVariable as it is");
}

TEST_F(ContentTest, OtherBytesAreRefused) {
  const std::string what =
      "neither a certificate (PEM or DER), nor hashes (text, or Microsoft's JSON), nor well-formed "
      "signature lists";
  EXPECT_EQ(Message(Bytes(1, 0)), what);
  EXPECT_EQ(Message(Bytes(100000, 0)), what);
  EXPECT_EQ(Message(Joined(HashList({1}), Bytes(1, 0))), what);
  EXPECT_EQ(Message(Joined(Key("PK.der"), Bytes(1, 0))),
            "neither PEM nor DER: X.509 certificate: bytes behind its end");
}

TEST_F(ContentTest, CutAtEveryByteNothingIsMadeUp) {
  const Bytes two = Joined(Key("PK.pem"), Key("KEK.pem"));
  const std::string hashes = kOnes + "\n" + kTwos + "\n" + std::string(64, '3');
  const std::string json = Json(JsonEntry(kOnes) + "," + JsonEntry(kTwos));
  for (const Bytes& file :
       {two, Key("PK.der"), HashList({1, 2, 3}), ToBytes(hashes), ToBytes(json)}) {
    const Bytes whole = Encoded(file);
    for (std::size_t size = 0; size < file.size(); ++size) {
      const auto content = ParseContent(base::ByteSpan(file).first(size));
      if (!content) {
        continue;
      }
      // What is left is a whole file by itself, and what is made of it is how the whole one begins.
      ASSERT_TRUE(content->form == ContentForm::kCertificates ||
                  content->form == ContentForm::kHashes)
          << size;
      if (content->form == ContentForm::kCertificates) {
        const Bytes part = EncodeContent(*content, kOwner);
        ASSERT_LE(part.size(), whole.size());
        EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin())) << size;
        // Either the last newline is missing, or all of the second certificate.
        EXPECT_TRUE(size + 1 == file.size() || size <= Key("PK.pem").size() + 10) << size;
      } else {
        EXPECT_TRUE(size == 64 || size == 65 || size == 129 || size == 130) << size;
      }
    }
  }
}

TEST_F(ContentTest, CertificatesAloneAreTakenWhereOnlyTheyMakeSense) {
  const auto both = ParseCertificates(Joined(Key("PK.pem"), Key("KEK.pem")));
  ASSERT_TRUE(both);
  EXPECT_EQ(both->size(), 2U);
  const auto message = [](base::ByteSpan file) { return ParseCertificates(file).error().message; };
  EXPECT_EQ(message(ToBytes(kOnes)), "neither PEM nor DER: not an X.509 certificate");
  EXPECT_EQ(message({}), "empty");
}

}  // namespace
}  // namespace varstored::signer
