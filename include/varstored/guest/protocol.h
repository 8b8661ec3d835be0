#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/base/writer.h"
#include "varstored/engine/reason.h"
#include "varstored/engine/requests.h"

namespace varstored::guest {

inline constexpr std::size_t kPageBytes = 4096;

/// What firmware and daemon share for a call: 16 pages. Neither a request nor a reply is longer.
inline constexpr std::size_t kSharedBytes = 16 * kPageBytes;

/// What answers have beyond version 1 of the protocol, as other daemons speak it
/// (docs/guest-protocol.md, "Additions"). The words are stable.
inline constexpr std::array<std::string_view, 2> kProtocolAdditions = {
    "attributes-with-buffer-too-small", "status-of-unknown-requests"};

/// The report that the firmware refused an image. It has no fields.
struct NotifySecureBootFailureRequest {};

/// Any request, in the order of the commands' numbers (docs/guest-protocol.md, "Requests").
using Request = std::variant<engine::GetVariableRequest, engine::SetVariableRequest,
                             engine::GetNextVariableNameRequest, engine::QueryVariableInfoRequest,
                             NotifySecureBootFailureRequest>;

/// Reads the request at the start of `bytes`, which must be private: the guest can change shared
/// pages at any moment. What follows the request is left over from earlier calls and not looked at.
/// The spans of the result point into `bytes`. Otherwise the reason to answer: kRequestTruncated
/// when the request goes on behind `bytes`, else what is wrong in the part that is there.
[[nodiscard]] base::Result<Request, engine::Reason> DecodeRequest(base::ByteSpan bytes);

/// The call's name in the specification, such as "GetVariable".
[[nodiscard]] std::string_view CallName(const Request& request);
/// The same of the alternative of Request with this index.
[[nodiscard]] std::string_view CallName(std::size_t index);

/// Writes the bytes of an answer, which start with the status: no padding, at most kSharedBytes.
void EncodeReply(const engine::GetVariableReply& reply, base::Writer& writer);
void EncodeReply(const engine::SetVariableReply& reply, base::Writer& writer);
void EncodeReply(const engine::GetNextVariableNameReply& reply, base::Writer& writer);
void EncodeReply(const engine::QueryVariableInfoReply& reply, base::Writer& writer);
void EncodeReply(const engine::NotifySecureBootFailureReply& reply, base::Writer& writer);

/// The answer that is nothing but the status that belongs to `reason`.
void EncodeStatus(engine::Reason reason, base::Writer& writer);

}  // namespace varstored::guest
