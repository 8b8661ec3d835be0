#include "varstored/convert/qcow2.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/base/reader.h"
#include "varstored/convert/flash_image.h"
#include "varstored/convert/scratch_folder.h"
#include "varstored/sandbox/helper.h"
#include "varstored/sandbox/program.h"

namespace varstored::convert {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic = {'Q', 'F', 'I', 0xFB};

base::Result<base::Bytes> Convert(base::ByteSpan bytes, const std::string& from,
                                  const std::string& to) {
  const std::string program = sandbox::FindProgram("qemu-img");
  if (program.empty()) {
    return base::Fail("qcow2 needs the program qemu-img (package qemu-utils): " +
                      base::ErrnoText());
  }
  auto folder = ScratchFolder::Make();
  if (!folder) {
    return folder.failure();
  }
  const std::string in = folder->path() + "/in";
  if (auto done = base::WriteFileInPlace(in, bytes); !done) {
    return done.failure();
  }
  // Whom the folder is given to reads it; nobody else reaches it.
  if (::chmod(in.c_str(), 0444) != 0) {
    return base::Fail(in + ": cannot change its mode: " + base::ErrnoText());
  }
  if (auto done = sandbox::RunProgram({.path = program,
                                       .arguments = {"convert", "-f", from, "-O", to, "in", "out"},
                                       .folder = folder->path(),
                                       .max_file_bytes = 2 * kMaxFlashBytes});
      !done) {
    return base::Fail("qemu-img " + done.error().message);
  }
  const auto out = base::HeldFile::Open(folder->path() + "/out");
  return out ? out->Read(2 * kMaxFlashBytes) : out.failure();
}

/// A big-endian number of a qcow2 header, 0 where the header has ended.
template <std::size_t kSize>
std::uint64_t NumberAt(base::ByteSpan image, std::size_t offset) {
  base::Reader reader(image.subspan(std::min(offset, image.size())));
  std::array<std::uint8_t, kSize> bytes{};
  std::uint64_t number = 0;
  if (reader.ReadArray(bytes)) {
    for (const std::uint8_t byte : bytes) {
      number = number << 8U | byte;
    }
  }
  return number;
}

}  // namespace

bool IsQcow2(base::ByteSpan bytes) {
  base::Reader reader(bytes);
  std::array<std::uint8_t, 4> magic{};
  return reader.ReadArray(magic) && magic == kMagic;
}

base::Result<void> CheckQcow2(base::ByteSpan image) {
  // QEMU's docs/interop/qcow2.txt, "Header".
  constexpr std::uint64_t kExternalDataFile = 0x04;
  const std::uint64_t version = NumberAt<4>(image, 4);
  if (!IsQcow2(image) || version < 2 || version > 3) {
    return base::Fail("no qcow2 image of version 2 or 3");
  }
  if (NumberAt<8>(image, 8) != 0 ||
      (version == 3 && (NumberAt<8>(image, 72) & kExternalDataFile) != 0)) {
    return base::Fail(
        "the qcow2 image takes its content from another file; flatten it first "
        "(qemu-img convert -O qcow2)");
  }
  if (NumberAt<4>(image, 32) != 0) {
    return base::Fail("the qcow2 image is encrypted");
  }
  if (const std::uint64_t size = NumberAt<8>(image, 24); size > kMaxFlashBytes) {
    return base::Fail("the qcow2 image has " + std::to_string(size) + " bytes, the limit is " +
                      std::to_string(kMaxFlashBytes));
  }
  return {};
}

base::Result<base::Bytes> FromQcow2(base::ByteSpan image, base::Log& log) {
  const auto checked = sandbox::InHelper(
      [image](base::Log& /*lines*/) -> base::Result<base::Bytes> {
        const auto good = CheckQcow2(image);
        return good ? base::Result<base::Bytes>(base::Bytes()) : good.failure();
      },
      log, {.memory_bytes = kHelperMemoryBytes});
  return checked ? Convert(image, "qcow2", "raw") : checked.failure();
}

base::Result<base::Bytes> ToQcow2(base::ByteSpan content) {
  return Convert(content, "raw", "qcow2");
}

}  // namespace varstored::convert
