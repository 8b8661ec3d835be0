// The firmware's marshalling against the host's dispatcher: what one writes the other reads.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "firmware/host.h"
#include "firmware/wire_pages.h"
#include "support/loopback_client.h"
#include "varstored/engine/variable_services.h"
#include "varstored/guest/dispatcher.h"

namespace varstored::test {
namespace {

constexpr EFI_GUID kVendor = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
constexpr std::size_t kMostNameUnits = 2048;

Bytes BytesOf(const EFI_GUID& guid) { return {std::begin(guid.Bytes), std::end(guid.Bytes)}; }

/// The request that now stands in the pages, as the host reads it.
template <class Request>
Request Decoded(WirePages& pages) {
  const auto request = guest::DecodeRequest(pages.bytes());
  if (!request || !std::holds_alternative<Request>(*request)) {
    ADD_FAILURE() << "the host does not take the request";
    return {};
  }
  return std::get<Request>(*request);
}

TEST(Request, OfGetVariableIsWhatTheHostReads) {
  WirePages pages(0xFF);
  for (const bool at_runtime : {false, true}) {
    ASSERT_EQ(WirePutGetVariable(pages.data(), u"Name", &kVendor, 513, at_runtime ? 1 : 0),
              EFI_SUCCESS);
    const auto request = Decoded<engine::GetVariableRequest>(pages);
    EXPECT_EQ(base::ToBytes(request.name), NameBytes(u"Name"));
    EXPECT_EQ(base::ToBytes(request.vendor.bytes), BytesOf(kVendor));
    EXPECT_EQ(request.data_size, 513U);
    EXPECT_EQ(request.at_runtime, at_runtime);
  }
}

TEST(Request, OfSetVariableIsWhatTheHostReads) {
  WirePages pages(0xFF);
  const Bytes data = {1, 2, 3};
  for (const bool at_runtime : {false, true}) {
    ASSERT_EQ(WirePutSetVariable(pages.data(), u"Name", &kVendor, 0x27, data.size(), data.data(),
                                 at_runtime ? 1 : 0),
              EFI_SUCCESS);
    const auto request = Decoded<engine::SetVariableRequest>(pages);
    EXPECT_EQ(base::ToBytes(request.name), NameBytes(u"Name"));
    EXPECT_EQ(base::ToBytes(request.vendor.bytes), BytesOf(kVendor));
    EXPECT_EQ(base::ToBytes(request.data), data);
    EXPECT_EQ(request.attributes, 0x27U);
    EXPECT_EQ(request.at_runtime, at_runtime);
  }
}

TEST(Request, OfGetNextVariableNameIsWhatTheHostReads) {
  WirePages pages(0xFF);
  for (const bool at_runtime : {false, true}) {
    ASSERT_EQ(WirePutGetNextVariableName(pages.data(), 100, u"Name", &kVendor, at_runtime ? 1 : 0),
              EFI_SUCCESS);
    const auto request = Decoded<engine::GetNextVariableNameRequest>(pages);
    EXPECT_EQ(base::ToBytes(request.name), NameBytes(u"Name"));
    EXPECT_EQ(base::ToBytes(request.vendor.bytes), BytesOf(kVendor));
    EXPECT_EQ(request.name_size, 100U);
    EXPECT_EQ(request.at_runtime, at_runtime);
  }
}

TEST(Request, OfTheOthersIsWhatTheHostReads) {
  WirePages pages(0xFF);
  WirePutQueryVariableInfo(pages.data(), 0x27);
  EXPECT_EQ(Decoded<engine::QueryVariableInfoRequest>(pages).attributes, 0x27U);
  WirePutNotifySecureBootFailure(pages.data());
  Decoded<guest::NotifySecureBootFailureRequest>(pages);
}

TEST(Request, MayFillThePagesAndNotAByteMore) {
  const std::u16string name = u"N";
  // The longest name by itself: its bytes are even, what is beside it is odd.
  const std::u16string longest((WIRE_BYTES - 42) / 2, u'n');
  const std::u16string too_long = longest + u'n';
  const std::u16string longest_set((WIRE_BYTES - 46) / 2, u'n');
  const Bytes data(WIRE_BYTES, 0xDD);
  const std::size_t room = WIRE_BYTES - 45 - 2;
  const auto room_of = [](const std::u16string& text) { return 2 * text.size() + 2; };

  WirePages pages;
  EXPECT_EQ(WirePutGetVariable(pages.data(), longest.c_str(), &kVendor, 0, 0), EFI_SUCCESS);
  EXPECT_EQ(
      WirePutGetNextVariableName(pages.data(), room_of(longest), longest.c_str(), &kVendor, 0),
      EFI_SUCCESS);
  EXPECT_EQ(WirePutSetVariable(pages.data(), name.c_str(), &kVendor, 7, room, data.data(), 0),
            EFI_SUCCESS);
  EXPECT_EQ(WirePutSetVariable(pages.data(), longest_set.c_str(), &kVendor, 7, 1, data.data(), 0),
            EFI_SUCCESS);

  WirePages untouched(0xA5);
  const auto refused = [&](EFI_STATUS status) {
    EXPECT_EQ(status, EFI_INVALID_PARAMETER);
    EXPECT_TRUE(std::ranges::all_of(untouched.bytes(), [](auto byte) { return byte == 0xA5; }));
  };
  refused(WirePutGetVariable(untouched.data(), too_long.c_str(), &kVendor, 0, 0));
  refused(WirePutGetNextVariableName(untouched.data(), room_of(too_long), too_long.c_str(),
                                     &kVendor, 0));
  refused(
      WirePutSetVariable(untouched.data(), name.c_str(), &kVendor, 7, room + 1, data.data(), 0));
  refused(
      WirePutSetVariable(untouched.data(), longest_set.c_str(), &kVendor, 7, 2, data.data(), 0));
  refused(WirePutSetVariable(untouched.data(), too_long.c_str(), &kVendor, 7, 0, nullptr, 0));
}

TEST(Request, LengthsThatOverflowAreRefused) {
  WirePages pages;
  const std::uint8_t byte = 0;
  for (const std::uint64_t size :
       {UINT64_MAX, UINT64_MAX - 44, UINT64_MAX / 2, std::uint64_t{1} << 32U}) {
    EXPECT_EQ(WirePutSetVariable(pages.data(), u"N", &kVendor, 7, size, &byte, 0),
              EFI_INVALID_PARAMETER);
  }
}

TEST(Request, ANameIsNotLookedAtBehindItsSize) {
  WirePages pages;
  const std::vector<char16_t> open(4, u'n');
  for (std::size_t size = 0; size <= 2 * open.size(); ++size) {
    EXPECT_EQ(WirePutGetNextVariableName(pages.data(), size, open.data(), &kVendor, 0),
              EFI_INVALID_PARAMETER)
        << size;
  }
  const std::vector<char16_t> closed = {u'n', 0};
  EXPECT_EQ(WirePutGetNextVariableName(pages.data(), 3, closed.data(), &kVendor, 0),
            EFI_INVALID_PARAMETER);
  EXPECT_EQ(WirePutGetNextVariableName(pages.data(), 4, closed.data(), &kVendor, 0), EFI_SUCCESS);
}

/// The driver and the host, over the same pages.
class DialogueTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(host_.services.Boot({})); }

  void CallHost() {
    auto mapped = pages_.mapped();
    host_.dispatcher.Serve(mapped);
  }
  EFI_STATUS Set(const std::u16string& name, const Bytes& data, std::uint32_t attributes = 7) {
    EXPECT_EQ(WirePutSetVariable(pages_.data(), name.c_str(), &kVendor, attributes, data.size(),
                                 data.data(), 0),
              EFI_SUCCESS);
    CallHost();
    return WireTakeStatus(pages_.data());
  }
  EFI_STATUS Get(const std::u16string& name, Bytes& data, std::uint32_t& attributes,
                 std::uint64_t& size) {
    EXPECT_EQ(WirePutGetVariable(pages_.data(), name.c_str(), &kVendor, size, 0), EFI_SUCCESS);
    CallHost();
    return WireTakeGetVariable(pages_.data(), &attributes, &size, data.data());
  }

  Host host_;
  WirePages pages_{0xFF};
};

TEST_F(DialogueTest, WhatIsSetIsGot) {
  for (const std::size_t size : {1U, 513U, 57344U}) {
    const Bytes data(size, 0xDD);
    ASSERT_EQ(Set(u"Name", data), EFI_SUCCESS);
    Bytes got(size);
    std::uint32_t attributes = 0;
    std::uint64_t got_size = size;
    EXPECT_EQ(Get(u"Name", got, attributes, got_size), EFI_SUCCESS);
    EXPECT_EQ(got, data);
    EXPECT_EQ(got_size, size);
    EXPECT_EQ(attributes, 7U);
  }
}

TEST_F(DialogueTest, SizeAndAttributesAreToldWhenThereIsTooLittleRoom) {
  ASSERT_EQ(Set(u"Name", Bytes(300), 6), EFI_SUCCESS);
  Bytes got(299, 0xA5);
  std::uint32_t attributes = 0;
  std::uint64_t size = got.size();
  EXPECT_EQ(Get(u"Name", got, attributes, size), EFI_BUFFER_TOO_SMALL);
  EXPECT_EQ(size, 300U);
  EXPECT_EQ(attributes, 6U);
  EXPECT_EQ(got, Bytes(299, 0xA5));
}

TEST_F(DialogueTest, AWalkFindsEveryVariable) {
  const std::u16string long_name(kMostNameUnits, u'n');
  ASSERT_EQ(Set(u"Short", Bytes(1)), EFI_SUCCESS);
  ASSERT_EQ(Set(long_name, Bytes(1)), EFI_SUCCESS);
  std::set<std::u16string> names;
  std::vector<char16_t> name = {0};
  EFI_GUID vendor = {};
  while (true) {
    // As many callers do: with what there was room for, then with what it takes.
    std::uint64_t size = 2 * name.size();
    ASSERT_EQ(WirePutGetNextVariableName(pages_.data(), size, name.data(), &vendor, 0),
              EFI_SUCCESS);
    CallHost();
    const EFI_STATUS status =
        WireTakeGetNextVariableName(pages_.data(), &size, name.data(), &vendor);
    if (status == EFI_BUFFER_TOO_SMALL) {
      ASSERT_GT(size, 2 * name.size());
      name.resize(size / 2);
      continue;
    }
    if (status != EFI_SUCCESS) {
      EXPECT_EQ(status, EFI_NOT_FOUND);
      break;
    }
    names.emplace(name.data());
    ASSERT_EQ(size, 2 * std::u16string(name.data()).size() + 2);
  }
  EXPECT_TRUE(names.contains(u"Short"));
  EXPECT_TRUE(names.contains(long_name));
  EXPECT_TRUE(names.contains(u"SecureBoot"));
  EXPECT_EQ(names.size(), host_.services.store().size());
}

TEST_F(DialogueTest, TheSpaceIsTold) {
  WirePutQueryVariableInfo(pages_.data(), 7);
  CallHost();
  std::uint64_t storage = 0;
  std::uint64_t remaining = 0;
  std::uint64_t variable = 0;
  EXPECT_EQ(WireTakeQueryVariableInfo(pages_.data(), &storage, &remaining, &variable), EFI_SUCCESS);
  EXPECT_EQ(storage, 131072U);
  EXPECT_EQ(remaining, storage - host_.services.store().used_bytes());
  EXPECT_EQ(variable, 57344U);
}

TEST_F(DialogueTest, ARefusedImageIsReported) {
  WirePutNotifySecureBootFailure(pages_.data());
  CallHost();
  EXPECT_EQ(WireTakeStatus(pages_.data()), EFI_SUCCESS);
  EXPECT_EQ(host_.storage.reports, 1);
}

TEST_F(DialogueTest, ARefusalIsHandedOn) {
  EXPECT_EQ(Set(u"Name", Bytes(1), 0x10), EFI_UNSUPPORTED);
  EXPECT_EQ(Set(u"Name", Bytes(57345)), EFI_OUT_OF_RESOURCES);
  EXPECT_EQ(Set(u"Absent", Bytes()), EFI_NOT_FOUND);
}

}  // namespace
}  // namespace varstored::test
