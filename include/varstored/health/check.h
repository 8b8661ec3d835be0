#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "varstored/health/report.h"

namespace varstored::health {

/// A question that a script asks about a VM.
enum class Check : std::uint8_t {
  kCertificates,  // are Microsoft's certificates of both generations there, and not revoked
  kRevocations,   // is Microsoft's newest list of revocations in dbx
  kSecureBoot,    // is Secure Boot on, with keys that protect
  kAll,           // all of these, and is nothing else wrong
};

/// The one of this name: "certificates", "revocations", "secure-boot", "all".
[[nodiscard]] std::optional<Check> CheckOf(std::string_view name);

enum class Verdict : std::uint8_t { kRight, kNotKnown, kNotRight };

struct Judgement {
  Verdict verdict = Verdict::kRight;
  /// Why it is not right, or not known: names of findings, or words. Nothing of a guest's.
  std::string why;
};

/// The answer, from what MakeReport gave. What a VM brings with its first boot is not known before,
/// nor what stands in a blob that cannot be read as a whole.
[[nodiscard]] Judgement Judge(const Report& report, Check check);

}  // namespace varstored::health
