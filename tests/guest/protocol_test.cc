#include "varstored/guest/protocol.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"

namespace varstored::guest {
namespace {

using base::Bytes;
using base::ByteSpan;
using engine::Reason;

constexpr test::Guid kVendor = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
const Bytes kName = test::NameBytes(u"Boot0001");
const Bytes kData = {0xAA, 0xBB, 0xCC, 0xDD, 0xEE};

/// One valid request of each kind.
std::vector<Bytes> ValidRequests() {
  return {test::GetVariableRequest(kName, kVendor, 1000, true),
          test::SetVariableRequest(kName, kVendor, 7, kData, true),
          test::GetNextVariableNameRequest(kName, kVendor, 2000, true),
          test::QueryVariableInfoRequest(7), test::NotifySecureBootFailureRequest()};
}

Reason ReasonOf(ByteSpan bytes) {
  const auto decoded = DecodeRequest(bytes);
  return decoded ? Reason::kSuccess : decoded.error();
}

template <class Reply>
Bytes Encoded(const Reply& reply) {
  base::Writer writer;
  EncodeReply(reply, writer);
  return writer.Take();
}

Bytes Hex(std::string_view digits) {
  Bytes bytes;
  std::string pair;
  for (const char c : digits) {
    if (c != ' ') {
      pair.push_back(c);
    }
    if (pair.size() == 2) {
      bytes.push_back(static_cast<std::uint8_t>(std::stoul(pair, nullptr, 16)));
      pair.clear();
    }
  }
  return bytes;
}

TEST(Decode, GetVariableHasAllFields) {
  const Bytes bytes = test::GetVariableRequest(kName, kVendor, 0x1122334455667788, true);
  const auto decoded = DecodeRequest(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(CallName(*decoded), "GetVariable");
  const auto& request = std::get<engine::GetVariableRequest>(*decoded);
  EXPECT_EQ(base::ToBytes(request.name), kName);
  EXPECT_EQ(request.vendor.bytes, kVendor);
  EXPECT_EQ(request.data_size, 0x1122334455667788U);
  EXPECT_TRUE(request.at_runtime);
}

TEST(Decode, SetVariableHasAllFields) {
  const Bytes bytes = test::SetVariableRequest(kName, kVendor, 0x87654321, kData, false);
  const auto decoded = DecodeRequest(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(CallName(*decoded), "SetVariable");
  const auto& request = std::get<engine::SetVariableRequest>(*decoded);
  EXPECT_EQ(base::ToBytes(request.name), kName);
  EXPECT_EQ(request.vendor.bytes, kVendor);
  EXPECT_EQ(request.attributes, 0x87654321U);
  EXPECT_EQ(base::ToBytes(request.data), kData);
  EXPECT_FALSE(request.at_runtime);
}

TEST(Decode, GetNextVariableNameHasAllFields) {
  const Bytes bytes = test::GetNextVariableNameRequest(kName, kVendor, 0x8877665544332211, true);
  const auto decoded = DecodeRequest(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(CallName(*decoded), "GetNextVariableName");
  const auto& request = std::get<engine::GetNextVariableNameRequest>(*decoded);
  EXPECT_EQ(request.name_size, 0x8877665544332211U);
  EXPECT_EQ(base::ToBytes(request.name), kName);
  EXPECT_EQ(request.vendor.bytes, kVendor);
  EXPECT_TRUE(request.at_runtime);
}

TEST(Decode, QueryVariableInfoHasItsField) {
  const auto decoded = DecodeRequest(test::QueryVariableInfoRequest(0x80000007));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(CallName(*decoded), "QueryVariableInfo");
  EXPECT_EQ(std::get<engine::QueryVariableInfoRequest>(*decoded).attributes, 0x80000007U);
}

TEST(Decode, NotifySecureBootFailureHasNoField) {
  const auto decoded = DecodeRequest(test::NotifySecureBootFailureRequest());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(CallName(*decoded), "NotifySecureBootFailure");
}

TEST(Decode, AnyByteButZeroMeansRuntime) {
  Bytes bytes = test::GetVariableRequest(kName, kVendor, 0, false);
  EXPECT_FALSE(std::get<engine::GetVariableRequest>(*DecodeRequest(bytes)).at_runtime);
  bytes.back() = 0x80;
  EXPECT_TRUE(std::get<engine::GetVariableRequest>(*DecodeRequest(bytes)).at_runtime);
}

TEST(Decode, WhatFollowsTheRequestIsNotLookedAt) {
  for (Bytes bytes : ValidRequests()) {
    bytes.insert(bytes.end(), 100, 0xFF);
    EXPECT_EQ(ReasonOf(bytes), Reason::kSuccess);
  }
}

TEST(Decode, AnotherVersionIsRefusedWhateverFollows) {
  for (const std::uint32_t version : {0U, 2U, 0x100U, 0x01000000U, 0xFFFFFFFFU}) {
    base::Writer writer;
    writer.WriteU32(version);
    EXPECT_EQ(ReasonOf(writer.Take()), Reason::kUnsupportedVersion) << version;
  }
}

TEST(Decode, AnUnknownCommandIsRefused) {
  for (const std::uint32_t command : {5U, 6U, 0x100U, 0x80000000U, 0xFFFFFFFFU}) {
    base::Writer writer;
    writer.WriteU32(1);
    writer.WriteU32(command);
    EXPECT_EQ(ReasonOf(writer.Take()), Reason::kUnsupportedCommand) << command;
  }
}

// L-04: a request that was shorter than its fixed part was read past its end.
TEST(Decode, L04EveryRequestCutAtEveryByteIsRefused) {
  for (const Bytes& whole : ValidRequests()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      // The cut request has memory of its own, so that a sanitizer sees a byte read behind it.
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(ReasonOf(cut), Reason::kRequestTruncated) << size << " of " << whole.size();
    }
    EXPECT_EQ(ReasonOf(whole), Reason::kSuccess);
  }
}

/// A length on the wire, and what is the matter when it is too large.
struct LengthField {
  const char* name;
  Bytes request;
  std::size_t offset;
  std::uint64_t maximum;
  Reason too_large;
};

// L-03: a size from the wire was cut to 16 bits before it was compared.
TEST(Decode, L03EveryLengthIsJudgedInItsFullWidth) {
  const std::size_t data_at = 16 + kName.size() + kVendor.size();
  const std::array<LengthField, 4> fields = {{
      {"GetVariable, name", test::GetVariableRequest(kName, kVendor, 0, false), 8, 4096,
       Reason::kNameTooLong},
      {"SetVariable, name", test::SetVariableRequest(kName, kVendor, 7, kData, false), 8, 4096,
       Reason::kNameTooLong},
      {"SetVariable, data", test::SetVariableRequest(kName, kVendor, 7, kData, false), data_at,
       57344, Reason::kDataTooLong},
      {"GetNextVariableName, name", test::GetNextVariableNameRequest(kName, kVendor, 0, false), 16,
       4096, Reason::kNameTooLong},
  }};
  std::vector<std::uint64_t> lengths = {4095, 4096, 4097, 57343, 57344, 57345, UINT64_MAX};
  for (const int bit : {8, 16, 31, 32, 63}) {
    const std::uint64_t power = std::uint64_t{1} << bit;
    lengths.insert(lengths.end(), {power - 1, power, power + 1});
  }
  for (const LengthField& field : fields) {
    for (const std::uint64_t length : lengths) {
      Bytes bytes = field.request;
      base::Writer writer;
      writer.WriteU64(length);
      std::ranges::copy(writer.Take(), bytes.begin() + static_cast<std::ptrdiff_t>(field.offset));
      // All of these are longer than the request that is there.
      EXPECT_EQ(ReasonOf(bytes),
                length > field.maximum ? field.too_large : Reason::kRequestTruncated)
          << field.name << ": " << length;
      // With the whole of the shared pages there, nothing that is legal can be too long for them.
      bytes.resize(kSharedBytes);
      EXPECT_EQ(ReasonOf(bytes), length > field.maximum ? field.too_large : Reason::kSuccess)
          << field.name << ": " << length;
    }
  }
}

TEST(Decode, AnEmptyNameIsRefusedWhereItMustNotBe) {
  EXPECT_EQ(ReasonOf(test::GetVariableRequest({}, kVendor, 0, false)), Reason::kSuccess);
  EXPECT_EQ(ReasonOf(test::GetNextVariableNameRequest({}, kVendor, 0, false)), Reason::kSuccess);
  EXPECT_EQ(ReasonOf(test::SetVariableRequest({}, kVendor, 7, kData, false)), Reason::kNameEmpty);
}

TEST(Encode, GetVariable) {
  EXPECT_EQ(Encoded(engine::GetVariableReply{.attributes = 7, .data = kData}),
            Hex("0000000000000000 07000000 0500000000000000 aabbccddee"));
  EXPECT_EQ(Encoded(engine::GetVariableReply{
                .reason = Reason::kBufferTooSmall, .attributes = 0x27, .needed_size = 513}),
            Hex("0500000000000080 0102000000000000 27000000"));
  EXPECT_EQ(Encoded(engine::GetVariableReply{.reason = Reason::kNotFound}),
            Hex("0e00000000000080"));
}

TEST(Encode, GetNextVariableName) {
  EXPECT_EQ(Encoded(engine::GetNextVariableNameReply{.name = std::string_view("P\0K\0", 4),
                                                     .vendor = {kVendor}}),
            Hex("0000000000000000 0400000000000000 50004b00 000102030405060708090a0b0c0d0e0f"));
  EXPECT_EQ(Encoded(engine::GetNextVariableNameReply{.reason = Reason::kBufferTooSmall,
                                                     .needed_size = 6}),
            Hex("0500000000000080 0600000000000000"));
  EXPECT_EQ(Encoded(engine::GetNextVariableNameReply{.reason = Reason::kWalkFromUnknownName}),
            Hex("0200000000000080"));
}

TEST(Encode, QueryVariableInfo) {
  EXPECT_EQ(Encoded(engine::QueryVariableInfoReply{
                .maximum_storage = 1, .remaining_storage = 2, .maximum_variable = 3}),
            Hex("0000000000000000 0100000000000000 0200000000000000 0300000000000000"));
  EXPECT_EQ(Encoded(engine::QueryVariableInfoReply{.reason = Reason::kUnknownAttributes}),
            Hex("0200000000000080"));
}

TEST(Encode, TheOthersAreAStatusAlone) {
  EXPECT_EQ(Encoded(engine::SetVariableReply{Reason::kStoreFull}), Hex("0900000000000080"));
  EXPECT_EQ(Encoded(engine::SetVariableReply{Reason::kUnchanged}), Hex("0000000000000000"));
  EXPECT_EQ(Encoded(engine::NotifySecureBootFailureReply{Reason::kAlreadyReported}),
            Hex("0f00000000000080"));
}

}  // namespace
}  // namespace varstored::guest
