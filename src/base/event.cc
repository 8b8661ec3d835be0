#include "varstored/base/event.h"

#include <array>

namespace varstored::base {
namespace {

struct Row {
  Event event;
  LogLevel level;
  std::string_view name;
};

// In the order of the enumerators. An error is for somebody to act upon; a warning may have to be.
constexpr std::array<Row, kEventCount> kRows = {{
    {Event::kOptionsWrong, LogLevel::kError, "options-wrong"},
    {Event::kKeysUnreadable, LogLevel::kError, "keys-unreadable"},
    {Event::kPidFileFailed, LogLevel::kError, "pid-file-failed"},
    {Event::kDoorFailed, LogLevel::kError, "door-failed"},
    {Event::kRightsNotDropped, LogLevel::kError, "rights-not-dropped"},
    {Event::kBackendNotOpened, LogLevel::kError, "backend-not-opened"},
    {Event::kVariablesNotLoaded, LogLevel::kError, "variables-not-loaded"},
    {Event::kNotAnnounced, LogLevel::kError, "not-announced"},
    {Event::kStartFailed, LogLevel::kError, "start-failed"},
    {Event::kNamespacesShared, LogLevel::kWarning, "namespaces-shared"},
    {Event::kNoLandlock, LogLevel::kInfo, "landlock-missing"},
    {Event::kSystemCallsUnlimited, LogLevel::kWarning, "system-calls-unlimited"},
    {Event::kDaemonReplaced, LogLevel::kWarning, "daemon-replaced"},
    {Event::kIoreqServer, LogLevel::kDebug, "ioreq-server"},
    {Event::kVolatileLost, LogLevel::kWarning, "volatile-lost"},
    {Event::kKeyFileMissing, LogLevel::kWarning, "key-file-missing"},
    {Event::kVariableLegacy, LogLevel::kWarning, "variable-legacy"},
    {Event::kVariableWithoutSigner, LogLevel::kWarning, "variable-without-signer"},
    {Event::kMoreOddVariables, LogLevel::kWarning, "more-odd-variables"},
    {Event::kStoreOverfull, LogLevel::kWarning, "store-overfull"},
    {Event::kTooLargeForToolstack, LogLevel::kWarning, "too-large-for-toolstack"},
    {Event::kCertificateWishUnknown, LogLevel::kWarning, "certificate-wish-unknown"},
    {Event::kCertificatesUpdated, LogLevel::kInfo, "certificates-updated"},
    {Event::kCertificatesNotUpdated, LogLevel::kError, "certificates-not-updated"},
    {Event::kSecureBootNotInForce, LogLevel::kError, "secure-boot-not-in-force"},
    {Event::kKeysFound, LogLevel::kInfo, "keys-found"},
    {Event::kReady, LogLevel::kInfo, "ready"},
    {Event::kChangeNotStored, LogLevel::kError, "change-not-stored"},
    {Event::kToolstackAhead, LogLevel::kWarning, "toolstack-ahead"},
    {Event::kCertificateWordUnknown, LogLevel::kDebug, "certificate-word-unknown"},
    {Event::kAlertFailed, LogLevel::kError, "alert-failed"},
    {Event::kSecureBootRefusal, LogLevel::kWarning, "secure-boot-refusal"},
    {Event::kSecureBootRefusalNotReported, LogLevel::kError, "secure-boot-refusal-not-reported"},
    {Event::kLiveSocketFailed, LogLevel::kWarning, "live-socket-failed"},
    {Event::kBootTimeMarkFailed, LogLevel::kWarning, "boot-time-mark-failed"},
    {Event::kWishNotStored, LogLevel::kWarning, "wish-not-stored"},
    {Event::kPagesNotMapped, LogLevel::kWarning, "pages-not-mapped"},
    {Event::kAccessIgnored, LogLevel::kInfo, "access-ignored"},
    {Event::kAccessOdd, LogLevel::kWarning, "access-odd"},
    {Event::kChangeNotNoticed, LogLevel::kWarning, "change-not-noticed"},
    {Event::kServiceFailed, LogLevel::kError, "service-failed"},
    {Event::kStateNotSaved, LogLevel::kError, "state-not-saved"},
    {Event::kNoMemory, LogLevel::kError, "no-memory"},
    {Event::kDomainGone, LogLevel::kInfo, "domain-gone"},
    {Event::kLinesLeftOut, LogLevel::kWarning, "lines-left-out"},
    {Event::kEnded, LogLevel::kInfo, "ended"},
}};

constexpr bool RowsAreInOrder() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].event != static_cast<Event>(i)) {
      return false;
    }
  }
  return true;
}
static_assert(RowsAreInOrder());

}  // namespace

std::string_view EventName(Event event) { return kRows[static_cast<std::size_t>(event)].name; }

LogLevel LevelOf(Event event) { return kRows[static_cast<std::size_t>(event)].level; }

}  // namespace varstored::base
