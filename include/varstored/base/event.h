#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace varstored::base {

/// How urgent a line is; the values and their meaning are syslog's (RFC 5424, 6.2.1).
enum class LogLevel { kError = 3, kWarning = 4, kInfo = 6, kDebug = 7 };

/// What the daemon has a line in the log for, beside the refusal of a request (engine::Reason). The
/// spelling of each (EventName) is stable, for people and scripts that look for it, and
/// docs/troubleshooting.md has an entry for each.
enum class Event : std::uint8_t {
  // The start.
  kOptionsWrong,
  kKeysUnreadable,
  kPidFileFailed,
  kDoorFailed,
  kRightsNotDropped,
  kBackendNotOpened,
  kVariablesNotLoaded,
  kNotAnnounced,
  kStartFailed,
  kNamespacesShared,
  kNoLandlock,
  kSystemCallsUnlimited,
  kDaemonReplaced,
  kIoreqServer,
  kVolatileLost,
  kKeyFileMissing,
  kVariableLegacy,
  kVariableWithoutSigner,
  kMoreOddVariables,
  kStoreOverfull,
  kTooLargeForToolstack,
  kCertificateWishUnknown,
  kCertificatesUpdated,
  kCertificatesNotUpdated,
  kSecureBootNotInForce,
  kKeysFound,
  kReady,
  // The service.
  kChangeNotStored,
  kToolstackAhead,
  kCertificateWordUnknown,
  kAlertFailed,
  kSecureBootRefusal,
  kSecureBootRefusalNotReported,
  kLiveSocketFailed,
  kBootTimeMarkFailed,
  kWishNotStored,
  kPagesNotMapped,
  kAccessIgnored,
  kAccessOdd,
  kChangeNotNoticed,
  // The end.
  kServiceFailed,
  kStateNotSaved,
  kNoMemory,
  kDomainGone,
  kLinesLeftOut,
  kEnded,
};

inline constexpr std::size_t kEventCount = static_cast<std::size_t>(Event::kEnded) + 1;

/// The stable spelling, such as "change-not-stored". No reason has the same.
[[nodiscard]] std::string_view EventName(Event event);

[[nodiscard]] LogLevel LevelOf(Event event);

}  // namespace varstored::base
