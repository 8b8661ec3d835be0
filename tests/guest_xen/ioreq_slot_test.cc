#include "ioreq_slot.h"

#include <array>
#include <cstdint>

#include <gtest/gtest.h>

namespace varstored::guest_xen {
namespace {

constexpr evtchn_port_t kEventChannel = 7;

/// A page as Xen leaves it: nothing waits in any slot.
class Page {
 public:
  Page() {
    for (ioreq_t& ioreq : ioreqs_) {
      ioreq.vp_eport = kEventChannel;
    }
  }

  [[nodiscard]] ioreq_t& ioreq(std::size_t vcpu) { return ioreqs_.at(vcpu); }

  /// What Xen does when a vCPU reads the byte at 0x108.
  void Read(std::size_t vcpu) {
    ioreq_t& ioreq = ioreqs_.at(vcpu);
    ioreq.type = IOREQ_TYPE_PIO;
    ioreq.dir = IOREQ_READ;
    ioreq.addr = 0x108;
    ioreq.size = 1;
    ioreq.count = 1;
    ioreq.data = 0x5555;
    ioreq.state = STATE_IOREQ_READY;
  }

 private:
  std::array<ioreq_t, 128> ioreqs_{};
};

TEST(IoreqSlot, HasTheEventChannelThatXenWroteThere) {
  Page page;
  EXPECT_EQ(IoreqSlot(page.ioreq(3)).event_channel(), kEventChannel);
}

TEST(IoreqSlot, AnEventWithoutAnAccessTakesNothing) {
  Page page;
  IoreqSlot slot(page.ioreq(0));
  for (const std::uint8_t state :
       std::array<std::uint8_t, 2>{STATE_IOREQ_NONE, STATE_IORESP_READY}) {
    page.ioreq(0).state = state & 0xf;

    EXPECT_FALSE(slot.Take().has_value());

    EXPECT_EQ(page.ioreq(0).state, state);
  }
}

TEST(IoreqSlot, StatesThatDoNotExistTakeNothing) {
  Page page;
  IoreqSlot slot(page.ioreq(0));
  for (unsigned int state = 4; state < 16; ++state) {
    page.ioreq(0).state = state & 0xf;
    EXPECT_FALSE(slot.Take().has_value());
    EXPECT_FALSE(slot.is_complete());
    EXPECT_EQ(page.ioreq(0).state, state);
  }
}

TEST(IoreqSlot, TakesAnAccessThatIsReady) {
  Page page;
  IoreqSlot slot(page.ioreq(1));
  page.Read(1);

  const auto access = slot.Take();

  ASSERT_TRUE(access.has_value());
  EXPECT_EQ(access->type, IOREQ_TYPE_PIO);
  EXPECT_TRUE(access->is_read);
  EXPECT_FALSE(access->data_is_pointer);
  EXPECT_EQ(access->address, 0x108U);
  EXPECT_EQ(access->size, 1U);
  EXPECT_EQ(access->count, 1U);
  EXPECT_EQ(access->data, 0x5555U);
  EXPECT_EQ(page.ioreq(1).state, STATE_IOREQ_INPROCESS);
  EXPECT_FALSE(slot.is_complete());
}

TEST(IoreqSlot, TellsTheFlagsOfTheSharedByteApart) {
  Page page;
  IoreqSlot slot(page.ioreq(0));
  for (unsigned int bits = 0; bits < 8; ++bits) {
    page.Read(0);
    page.ioreq(0).dir = bits & 1;
    page.ioreq(0).data_is_ptr = (bits >> 1) & 1;
    page.ioreq(0).df = (bits >> 2) & 1;

    const auto access = slot.Take();

    ASSERT_TRUE(access.has_value());
    EXPECT_EQ(access->is_read, (bits & 1) == IOREQ_READ);
    EXPECT_EQ(access->data_is_pointer, (bits & 2) != 0);
    slot.Complete(0);
    EXPECT_EQ(page.ioreq(0).dir, bits & 1);
    EXPECT_EQ(page.ioreq(0).data_is_ptr, (bits >> 1) & 1);
    EXPECT_EQ(page.ioreq(0).df, (bits >> 2) & 1);
  }
}

TEST(IoreqSlot, TheTakenAccessIsAPrivateCopy) {
  Page page;
  page.Read(0);
  const auto access = IoreqSlot(page.ioreq(0)).Take();

  page.ioreq(0).size = 8;
  page.ioreq(0).addr = 0;

  ASSERT_TRUE(access.has_value());
  EXPECT_EQ(access->size, 1U);
  EXPECT_EQ(access->address, 0x108U);
}

TEST(IoreqSlot, AnAccessThatAKilledDaemonHadBegunWithIsTakenAgain) {
  Page page;
  page.Read(0);
  ASSERT_TRUE(IoreqSlot(page.ioreq(0)).Take().has_value());

  const auto again = IoreqSlot(page.ioreq(0)).Take();

  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->address, 0x108U);
  EXPECT_EQ(page.ioreq(0).state, STATE_IOREQ_INPROCESS);
}

TEST(IoreqSlot, CompletesWithTheDataThatIsRead) {
  Page page;
  IoreqSlot slot(page.ioreq(0));
  page.Read(0);
  ASSERT_TRUE(slot.Take().has_value());

  slot.Complete(0x22);

  EXPECT_EQ(page.ioreq(0).data, 0x22U);
  EXPECT_EQ(page.ioreq(0).state, STATE_IORESP_READY);
  EXPECT_EQ(page.ioreq(0).vp_eport, kEventChannel);  // Xen crashes the domain when it has changed
  EXPECT_TRUE(slot.is_complete());
}

TEST(IoreqSlot, LeavesTheOtherSlotsAlone) {
  Page page;
  page.Read(0);
  page.Read(1);
  IoreqSlot slot(page.ioreq(1));

  ASSERT_TRUE(slot.Take().has_value());
  slot.Complete(1);

  EXPECT_EQ(page.ioreq(0).state, STATE_IOREQ_READY);
  EXPECT_EQ(page.ioreq(0).data, 0x5555U);
  EXPECT_EQ(page.ioreq(2).state, STATE_IOREQ_NONE);
}

}  // namespace
}  // namespace varstored::guest_xen
