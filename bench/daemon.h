#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "support/loopback_client.h"
#include "support/process.h"
#include "support/temporary_folder.h"

namespace varstored::bench {

inline constexpr test::Guid kVendor = {1, 2, 3};

enum class Storage { kMemory, kSqlite, kXapi };

[[nodiscard]] const char* NameOf(Storage storage);

/// "Var0", "Var1" and so on.
[[nodiscard]] std::u16string NameOfVariable(std::size_t number);

/// A guest at the socket of a program that has just been started: tries until it is let in.
[[nodiscard]] test::LoopbackClient Connect(const std::string& socket, const test::Process& program);

/// Throws when the condition does not hold: a benchmark that measures refusals says nothing.
void Require(bool condition, const std::string& what);

struct Setup {
  std::string program;  // varstored-loopback
  Storage storage = Storage::kMemory;
  std::size_t variables = 0;              // that it finds, as what the last boot had kept
  std::size_t variable_bytes = 100;       // data of each
  std::size_t toolstack_delay_ms = 0;     // until it answers a call
  std::string save_path = {};             // written at the end, if not empty
  std::string resume_path = {};           // read at the start instead of what was kept
  std::vector<std::string> wrapper = {};  // comes in front of the program's path
  bool is_locked_in = true;               // as on a host
};

/// A daemon in a folder of its own, with its toolstack if it has one, and a guest.
class Daemon {
 public:
  /// Returns when the guest is connected.
  explicit Daemon(const Setup& setup);

  [[nodiscard]] test::LoopbackClient& guest() { return *guest_; }
  [[nodiscard]] const test::Process& process() const { return *process_; }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }
  /// From before the exec until the socket let the guest in.
  [[nodiscard]] double milliseconds_to_ready() const { return milliseconds_to_ready_; }
  /// How often the toolstack was called.
  [[nodiscard]] std::size_t toolstack_calls() const;
  /// An orderly end.
  [[nodiscard]] test::Ended End() { return process_->Stop(); }

 private:
  void StartToolstack(const Setup& setup);

  test::TemporaryFolder folder_;
  std::string socket_ = folder_.File("socket");
  std::optional<test::Process> toolstack_;
  std::optional<test::Process> process_;
  std::optional<test::LoopbackClient> guest_;
  double milliseconds_to_ready_ = 0;
};

}  // namespace varstored::bench
