#include "ppi.h"

#include <cstddef>
#include <optional>

#include "built_in.h"
#include "varstored/efi/well_known.h"

namespace varstored::engine {
namespace {

constexpr efi::Attributes kPpiAttributes = efi::kAttributes<0x07>;

constexpr std::size_t kVolatileBytes = sizeof(store::Ancillary::ppi_volatile);
constexpr std::size_t kBufferBytes = 48;
constexpr std::size_t kAllBytes = kVolatileBytes + kBufferBytes;
constexpr std::uint32_t kPortBytes = 4;

/// Where the access begins in the buffer of kAllBytes; nothing when it leaves the port or the
/// buffer. The sum has 64 bits, because the guest chooses the index.
std::optional<std::size_t> Locate(std::uint32_t index, std::uint32_t offset, std::uint32_t size) {
  const std::uint64_t first = std::uint64_t{index} + offset;
  if (size == 0 || std::uint64_t{offset} + size > kPortBytes || first + size > kAllBytes) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(first);
}

void StageBuffer(store::StagedStore& staged, base::Bytes data) {
  StageBuiltIn(staged, efi::kPpiBuffer, kPpiAttributes, std::move(data));
}

void StageFlagsLock(store::StagedStore& staged, bool locked) {
  StageBuiltIn(staged, efi::kPpiFlagsLock, kPpiAttributes,
               {static_cast<std::uint8_t>(locked ? 1 : 0)});
}

/// PPIBuffer always has its size and its attributes, whatever was stored.
void StageWellFormedBuffer(store::StagedStore& staged) {
  const store::Entry* kept = staged.Find(store::KeyOf(efi::kPpiBuffer));
  const bool usable = kept != nullptr && kept->data().size() == kBufferBytes;
  StageBuffer(staged, usable ? kept->data() : base::Bytes(kBufferBytes));
}

}  // namespace

void StagePpiAtBoot(store::StagedStore& staged) {
  StageFlagsLock(staged, false);
  StageWellFormedBuffer(staged);
  store::Ancillary ancillary = staged.ancillary();
  ancillary.ppi_index = 0;
  ancillary.ppi_volatile = {};
  staged.SetAncillary(ancillary);
}

void StagePpiAtTakeover(store::StagedStore& staged) {
  StagePpiAtBoot(staged);
  StageFlagsLock(staged, true);
}

void StagePpiAtResume(store::StagedStore& staged) {
  const auto lock = SingleByte(staged.Find(store::KeyOf(efi::kPpiFlagsLock)));
  StageFlagsLock(staged, lock.value_or(1) != 0);
  StageWellFormedBuffer(staged);
}

bool ArePpiFlagsLocked(const store::StagedStore& staged) {
  return SingleByte(staged.Find(store::KeyOf(efi::kPpiFlagsLock))).value_or(1) != 0;
}

Reason StagePpiFlagsLock(store::StagedStore& staged, const SetVariableRequest& request) {
  if (request.attributes != kPpiAttributes.raw() || request.data.size() != 1 ||
      request.data[0] != 1) {
    return Reason::kPpiFlagsLockMalformed;
  }
  StageFlagsLock(staged, true);
  return Reason::kSuccess;
}

std::uint32_t ReadPpi(const store::Store& store, std::uint32_t offset, std::uint32_t size) {
  const auto first = Locate(store.ancillary().ppi_index, offset, size);
  const store::Entry* buffer = store.Find(store::KeyOf(efi::kPpiBuffer));
  if (!first || buffer == nullptr) {
    return 0;
  }
  std::uint32_t value = 0;
  for (std::uint32_t i = 0; i < size; ++i) {
    const std::size_t at = *first + i;
    const std::uint32_t byte = at < kVolatileBytes ? store.ancillary().ppi_volatile[at]
                                                   : buffer->data()[at - kVolatileBytes];
    value |= byte << (8 * i);
  }
  return value;
}

void StagePpiWrite(store::StagedStore& staged, std::uint32_t offset, std::uint32_t size,
                   std::uint32_t value) {
  store::Ancillary ancillary = staged.ancillary();
  const auto first = Locate(ancillary.ppi_index, offset, size);
  const store::Entry* kept = staged.Find(store::KeyOf(efi::kPpiBuffer));
  if (!first || kept == nullptr) {
    return;
  }
  base::Bytes buffer = kept->data();
  for (std::uint32_t i = 0; i < size; ++i) {
    const std::size_t at = *first + i;
    const auto byte = static_cast<std::uint8_t>(value >> (8 * i));
    if (at < kVolatileBytes) {
      ancillary.ppi_volatile[at] = byte;
    } else {
      buffer[at - kVolatileBytes] = byte;
    }
  }
  staged.SetAncillary(ancillary);
  StageBuffer(staged, std::move(buffer));
}

}  // namespace varstored::engine
