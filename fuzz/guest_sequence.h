#pragma once

#include <cstdint>
#include <vector>

#include "varstored/base/bytes.h"

namespace varstored::fuzz {

/// One thing that happens to a VM.
struct Step {
  enum class Kind : std::uint8_t {
    kCommand,    // the request stands at the start of the pages, whose rest is as it was
    kWritePort,  // `size` bytes of `value`
    kReadPort,
    kUnmapped,  // a command whose pages cannot be mapped
    kStorage,   // from now on it works, or fails
    kResume,    // the VM is saved, and goes on in another process
    kBoot,      // the VM starts anew, with another platform perhaps
    kFill,      // SetVariable of `value` bytes of data, for which an input would be too short
  };
  static constexpr std::uint8_t kKinds = 8;

  Kind kind = Kind::kCommand;
  base::Bytes request;      // kCommand: at most 65535 bytes
  std::uint8_t port = 0;    // kWritePort, kReadPort: counted from 0xFE; kFill: names the variable
  std::uint8_t size = 0;    // kWritePort, kReadPort; kStorage: 0 fails; kBoot: the platform; kFill:
                            // the attributes
  std::uint32_t value = 0;  // kWritePort; kFill: bytes of data
};

/// The life of a VM: the platform of its first boot, and what happens then.
struct Sequence {
  std::uint8_t platform = 0;
  std::vector<Step> steps;
};

/// Every input is a sequence.
[[nodiscard]] Sequence ReadSequence(base::ByteSpan input);
[[nodiscard]] base::Bytes WriteSequence(const Sequence& sequence);

}  // namespace varstored::fuzz
