#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/crypto/certificate.h"
#include "varstored/engine/requests.h"
#include "varstored/store/backend.h"
#include "varstored/store/store.h"

namespace varstored::engine {

/// The most bytes that all variables together take (Entry::used_bytes), and what is left of it to
/// the guest's operating system: see docs/engine.md, "Limits".
inline constexpr std::size_t kStoreBytes = 131072;
inline constexpr std::size_t kRuntimeBytes = 98304;
inline constexpr std::size_t kRuntimeSecureBootBytes = 122880;

/// The most bytes of data that an answer can hold (docs/guest-protocol.md).
inline constexpr std::size_t kMaxAnswerDataBytes = 65516;

/// What the host decides about a VM.
struct Policy {
  /// platform/secureboot is exactly "true".
  bool secure_boot = false;
  /// platform/auth-enforce is not exactly "false". Without it the store is permissive.
  bool enforce = true;
  /// A boot at which `secure_boot` would not be in force fails.
  bool require_secure_boot = false;
  /// The caller is an administrator's tool: private variables are deleted without a signature.
  bool tool = false;
};

/// Signed updates that a VM without any state gets: whole files as an administrator put them on the
/// host, each an EFI_VARIABLE_AUTHENTICATION_2 and its payload.
struct FirstBootKeys {
  std::optional<base::Bytes> pk;
  std::optional<base::Bytes> kek;
  std::optional<base::Bytes> db;
  std::optional<base::Bytes> dbx;
  /// Without this variable PK is left out as well, and the VM stays in setup mode.
  bool require_kek = false;
  bool require_db = false;
  /// An update of certificates that was asked for brings the revocations in `dbx` too. Off, because
  /// revocations that nobody asked for stop a VM that still starts with an older boot loader.
  bool update_dbx = false;
  /// Whoever starts with certificates of 2011 and with no successor of them is updated without
  /// having been asked for.
  bool update_clones = false;
  /// False when the guest goes on from before, without its saved state: then its certificates are
  /// not updated, the operating system counts as running, and MOR and physical presence as locked.
  bool is_boot = true;
  /// Of a guest that goes on: the host knows that its operating system has not been started. So it
  /// is not one of the operating system's restrictions that hold, but MOR and physical presence
  /// stay locked.
  bool is_boot_time_known = false;
};

/// Whether a first boot with `keys` would take each of them, as varstore-sb-state does; the error
/// names the first file that cannot be used, and why. Both the daemon and the tools judge files by
/// this and by nothing else (docs/engine.md, "First boot").
[[nodiscard]] base::Result<void> CheckFirstBootKeys(const FirstBootKeys& keys);

/// How long a guest's requests have waited for the backend.
struct BackendUse {
  std::uint64_t calls = 0;
  std::chrono::steady_clock::duration total{};
  std::chrono::steady_clock::duration longest{};
  /// Since when the request at hand has waited.
  std::optional<std::chrono::steady_clock::time_point> waits_since;
};

/// A good signature of somebody who may not write the variable.
struct UntrustedSigner {
  crypto::Certificate signer;
  /// Whom the variable would have trusted.
  std::vector<crypto::Certificate> trusted;
};

/// The variable services of one VM (UEFI 2.10, 8.2): all rules, no transport and no storage.
/// One of Boot and Resume comes first. Every call that changes something returns only after the
/// backend has kept it; a call that fails has changed nothing. std::bad_alloc may leave any call,
/// and changes nothing either.
class VariableServices {
 public:
  /// `backend` and `log` belong to the caller and outlive this object.
  VariableServices(const Policy& policy, store::Backend& backend, base::Log& log);

  /// The start of a VM: takes what the backend kept, or on a first boot `keys`. Fails when the kept
  /// state cannot be read, or a key that is there cannot be used (the message names it). When the
  /// backend says that an update of certificates was asked for, it is done here, from the same
  /// keys; that it cannot be done is reported, and is no failure of the start. That Secure Boot is
  /// required and would not be in force is reported and is one: nothing is kept then, and
  /// lacks_secure_boot is true.
  [[nodiscard]] base::Result<void> Boot(const FirstBootKeys& keys);

  /// The continuation of a VM from what Save gave, here or on another host. The backend is asked
  /// for nothing, and may keep what was resumed; that it cannot is a failure. The operating system
  /// counts as running unless the state says otherwise.
  [[nodiscard]] base::Result<void> Resume(base::ByteSpan saved);

  /// After Boot or Resume: serves PKDefault, KEKDefault, dbDefault and dbxDefault with the content
  /// of those `keys` that are there, and VendorKeys (docs/engine.md, "Keys of the host"). They are
  /// not part of the store: they take no room in it, and are neither kept nor saved.
  void ServeDefaultKeys(const FirstBootKeys& keys);

  /// After Boot or Resume: `call` is called at the moment from which on the operating system counts
  /// as running, before the request that says so is answered. Never, when it does already.
  void CallWhenOperatingSystemRuns(std::function<void()> call) {
    when_operating_system_runs_ = std::move(call);
  }
  [[nodiscard]] bool does_operating_system_run() const { return at_runtime_; }

  /// For an administrator's tool, after Boot or Resume: removes PK, KEK, db and dbx and, when there
  /// are `keys`, enrolls them as a first boot does. All at once, in one commit; a failure has
  /// changed nothing. A VM that has keys but no PK in the end would be in setup mode, so that is a
  /// failure.
  [[nodiscard]] base::Result<void> ReplaceKeys(const std::optional<FirstBootKeys>& keys);

  /// All variables and their surrounding state, for Resume.
  [[nodiscard]] base::Bytes Save() const;

  [[nodiscard]] GetVariableReply GetVariable(const GetVariableRequest& request);
  [[nodiscard]] SetVariableReply SetVariable(const SetVariableRequest& request);
  /// After a SetVariable that was refused as kSignerNotTrusted, for the log: who has signed, and
  /// whom the variable would have trusted, in printable ASCII of 1 KiB at most. Otherwise empty.
  [[nodiscard]] std::string UntrustedText() const;
  [[nodiscard]] GetNextVariableNameReply GetNextVariableName(
      const GetNextVariableNameRequest& request);
  [[nodiscard]] QueryVariableInfoReply QueryVariableInfo(
      const QueryVariableInfoRequest& request) const;
  /// Passed to the backend once in the life of this object.
  [[nodiscard]] NotifySecureBootFailureReply NotifySecureBootFailure();

  /// The physical presence interface: an index register, and 4 data bytes at the index
  /// (docs/guest-protocol.md). `offset` and `size` are the access within the 4 bytes of the data
  /// port; out of range, a read gives 0 and a write is ignored.
  void WritePpiIndex(std::uint32_t index);
  [[nodiscard]] std::uint32_t ReadPpiData(std::uint32_t offset, std::uint32_t size) const;
  void WritePpiData(std::uint32_t offset, std::uint32_t size, std::uint32_t value);

  /// For tools and tests, which look at the store as a whole.
  [[nodiscard]] const store::Store& store() const { return store_; }
  /// What ServeDefaultKeys shows beside it. It hides what is stored under the same names.
  [[nodiscard]] const store::Store& served() const { return served_; }
  /// Why Boot has failed.
  [[nodiscard]] bool lacks_secure_boot() const { return lacks_secure_boot_; }
  /// Since the start, without what the start itself took. It may be read while a request waits.
  [[nodiscard]] const BackendUse& backend_use() const { return backend_use_; }

 private:
  [[nodiscard]] bool Latch(bool at_runtime);
  /// Whether the rules of the operating system hold. They are none for a tool.
  [[nodiscard]] bool is_restricted() const { return at_runtime_ && !policy_.tool; }
  /// The operating system runs.
  void SetAtRuntime();
  [[nodiscard]] base::Result<void> BootFromKept(const FirstBootKeys& keys);
  /// Tells the backend whether the host wanted Secure Boot at this start; a failure is a line in
  /// the log.
  void KeepWish();
  void UpdateCertificates(const FirstBootKeys& keys);
  /// Of a boot that would go on with `staged`.
  [[nodiscard]] base::Result<void> CheckSecureBootInForce(const store::StagedStore& staged);
  [[nodiscard]] Reason CommitAndApply(store::StagedStore&& staged);
  /// The entry that a guest is given under this name, or null.
  [[nodiscard]] const store::Entry* Find(const store::Key& key) const;
  /// The next of a walk behind `previous`, or the first; null at the end.
  [[nodiscard]] const store::Entry* After(const store::Entry* previous) const;

  Policy policy_;
  store::Backend& backend_;
  base::Log& log_;
  store::Store store_;
  /// PKDefault and the like: computed, read-only, apart from the guest's room.
  store::Store served_;
  /// Some request said that the operating system runs: from then on it does, also over a resume.
  bool at_runtime_ = false;
  std::function<void()> when_operating_system_runs_;
  bool secure_boot_failure_reported_ = false;
  bool lacks_secure_boot_ = false;
  BackendUse backend_use_;
  /// Of the last SetVariable.
  std::optional<UntrustedSigner> untrusted_;
};

}  // namespace varstored::engine
