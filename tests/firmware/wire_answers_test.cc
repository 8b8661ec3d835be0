// The firmware's marshalling against a host that answers with nonsense, or not at all.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "firmware/wire_pages.h"
#include "support/loopback_client.h"
#include "varstored/base/writer.h"

namespace varstored::test {
namespace {

constexpr EFI_GUID kVendor = {{1, 2, 3}};
constexpr std::uint8_t kFill = 0xA5;
constexpr std::uint32_t kOldAttributes = 0x55555555;

/// An answer: the integers, each in as many bytes, and bytes behind them.
class Answer {
 public:
  Answer& U32(std::uint32_t value) {
    writer_.WriteU32(value);
    return *this;
  }
  Answer& U64(std::uint64_t value) {
    writer_.WriteU64(value);
    return *this;
  }
  Answer& Add(const Bytes& bytes) {
    writer_.WriteBytes(bytes);
    return *this;
  }
  Bytes Take() { return writer_.Take(); }

 private:
  base::Writer writer_;
};

bool IsUntouched(const Bytes& bytes) {
  return std::ranges::all_of(bytes, [](auto byte) { return byte == kFill; });
}

struct GetOutcome {
  EFI_STATUS status = 0;
  std::uint32_t attributes = kOldAttributes;
  std::uint64_t size = 0;
  Bytes data;
};

/// Asks for "Name" with that much room, and is answered so.
GetOutcome Get(std::size_t room, const Bytes& answer, std::u16string_view name = u"Name") {
  WirePages pages(kFill);
  EXPECT_EQ(WirePutGetVariable(pages.data(), std::u16string(name).c_str(), &kVendor, room, 0),
            EFI_SUCCESS);
  pages.Answer(answer);
  GetOutcome outcome = {.size = room, .data = Bytes(room, kFill)};
  outcome.status =
      WireTakeGetVariable(pages.data(), &outcome.attributes, &outcome.size, outcome.data.data());
  return outcome;
}

void ExpectNothingOf(const GetOutcome& outcome, std::size_t room) {
  EXPECT_EQ(outcome.status, EFI_DEVICE_ERROR);
  EXPECT_EQ(outcome.attributes, kOldAttributes);
  EXPECT_EQ(outcome.size, room);
  EXPECT_TRUE(IsUntouched(outcome.data));
}

struct NextOutcome {
  EFI_STATUS status = 0;
  std::uint64_t size = 0;
  std::vector<char16_t> name;
  EFI_GUID vendor = kVendor;
};

/// Begins a walk with that much room.
NextOutcome Next(std::size_t units, const Bytes& answer) {
  WirePages pages(kFill);
  NextOutcome outcome = {.size = 2 * units, .name = std::vector<char16_t>(units, u'\xA5A5')};
  outcome.name[0] = 0;
  EXPECT_EQ(
      WirePutGetNextVariableName(pages.data(), outcome.size, outcome.name.data(), &kVendor, 0),
      EFI_SUCCESS);
  pages.Answer(answer);
  outcome.status = WireTakeGetNextVariableName(pages.data(), &outcome.size, outcome.name.data(),
                                               &outcome.vendor);
  return outcome;
}

void ExpectNothingOf(const NextOutcome& outcome, std::size_t units) {
  EXPECT_EQ(outcome.status, EFI_DEVICE_ERROR);
  EXPECT_EQ(outcome.size, 2 * units);
  EXPECT_EQ(outcome.name[0], 0);
  EXPECT_TRUE(std::all_of(outcome.name.begin() + 1, outcome.name.end(),
                          [](char16_t unit) { return unit == u'\xA5A5'; }));
  EXPECT_TRUE(std::ranges::equal(outcome.vendor.Bytes, kVendor.Bytes));
}

// Else a firmware takes the request that still stands there for success.
TEST(Answer, NobodyIsAnError) {
  ExpectNothingOf(Get(100, {}), 100);
  ExpectNothingOf(Next(100, {}), 100);

  WirePages pages;
  const std::uint8_t byte = 0;
  ASSERT_EQ(WirePutSetVariable(pages.data(), u"Name", &kVendor, 7, 1, &byte, 0), EFI_SUCCESS);
  EXPECT_EQ(WireTakeStatus(pages.data()), EFI_DEVICE_ERROR);
  std::uint64_t storage = 1;
  std::uint64_t remaining = 2;
  std::uint64_t variable = 3;
  WirePutQueryVariableInfo(pages.data(), 7);
  EXPECT_EQ(WireTakeQueryVariableInfo(pages.data(), &storage, &remaining, &variable),
            EFI_DEVICE_ERROR);
  EXPECT_EQ(storage + remaining + variable, 6U);
  WirePutNotifySecureBootFailure(pages.data());
  EXPECT_EQ(WireTakeStatus(pages.data()), EFI_DEVICE_ERROR);
}

TEST(Answer, OnlyAStatusThatAHostGivesIsHandedOn) {
  const std::vector<std::uint64_t> known = {
      EFI_INVALID_PARAMETER, EFI_UNSUPPORTED, EFI_DEVICE_ERROR,  EFI_WRITE_PROTECTED,
      EFI_OUT_OF_RESOURCES,  EFI_NOT_FOUND,   EFI_ACCESS_DENIED, EFI_SECURITY_VIOLATION};
  for (std::uint64_t code = 0; code < 64; ++code) {
    // Errors, warnings, and what only looks like one of either in its low half.
    for (const std::uint64_t status :
         {0x8000000000000000 | code, code + 1, code << 32U | 1U, 0x80000000 | code,
          0xC000000000000000 | code, 0x8000000100000000 | code}) {
      const bool is_known = std::ranges::count(known, status) != 0;
      WirePages pages;
      pages.Answer(Answer().U64(status).Take());
      EXPECT_EQ(WireTakeStatus(pages.data()), is_known ? status : EFI_DEVICE_ERROR) << status;
      if (status != EFI_BUFFER_TOO_SMALL) {
        EXPECT_EQ(Get(9, Answer().U64(status).Take()).status, is_known ? status : EFI_DEVICE_ERROR)
            << status;
        EXPECT_EQ(Next(9, Answer().U64(status).Take()).status, is_known ? status : EFI_DEVICE_ERROR)
            << status;
      }
    }
  }
}

TEST(Answer, NoMoreDataThanTheCallerHasRoomFor) {
  constexpr std::size_t kRoom = 100;
  for (const std::uint64_t size :
       {std::uint64_t{kRoom + 1}, std::uint64_t{65516}, std::uint64_t{65517},
        std::uint64_t{1} << 32U, (std::uint64_t{1} << 40U) + 1, UINT64_MAX - 19, UINT64_MAX}) {
    ExpectNothingOf(Get(kRoom, Answer().U64(0).U32(7).U64(size).Take()), kRoom);
  }
  const Bytes data(kRoom, 0x11);
  const auto whole = Get(kRoom, Answer().U64(0).U32(7).U64(kRoom).Add(data).Take());
  EXPECT_EQ(whole.status, EFI_SUCCESS);
  EXPECT_EQ(whole.data, data);
}

TEST(Answer, NoMoreDataThanThePagesHold) {
  constexpr std::size_t kRoom = 100000;
  EXPECT_EQ(Get(kRoom, Answer().U64(0).U32(7).U64(65516).Take()).status, EFI_SUCCESS);
  ExpectNothingOf(Get(kRoom, Answer().U64(0).U32(7).U64(65517).Take()), kRoom);
}

// Callers ask with no room to learn the size, and insist on an error.
TEST(Answer, ThereIsNoVariableWithoutData) {
  ExpectNothingOf(Get(0, Answer().U64(0).U32(7).U64(0).Take()), 0);
  ExpectNothingOf(Get(9, Answer().U64(0).U32(7).U64(0).Take()), 9);
}

// Else a caller asks again and again.
TEST(Answer, TooLittleRoomMeansThatMoreWouldDo) {
  constexpr std::size_t kRoom = 100;
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{kRoom}, std::uint64_t{65517},
                                   std::uint64_t{1} << 40U, UINT64_MAX}) {
    ExpectNothingOf(Get(kRoom, Answer().U64(EFI_BUFFER_TOO_SMALL).U64(size).U32(7).Take()), kRoom);
  }
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{2 * kRoom}, std::uint64_t{2 * kRoom + 1},
        std::uint64_t{65507}, std::uint64_t{65508}, UINT64_MAX, UINT64_MAX - 1}) {
    ExpectNothingOf(Next(kRoom, Answer().U64(EFI_BUFFER_TOO_SMALL).U64(size).Take()), kRoom);
  }
  const auto next = Next(kRoom, Answer().U64(EFI_BUFFER_TOO_SMALL).U64(2 * kRoom + 2).Take());
  EXPECT_EQ(next.status, EFI_BUFFER_TOO_SMALL);
  EXPECT_EQ(next.size, 2 * kRoom + 2);
}

TEST(Answer, AHostThatDoesNotTellTheAttributesIsNotMisread) {
  for (const std::u16string_view name : {u"Name", u"N", u"\u0007\u0001"}) {
    const auto older = Get(1, Answer().U64(EFI_BUFFER_TOO_SMALL).U64(9).Take(), name);
    EXPECT_EQ(older.status, EFI_BUFFER_TOO_SMALL);
    EXPECT_EQ(older.size, 9U);
    EXPECT_EQ(older.attributes, kOldAttributes);
  }
  const auto newer = Get(1, Answer().U64(EFI_BUFFER_TOO_SMALL).U64(9).U32(0x27).Take());
  EXPECT_EQ(newer.attributes, 0x27U);
}

TEST(Answer, ACallerMayWantLess) {
  WirePages pages;
  std::uint64_t size = 4;
  std::uint32_t data = 0;
  pages.Answer(Answer().U64(0).U32(7).U64(4).U32(5).Take());
  EXPECT_EQ(WireTakeGetVariable(pages.data(), nullptr, &size, &data), EFI_SUCCESS);
  EXPECT_EQ(data, 5U);
  EXPECT_EQ(WireTakeGetVariable(pages.data(), nullptr, &size, nullptr), EFI_INVALID_PARAMETER);
  EXPECT_EQ(size, 4U);
  pages.Answer(Answer().U64(EFI_BUFFER_TOO_SMALL).U64(5).U32(7).Take());
  EXPECT_EQ(WireTakeGetVariable(pages.data(), nullptr, &size, nullptr), EFI_BUFFER_TOO_SMALL);
  EXPECT_EQ(size, 5U);
}

TEST(Answer, ANameFitsItsCallerWithItsTerminator) {
  const Bytes guid(16, 0x22);
  const auto fits = Next(3, Answer().U64(0).U64(4).Add(NameBytes(u"ab")).Add(guid).Take());
  EXPECT_EQ(fits.status, EFI_SUCCESS);
  EXPECT_EQ(fits.size, 6U);
  EXPECT_EQ(std::u16string(fits.name.data()), u"ab");
  EXPECT_TRUE(std::ranges::equal(fits.vendor.Bytes, guid));

  ExpectNothingOf(Next(2, Answer().U64(0).U64(4).Add(NameBytes(u"ab")).Add(guid).Take()), 2);
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{65505}, std::uint64_t{65506},
                                   std::uint64_t{65536}, UINT64_MAX - 1, UINT64_MAX}) {
    ExpectNothingOf(Next(100000, Answer().U64(0).U64(size).Add(Bytes(65520, 0x33)).Take()), 100000);
  }
}

TEST(Answer, ANameHasNoHalfCharacterAndNoNul) {
  const Bytes guid(16, 0x22);
  for (const std::uint64_t size : {1U, 3U, 5U}) {
    ExpectNothingOf(Next(9, Answer().U64(0).U64(size).Add(Bytes(30, 0x33)).Take()), 9);
  }
  ExpectNothingOf(Next(9, Answer().U64(0).U64(6).Add({'a', 0, 0, 0, 'b', 0}).Add(guid).Take()), 9);
  ExpectNothingOf(Next(9, Answer().U64(0).U64(2).Add({0, 0}).Add(guid).Take()), 9);
}

}  // namespace
}  // namespace varstored::test
