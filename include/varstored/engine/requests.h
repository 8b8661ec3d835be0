#pragma once

#include <cstdint>
#include <optional>

#include "varstored/base/bytes.h"
#include "varstored/efi/guid.h"
#include "varstored/engine/reason.h"

namespace varstored::engine {

// The calls of a guest, as the firmware's driver puts them (docs/guest-protocol.md). Names are
// UTF-16LE without a terminator, of any bytes; the engine decides what is a name. Spans belong to
// the caller and live as long as the call. `at_runtime` is the guest's claim.

struct GetVariableRequest {
  base::ByteSpan name = {};
  efi::Guid vendor = {};
  std::uint64_t data_size = 0;  // the caller's room, in bytes
  bool at_runtime = false;
};

struct SetVariableRequest {
  base::ByteSpan name = {};
  efi::Guid vendor = {};
  std::uint32_t attributes = 0;  // as sent
  base::ByteSpan data = {};
  bool at_runtime = false;
};

struct GetNextVariableNameRequest {
  std::uint64_t name_size = 0;  // the caller's room, in bytes, terminator included
  base::ByteSpan name = {};     // empty: start a walk
  efi::Guid vendor = {};
  bool at_runtime = false;
};

struct QueryVariableInfoRequest {
  std::uint32_t attributes = 0;
};

// The answers. What else than `reason` is set is said at each field. Spans point into the store and
// are valid until the next call that changes it.

struct GetVariableReply {
  Reason reason = Reason::kSuccess;
  std::uint32_t attributes = 0;   // on success, and kBufferTooSmall (UEFI 2.10, 8.2.1)
  base::ByteSpan data = {};       // on success
  std::uint64_t needed_size = 0;  // kBufferTooSmall: bytes of data
};

struct SetVariableReply {
  Reason reason = Reason::kSuccess;
};

struct GetNextVariableNameReply {
  Reason reason = Reason::kSuccess;
  std::string_view name = {};     // on success: UTF-16LE bytes, no terminator
  efi::Guid vendor = {};          // on success
  std::uint64_t needed_size = 0;  // kBufferTooSmall: bytes, terminator included
};

struct QueryVariableInfoReply {
  Reason reason = Reason::kSuccess;
  // On success, in bytes.
  std::uint64_t maximum_storage = 0;
  std::uint64_t remaining_storage = 0;
  std::uint64_t maximum_variable = 0;
};

struct NotifySecureBootFailureReply {
  Reason reason = Reason::kSuccess;
};

/// The rule on lengths that comes before any other, so that a length from the wire is judged before
/// it is used: nothing when the call may go on. `name_bytes` for GetVariable and
/// GetNextVariableName.
[[nodiscard]] std::optional<Reason> CheckNameLength(std::uint64_t name_bytes);
/// The same for SetVariable.
[[nodiscard]] std::optional<Reason> CheckSetLengths(std::uint64_t name_bytes,
                                                    std::uint64_t data_bytes);

}  // namespace varstored::engine
