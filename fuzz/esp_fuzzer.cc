// A tenant's disk, and the boot loader on it. Input: the disk, of which all of it is also taken for
// a program of EFI.

#include <algorithm>

#include "support.h"
#include "varstored/boot/disk.h"
#include "varstored/boot/fat.h"
#include "varstored/boot/image.h"
#include "varstored/boot/shim.h"
#include "varstored/boot/verdict.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const base::ByteSpan file(data, size);
  const boot::Databases nothing{health::State()};
  const boot::Verdict verdict = boot::VerdictOn(file, nothing);
  fuzz::Require(boot::OutcomeOf(verdict.reason) == boot::Outcome::kRefused,
                "nothing starts without db");
  const auto image = boot::ParseImage(file);
  fuzz::Require(image.ok() == (verdict.reason != boot::Reason::kNoImage),
                "what is no image is said so");
  if (image) {
    static_cast<void>(boot::ShimRulesOf(*image, health::State()));
    const auto version = boot::FindResource(*image, "BOOTMGRSECURITYVERSIONNUMBER");
    fuzz::Require(!version || version->size() <= size, "a resource is a part of the file");
  }
  const boot::Disk disk = {size, [file](std::uint64_t offset, std::span<std::uint8_t> into) {
                             if (offset > file.size() || into.size() > file.size() - offset) {
                               return false;
                             }
                             std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset),
                                         into.size(), into.begin());
                             return true;
                           }};
  const auto inside = boot::OpenImage(disk);
  const auto partitions = inside ? boot::FindEsps(*inside)
                                 : base::Result<std::vector<boot::Partition>>(inside.failure());
  if (!partitions) {
    return 0;
  }
  for (const boot::Partition& partition : *partitions) {
    const auto volume = boot::FatVolume::Open(partition.disk);
    if (volume) {
      constexpr std::size_t kMost = 4096;
      const auto content = volume->ReadFile("\\EFI\\BOOT\\BOOTX64.EFI", kMost);
      fuzz::Require(!content || !*content || (*content)->size() <= kMost, "a file has its bound");
    }
  }
  return 0;
}
