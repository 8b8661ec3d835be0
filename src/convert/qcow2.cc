#include "varstored/convert/qcow2.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "scratch_folder.h"
#include "varstored/base/file.h"
#include "varstored/base/reader.h"
#include "varstored/convert/flash_image.h"

namespace varstored::convert {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic = {'Q', 'F', 'I', 0xFB};

/// Runs qemu-img in `folder`, where all the files that it is given are.
base::Result<void> RunQemuImg(const std::string& folder, std::vector<std::string> words) {
  words.insert(words.begin(), "qemu-img");
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  if (int code = posix_spawn_file_actions_init(&actions); code != 0) {
    return base::Fail(std::string("cannot start qemu-img: ") + std::strerror(code));
  }
  pid_t child = -1;
  int code = posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  if (code == 0) {
    code = posix_spawnp(&child, "qemu-img", &actions, nullptr, arguments.data(), environ);
  }
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) {
    return base::Fail(std::string("qcow2 needs the program qemu-img (package qemu-utils): ") +
                      std::strerror(code));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      return base::Fail("cannot wait for qemu-img: " + base::ErrnoText());
    }
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return base::Fail("qemu-img failed");
  }
  return {};
}

base::Result<base::Bytes> Convert(base::ByteSpan bytes, const std::string& from,
                                  const std::string& to) {
  auto folder = ScratchFolder::Make();
  if (!folder) {
    return folder.failure();
  }
  if (auto done = base::WriteFileInPlace(folder->path() + "/in", bytes); !done) {
    return done.failure();
  }
  if (auto done = RunQemuImg(folder->path(), {"convert", "-f", from, "-O", to, "in", "out"});
      !done) {
    return done.failure();
  }
  return base::ReadFile(folder->path() + "/out", 2 * kMaxFlashBytes);
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

base::Result<base::Bytes> FromQcow2(base::ByteSpan image) {
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
  return Convert(image, "qcow2", "raw");
}

base::Result<base::Bytes> ToQcow2(base::ByteSpan content) {
  return Convert(content, "raw", "qcow2");
}

}  // namespace varstored::convert
