// A database that somebody else has left behind, with companions. Input: u16 length and bytes of
// the log (vm.db-wal), the same of a journal (vm.db-journal), then those of the database itself. In
// a journal a byte 0xFE stands for the path of another file of the host.

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "support.h"
#include "support/temporary_folder.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/file.h"
#include "varstored/engine/variable_services.h"

namespace varstored::fuzz {
namespace {

constexpr std::array<std::uint8_t, 4> kName = {'F', 0, 'z', 0};

using Kept = std::optional<std::vector<store::Entry>>;

/// What a tool sees that only looks; nothing when it is refused.
std::optional<Kept> Look(const std::string& path) {
  Silence log;
  const auto files = backend::OpenDatabaseFiles(path, backend::DatabaseUse::kLook);
  auto bytes =
      files ? backend::ReadDatabase(*files) : base::Result<backend::DatabaseBytes>(files.failure());
  if (!bytes) {
    return std::nullopt;
  }
  const auto opened = backend::SqliteBackend::Look(*std::move(bytes), log);
  auto loaded = opened ? (*opened)->Load() : base::Result<Kept>(opened.failure());
  return loaded ? std::optional<Kept>(*std::move(loaded)) : std::nullopt;
}

/// What a daemon sees; nothing when it is refused.
std::optional<Kept> Load(const std::string& path) {
  Silence log;
  const auto opened = backend::SqliteBackend::Open(path, log);
  auto loaded = opened ? (*opened)->Load() : base::Result<Kept>(opened.failure());
  return loaded ? std::optional<Kept>(*std::move(loaded)) : std::nullopt;
}

base::Bytes Content(const std::string& path) {
  return base::ReadFileIfThere(path, 1U << 20U)->value_or(base::Bytes());
}

/// With the path of a file in the place of each 0xFE.
base::Bytes Journal(base::ByteSpan bytes, const std::string& path) {
  base::Bytes journal;
  for (const std::uint8_t byte : bytes) {
    if (byte == 0xFE) {
      journal.insert(journal.end(), path.begin(), path.end());
    } else {
      journal.push_back(byte);
    }
  }
  return journal;
}

/// A boot, a write, and another boot that finds it.
void CheckDatabase(const std::string& path) {
  Silence log;
  base::Bytes saved;
  {
    const auto opened = backend::SqliteBackend::Open(path, log);
    if (!opened) {
      return;
    }
    engine::VariableServices services({}, **opened, log);
    if (!services.Boot({})) {
      return;
    }
    const auto reply = services.SetVariable({.name = base::ByteSpan(kName),
                                             .vendor = {},
                                             .attributes = 7,
                                             .data = base::ByteSpan(kName)});
    if (engine::StatusOf(reply.reason) != efi::Status::kSuccess) {
      return;
    }
  }
  const auto opened = backend::SqliteBackend::Open(path, log);
  Require(opened.ok(), "a database that was written to can be opened again");
  engine::VariableServices services({}, **opened, log);
  Require(services.Boot({}).ok(), "and a VM boots from it");
  Require(services.GetVariable({.name = base::ByteSpan(kName), .vendor = {}, .data_size = 100})
                  .reason == engine::Reason::kSuccess,
          "and finds what was written");
}

}  // namespace
}  // namespace varstored::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const test::TemporaryFolder folder(test::FastParent());
  const std::string path = folder.File("vm.db");
  fuzz::Input input({data, size});
  const auto log = input.Counted();
  const std::string precious = folder.File("precious");
  const auto journal = fuzz::Journal(input.Counted(), precious);
  const auto database = input.Rest();
  fuzz::Require(base::WriteFileInPlace(path, database).ok(), "a file can be written");
  if (!log.empty()) {
    fuzz::Require(base::WriteFileInPlace(path + "-wal", log).ok(), "a file can be written");
  }
  if (!journal.empty()) {
    fuzz::Require(base::WriteFileInPlace(path + "-journal", journal).ok() &&
                      base::WriteFileInPlace(precious, journal).ok(),
                  "a file can be written");
    fuzz::Require(!fuzz::Look(path) && !fuzz::Load(path), "a journal is not followed");
    fuzz::Require(fuzz::Content(path) == base::ToBytes(database) &&
                      fuzz::Content(precious) == journal &&
                      fuzz::Content(path + "-journal") == journal,
                  "and nothing of what it says is done");
    return 0;
  }
  const auto seen = fuzz::Look(path);
  fuzz::Require(fuzz::Content(path) == base::ToBytes(database), "who looks changes nothing");
  const auto loaded = fuzz::Load(path);
  fuzz::Require(!loaded || seen == loaded, "who looks sees what the daemon has");
  fuzz::CheckDatabase(path);
  return 0;
}
