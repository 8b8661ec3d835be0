#include "wire/machine.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/store/vars_blob.h"

namespace varstored::test {
namespace {

constexpr char kSocket[] = "socket";
constexpr char kSaveFile[] = "save";

std::string WriteFile(const TemporaryFolder& folder, const char* name, ByteSpan bytes) {
  std::string path = folder.File(name);
  if (auto written = base::WriteFileInPlace(path, bytes); !written) {
    throw std::runtime_error(written.error().message);
  }
  return path;
}

std::vector<std::string> Arguments(const TemporaryFolder& folder, const MachineOptions& options) {
  std::vector<std::string> arguments = {"--backend", "memory", "--arg",
                                        "save:" + folder.File(kSaveFile)};
  for (const std::string& key_and_value : options.platform) {
    arguments.insert(arguments.end(), {"--platform", key_and_value});
  }
  if (options.kept) {
    arguments.insert(arguments.end(),
                     {"--arg", "init:" + WriteFile(folder, "kept", *options.kept)});
  }
  if (options.saved) {
    arguments.insert(arguments.end(),
                     {"--resume", "--arg", "resume:" + WriteFile(folder, "saved", *options.saved)});
  }
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  return arguments;
}

}  // namespace

Machine::Machine(const MachineOptions& options)
    : process_(StartLoopback(folder_.File(kSocket), Arguments(folder_, options))),
      guest_(std::in_place, folder_.File(kSocket)) {}

Bytes Machine::Save() {
  const std::string log = LogAtTheEnd();
  auto saved = base::ReadFile(folder_.File(kSaveFile), store::kMaxBlobBytes);
  if (!saved) {
    throw std::runtime_error(saved.error().message + "\n" + log);
  }
  return *std::move(saved);
}

Bytes Machine::ShutDown() {
  const auto blob = store::DecodeVarsBlob(Save());
  if (!blob) {
    throw std::runtime_error(blob.error().message);
  }
  std::vector<const store::Entry*> kept;
  for (const store::Entry& entry : blob->entries) {
    if (entry.Has(efi::kNonVolatile)) {
      kept.push_back(&entry);
    }
  }
  return store::EncodeVarsBlob({}, kept);
}

std::string Machine::LogAtTheEnd() {
  guest_.reset();
  Ended ended = process_.Stop();
  if (ended.exit_code != 0) {
    throw std::runtime_error("varstored-loopback ended with exit code " +
                             std::to_string(ended.exit_code) + ": " + ended.errors);
  }
  return std::move(ended.errors);
}

Bytes BlobOf(const std::vector<store::LegacyRecord>& records) {
  std::vector<store::Entry> entries(records.begin(), records.end());
  std::vector<const store::Entry*> pointers(entries.size());
  std::ranges::transform(entries, pointers.begin(), [](const auto& entry) { return &entry; });
  return store::EncodeVarsBlob({}, pointers);
}

store::LegacyRecord RecordOf(const std::u16string& name, const Guid& guid, std::uint32_t attributes,
                             Bytes data) {
  return {.name = base::ToString(NameBytes(name)),
          .vendor = {guid},
          .attributes = attributes,
          .data = std::move(data)};
}

}  // namespace varstored::test
