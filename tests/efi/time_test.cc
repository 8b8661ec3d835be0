#include "varstored/efi/time.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "varstored/base/bytes.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"

namespace varstored::efi {
namespace {

using Change = std::pair<std::string, void (*)(Time&)>;

// The fields that a timestamp has, the most significant first.
const std::vector<Change> kOneLater = {
    {"year", [](Time& t) { ++t.year; }},     {"month", [](Time& t) { ++t.month; }},
    {"day", [](Time& t) { ++t.day; }},       {"hour", [](Time& t) { ++t.hour; }},
    {"minute", [](Time& t) { ++t.minute; }}, {"second", [](Time& t) { ++t.second; }},
};

// Those that it must not have.
const std::vector<Change> kNoTimestamp = {
    {"Pad1", [](Time& t) { t.pad1 = 1; }},
    {"Nanosecond", [](Time& t) { t.nanosecond = 1; }},
    {"Nanosecond, highest bit", [](Time& t) { t.nanosecond = 0x80000000; }},
    {"TimeZone", [](Time& t) { t.time_zone = 1; }},
    {"TimeZone, EFI_UNSPECIFIED_TIMEZONE", [](Time& t) { t.time_zone = 0x07FF; }},
    {"Daylight", [](Time& t) { t.daylight = 1; }},
    {"Pad2", [](Time& t) { t.pad2 = 1; }},
};

constexpr Time kNoon = {
    .year = 2024, .month = 6, .day = 15, .hour = 12, .minute = 30, .second = 30};

TEST(Time, FieldsStandWhereTheSpecificationPutsThem) {
  const base::Bytes bytes = {0xE8, 0x07, 2,    3,    4,    5,    6,  7,
                             0x0B, 0x0A, 0x09, 0x08, 0x0D, 0x0C, 14, 15};
  base::Reader reader(bytes);
  Time time;
  ASSERT_TRUE(ReadTime(reader, time));
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(time, (Time{.year = 2024,
                        .month = 2,
                        .day = 3,
                        .hour = 4,
                        .minute = 5,
                        .second = 6,
                        .pad1 = 7,
                        .nanosecond = 0x08090A0B,
                        .time_zone = 0x0C0D,
                        .daylight = 14,
                        .pad2 = 15}));
  base::Writer writer;
  WriteTime(writer, time);
  EXPECT_EQ(writer.Take(), bytes);
}

TEST(Time, FifteenBytesAreTooFew) {
  for (std::size_t size = 0; size < Time::kSizeBytes; ++size) {
    const base::Bytes bytes(size, 1);
    base::Reader reader(bytes);
    Time time = kNoon;
    EXPECT_FALSE(ReadTime(reader, time));
    EXPECT_EQ(time, kNoon);
    EXPECT_EQ(reader.offset(), 0U);
  }
}

TEST(Time, EqualTimesAreNotLater) {
  EXPECT_FALSE(IsLater(kNoon, kNoon));
  EXPECT_FALSE(IsLater(Time{}, Time{}));
}

TEST(Time, EveryFieldIsMoreThanAllBehindIt) {
  for (std::size_t i = 0; i < kOneLater.size(); ++i) {
    Time later = kNoon;
    kOneLater[i].second(later);
    EXPECT_TRUE(IsLater(later, kNoon)) << kOneLater[i].first;
    EXPECT_FALSE(IsLater(kNoon, later)) << kOneLater[i].first;
    // However late the other one is in all less significant fields.
    Time other = kNoon;
    for (std::size_t k = i + 1; k < kOneLater.size(); ++k) {
      for (int times = 0; times < 20; ++times) {
        kOneLater[k].second(other);
      }
    }
    EXPECT_TRUE(IsLater(later, other)) << kOneLater[i].first;
    EXPECT_FALSE(IsLater(other, later)) << kOneLater[i].first;
  }
}

TEST(Time, OrderIsToTheSecond) {
  for (const auto& [field, change] : kNoTimestamp) {
    Time changed = kNoon;
    change(changed);
    EXPECT_FALSE(IsLater(changed, kNoon)) << field;
    EXPECT_FALSE(IsLater(kNoon, changed)) << field;
  }
}

TEST(Time, ATimestampHasNothingBehindTheSeconds) {
  EXPECT_TRUE(kNoon.IsTimestamp());
  EXPECT_TRUE(Time{}.IsTimestamp());
  for (const auto& [field, change] : kNoTimestamp) {
    Time changed = kNoon;
    change(changed);
    EXPECT_FALSE(changed.IsTimestamp()) << field;
  }
}

}  // namespace
}  // namespace varstored::efi
