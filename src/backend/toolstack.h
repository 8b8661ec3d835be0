#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "http.h"
#include "varstored/base/result.h"
#include "xml_rpc.h"

namespace varstored::backend {

/// VM.secureboot_certificates_state, as far as it matters here.
enum class CertificatesField {
  kSettled,       // nothing was asked for, or this toolstack has no such field
  kUpdateOnBoot,  // an administrator wants the update at the next boot
};

/// What a write of variables says about the VM's certificates (docs/toolstack.md, "Certificates").
enum class CertificatesWord {
  kNo,           // "no": leave the field as it is
  kYes,          // "yes": the certificates are up to date
  kUnspecified,  // "unspecified": look yourself
};

/// The calls that a VM's daemon makes on the toolstack's socket, to each of the three generations
/// of it that are in the field: xapi itself, a guard of one VM in front of it, and an older guard.
/// Which one it is shows in the answers, is found out once, and remembered.
///
/// A call blocks until it is answered, has failed for good, or `deadline` has passed; a toolstack
/// that restarts in between costs time, and nothing else. Calls are counted against the rate that a
/// VM may cost the toolstack: 100 at once, 2 a second after that.
class Toolstack {
 public:
  /// xapi's own socket. Every other path is taken for a guard's.
  static constexpr std::string_view kXapiSocket = "/var/lib/xcp/xapi";

  /// `stop_fd` ends each call when it becomes readable; -1 for none.
  Toolstack(std::string socket_path, std::string vm_uuid, int stop_fd);
  /// Gives the session back, where there is one.
  ~Toolstack();
  Toolstack(const Toolstack&) = delete;
  Toolstack& operator=(const Toolstack&) = delete;

  /// VM.NVRAM["EFI-variables"]; nothing when the VM has no such key, as before its first boot.
  [[nodiscard]] base::Result<std::optional<std::string>> GetVariables(Clock::time_point deadline);

  [[nodiscard]] base::Result<CertificatesField> GetCertificatesField(Clock::time_point deadline);

  /// Once this has succeeded, `base64` is in the toolstack's database.
  [[nodiscard]] base::Result<void> SetVariables(std::string_view base64, CertificatesWord word,
                                                Clock::time_point deadline);

  /// An alert about the VM. `body` is ASCII.
  [[nodiscard]] base::Result<void> CreateMessage(std::string_view name, std::string_view body,
                                                 Clock::time_point deadline);

 private:
  /// Whether a call may be made a second time when nobody knows what became of the first.
  enum class Repeat { kHarmless, kNever };

  [[nodiscard]] bool is_guard() const { return socket_path_ != kXapiSocket; }
  [[nodiscard]] base::Result<void> TakeCredit(Clock::time_point deadline);
  [[nodiscard]] base::Result<MethodAnswer> Exchange(const MethodCall& call, Repeat repeat,
                                                    Clock::time_point deadline);
  [[nodiscard]] base::Result<void> LogIn(Clock::time_point deadline);
  [[nodiscard]] base::Result<void> FindVm(Clock::time_point deadline);
  /// Makes the call that `make` builds with the session and the VM's reference, with new ones when
  /// the toolstack no longer knows the old.
  template <class Make>
  [[nodiscard]] base::Result<MethodAnswer> CallWithSession(const Make& make, Repeat repeat,
                                                           Clock::time_point deadline);

  const std::string socket_path_;
  const std::string vm_uuid_;
  const int stop_fd_;

  std::string session_;
  std::string vm_;
  /// What this generation does not know.
  bool has_set_v2_ = true;            // a guard's VM.set_NVRAM_EFI_variables_v2
  bool has_fourth_parameter_ = true;  // that of xapi's VM.set_NVRAM_EFI_variables

  double credits_;
  Clock::time_point credits_counted_at_;
};

}  // namespace varstored::backend
