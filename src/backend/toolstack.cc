#include "toolstack.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace varstored::backend {
namespace {

using namespace std::chrono_literals;

constexpr double kMostCredits = 100;
constexpr double kCreditsPerSecond = 2;

constexpr Clock::duration kFirstPause = 50ms;
constexpr Clock::duration kLongestPause = 1s;
/// A session or a reference that is refused right after it was given is no matter of age.
constexpr int kMaxRenewals = 3;
constexpr std::string_view kSessionInvalid = "SESSION_INVALID";
constexpr Clock::duration kLogoutTime = 300ms;

// A guard serves one VM, and puts its own session and reference in the place of any.
constexpr std::string_view kGuardSession = "DUMMYSESSION";
constexpr std::string_view kGuardVm = "DUMMYVM";
/// Calls about a pool name a VM themselves, or none.
constexpr std::string_view kNoVm = "none";

constexpr std::string_view kGuardError = "Internal_error";
constexpr std::string_view kUnknownToGuard = "UnknownMethod";
constexpr std::string_view kUnknownToXapi = "MESSAGE_METHOD_UNKNOWN";

bool IsUnknownMethod(const MethodFailure& failure) {
  return failure.Mentions(kUnknownToGuard) || failure.Mentions(kUnknownToXapi);
}

/// A Failure whose description has both of `words`.
struct KnownFailure {
  std::array<std::string_view, 2> words;
  bool is_passing = false;
};

/// Which failures end by themselves, so that the call is tried again, and which are final; the
/// first row that fits counts, and what fits none is final. docs/xapi-faults.md has the same, with
/// where each comes from. `Internal_error` is a guard's word: behind it stands the exception in
/// which its work ended.
constexpr std::array<KnownFailure, 9> kKnownFailures = {{
    {{"HOST_STILL_BOOTING", ""}, true},
    {{"HOST_IS_SLAVE", ""}, true},  // the pool gets another master
    {{kUnknownToGuard, ""}, false},
    {{kUnknownToXapi, ""}, false},
    {{kGuardError, "Idl.MarshalError"}, false},  // a parameter is missing, or of another type
    {{kGuardError, "Xmlm.Error"}, false},        // it could not read the request
    {{kGuardError, kSessionInvalid}, true},      // a Server_error, but of the guard's own session
    {{kGuardError, "Server_error"}, false},      // what xapi answered to it
    {{kGuardError, ""}, true},                   // it does not reach xapi
}};

bool IsPassing(const MethodFailure& failure) {
  const auto* const known =
      std::find_if(kKnownFailures.begin(), kKnownFailures.end(), [&](const KnownFailure& row) {
        return std::all_of(row.words.begin(), row.words.end(),
                           [&](std::string_view word) { return failure.Mentions(word); });
      });
  return known != kKnownFailures.end() && known->is_passing;
}

std::string_view WordText(CertificatesWord word) {
  switch (word) {
    case CertificatesWord::kNo:
      return "no";
    case CertificatesWord::kYes:
      return "yes";
    case CertificatesWord::kUnspecified:
      break;
  }
  return "unspecified";
}

base::Failure<CallError> NotDone(std::string message) { return {{std::move(message), false}}; }

base::Failure<CallError> Refused(std::string_view method, const MethodFailure& failure) {
  return NotDone(std::string(method) + ": " + failure.Text());
}

/// The answer's value, or in words why there is none.
base::Result<XmlRpcValue> ValueOf(std::string_view method,
                                  base::Result<MethodAnswer, CallError> answer) {
  if (!answer) {
    return base::Fail(answer.error().message);
  }
  if (!*answer) {
    return base::Fail(Refused(method, answer->error()).error.message);
  }
  return **std::move(answer);
}

}  // namespace

Toolstack::Toolstack(std::string socket_path, const std::optional<std::string>& vm_uuid,
                     int stop_fd, std::optional<Clock::duration> patience, Meanwhile* meanwhile)
    : socket_path_(std::move(socket_path)),
      vm_uuid_(vm_uuid.value_or(std::string())),
      stop_fd_(stop_fd),
      patience_(patience),
      meanwhile_(meanwhile),
      is_pool_(!vm_uuid),
      is_guard_(!is_pool_ && socket_path_ != kXapiSocket),
      credits_(kMostCredits),
      credits_counted_at_(Clock::now()) {
  if (is_guard_) {
    session_ = kGuardSession;
    vm_ = kGuardVm;
  } else if (is_pool_) {
    vm_ = kNoVm;
  }
}

Toolstack::~Toolstack() {
  if (is_guard_ || session_.empty()) {
    return;
  }
  // Sessions are a limited resource of the toolstack's, but the end of the process cannot wait.
  try {
    static_cast<void>(Post(socket_path_, MethodCall("session.logout").Add(session_).Encode(),
                           Clock::now() + kLogoutTime, -1));
  } catch (const std::bad_alloc&) {
    return;
  }
}

base::Result<void, CallError> Toolstack::TakeCredit(Clock::time_point deadline) {
  if (is_pool_) {
    return {};
  }
  const auto count = [this] {
    const auto now = Clock::now();
    const std::chrono::duration<double> passed = now - credits_counted_at_;
    credits_ = std::min(kMostCredits, credits_ + passed.count() * kCreditsPerSecond);
    credits_counted_at_ = now;
  };
  count();
  if (credits_ < 1) {
    const auto wait = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>((1 - credits_) / kCreditsPerSecond) + 1ms);
    const auto ready_at = Clock::now() + wait;
    if (ready_at > deadline) {
      return NotDone("the VM has made more calls than the toolstack is to be asked");
    }
    if (!PauseUntil(ready_at, stop_fd_, meanwhile_)) {
      return NotDone("not sent, because the daemon is told to stop");
    }
    count();
  }
  credits_ -= 1;
  return {};
}

base::Result<MethodAnswer, Toolstack::TryError> Toolstack::Try(const std::string& body,
                                                               Repeat repeat,
                                                               Clock::time_point deadline) {
  if (const auto credit = TakeCredit(deadline); !credit) {
    return base::Failure<TryError>{{.reason = credit.error().message}};
  }
  if (IsToldToStop(stop_fd_)) {
    return base::Failure<TryError>{{.reason = "not sent, because the daemon is told to stop"}};
  }
  const auto posted = Post(socket_path_, body, deadline, stop_fd_, meanwhile_);
  if (!posted) {
    const auto& [kind, message] = posted.error();
    const bool is_unreachable = kind == HttpError::Kind::kUnreachable;
    return base::Failure<TryError>{
        {.reason = message,
         .may_be_done = !is_unreachable,
         .is_passing = is_unreachable ||
                       (kind == HttpError::Kind::kClosedEarly && repeat == Repeat::kHarmless),
         .is_time_up = kind == HttpError::Kind::kTimedOut}};
  }
  auto answer = DecodeAnswer(*posted);
  if (!answer) {
    return base::Failure<TryError>{{.reason = answer.error().message, .may_be_done = true}};
  }
  const bool is_final = is_pool_ && !*answer && answer->error().code() == "HOST_IS_SLAVE";
  if (!*answer && !is_final && IsPassing(answer->error()) && repeat == Repeat::kHarmless) {
    return base::Failure<TryError>{
        {.reason = answer->error().Text(), .may_be_done = true, .is_passing = true}};
  }
  return *std::move(answer);
}

Toolstack::Answered Toolstack::Exchange(const MethodCall& call, Repeat repeat,
                                        Clock::time_point deadline) {
  const std::string body = call.Encode();
  if (body.size() > kMaxRequestBytes) {
    return NotDone(call.method() + ": not sent: " + std::to_string(body.size()) +
                   " bytes, and the toolstack takes " + std::to_string(kMaxRequestBytes) +
                   ": only a change after which the variables fit can be stored");
  }
  const auto last_try =
      (patience_ ? std::min(deadline, Clock::now() + *patience_) : deadline) - kFirstPause;
  Clock::duration pause = kFirstPause;
  bool may_be_done = false;
  const auto fail = [&](const std::string& why) {
    return base::Failure<CallError>{{call.method() + ": " + why, may_be_done}};
  };
  std::string reason;  // why the last try failed
  for (;;) {
    auto tried = Try(body, repeat, deadline);
    if (tried) {
      return *std::move(tried);
    }
    const TryError& error = tried.error();
    may_be_done = may_be_done || error.may_be_done;
    if (!error.is_passing) {
      // That the time is up says less than what it was spent on.
      return fail(error.is_time_up && !reason.empty() ? "given up: " + reason : error.reason);
    }
    reason = error.reason;
    const auto now = Clock::now();
    if (now >= last_try) {
      return fail("given up: " + reason);
    }
    if (!PauseUntil(std::min(now + pause, last_try), stop_fd_, meanwhile_)) {
      return fail("not tried again, because the daemon is told to stop: " + reason);
    }
    pause = std::min(2 * pause, kLongestPause);
  }
}

base::Result<void, CallError> Toolstack::LogIn(Clock::time_point deadline) {
  // On its own socket the toolstack asks for no password.
  MethodCall call("session.login_with_password");
  call.Add("root").Add("").Add("").Add("varstored");
  auto answer = Exchange(call, Repeat::kHarmless, deadline);
  if (!answer) {
    return answer.failure();
  }
  if (!*answer) {
    return Refused(call.method(), answer->error());
  }
  session_ = std::move((*answer)->text);
  return {};
}

base::Result<void, CallError> Toolstack::FindVm(Clock::time_point deadline) {
  MethodCall call("VM.get_by_uuid");
  call.Add(session_).Add(vm_uuid_);
  auto answer = Exchange(call, Repeat::kHarmless, deadline);
  if (!answer) {
    return answer.failure();
  }
  if (!*answer) {
    if (answer->error().code() == kSessionInvalid) {
      session_.clear();
      return {};
    }
    return Refused(call.method(), answer->error());
  }
  vm_ = std::move((*answer)->text);
  return {};
}

template <class Make>
Toolstack::Answered Toolstack::CallWithSession(const Make& make, Repeat repeat,
                                               Clock::time_point deadline) {
  for (int renewals = 0; renewals <= kMaxRenewals; ++renewals) {
    if (session_.empty()) {
      if (const auto logged_in = LogIn(deadline); !logged_in) {
        return NotDone(logged_in.error().message);
      }
    }
    if (vm_.empty()) {
      if (const auto found = FindVm(deadline); !found) {
        return NotDone(found.error().message);
      }
    }
    if (session_.empty() || vm_.empty()) {
      continue;
    }
    auto answer = Exchange(make(), repeat, deadline);
    if (!answer || *answer) {
      return answer;
    }
    if (answer->error().code() == kSessionInvalid) {
      // A guard never says so, since it has a session of its own: this is xapi itself.
      if (std::exchange(is_guard_, false)) {
        vm_.clear();
      }
      session_.clear();
    } else if (answer->error().code() == "HANDLE_INVALID" && !is_guard_ && !is_pool_) {
      vm_.clear();
    } else {
      return answer;
    }
  }
  return NotDone("the toolstack gives no session or reference that it takes");
}

Toolstack::Answered Toolstack::AskOfVm(std::string_view method, Clock::time_point deadline) {
  return CallWithSession(
      [&] {
        MethodCall call(method);
        call.Add(session_).Add(vm_);
        return call;
      },
      Repeat::kHarmless, deadline);
}

Toolstack::SocketFile Toolstack::FindSocketFile() const {
  struct stat status = {};
  if (::stat(socket_path_.c_str(), &status) != 0) {
    return {};
  }
  return {status.st_dev, status.st_ino, status.st_ctim};
}

void Toolstack::Forgo(bool& knows) {
  knows = false;
  forgone_on_ = FindSocketFile();
}

void Toolstack::LookForNewGeneration() {
  if (knows_set_v2_ && knows_fourth_parameter_ && knows_certificates_field_) {
    return;
  }
  const SocketFile now = FindSocketFile();
  if (now.device != forgone_on_.device || now.number != forgone_on_.number ||
      now.changed.tv_sec != forgone_on_.changed.tv_sec ||
      now.changed.tv_nsec != forgone_on_.changed.tv_nsec) {
    knows_set_v2_ = knows_fourth_parameter_ = knows_certificates_field_ = true;
  }
}

base::Result<MethodAnswer> Toolstack::Ask(std::string_view method, std::string_view parameter,
                                          Clock::time_point deadline) {
  auto answer = CallWithSession(
      [&] {
        MethodCall call(method);
        call.Add(session_);
        if (!parameter.empty()) {
          call.Add(parameter);
        }
        return call;
      },
      Repeat::kHarmless, deadline);
  if (!answer) {
    return base::Fail(answer.error().message);
  }
  return *std::move(answer);
}

base::Result<MethodAnswer> Toolstack::Set(std::string_view method, std::string_view reference,
                                          bool flag, Clock::time_point deadline) {
  auto answer = CallWithSession(
      [&] {
        MethodCall call(method);
        call.Add(session_).Add(reference).AddFlag(flag);
        return call;
      },
      Repeat::kHarmless, deadline);
  if (!answer) {
    return base::Fail(answer.error().message);
  }
  return *std::move(answer);
}

base::Result<std::optional<std::string>> Toolstack::GetVariables(Clock::time_point deadline) {
  constexpr std::string_view kMethod = "VM.get_NVRAM";
  const auto value = ValueOf(kMethod, AskOfVm(kMethod, deadline));
  if (!value) {
    return value.failure();
  }
  // Anything else would look like a VM before its first boot, and its keys would be replaced.
  if (value->kind != XmlRpcValue::Kind::kStruct) {
    return base::Fail(std::string(kMethod) + ": the answer is no map");
  }
  const XmlRpcValue* variables = value->Member("EFI-variables");
  return variables == nullptr ? std::optional<std::string>() : std::optional(variables->text);
}

base::Result<std::optional<std::string>> Toolstack::GetPowerState(Clock::time_point deadline) {
  constexpr std::string_view kMethod = "VM.get_power_state";
  if (is_guard_) {
    return std::optional<std::string>();
  }
  auto value = ValueOf(kMethod, AskOfVm(kMethod, deadline));
  return value ? base::Result<std::optional<std::string>>(std::move(value->text)) : value.failure();
}

base::Result<std::optional<bool>> Toolstack::GetSecureBootWish(Clock::time_point deadline) {
  constexpr std::string_view kMethod = "VM.get_platform";
  if (is_guard_) {
    return std::optional<bool>();
  }
  const auto value = ValueOf(kMethod, AskOfVm(kMethod, deadline));
  if (!value) {
    return value.failure();
  }
  const XmlRpcValue* wish = value->Member("secureboot");
  return std::optional(wish != nullptr && wish->text == "true");
}

base::Result<CertificatesField> Toolstack::GetCertificatesField(Clock::time_point deadline) {
  constexpr std::string_view kMethod = "VM.get_secureboot_certificates_state";
  LookForNewGeneration();
  if (!knows_certificates_field_) {
    return CertificatesField::kSettled;
  }
  auto answer = AskOfVm(kMethod, deadline);
  if (answer && !*answer && IsUnknownMethod(answer->error())) {
    Forgo(knows_certificates_field_);
    return CertificatesField::kSettled;
  }
  const auto value = ValueOf(kMethod, std::move(answer));
  if (!value) {
    return value.failure();
  }
  if (value->text == "update_on_boot") {
    return CertificatesField::kUpdateOnBoot;
  }
  if (value->text == "ok" || value->text == "update_available") {
    return CertificatesField::kSettled;
  }
  return base::Fail(std::string(kMethod) + ": the answer is no state that is known");
}

base::Result<void, CallError> Toolstack::SetVariables(std::string_view base64,
                                                      CertificatesWord word,
                                                      Clock::time_point deadline) {
  constexpr std::string_view kMethod = "VM.set_NVRAM_EFI_variables";
  constexpr std::string_view kMethodV2 = "VM.set_NVRAM_EFI_variables_v2";
  LookForNewGeneration();
  for (;;) {
    // Which of the two it is may show in the answer to this very call.
    const auto is_v2 = [this] { return is_guard_ && knows_set_v2_; };
    const auto is_four = [this] { return !is_guard_ && knows_fourth_parameter_; };
    const auto answer = CallWithSession(
        [&] {
          MethodCall call(is_v2() ? kMethodV2 : kMethod);
          call.Add(session_).Add(vm_).Add(base64);
          if (is_v2() || is_four()) {
            call.Add(WordText(word));
          }
          return call;
        },
        Repeat::kHarmless, deadline);
    if (!answer) {
      return answer.failure();
    }
    if (*answer) {
      return {};
    }
    const MethodFailure& failure = answer->error();
    const bool has_too_many = failure.Mentions("MESSAGE_PARAMETER_COUNT_MISMATCH");
    // The second: a newer guard in front of an older xapi.
    if (is_v2() && (IsUnknownMethod(failure) || has_too_many)) {
      Forgo(knows_set_v2_);
    } else if (is_four() && has_too_many) {
      Forgo(knows_fourth_parameter_);
    } else {
      return Refused(is_v2() ? kMethodV2 : kMethod, failure);
    }
  }
}

base::Result<void> Toolstack::CreateMessage(std::string_view name, std::string_view body,
                                            Clock::time_point deadline) {
  constexpr std::string_view kMethod = "message.create";
  constexpr int kPriority = 5;
  auto value = ValueOf(kMethod, CallWithSession(
                                    [&] {
                                      MethodCall call(kMethod);
                                      call.Add(session_).Add(name).Add(kPriority).Add("VM");
                                      call.Add(vm_uuid_).Add(body);
                                      return call;
                                    },
                                    Repeat::kNever, deadline));
  return value ? base::Result<void>() : value.failure();
}

}  // namespace varstored::backend
