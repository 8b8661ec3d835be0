#include "toolstack.h"

#include <algorithm>
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

// A guard serves one VM, and puts its own session and reference in the place of any.
constexpr std::string_view kGuardSession = "DUMMYSESSION";
constexpr std::string_view kGuardVm = "DUMMYVM";

bool IsUnknownMethod(const MethodFailure& failure) {
  return failure.Mentions("UnknownMethod") || failure.Mentions("MESSAGE_METHOD_UNKNOWN");
}

/// A toolstack that starts, and a guard that does not reach it: both end by themselves. When a
/// guard hands on what xapi itself answered, it says Server_error.
bool IsPassing(const MethodFailure& failure) {
  if (failure.Mentions("HOST_STILL_BOOTING")) {
    return true;
  }
  return failure.Mentions("Internal_error") && !IsUnknownMethod(failure) &&
         !failure.Mentions("Server_error");
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

base::Failure<base::Error> Refused(const MethodCall& call, const MethodFailure& failure) {
  return base::Fail(call.method() + ": " + failure.Text());
}

/// The answer's value, or its failure in words.
base::Result<XmlRpcValue> ValueOf(std::string_view method, base::Result<MethodAnswer> answer) {
  if (!answer) {
    return answer.failure();
  }
  if (!*answer) {
    return base::Fail(std::string(method) + ": " + answer->error().Text());
  }
  return **std::move(answer);
}

}  // namespace

Toolstack::Toolstack(std::string socket_path, std::string vm_uuid, int stop_fd)
    : socket_path_(std::move(socket_path)),
      vm_uuid_(std::move(vm_uuid)),
      stop_fd_(stop_fd),
      credits_(kMostCredits),
      credits_counted_at_(Clock::now()) {
  if (is_guard()) {
    session_ = kGuardSession;
    vm_ = kGuardVm;
  }
}

Toolstack::~Toolstack() {
  if (!is_guard() && !session_.empty()) {
    // Sessions are a limited resource of the toolstack's, but nobody waits for this one.
    static_cast<void>(Post(socket_path_, MethodCall("session.logout").Add(session_).Encode(),
                           Clock::now() + 1s, -1));
  }
}

base::Result<void> Toolstack::TakeCredit(Clock::time_point deadline) {
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
      return base::Fail("the VM has made more calls than the toolstack is to be asked");
    }
    if (!PauseUntil(ready_at, stop_fd_)) {
      return base::Fail("not sent, because the daemon is told to stop");
    }
    count();
  }
  credits_ -= 1;
  return {};
}

base::Result<MethodAnswer> Toolstack::Exchange(const MethodCall& call, Repeat repeat,
                                               Clock::time_point deadline) {
  const std::string body = call.Encode();
  Clock::duration pause = kFirstPause;
  for (;;) {
    if (auto credit = TakeCredit(deadline); !credit) {
      return credit.failure();
    }
    std::string reason;
    const auto posted = Post(socket_path_, body, deadline, stop_fd_);
    if (posted) {
      auto answer = DecodeAnswer(*posted);
      if (!answer) {
        return base::Fail(call.method() + ": " + answer.error().message);
      }
      if (*answer || !IsPassing(answer->error())) {
        return answer;
      }
      reason = answer->error().Text();
    } else {
      const HttpError& error = posted.error();
      const bool is_passing =
          error.kind == HttpError::Kind::kUnreachable ||
          (error.kind == HttpError::Kind::kClosedEarly && repeat == Repeat::kHarmless);
      if (!is_passing) {
        return base::Fail(call.method() + ": " + error.message);
      }
      reason = error.message;
      if (error.kind == HttpError::Kind::kUnreachable) {
        // It cost the toolstack nothing.
        credits_ += 1;
      }
    }
    const auto next = Clock::now() + pause;
    if (next >= deadline) {
      return base::Fail(call.method() + ": given up: " + reason);
    }
    if (!PauseUntil(next, stop_fd_)) {
      return base::Fail(call.method() +
                        ": not tried again, because the daemon is told to stop: " + reason);
    }
    pause = std::min(2 * pause, kLongestPause);
  }
}

base::Result<void> Toolstack::LogIn(Clock::time_point deadline) {
  // On its own socket the toolstack asks for no password.
  MethodCall call("session.login_with_password");
  call.Add("root").Add("").Add("").Add("varstored");
  auto value = ValueOf(call.method(), Exchange(call, Repeat::kHarmless, deadline));
  if (!value) {
    return value.failure();
  }
  session_ = std::move(value->text);
  return {};
}

base::Result<void> Toolstack::FindVm(Clock::time_point deadline) {
  MethodCall call("VM.get_by_uuid");
  call.Add(session_).Add(vm_uuid_);
  auto answer = Exchange(call, Repeat::kHarmless, deadline);
  if (!answer) {
    return answer.failure();
  }
  if (!*answer) {
    if (answer->error().Mentions("SESSION_INVALID")) {
      session_.clear();
      return {};
    }
    return Refused(call, answer->error());
  }
  vm_ = (*answer)->text;
  return {};
}

template <class Make>
base::Result<MethodAnswer> Toolstack::CallWithSession(const Make& make, Repeat repeat,
                                                      Clock::time_point deadline) {
  for (int renewals = 0;; ++renewals) {
    if (session_.empty()) {
      if (auto logged_in = LogIn(deadline); !logged_in) {
        return logged_in.failure();
      }
    }
    if (vm_.empty()) {
      if (auto found = FindVm(deadline); !found) {
        return found.failure();
      }
    }
    const bool is_ready = !session_.empty() && !vm_.empty();
    if (is_ready) {
      auto answer = Exchange(make(), repeat, deadline);
      if (!answer || *answer || is_guard() || renewals == kMaxRenewals) {
        return answer;
      }
      if (answer->error().Mentions("SESSION_INVALID")) {
        session_.clear();
      } else if (answer->error().Mentions("HANDLE_INVALID")) {
        vm_.clear();
      } else {
        return answer;
      }
    } else if (renewals == kMaxRenewals) {
      return base::Fail("the toolstack gives no usable session");
    }
  }
}

base::Result<std::optional<std::string>> Toolstack::GetVariables(Clock::time_point deadline) {
  const auto value = ValueOf("VM.get_NVRAM", CallWithSession(
                                                 [this] {
                                                   MethodCall call("VM.get_NVRAM");
                                                   call.Add(session_).Add(vm_);
                                                   return call;
                                                 },
                                                 Repeat::kHarmless, deadline));
  if (!value) {
    return value.failure();
  }
  const XmlRpcValue* variables = value->Member("EFI-variables");
  return variables == nullptr ? std::optional<std::string>() : std::optional(variables->text);
}

base::Result<CertificatesField> Toolstack::GetCertificatesField(Clock::time_point deadline) {
  const auto answer = CallWithSession(
      [this] {
        MethodCall call("VM.get_secureboot_certificates_state");
        call.Add(session_).Add(vm_);
        return call;
      },
      Repeat::kHarmless, deadline);
  if (!answer) {
    return answer.failure();
  }
  if (!*answer) {
    if (IsUnknownMethod(answer->error())) {
      return CertificatesField::kSettled;
    }
    return base::Fail("VM.get_secureboot_certificates_state: " + answer->error().Text());
  }
  return (*answer)->text == "update_on_boot" ? CertificatesField::kUpdateOnBoot
                                             : CertificatesField::kSettled;
}

base::Result<void> Toolstack::SetVariables(std::string_view base64, CertificatesWord word,
                                           Clock::time_point deadline) {
  for (;;) {
    const bool is_v2 = is_guard() && has_set_v2_;
    const bool has_word = is_v2 || (!is_guard() && has_fourth_parameter_);
    const std::string_view method =
        is_v2 ? "VM.set_NVRAM_EFI_variables_v2" : "VM.set_NVRAM_EFI_variables";
    const auto answer = CallWithSession(
        [&] {
          MethodCall call(method);
          call.Add(session_).Add(vm_).Add(base64);
          if (has_word) {
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
    if (is_v2 && IsUnknownMethod(answer->error())) {
      has_set_v2_ = false;
    } else if (has_word && answer->error().Mentions("MESSAGE_PARAMETER_COUNT_MISMATCH")) {
      has_fourth_parameter_ = false;
    } else {
      return base::Fail(std::string(method) + ": " + answer->error().Text());
    }
  }
}

base::Result<void> Toolstack::CreateMessage(std::string_view name, std::string_view body,
                                            Clock::time_point deadline) {
  constexpr int kPriority = 5;
  auto value = ValueOf("message.create",
                       CallWithSession(
                           [&] {
                             MethodCall call("message.create");
                             call.Add(session_).Add(name).Add(kPriority).Add("VM").Add(vm_uuid_);
                             call.Add(body);
                             return call;
                           },
                           Repeat::kNever, deadline));
  return value ? base::Result<void>() : value.failure();
}

}  // namespace varstored::backend
