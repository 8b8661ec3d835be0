#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/backend/meanwhile.h"
#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/store/backend.h"

namespace varstored::backend {

struct XapiOptions {
  /// xapi's own socket, or that of a guard that stands before it for one VM.
  std::string socket_path = "/var/lib/xcp/xapi";
  std::string vm_uuid = {};
  /// The most time that all calls of a start take together, and what those of a guest's request
  /// take: a vCPU of the guest stands still meanwhile.
  std::chrono::milliseconds start_budget = std::chrono::seconds(25);
  std::chrono::milliseconds request_budget = std::chrono::seconds(15);
  /// What a write takes instead, until OperatingSystemRuns: firmware takes a write that fails for
  /// the end, and has nothing else to do. Nothing: as any request.
  std::optional<std::chrono::milliseconds> boot_write_budget = std::nullopt;
  /// The most of it for which a toolstack that cannot be reached is waited for; nothing: all of it.
  std::optional<std::chrono::milliseconds> patience = std::nullopt;
  /// An administrator's tool is told itself what is wrong, so nobody else is alerted, and nothing
  /// is asked that only a boot needs.
  bool is_tool = false;
  /// Readable once the process is told to stop, which ends a call at once; -1: never.
  int stop_fd = -1;
  /// Served while a call waits. It belongs to the caller and outlives the backend; null: nobody.
  Meanwhile* meanwhile = nullptr;
  /// Whether these contents of KEK and db need no newer certificates. Not null.
  bool (*are_certificates_up_to_date)(base::ByteSpan kek, base::ByteSpan db) = nullptr;
};

/// Whether `staged` changes KEK or db.
[[nodiscard]] bool ChangesCertificates(const store::StagedStore& staged);

/// Keeps the variables in XAPI's database, under EFI-variables in the VM's NVRAM, as a `VARS` blob
/// in base64 (docs/toolstack.md, "XML-RPC"). One write is one call.
class XapiBackend final : public store::Backend {
 public:
  /// Nothing is sent before Load or Commit. `log` belongs to the caller and outlives this object.
  XapiBackend(XapiOptions options, base::Log& log);
  ~XapiBackend() override;
  XapiBackend(const XapiBackend&) = delete;
  XapiBackend& operator=(const XapiBackend&) = delete;

  /// Also asks whether an update of certificates is wanted; that this cannot be found out is no
  /// error. Variables that cannot be read, or are too large, are reported to the administrator.
  [[nodiscard]] base::Result<std::optional<std::vector<store::Entry>>> Load() override;
  [[nodiscard]] base::Result<void> Commit(const store::StagedStore& staged) override;
  void OperatingSystemRuns() override { options_.boot_write_budget.reset(); }
  /// The alert VM_SECURE_BOOT_FAILED.
  [[nodiscard]] base::Result<void> ReportSecureBootFailure() override;
  [[nodiscard]] bool WantsCertificateUpdate() const override { return wants_certificate_update_; }
  [[nodiscard]] base::Result<void> CommitAtBoot(const store::StagedStore& staged) override;
  void ReportCertificateUpdateFailure(std::string_view why) override;
  void ReportNotInForce(std::string_view why) override;
  /// Known from xapi's own socket only.
  [[nodiscard]] base::Result<std::optional<std::string>> VmState() override;
  [[nodiscard]] base::Result<std::optional<std::string>> KeptText() override;
  [[nodiscard]] base::Result<void> KeepText(
      std::string_view text, std::optional<bool> are_certificates_up_to_date) override;
  [[nodiscard]] base::Result<std::optional<bool>> WantsSecureBoot() override;

 private:
  class Calls;
  using Time = std::chrono::steady_clock::time_point;

  [[nodiscard]] bool AreUpToDate(const store::StagedStore& staged) const;
  void ReportTooLarge(const std::vector<store::Entry>& entries);
  /// An alert of the start.
  void Report(std::string_view name, const std::string& body);
  /// The end of a call that a start can do without.
  [[nodiscard]] Time ThirdOfStart() const;

  XapiOptions options_;
  base::Log& log_;
  std::unique_ptr<Calls> calls_;
  bool wants_certificate_update_ = false;
  Time start_deadline_;
};

}  // namespace varstored::backend
