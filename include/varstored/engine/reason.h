#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "varstored/efi/status.h"

namespace varstored::engine {

/// Why a call was answered as it was. The spelling of each (ReasonText) is stable: logs, counters
/// and tests use it.
enum class Reason : std::uint8_t {
  kSuccess,
  kUnchanged,
  // The form of the request.
  kUnsupportedVersion,
  kUnsupportedCommand,
  kRequestTruncated,
  kNameEmpty,
  kNameTooLong,
  kNameMalformed,
  kDataTooLong,
  // Attributes.
  kHardwareErrorRecord,
  kQueryHardwareErrorRecord,
  kAuthenticatedWriteDeprecated,
  kTimeBasedWithEnhanced,
  kEnhancedAuthenticated,
  kUnknownAttributes,
  kRuntimeWithoutBootService,
  kQueryWithoutBootService,
  kAttributesDiffer,
  kSecureBootAttributes,
  // What is there, and who may see it.
  kNotFound,
  kNothingToDelete,
  kHiddenAtRuntime,
  kEndOfWalk,
  kWalkFromUnknownName,
  kBufferTooSmall,
  kAnswerTooLarge,
  kBootServiceVariableAtRuntime,
  kVolatileVariableAtRuntime,
  kNewVariableAtRuntime,
  kReadOnly,
  kModeMalformed,
  // Memory overwrite request and physical presence.
  kMorControlMalformed,
  kMorLocked,
  kMorLockDeletion,
  kMorLockMalformed,
  kMorLockWrongKey,
  kPpiFlagsLocked,
  kPpiFlagsLockMalformed,
  kPpiBufferReadOnly,
  // Authentication.
  kDescriptorMalformed,
  kTimestampNotLater,
  kSignatureMalformed,
  kTooManyCertificates,
  kSignerCount,
  kDigestNotAllowed,
  kSignedAttributesWrong,
  kSignerCertificateMissing,
  kCertificateNotAllowed,
  kSignatureAlgorithm,
  kSignatureWrong,
  kSignerNotTrusted,
  kSignerWithoutCommonName,
  kSignerDiffers,
  kSignatureListMalformed,
  kCertificateMalformed,
  kPkNotOneCertificate,
  kPkAppend,
  kStoredListMalformed,
  // Limits and failures.
  kVariableFull,
  kStoreFull,
  kTooManyVariables,
  kLegacyRecordWouldGrow,
  kBackendFailed,
  kOutOfMemory,
  kAlreadyReported,
  kReportFailed,
};

/// The number of reasons, for counters.
inline constexpr std::size_t kReasonCount = static_cast<std::size_t>(Reason::kReportFailed) + 1;

/// What the guest is told. Every reason has exactly one status.
[[nodiscard]] efi::Status StatusOf(Reason reason);

/// The stable spelling, such as "timestamp-not-later".
[[nodiscard]] std::string_view ReasonText(Reason reason);

}  // namespace varstored::engine
