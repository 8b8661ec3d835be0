#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "varstored/backend/pool.h"
#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/health/finding.h"
#include "varstored/pool/entry.h"
#include "varstored/pool/metrics.h"
#include "varstored/sandbox/helper.h"

/// A look at the variables of many VMs, one after the other.
namespace varstored::pool {

/// A VM, and its variables as bytes that nobody has looked into.
struct Vm {
  enum class Form : std::uint8_t {
    kText,      // base64 of a `VARS` blob
    kBlob,      // a `VARS` blob
    kSnapshot,  // what a daemon tells (live::DecodeSnapshot)
  };

  std::string uuid;
  std::string name;
  std::string kind;
  std::string power_state;
  std::optional<bool> wants_secure_boot;
  /// Of a database (health::Context).
  std::optional<bool> secure_boot_at_last_start;
  /// Why nobody has its variables; then `bytes` do not count.
  std::string error;
  Form form = Form::kBlob;
  /// Nothing when nothing was ever kept.
  std::optional<base::Bytes> bytes;
  /// kSnapshot: the name of the daemon's socket.
  std::string socket_name;
  /// health::Context has both.
  std::string target;
  bool is_vm = false;
};

/// A VM of XAPI's pool, as it is looked at.
[[nodiscard]] Vm OfToolstack(const backend::PoolVm& vm);

/// What is made of a VM beside its row.
enum class Wanted : std::uint8_t { kRowOnly, kJson, kMetrics, kScreen };

struct Seen {
  Row row;
  /// JsonOf; empty when it was not wished.
  std::string json;
  /// SamplesOf; empty when it was not wished.
  std::vector<Sample> samples;
  /// health::RenderScreen without colours, as the helper process says: no byte of it is checked.
  /// Empty when it was not wished, and of what cannot be read.
  std::string screen;
};

struct LookOptions {
  /// Gives Microsoft's list of revocations (health::Context), in the helper process.
  std::function<base::Result<std::vector<health::ListedRevocation>>()> list;
  Wanted wanted = Wanted::kRowOnly;
  sandbox::Stop* stop = nullptr;
};

/// Looks at one VM after the other in a helper process without rights, and begins a new one now and
/// then, since each has a bound of processor time. When one ends, the VM is tried once more in
/// another one, so that nothing is blamed on it that others have used up.
class Looker {
 public:
  explicit Looker(LookOptions options) : options_(std::move(options)) {}

  /// What cannot be read is a row with the reason. Fails when no helper process can be had, or
  /// with what is wrong with the list.
  [[nodiscard]] base::Result<Seen> Look(const Vm& vm, base::Log& log);

 private:
  [[nodiscard]] base::Result<void> Begin(base::Log& log);
  /// Asks the helper that there is.
  [[nodiscard]] base::Result<Seen> Ask(const Vm& vm, base::Log& log);

  LookOptions options_;
  std::optional<sandbox::Helper> helper_;
  std::size_t asked_ = 0;
};

}  // namespace varstored::pool
