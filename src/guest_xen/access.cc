#include "access.h"

#include "hypervisor.h"
#include "varstored/guest/dispatcher.h"

namespace varstored::guest_xen {

std::string_view OddityText(Oddity oddity) {
  switch (oddity) {
    case Oddity::kNotAPort:
      return "not to a port";
    case Oddity::kPointer:
      return "from or to memory (ins, outs)";
    case Oddity::kSeveral:
      return "repeated";
    case Oddity::kSize:
      return "of a width that no port has";
    case Oddity::kAddress:
      return "outside of the ports";
  }
  return "odd";
}

base::Result<PortAccess, Oddity> ToPortAccess(const Access& access) {
  using guest::kFirstPort;
  using guest::kPortCount;
  if (access.type != IOREQ_TYPE_PIO) {
    return base::Failure<Oddity>{Oddity::kNotAPort};
  }
  if (access.data_is_pointer) {
    return base::Failure<Oddity>{Oddity::kPointer};
  }
  if (access.count != 1) {
    return base::Failure<Oddity>{Oddity::kSeveral};
  }
  if (access.size != 1 && access.size != 2 && access.size != 4) {
    return base::Failure<Oddity>{Oddity::kSize};
  }
  if (access.address < kFirstPort || access.address > kFirstPort + kPortCount - access.size) {
    return base::Failure<Oddity>{Oddity::kAddress};
  }
  // Xen leaves in the upper bytes what it likes.
  const std::uint64_t mask = (std::uint64_t{1} << (8 * access.size)) - 1;
  return PortAccess{access.is_read, static_cast<std::uint32_t>(access.address), access.size,
                    static_cast<std::uint32_t>(access.data & mask)};
}

}  // namespace varstored::guest_xen
