// What the program writes while a guest does its worst: every name that is documented, and nothing
// of what is secret.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/log_lines.h"
#include "support/loopback_client.h"
#include "support/temporary_folder.h"
#include "varstored/base/base64.h"
#include "varstored/base/file.h"

namespace varstored::test {
namespace {

constexpr Guid kVendor = {1, 2, 3};
constexpr Guid kMorControlGuid = {0xbe, 0x39, 0x09, 0xe2, 0xd4, 0x32, 0xbe, 0x41,
                                  0xa1, 0x50, 0x89, 0x7f, 0x85, 0xd4, 0x98, 0x29};
constexpr Guid kMorLockGuid = {0xcf, 0x3c, 0x98, 0xbb, 0x1d, 0x15, 0xe1, 0x40,
                               0xa0, 0x7b, 0x4a, 0x17, 0xbe, 0x16, 0x82, 0x92};
constexpr Guid kPpiGuid = {0x5f, 0x98, 0xb0, 0xae, 0x19, 0xac, 0x0c, 0x4b,
                           0xa2, 0xbd, 0x0d, 0xfe, 0x8a, 0x3f, 0xe9, 0x5e};
constexpr Guid kX509 = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                        0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
constexpr Guid kSha256 = {0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
                          0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28};

/// What is looked for. As long as a key of the MOR lock, and no part of a name, a number or a path.
const std::string kSecret = "k3Y$m4rK";

Bytes SecretBytes(std::size_t size = 8) {
  Bytes bytes;
  while (bytes.size() < size) {
    bytes.push_back(static_cast<std::uint8_t>(kSecret[bytes.size() % kSecret.size()]));
  }
  return bytes;
}

/// How those eight bytes could look in a line, wherever they begin in what is encoded.
std::vector<std::string> Looks() {
  std::vector<std::string> looks = {kSecret, "k?3?Y?$?"};
  std::string lower;
  std::string upper;
  for (const char c : kSecret) {
    constexpr std::string_view kLower = "0123456789abcdef";
    constexpr std::string_view kUpper = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    lower += {kLower[byte >> 4], kLower[byte & 15]};
    upper += {kUpper[byte >> 4], kUpper[byte & 15]};
  }
  looks.push_back(lower);
  looks.push_back(upper);
  for (std::size_t shift = 0; shift < 3; ++shift) {
    Bytes bytes(shift);
    const Bytes secret = SecretBytes();
    bytes.insert(bytes.end(), secret.begin(), secret.end());
    // The first and the last group depend on what is around.
    looks.push_back(base::EncodeBase64(bytes).substr(4, 4 + (shift == 1 ? 4 : 0)));
  }
  return looks;
}

/// The real program at the level that says most, with a store on the disk.
class LogTest : public ::testing::Test {
 protected:
  [[nodiscard]] Process Start(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {
        "--backend",   "sqlite", "--arg",      "path:" + folder_.File("db"),
        "--log-level", "debug",  "--platform", "secureboot=true"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return StartLoopback(socket_, std::move(arguments));
  }

  /// Every name that has rules of its own, and an ordinary one.
  static std::vector<std::pair<std::u16string, Guid>> Names() {
    return {{u"Ordinary", kVendor},
            {u"PK", kGlobalGuid},
            {u"KEK", kGlobalGuid},
            {u"db", kSecurityDatabaseGuid},
            {u"dbx", kSecurityDatabaseGuid},
            {u"SecureBoot", kGlobalGuid},
            {u"MemoryOverwriteRequestControl", kMorControlGuid},
            {u"MemoryOverwriteRequestControlLock", kMorLockGuid},
            {u"Tcg2PhysicalPresenceFlags", kPpiGuid},
            {u"Tcg2PhysicalPresenceFlagsLock", kPpiGuid},
            {u"PPIBuffer", kPpiGuid},
            {u"Early", kVendor},
            {u"Fleeting", kVendor},
            {std::u16string(3000, u'n'), kVendor},
            {u"", kVendor}};
  }

  /// Each of them, with attributes of every kind and the secret as data of some lengths.
  static void WriteAll(LoopbackClient& guest, bool at_runtime) {
    for (const auto& [name, vendor] : Names()) {
      for (const std::uint32_t attributes :
           {0U, 1U, 3U, 4U, 6U, 7U, 0x0FU, 0x17U, 0x27U, 0x47U, 0x67U, 0x87U, 0xA7U, 0x107U}) {
        for (const std::size_t size : {8U, 48U, 57344U, 57345U}) {
          if (size < 100 || attributes == 7 || attributes == 0x27) {
            static_cast<void>(
                guest.SetVariable(name, vendor, attributes, SecretBytes(size), at_runtime));
          }
        }
      }
    }
  }

  TemporaryFolder folder_{FastParent()};
  std::string socket_ = folder_.File("socket");
};

TEST_F(LogTest, NothingSecretIsWrittenWhateverBecomesOfACall) {
  const Identity owner = Identity::Make();
  const Identity stranger = Identity::Make();
  Process process = Start({"--arg", "save:" + folder_.File("save")});
  LoopbackClient guest(socket_);

  // Without keys, and with them.
  WriteAll(guest, false);
  VariableWrite write = {.name = u"PK", .guid = kGlobalGuid};
  write.payload = SignatureListOf(kX509, kVendor, {owner.certificate()});
  VariableWrite pk = write;
  pk.payload = AuthPayload(write, owner);
  ASSERT_EQ(guest.SetVariable(pk), kEfiSuccess);
  WriteAll(guest, false);

  // Signed: good, twice the same, by another one, changed since, no list, and until it is full.
  const auto update = [&](const Identity& signer, std::uint8_t minute, const Bytes& payload,
                          std::uint32_t attributes) {
    VariableWrite signed_write = {.name = u"dbx",
                                  .guid = kSecurityDatabaseGuid,
                                  .attributes = attributes,
                                  .time = {.minute = minute},
                                  .payload = payload};
    signed_write.payload = AuthPayload(signed_write, signer);
    return signed_write;
  };
  const Bytes hashes = SignatureListOf(kSha256, kVendor, {SecretBytes(32)});
  EXPECT_EQ(guest.SetVariable(update(owner, 1, hashes, 0x27)), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(update(owner, 1, hashes, 0x27)), kEfiSecurityViolation);
  EXPECT_EQ(guest.SetVariable(update(stranger, 2, hashes, 0x27)), kEfiSecurityViolation);
  VariableWrite changed = update(owner, 3, hashes, 0x27);
  changed.payload.back() ^= 1;
  EXPECT_EQ(guest.SetVariable(changed), kEfiSecurityViolation);
  EXPECT_EQ(guest.SetVariable(update(owner, 4, SecretBytes(64), 0x27)), kEfiInvalidParameter);
  for (std::uint8_t i = 0; i < 40; ++i) {
    std::vector<Bytes> many(50, SecretBytes(32));
    for (std::size_t k = 0; k < many.size(); ++k) {
      many[k][30] = i;
      many[k][31] = static_cast<std::uint8_t>(k);
    }
    static_cast<void>(
        guest.SetVariable(update(owner, 5, SignatureListOf(kSha256, kVendor, many), 0x67)));
  }
  for (const char16_t last : {u'a', u'b', u'c'}) {
    static_cast<void>(
        guest.SetVariable(std::u16string(u"Large") + last, kVendor, 7, SecretBytes(50000)));
  }

  // The lock that has a key: a wrong one is remembered.
  Bytes other_key = SecretBytes(8);
  std::swap(other_key[0], other_key[7]);
  for (const Bytes& key : {SecretBytes(8), other_key, SecretBytes(8), SecretBytes(7)}) {
    static_cast<void>(
        guest.SetVariable(u"MemoryOverwriteRequestControlLock", kMorLockGuid, 7, key));
    static_cast<void>(
        guest.SetVariable(u"MemoryOverwriteRequestControl", kMorControlGuid, 7, Bytes{1}));
  }
  static_cast<void>(guest.SetVariable(u"Early", kVendor, 0, {}));
  static_cast<void>(guest.SetVariable(u"Fleeting", kVendor, 0, {}));
  EXPECT_EQ(guest.SetVariable(u"Early", kVendor, 3, SecretBytes()), kEfiSuccess);
  EXPECT_EQ(guest.SetVariable(u"Fleeting", kVendor, 6, SecretBytes()), kEfiSuccess);
  guest.WritePort(0x108, 4, 0x59336B);
  WriteAll(guest, true);
  static_cast<void>(guest.NotifySecureBootFailure());
  static_cast<void>(guest.NotifySecureBootFailure());

  const std::string log = process.Stop().errors;
  for (const std::string& look : Looks()) {
    EXPECT_EQ(log.find(look), std::string::npos) << look << " in " << log;
  }
  // It went through all that.
  const auto lines = CountLines(log);
  for (const std::string name : {"name-empty",
                                 "name-too-long",
                                 "data-too-long",
                                 "hardware-error-record",
                                 "authenticated-write-deprecated",
                                 "time-based-with-enhanced",
                                 "enhanced-authenticated",
                                 "unknown-attributes",
                                 "runtime-without-boot-service",
                                 "attributes-differ",
                                 "secure-boot-attributes",
                                 "boot-service-variable-at-runtime",
                                 "volatile-variable-at-runtime",
                                 "new-variable-at-runtime",
                                 "read-only",
                                 "mor-control-malformed",
                                 "mor-locked",
                                 "mor-lock-malformed",
                                 "mor-lock-wrong-key",
                                 "descriptor-malformed",
                                 "timestamp-not-later",
                                 "signer-not-trusted",
                                 "signature-wrong",
                                 "signature-list-malformed",
                                 "variable-full",
                                 "store-full",
                                 "secure-boot-refusal",
                                 "already-reported",
                                 "ready",
                                 "lines-left-out",
                                 "ended"}) {
    EXPECT_TRUE(lines.contains(name)) << name << " is not in " << log;
  }
}

TEST_F(LogTest, AFloodOfEverythingIsAFewLinesOfEachName) {
  Process process = Start();
  LoopbackClient guest(socket_);
  WriteAll(guest, false);
  WriteAll(guest, true);
  for (int i = 0; i < 500; ++i) {
    static_cast<void>(guest.CommandWithoutPages());
    guest.WritePort(0x101, 2, 0);
    static_cast<void>(guest.QueryVariableInfo(0x08));
    static_cast<void>(guest.GetNextVariableName(u"Nowhere", kVendor));
  }
  const std::string log = process.Stop().errors;
  const auto lines = CountLines(log);
  EXPECT_GT(lines.size(), 15U) << log;
  for (const auto& [name, count] : lines) {
    EXPECT_LE(count, 8) << name;
  }
  EXPECT_LT(log.size(), lines.size() * 8 * 250);
  EXPECT_NE(log.find("pages-not-mapped 492"), std::string::npos) << log;
}

}  // namespace
}  // namespace varstored::test
