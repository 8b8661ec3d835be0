#include "varstored/engine/reason.h"

#include <array>

namespace varstored::engine {
namespace {

using efi::Status;

struct Row {
  Reason reason;
  Status status;
  std::string_view text;
};

// In the order of the enumerators. Where the status is the specification's own word for the case
// (UEFI 2.10, 8.2), its section is named; docs/engine.md has the rule behind each.
constexpr std::array<Row, kReasonCount> kRows = {{
    {Reason::kSuccess, Status::kSuccess, "success"},
    {Reason::kUnchanged, Status::kSuccess, "unchanged"},

    {Reason::kUnsupportedVersion, Status::kUnsupported, "unsupported-version"},
    {Reason::kUnsupportedCommand, Status::kUnsupported, "unsupported-command"},
    {Reason::kRequestTruncated, Status::kInvalidParameter, "request-truncated"},
    {Reason::kNameEmpty, Status::kInvalidParameter, "name-empty"},  // 8.2.2
    {Reason::kNameTooLong, Status::kDeviceError, "name-too-long"},
    {Reason::kNameMalformed, Status::kInvalidParameter, "name-malformed"},  // 8.2.1
    {Reason::kDataTooLong, Status::kOutOfResources, "data-too-long"},       // 8.2.2

    {Reason::kHardwareErrorRecord, Status::kInvalidParameter, "hardware-error-record"},
    {Reason::kQueryHardwareErrorRecord, Status::kUnsupported, "query-hardware-error-record"},
    {Reason::kAuthenticatedWriteDeprecated, Status::kUnsupported,
     "authenticated-write-deprecated"},  // 8.2.2
    {Reason::kTimeBasedWithEnhanced, Status::kInvalidParameter, "time-based-with-enhanced"},
    {Reason::kEnhancedAuthenticated, Status::kUnsupported, "enhanced-authenticated"},
    {Reason::kUnknownAttributes, Status::kInvalidParameter, "unknown-attributes"},  // 8.2.2
    {Reason::kRuntimeWithoutBootService, Status::kInvalidParameter,
     "runtime-without-boot-service"},  // 8.2.2
    {Reason::kQueryWithoutBootService, Status::kInvalidParameter,
     "query-without-boot-service"},                                               // 8.2.4
    {Reason::kAttributesDiffer, Status::kInvalidParameter, "attributes-differ"},  // 8.2.2
    {Reason::kSecureBootAttributes, Status::kInvalidParameter, "secure-boot-attributes"},

    {Reason::kNotFound, Status::kNotFound, "not-found"},
    {Reason::kNothingToDelete, Status::kNotFound, "nothing-to-delete"},  // 8.2.2
    {Reason::kHiddenAtRuntime, Status::kNotFound, "hidden-at-runtime"},
    {Reason::kEndOfWalk, Status::kNotFound, "end-of-walk"},                               // 8.2.3
    {Reason::kWalkFromUnknownName, Status::kInvalidParameter, "walk-from-unknown-name"},  // 8.2.3
    {Reason::kBufferTooSmall, Status::kBufferTooSmall, "buffer-too-small"},
    {Reason::kAnswerTooLarge, Status::kDeviceError, "answer-too-large"},
    {Reason::kBootServiceVariableAtRuntime, Status::kInvalidParameter,
     "boot-service-variable-at-runtime"},
    {Reason::kVolatileVariableAtRuntime, Status::kWriteProtected, "volatile-variable-at-runtime"},
    {Reason::kNewVariableAtRuntime, Status::kInvalidParameter, "new-variable-at-runtime"},
    {Reason::kReadOnly, Status::kWriteProtected, "read-only"},              // 3.3
    {Reason::kModeMalformed, Status::kInvalidParameter, "mode-malformed"},  // 3.3

    {Reason::kMorControlMalformed, Status::kInvalidParameter, "mor-control-malformed"},
    {Reason::kMorLocked, Status::kAccessDenied, "mor-locked"},
    {Reason::kMorLockDeletion, Status::kWriteProtected, "mor-lock-deletion"},
    {Reason::kMorLockMalformed, Status::kInvalidParameter, "mor-lock-malformed"},
    {Reason::kMorLockWrongKey, Status::kAccessDenied, "mor-lock-wrong-key"},
    {Reason::kPpiFlagsLocked, Status::kWriteProtected, "ppi-flags-locked"},
    {Reason::kPpiFlagsLockMalformed, Status::kInvalidParameter, "ppi-flags-lock-malformed"},
    {Reason::kPpiBufferReadOnly, Status::kWriteProtected, "ppi-buffer-read-only"},

    {Reason::kDescriptorMalformed, Status::kSecurityViolation, "descriptor-malformed"},  // 8.2.2
    {Reason::kTimestampNotLater, Status::kSecurityViolation, "timestamp-not-later"},     // 8.2.2
    {Reason::kSignatureMalformed, Status::kSecurityViolation, "signature-malformed"},
    {Reason::kTooManyCertificates, Status::kSecurityViolation, "too-many-certificates"},
    {Reason::kSignerCount, Status::kSecurityViolation, "signer-count"},
    {Reason::kDigestNotAllowed, Status::kSecurityViolation, "digest-not-allowed"},
    {Reason::kSignedAttributesWrong, Status::kSecurityViolation, "signed-attributes-wrong"},
    {Reason::kSignerCertificateMissing, Status::kSecurityViolation, "signer-certificate-missing"},
    {Reason::kCertificateNotAllowed, Status::kSecurityViolation, "certificate-not-allowed"},
    {Reason::kSignatureAlgorithm, Status::kSecurityViolation, "signature-algorithm"},
    {Reason::kSignatureWrong, Status::kSecurityViolation, "signature-wrong"},  // 8.2.2
    {Reason::kSignerNotTrusted, Status::kSecurityViolation, "signer-not-trusted"},
    {Reason::kSignerWithoutCommonName, Status::kSecurityViolation, "signer-without-common-name"},
    {Reason::kSignerDiffers, Status::kSecurityViolation, "signer-differs"},
    {Reason::kSignatureListMalformed, Status::kInvalidParameter, "signature-list-malformed"},
    {Reason::kCertificateMalformed, Status::kInvalidParameter, "certificate-malformed"},
    {Reason::kPkNotOneCertificate, Status::kInvalidParameter, "pk-not-one-certificate"},
    {Reason::kPkAppend, Status::kInvalidParameter, "pk-append"},
    {Reason::kStoredListMalformed, Status::kInvalidParameter, "stored-list-malformed"},

    {Reason::kVariableFull, Status::kOutOfResources, "variable-full"},
    {Reason::kStoreFull, Status::kOutOfResources, "store-full"},  // 8.2.2
    {Reason::kTooManyVariables, Status::kOutOfResources, "too-many-variables"},
    {Reason::kLegacyRecordWouldGrow, Status::kOutOfResources, "legacy-record-would-grow"},
    {Reason::kBackendFailed, Status::kDeviceError, "backend-failed"},  // 8.2.2
    {Reason::kOutOfMemory, Status::kOutOfResources, "out-of-memory"},
    {Reason::kAlreadyReported, Status::kAccessDenied, "already-reported"},
    {Reason::kReportFailed, Status::kDeviceError, "report-failed"},
}};

constexpr bool RowsAreInOrder() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].reason != static_cast<Reason>(i)) {
      return false;
    }
  }
  return true;
}
static_assert(RowsAreInOrder());

}  // namespace

Status StatusOf(Reason reason) { return kRows[static_cast<std::size_t>(reason)].status; }

std::string_view ReasonText(Reason reason) { return kRows[static_cast<std::size_t>(reason)].text; }

}  // namespace varstored::engine
