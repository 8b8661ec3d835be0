#include "varstored/boot/loaders.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "varstored/health/boot.h"
#include "varstored/health/key_content.h"

namespace varstored::boot {
namespace {

constexpr std::size_t kMaxCandidates = 64;

/// UEFI 2.10, 3.5.1.1.
constexpr std::array<std::string_view, 2> kOfDisks = {R"(\EFI\BOOT\BOOTX64.EFI)",
                                                      R"(\EFI\BOOT\BOOTAA64.EFI)"};
/// What shim starts, in the folder that it is in itself.
constexpr std::array<std::string_view, 2> kBehindShim = {"grubx64.efi", "grubaa64.efi"};

constexpr std::uint32_t kActive = 1;  // LOAD_OPTION_ACTIVE

/// The file `name` in the folder of the file `path`.
std::string Beside(std::string_view path, std::string_view name) {
  const std::size_t end = path.find_last_of("\\/");
  return std::string(path.substr(0, end == std::string_view::npos ? 0 : end + 1)) +
         std::string(name);
}

class Collector {
 public:
  void Add(std::uint16_t number, const health::LoadOption& option, bool is_next) {
    Candidate candidate = {.option = health::BootOptionName(number),
                           .is_next = is_next,
                           .label = option.description,
                           .file = option.file,
                           .partition = option.partition};
    if (option.file.empty() && option.has_partition) {
      AddOfDisk(candidate);
    } else if (!option.file.empty() && (option.is_file_alone || option.has_partition)) {
      Add(std::move(candidate));
    } else {
      // No file, one inside of the firmware, or one on a disk that is no partition's.
      found_.elsewhere.push_back(candidate.option);
    }
  }

  void AddOfDisk(const Candidate& like) {
    for (const std::string_view file : kOfDisks) {
      Candidate candidate = like;
      candidate.file = file;
      Add(std::move(candidate));
    }
  }

  [[nodiscard]] Candidates Take() { return std::move(found_); }

 private:
  void Add(Candidate candidate) {
    if (found_.tried.size() < kMaxCandidates) {
      found_.tried.push_back(std::move(candidate));
    }
  }

  Candidates found_;
};

}  // namespace

Candidates CandidatesOf(const health::State& state) {
  const auto options = health::BootOptionsOf(state);
  const auto option_of = [&options](std::uint16_t number) -> const health::LoadOption* {
    const auto found = options.find(number);
    return found != options.end() && found->second ? &*found->second : nullptr;
  };
  Collector collector;
  const auto next = health::NumbersIn(health::DataOf(state, health::kBootNext));
  if (!next.empty()) {
    if (const auto* option = option_of(next.front())) {
      collector.Add(next.front(), *option, true);
    }
  }
  for (const std::uint16_t number :
       health::WithoutRepeats(health::DataOf(state, health::kBootOrder))) {
    const auto* option = option_of(number);
    if (option != nullptr && (option->attributes & kActive) != 0) {
      collector.Add(number, *option, false);
    }
  }
  collector.AddOfDisk({});
  return collector.Take();
}

std::string FileBehindShim(std::string_view path, std::uint16_t machine) {
  return Beside(path, kBehindShim[machine == kMachineAarch64 ? 1 : 0]);
}

std::vector<std::string> WantedFiles(const health::State& state) {
  std::set<std::string> files;
  for (const Candidate& candidate : CandidatesOf(state).tried) {
    files.insert(candidate.file);
    for (const std::string_view name : kBehindShim) {
      files.insert(Beside(candidate.file, name));
    }
  }
  return {files.begin(), files.end()};
}

}  // namespace varstored::boot
