#include "varstored/signer/update.h"

#include <string>

#include <gtest/gtest.h>

#include "support/signing.h"
#include "varstored/efi/variable_name.h"

namespace varstored::signer {
namespace {

using base::Bytes;

constexpr test::Guid kX509 = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                              0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};

std::string Message(const base::Result<void>& result) {
  return result ? "taken" : result.error().message;
}

/// The same write for the tests' own code.
test::VariableWrite Same(const Update& update, const std::u16string& name) {
  return {.name = name,
          .guid = update.variable.vendor.bytes,
          .attributes = update.attributes.raw(),
          .time = {2024, 1, 2, 3, 4, 5},
          .payload = update.payload};
}

class UpdateTest : public testing::Test {
 protected:
  [[nodiscard]] Update Of(const efi::WellKnownVariable& variable,
                          efi::Attributes attributes = kReplace) const {
    return {.variable = variable,
            .attributes = attributes,
            .time = {.year = 2024, .month = 1, .day = 2, .hour = 3, .minute = 4, .second = 5},
            .payload = test::SignatureListOf(kX509, kX509, {owner_.certificate()})};
  }
  [[nodiscard]] crypto::Certificate Owner() const {
    return crypto::Certificate::Parse(owner_.certificate()).value();
  }
  [[nodiscard]] Bytes Signed(const Update& update, const test::Identity& signer) const {
    return EncodeAuthFile(update, test::Sign(SignableBytes(update), signer));
  }

  const test::Identity owner_ = test::Identity::Make({.key_type = test::KeyType::kRsa2048});
  const test::Identity stranger_ = test::Identity::Make({.key_type = test::KeyType::kRsa2048});
};

TEST_F(UpdateTest, BytesAreThoseOfTheSpecification) {
  const Update pk = Of(efi::kPk);
  EXPECT_EQ(SignableBytes(pk), test::SignedBytes(Same(pk, u"PK")));
  const Update dbx = Of(efi::kDbx, kAppend);
  EXPECT_EQ(SignableBytes(dbx), test::SignedBytes(Same(dbx, u"dbx")));
  const Bytes signature = {1, 2, 3};
  EXPECT_EQ(EncodeAuthFile(dbx, signature),
            test::WithDescriptor({2024, 1, 2, 3, 4, 5}, signature, dbx.payload));
}

TEST_F(UpdateTest, TheSixVariablesHaveTheirNamesAndNoOthers) {
  for (const char* name : {"PK", "KEK", "db", "dbx", "dbt", "dbr"}) {
    const auto variable = SecureBootVariable(name);
    ASSERT_TRUE(variable) << name;
    EXPECT_EQ(efi::NameToUtf8(variable->name), name);
  }
  for (const char* name : {"pk", "DB", "SecureBoot", "", "dbxx"}) {
    EXPECT_FALSE(SecureBootVariable(name)) << name;
  }
}

TEST_F(UpdateTest, ATimeIsInUtc) {
  const efi::Time leap = {
      .year = 2024, .month = 2, .day = 29, .hour = 23, .minute = 59, .second = 59};
  EXPECT_EQ(TimeOf(1709251199), leap);
  EXPECT_EQ(TimeOf(0), (efi::Time{.year = 1970, .month = 1, .day = 1}));
  EXPECT_EQ(TimeOf(253402300799)->year, 9999);
  EXPECT_EQ(TimeOf(253402300800), std::nullopt);
  EXPECT_EQ(TimeOf(-1), std::nullopt);
}

TEST_F(UpdateTest, AVmTakesWhatItsPlatformKeySigned) {
  for (const auto& variable : {efi::kPk, efi::kKek, efi::kDb, efi::kDbx, efi::kDbt, efi::kDbr}) {
    const Update update = Of(variable);
    EXPECT_EQ(Message(TryAuthFile(update, Signed(update, owner_), Owner())), "taken");
    EXPECT_EQ(Message(TryAuthFile(update, Signed(update, stranger_), Owner())),
              "signer-not-trusted");
    EXPECT_EQ(Message(TryAuthFile(update, EncodeAuthFile(update, {}), Owner())),
              "signature-malformed");
  }
  const Update append = Of(efi::kDbx, kAppend);
  EXPECT_EQ(Message(TryAuthFile(append, Signed(append, owner_), Owner())), "taken");
}

TEST_F(UpdateTest, InSetupModeOnlyPkIsSigned) {
  for (const auto& variable : {efi::kKek, efi::kDb, efi::kDbx}) {
    const Update update = Of(variable);
    EXPECT_EQ(Message(TryAuthFile(update, EncodeAuthFile(update, {}), std::nullopt)), "taken");
  }
  const Update pk = Of(efi::kPk);
  EXPECT_EQ(Message(TryAuthFile(pk, Signed(pk, owner_), std::nullopt)), "taken");
  EXPECT_EQ(Message(TryAuthFile(pk, Signed(pk, stranger_), std::nullopt)), "signer-not-trusted");
}

TEST_F(UpdateTest, WhatTheEngineRefusesIsRefused) {
  Update two = Of(efi::kPk);
  const Bytes list = two.payload;
  two.payload.insert(two.payload.end(), list.begin(), list.end());
  EXPECT_EQ(Message(TryAuthFile(two, Signed(two, owner_), Owner())), "pk-not-one-certificate");
  Update large = Of(efi::kDb);
  large.payload = test::SignatureListOf(kX509, kX509, {Bytes(57345, 0x30)});
  EXPECT_EQ(Message(TryAuthFile(large, Signed(large, owner_), Owner())), "data-too-long");
}

}  // namespace
}  // namespace varstored::signer
