#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/temporary_folder.h"

namespace varstored::test {
namespace {

const std::vector<std::string> kMemory = {"--backend", "memory"};

TEST(Service, EveryCallWorksOverTheSocket) {
  const TemporaryFolder folder;
  const Process process = StartLoopback(folder.File("s"), kMemory);
  LoopbackClient guest(folder.File("s"));
  const Guid vendor = {1, 2, 3};
  const Bytes data = {10, 20, 30};

  EXPECT_EQ(guest.SetVariable(u"Name", vendor, 7, data), kEfiSuccess);
  const auto found = guest.GetVariable(u"Name", vendor);
  EXPECT_EQ(found.status, kEfiSuccess);
  EXPECT_EQ(found.attributes, 7U);
  EXPECT_EQ(found.data, data);
  const auto too_small = guest.GetVariable(u"Name", vendor, 2);
  EXPECT_EQ(too_small.status, kEfiBufferTooSmall);
  EXPECT_EQ(too_small.needed_size, 3U);

  const auto names = guest.Walk();
  EXPECT_EQ(names.front(), std::pair(std::u16string(u"Name"), vendor));
  const auto short_room = guest.GetNextVariableName({}, {}, 9);
  EXPECT_EQ(short_room.status, kEfiBufferTooSmall);
  EXPECT_EQ(short_room.needed_size, 10U);

  const auto info = guest.QueryVariableInfo(7);
  EXPECT_EQ(info.status, kEfiSuccess);
  EXPECT_EQ(info.maximum_storage, 131072U);
  EXPECT_EQ(info.maximum_variable, 57344U);
  EXPECT_LT(info.remaining_storage, 131072U);

  EXPECT_EQ(guest.NotifySecureBootFailure(), kEfiSuccess);
  EXPECT_EQ(guest.NotifySecureBootFailure(), kEfiAccessDenied);
}

}  // namespace
}  // namespace varstored::test
