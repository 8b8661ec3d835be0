#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <ctime>
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

/// A call that failed.
struct CallError {
  std::string message;
  /// Nobody knows whether the toolstack has done what it was asked for.
  bool may_be_done = false;
};

/// The calls that a VM's daemon makes on the toolstack's socket, to each of the three generations
/// of it that are in the field: xapi itself, a guard of one VM in front of it, and an older guard.
/// Which one it is shows in the answers, is found out once, and remembered until another socket
/// takes the place of the first one.
///
/// A call blocks until it is answered, has failed for good, or `deadline` has passed; a toolstack
/// that restarts in between costs time, and nothing else. Calls are counted against the rate that a
/// VM may cost the toolstack: 100 at once, 2 a second after that.
class Toolstack {
 public:
  /// xapi's own socket. Others are a guard's, unless the answers show something else.
  static constexpr std::string_view kXapiSocket = "/var/lib/xcp/xapi";
  /// xapi reads no request of more bytes than this.
  static constexpr std::size_t kMaxRequestBytes = std::size_t{300} * 1024;

  /// Without a `vm_uuid` it is the toolstack as a whole, at xapi's own socket, and Ask is all
  /// that it is for. `stop_fd` ends each call when it becomes readable; -1 for none. `patience` is
  /// the most that a call waits for a toolstack that restarts, where that is less than the call may
  /// take. `meanwhile` is served while a call waits; it outlives this object, or is null.
  Toolstack(std::string socket_path, const std::optional<std::string>& vm_uuid, int stop_fd,
            std::optional<Clock::duration> patience, Meanwhile* meanwhile = nullptr);
  /// Gives the session back, where there is one.
  ~Toolstack();
  Toolstack(const Toolstack&) = delete;
  Toolstack& operator=(const Toolstack&) = delete;

  /// A call about the whole pool that only reads: `parameter` stands behind the session, unless it
  /// is empty. Such calls come one behind the other from an administrator's tool, and are not
  /// counted. A host that is not the pool's master is no reason to wait.
  [[nodiscard]] base::Result<MethodAnswer> Ask(std::string_view method, std::string_view parameter,
                                               Clock::time_point deadline);

  /// A call that sets `flag` of the object with this reference, and may be made twice: it is one,
  /// as Ask has them, of an administrator's tool.
  [[nodiscard]] base::Result<MethodAnswer> Set(std::string_view method, std::string_view reference,
                                               bool flag, Clock::time_point deadline);

  /// VM.NVRAM["EFI-variables"]; nothing when the VM has no such key, as before its first boot.
  [[nodiscard]] base::Result<std::optional<std::string>> GetVariables(Clock::time_point deadline);

  [[nodiscard]] base::Result<CertificatesField> GetCertificatesField(Clock::time_point deadline);

  /// VM.power_state, such as "Running"; nothing from a guard, which has no such method. A guard is
  /// told from xapi by an earlier call.
  [[nodiscard]] base::Result<std::optional<std::string>> GetPowerState(Clock::time_point deadline);

  /// VM.platform["secureboot"] is exactly "true"; nothing from a guard, which has no such method,
  /// and is told from xapi by an earlier call.
  [[nodiscard]] base::Result<std::optional<bool>> GetSecureBootWish(Clock::time_point deadline);

  /// Once this has succeeded, `base64` is in the toolstack's database.
  [[nodiscard]] base::Result<void, CallError> SetVariables(std::string_view base64,
                                                           CertificatesWord word,
                                                           Clock::time_point deadline);

  /// An alert about the VM. `body` is ASCII. It is never sent twice.
  [[nodiscard]] base::Result<void> CreateMessage(std::string_view name, std::string_view body,
                                                 Clock::time_point deadline);

 private:
  using Answered = base::Result<MethodAnswer, CallError>;

  /// Whether a call may be made a second time when nobody knows what became of the first.
  enum class Repeat { kHarmless, kNever };

  /// What came of a call that was made once, when it is no answer to go by.
  struct TryError {
    std::string reason;
    bool may_be_done = false;
    bool is_passing = false;  // the next try may succeed
    bool is_time_up = false;
  };

  /// Which file a socket's path leads to.
  struct SocketFile {
    dev_t device = 0;
    ino_t number = 0;
    std::timespec changed = {};
  };

  [[nodiscard]] base::Result<void, CallError> TakeCredit(Clock::time_point deadline);
  [[nodiscard]] base::Result<MethodAnswer, TryError> Try(const std::string& body, Repeat repeat,
                                                         Clock::time_point deadline);
  /// Tries until there is an answer that will not pass, or `deadline` has passed.
  [[nodiscard]] Answered Exchange(const MethodCall& call, Repeat repeat,
                                  Clock::time_point deadline);
  [[nodiscard]] base::Result<void, CallError> LogIn(Clock::time_point deadline);
  [[nodiscard]] base::Result<void, CallError> FindVm(Clock::time_point deadline);
  /// Makes the call that `make` builds with the session and the VM's reference, with new ones when
  /// the toolstack does not know the old.
  template <class Make>
  [[nodiscard]] Answered CallWithSession(const Make& make, Repeat repeat,
                                         Clock::time_point deadline);

  /// The same for a question about the VM that has no further parameter.
  [[nodiscard]] Answered AskOfVm(std::string_view method, Clock::time_point deadline);

  [[nodiscard]] SocketFile FindSocketFile() const;
  /// Remembers that this generation lacks what `knows` is about.
  void Forgo(bool& knows);
  /// A toolstack that was updated meanwhile may know what the last one did not.
  void LookForNewGeneration();

  const std::string socket_path_;
  const std::string vm_uuid_;
  const int stop_fd_;
  const std::optional<Clock::duration> patience_;
  Meanwhile* const meanwhile_;

  const bool is_pool_;
  bool is_guard_;
  std::string session_;
  std::string vm_;

  bool knows_set_v2_ = true;              // a guard: VM.set_NVRAM_EFI_variables_v2
  bool knows_fourth_parameter_ = true;    // xapi: that of VM.set_NVRAM_EFI_variables
  bool knows_certificates_field_ = true;  // VM.get_secureboot_certificates_state
  SocketFile forgone_on_;

  double credits_;
  Clock::time_point credits_counted_at_;
};

}  // namespace varstored::backend
