// A database that somebody else has left behind. Input: u16 length and bytes of the log
// (vm.db-wal), then those of the database itself.

#include <array>
#include <filesystem>

#include "support.h"
#include "support/temporary_folder.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/file.h"
#include "varstored/engine/variable_services.h"

namespace varstored::fuzz {
namespace {

constexpr std::array<std::uint8_t, 4> kName = {'F', 0, 'z', 0};

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
  const auto database = input.Rest();
  fuzz::Require(base::WriteFileInPlace(path, database).ok(), "a file can be written");
  if (!log.empty()) {
    fuzz::Require(base::WriteFileInPlace(path + "-wal", log).ok(), "a file can be written");
  }
  fuzz::CheckDatabase(path);
  return 0;
}
