// Random sequences of calls, over every place where state is kept, against a model of the rules.

#include <cstdint>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "property/machine.h"
#include "support/temporary_folder.h"

namespace varstored::test {
namespace {

constexpr int kSequences = 60;
constexpr int kCallsPerSequence = 250;

template <class Kind>
class PropertyTest : public testing::Test {};

using Places = testing::Types<BlobPlace, SqlitePlace>;
TYPED_TEST_SUITE(PropertyTest, Places);

TYPED_TEST(PropertyTest, EverySequenceOfCallsFollowsTheModel) {
  for (std::uint32_t seed = 1; seed <= kSequences; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const TemporaryFolder folder(FastParent());
    TypeParam place(folder.path());
    Machine machine(place);
    std::mt19937 random(seed);
    Caller caller(
        [&random](std::uint32_t end) { return static_cast<std::uint32_t>(random() % end); });
    for (int call = 0; call < kCallsPerSequence; ++call) {
      Step(machine, caller);
      ASSERT_FALSE(this->HasFailure()) << "call " << call;
    }
  }
}

}  // namespace
}  // namespace varstored::test
