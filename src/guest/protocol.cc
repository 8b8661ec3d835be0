#include "varstored/guest/protocol.h"

#include <array>

#include "varstored/base/reader.h"
#include "varstored/efi/status.h"

namespace varstored::guest {
namespace {

using base::ByteSpan;
using base::Reader;
using base::Writer;
using engine::Reason;

constexpr std::uint32_t kVersion = 1;

using Decoded = base::Result<Request, Reason>;

base::Failure<Reason> Refuse(Reason reason) { return {reason}; }

// The fields that each decoder reads stand in the order of the wire. A length is judged before its
// bytes are looked for, so that a wrong one is answered as what it is and not as a short request.

bool ReadBool(Reader& reader, bool& value) {
  std::uint8_t byte = 0;
  if (!reader.ReadU8(byte)) {
    return false;
  }
  value = byte != 0;
  return true;
}

Decoded DecodeGetVariable(Reader& reader) {
  engine::GetVariableRequest request;
  std::uint64_t name_bytes = 0;
  if (!reader.ReadU64(name_bytes)) {
    return Refuse(Reason::kRequestTruncated);
  }
  if (const auto refused = engine::CheckNameLength(name_bytes)) {
    return Refuse(*refused);
  }
  if (!reader.ReadBytes(name_bytes, request.name) || !reader.ReadArray(request.vendor.bytes) ||
      !reader.ReadU64(request.data_size) || !ReadBool(reader, request.at_runtime)) {
    return Refuse(Reason::kRequestTruncated);
  }
  return Request(request);
}

Decoded DecodeSetVariable(Reader& reader) {
  engine::SetVariableRequest request;
  std::uint64_t name_bytes = 0;
  if (!reader.ReadU64(name_bytes)) {
    return Refuse(Reason::kRequestTruncated);
  }
  if (const auto refused = engine::CheckSetLengths(name_bytes, 0)) {
    return Refuse(*refused);
  }
  std::uint64_t data_bytes = 0;
  if (!reader.ReadBytes(name_bytes, request.name) || !reader.ReadArray(request.vendor.bytes) ||
      !reader.ReadU64(data_bytes)) {
    return Refuse(Reason::kRequestTruncated);
  }
  if (const auto refused = engine::CheckSetLengths(name_bytes, data_bytes)) {
    return Refuse(*refused);
  }
  if (!reader.ReadBytes(data_bytes, request.data) || !reader.ReadU32(request.attributes) ||
      !ReadBool(reader, request.at_runtime)) {
    return Refuse(Reason::kRequestTruncated);
  }
  return Request(request);
}

Decoded DecodeGetNextVariableName(Reader& reader) {
  engine::GetNextVariableNameRequest request;
  std::uint64_t name_bytes = 0;
  if (!reader.ReadU64(request.name_size) || !reader.ReadU64(name_bytes)) {
    return Refuse(Reason::kRequestTruncated);
  }
  if (const auto refused = engine::CheckNameLength(name_bytes)) {
    return Refuse(*refused);
  }
  if (!reader.ReadBytes(name_bytes, request.name) || !reader.ReadArray(request.vendor.bytes) ||
      !ReadBool(reader, request.at_runtime)) {
    return Refuse(Reason::kRequestTruncated);
  }
  return Request(request);
}

Decoded DecodeQueryVariableInfo(Reader& reader) {
  engine::QueryVariableInfoRequest request;
  if (!reader.ReadU32(request.attributes)) {
    return Refuse(Reason::kRequestTruncated);
  }
  return Request(request);
}

Decoded DecodeNotifySecureBootFailure(Reader& /*reader*/) {
  return Request(NotifySecureBootFailureRequest());
}

struct Command {
  std::string_view name;
  Decoded (*decode)(Reader& reader);
};

// By command number, which is also the place of the request's type in Request.
constexpr std::array kCommands = {
    Command{"GetVariable", DecodeGetVariable},                          // 0
    Command{"SetVariable", DecodeSetVariable},                          // 1
    Command{"GetNextVariableName", DecodeGetNextVariableName},          // 2
    Command{"QueryVariableInfo", DecodeQueryVariableInfo},              // 3
    Command{"NotifySecureBootFailure", DecodeNotifySecureBootFailure},  // 4
};
static_assert(kCommands.size() == std::variant_size_v<Request>);

// BUFFER_TOO_SMALL is the one error that carries more than its status.
void EncodeFailure(Reason reason, std::uint64_t needed_size, Writer& writer) {
  EncodeStatus(reason, writer);
  if (reason == Reason::kBufferTooSmall) {
    writer.WriteU64(needed_size);
  }
}

}  // namespace

base::Result<Request, Reason> DecodeRequest(ByteSpan bytes) {
  Reader reader(bytes);
  std::uint32_t version = 0;
  std::uint32_t command = 0;
  if (!reader.ReadU32(version)) {
    return Refuse(Reason::kRequestTruncated);
  }
  if (version != kVersion) {
    return Refuse(Reason::kUnsupportedVersion);
  }
  if (!reader.ReadU32(command)) {
    return Refuse(Reason::kRequestTruncated);
  }
  if (command >= kCommands.size()) {
    return Refuse(Reason::kUnsupportedCommand);
  }
  return kCommands[command].decode(reader);
}

std::string_view CallName(const Request& request) { return CallName(request.index()); }
std::string_view CallName(std::size_t index) { return kCommands[index].name; }

void EncodeReply(const engine::GetVariableReply& reply, Writer& writer) {
  if (reply.reason != Reason::kSuccess) {
    EncodeFailure(reply.reason, reply.needed_size, writer);
    if (reply.reason == Reason::kBufferTooSmall) {
      writer.WriteU32(reply.attributes);
    }
    return;
  }
  EncodeStatus(reply.reason, writer);
  writer.WriteU32(reply.attributes);
  writer.WriteU64(reply.data.size());
  writer.WriteBytes(reply.data);
}

void EncodeReply(const engine::SetVariableReply& reply, Writer& writer) {
  EncodeStatus(reply.reason, writer);
}

void EncodeReply(const engine::GetNextVariableNameReply& reply, Writer& writer) {
  if (reply.reason != Reason::kSuccess) {
    return EncodeFailure(reply.reason, reply.needed_size, writer);
  }
  EncodeStatus(reply.reason, writer);
  writer.WriteU64(reply.name.size());
  for (const char c : reply.name) {
    writer.WriteU8(static_cast<std::uint8_t>(c));
  }
  writer.WriteBytes(reply.vendor.bytes);
}

void EncodeReply(const engine::QueryVariableInfoReply& reply, Writer& writer) {
  EncodeStatus(reply.reason, writer);
  if (reply.reason == Reason::kSuccess) {
    writer.WriteU64(reply.maximum_storage);
    writer.WriteU64(reply.remaining_storage);
    writer.WriteU64(reply.maximum_variable);
  }
}

void EncodeReply(const engine::NotifySecureBootFailureReply& reply, Writer& writer) {
  EncodeStatus(reply.reason, writer);
}

void EncodeStatus(Reason reason, Writer& writer) {
  writer.WriteU64(static_cast<std::uint64_t>(engine::StatusOf(reason)));
}

}  // namespace varstored::guest
