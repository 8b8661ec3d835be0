#include "daemon.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "varstored/backend/sqlite.h"
#include "varstored/base/file.h"
#include "varstored/store/store.h"
#include "varstored/store/vars_blob.h"

namespace varstored::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// Variables as another daemon may have left them: more than a guest of today can store.
std::vector<store::Entry> KeptVariables(const Setup& setup) {
  std::vector<store::Entry> entries;
  for (std::size_t number = 0; number < setup.variables; ++number) {
    store::LegacyRecord record;
    record.name = base::ToString(test::NameBytes(NameOfVariable(number)));
    record.vendor.bytes = kVendor;
    record.attributes = 7;
    record.data.assign(setup.variable_bytes, 0x5A);
    entries.push_back(store::MakeEntry(std::move(record)));
  }
  return entries;
}

void WriteBlob(const std::string& path, const std::vector<store::Entry>& entries) {
  std::vector<const store::Entry*> pointers;
  pointers.reserve(entries.size());
  for (const store::Entry& entry : entries) {
    pointers.push_back(&entry);
  }
  Require(base::WriteFileInPlace(path, store::EncodeVarsBlob({}, pointers)).ok(), path);
}

class Silence final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/,
           std::string_view /*text*/) override {}
};

void WriteDatabase(const std::string& path, std::vector<store::Entry> entries) {
  Silence log;
  const auto backend = backend::SqliteBackend::Open(path, log);
  Require(backend.ok() && (*backend)->Load().ok(), path);
  const store::Store empty;
  store::StagedStore staged(empty);
  for (store::Entry& entry : entries) {
    staged.Put(std::move(entry));
  }
  Require((*backend)->Commit(staged).ok(), path);
}

}  // namespace

const char* NameOf(Storage storage) {
  return storage == Storage::kMemory ? "memory"
                                     : (storage == Storage::kSqlite ? "sqlite" : "xapidb");
}

std::u16string NameOfVariable(std::size_t number) {
  const std::string digits = std::to_string(number);
  return u"Var" + std::u16string(digits.begin(), digits.end());
}

void Require(bool condition, const std::string& what) {
  if (!condition) {
    throw std::runtime_error(what);
  }
}

test::LoopbackClient Connect(const std::string& socket, const test::Process& program) {
  // No watch over the folder: its end takes the kernel longer than all else.
  while (true) {
    try {
      return test::LoopbackClient(socket);
    } catch (const std::system_error&) {
      Require(program.IsRunning(), "the program does not start: " + program.Errors());
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
}

Daemon::Daemon(const Setup& setup) {
  std::vector<std::string> arguments = setup.wrapper;
  const auto add = [&arguments](std::initializer_list<std::string> more) {
    arguments.insert(arguments.end(), more);
  };
  add({setup.program, "--listen", socket_, "--log-level", "warning"});
  if (setup.is_locked_in) {
    add({"--depriv"});
  }
  add({"--backend", NameOf(setup.storage)});
  std::vector<store::Entry> entries = KeptVariables(setup);
  if (setup.storage == Storage::kXapi) {
    StartToolstack(setup);
    add({"--arg", "socket:" + folder_.File("toolstack"), "--arg",
         "uuid:01234567-89ab-cdef-0123-456789abcdef"});
  } else if (setup.storage == Storage::kSqlite) {
    add({"--arg", "path:" + folder_.File("vm.db")});
    if (!entries.empty()) {
      WriteDatabase(folder_.File("vm.db"), std::move(entries));
    }
  } else if (!entries.empty()) {
    WriteBlob(folder_.File("blob"), entries);
    add({"--arg", "init:" + folder_.File("blob")});
  }
  if (!setup.save_path.empty()) {
    add({"--arg", "save:" + setup.save_path});
  }
  if (!setup.resume_path.empty()) {
    add({"--resume", "--arg", "resume:" + setup.resume_path});
  }

  const auto begin = Clock::now();
  process_.emplace(arguments);
  guest_.emplace(Connect(socket_, *process_));
  milliseconds_to_ready_ = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

void Daemon::StartToolstack(const Setup& setup) {
  toolstack_.emplace(std::vector<std::string>{"/usr/bin/env", "python3", XAPI_PEER, "--socket",
                                              folder_.File("toolstack"), "--folder", folder_.path(),
                                              "--delay", std::to_string(setup.toolstack_delay_ms)});
  toolstack_->WaitFor(folder_.File("listening"),
                      [this] { return std::filesystem::exists(folder_.File("listening")); });
}

std::size_t Daemon::toolstack_calls() const {
  std::ifstream calls(folder_.File("calls"));
  return static_cast<std::size_t>(
      std::count(std::istreambuf_iterator<char>(calls), std::istreambuf_iterator<char>(), '\n'));
}

}  // namespace varstored::bench
