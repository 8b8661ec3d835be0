#include "varstored/pool/metrics.h"

#include <gtest/gtest.h>

#include "varstored/pool/look.h"

namespace varstored::pool {
namespace {

TEST(Samples, AnAnswerThatIsMadeUpIsRefused) {
  Entry entry;
  entry.report.emplace();
  const auto samples = SamplesOf(entry);
  ASSERT_GE(samples.size(), 2U);
  const base::Bytes bytes = EncodeSamples(samples);
  constexpr std::size_t kSample = 9;
  ASSERT_EQ(bytes.size(), samples.size() * kSample);
  const auto read = DecodeSamples(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size(), samples.size());
  // Cut within a sample.
  EXPECT_FALSE(DecodeSamples(base::ByteSpan(bytes).first(bytes.size() - 1)));
  // A series that there is not.
  base::Bytes unknown = bytes;
  unknown[unknown.size() - kSample] = 0xff;
  EXPECT_FALSE(DecodeSamples(unknown));
  // One twice.
  base::Bytes twice = bytes;
  twice.insert(twice.end(), bytes.end() - kSample, bytes.end());
  EXPECT_FALSE(DecodeSamples(twice));
}

TEST(Samples, SecondsHaveAllTheirDigits) {
  Vm vm;
  vm.uuid = "u";
  Metrics metrics;
  metrics.Add(vm, "name", {});
  const std::string text = metrics.Render({}, {.ended = 5, .duration_us = 3000007});
  EXPECT_NE(text.find("varstored_pool_walk_duration_seconds 3.000007\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("varstored_pool_walk_timestamp_seconds 5\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace varstored::pool
