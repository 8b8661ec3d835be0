#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/efi/guid.h"
#include "varstored/store/vars_blob.h"

/// What a daemon tells of the VM that it serves, and where it is asked: docs/formats.md, "The
/// snapshot of a running VM".
namespace varstored::live {

/// Where daemons are asked, unless a host's configuration says otherwise.
inline constexpr std::string_view kFolder = "/run/varstored/live";

/// What the name of a daemon's socket says. It is given by root, before anything of the guest's is
/// looked at; what comes out of the socket may be a lie.
struct SocketName {
  std::uint32_t domain = 0;
  std::optional<efi::Guid> uuid;

  [[nodiscard]] bool operator==(const SocketName&) const = default;
};

/// "5", or "5.c0acc535-2c4e-4d3b-8f0a-1d2e3f405162".
[[nodiscard]] std::string ToText(const SocketName& name);
/// The reverse; nothing for any other text.
[[nodiscard]] std::optional<SocketName> ParseSocketName(std::string_view text);

/// How often a call was answered for a reason.
struct AnswerCount {
  std::string call;    // such as "SetVariable"; "other" for what is no call
  std::string reason;  // engine::ReasonText
  std::string status;  // efi::StatusText
  std::uint64_t count = 0;
};

/// The last answer that a healthy guest does not get.
struct LastError {
  std::string call;
  std::string reason;
  std::string status;
  std::uint64_t age_us = 0;
  efi::Guid vendor;
  /// UTF-16LE bytes, as a guest sent them, held in characters: the beginning of the name; empty
  /// where the call has none.
  std::string name;
};

/// What a daemon tells since version 2 of the form.
struct Found {
  bool is_secure_boot_on = false;
  /// How many entries the keys had at the start.
  std::uint32_t pk = 0;
  std::uint32_t kek = 0;
  std::uint32_t db = 0;
  std::uint32_t dbx = 0;
  std::string drift;  // engine::DriftText
  /// How long the request at hand has waited for the backend; 0: it does not wait.
  std::uint64_t waits_us = 0;
};

/// Numbers since the start of the process. Times are microseconds.
struct Counts {
  std::string version;
  std::string backend;
  std::uint64_t uptime_us = 0;
  std::vector<AnswerCount> answers;  // without those that are 0
  std::uint64_t unmapped = 0;
  std::uint64_t ignored_accesses = 0;
  /// The guest's requests that waited for the backend.
  std::uint64_t backend_calls = 0;
  std::uint64_t backend_us = 0;
  std::uint64_t backend_longest_us = 0;
  std::optional<LastError> last_error;
  /// Nothing: a daemon that tells version 1.
  std::optional<Found> found = std::nullopt;
};

struct Snapshot {
  Counts counts;
  base::Bytes blob;  // a `VARS` blob, not looked at
};

/// The longest text but for a name, the most bytes of a name, and the most rows.
inline constexpr std::size_t kMaxTextBytes = 64;
inline constexpr std::size_t kMaxNameBytes = 128;
inline constexpr std::size_t kMaxRows = 1024;
/// The largest snapshot that is looked at, in bytes.
inline constexpr std::size_t kMaxSnapshotBytes =
    store::kMaxBlobBytes + kMaxRows * 4 * kMaxTextBytes;

/// `blob` is a `VARS` blob. Without `found` the form is that of version 1.
[[nodiscard]] base::Bytes EncodeSnapshot(const Counts& counts, base::ByteSpan blob);

/// Reads what somebody may have made up: every text is printable ASCII of kMaxTextBytes at most.
/// The error names the offset and the reason.
[[nodiscard]] base::Result<Snapshot> DecodeSnapshot(base::ByteSpan bytes);

}  // namespace varstored::live
