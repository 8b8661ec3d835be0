#include "protocol.h"

#include <algorithm>
#include <string_view>

namespace guest_driver {
namespace {

struct NamedStatus {
  uint64_t value;
  std::string_view word;
};
constexpr uint64_t kError = 0x8000000000000000;
constexpr NamedStatus kStatuses[] = {
    {0, "SUCCESS"},
    {kError | 2, "INVALID_PARAMETER"},
    {kError | 3, "UNSUPPORTED"},
    {kError | 5, "BUFFER_TOO_SMALL"},
    {kError | 7, "DEVICE_ERROR"},
    {kError | 8, "WRITE_PROTECTED"},
    {kError | 9, "OUT_OF_RESOURCES"},
    {kError | 14, "NOT_FOUND"},
    {kError | 15, "ACCESS_DENIED"},
    {kError | 26, "SECURITY_VIOLATION"},
};
constexpr uint64_t kSuccess = 0;
constexpr uint64_t kBufferTooSmall = kError | 5;

std::string ShowStatus(uint64_t status) {
  for (const NamedStatus& known : kStatuses) {
    if (status == known.value) return std::string(known.word);
  }
  return "status:" + ShowHexNumber(status);
}

}  // namespace

uint64_t Reply::Little(size_t offset, size_t width) const {
  uint64_t value = 0;
  for (size_t i = 0; i < width && offset + i < pages_.size(); ++i) {
    value |= static_cast<uint64_t>(pages_[offset + i]) << (8 * i);
  }
  return value;
}

Bytes Reply::Raw(size_t offset, uint64_t bytes) const {
  const size_t begin = std::min(offset, pages_.size());
  const size_t end = begin + std::min<uint64_t>(bytes, pages_.size() - begin);
  return {pages_.begin() + static_cast<ptrdiff_t>(begin),
          pages_.begin() + static_cast<ptrdiff_t>(end)};
}

Request GetRequest(const Variable& variable, uint64_t room, bool at_runtime) {
  Request request(kGet);
  request.Counted(variable.name);
  request.Raw(variable.vendor);
  request.U64(room);
  request.U8(at_runtime);
  return request;
}

Request SetRequest(const Variable& variable, uint32_t attributes, const Bytes& data,
                   bool at_runtime) {
  Request request(kSet);
  request.Counted(variable.name);
  request.Raw(variable.vendor);
  request.Counted(data);
  request.U32(attributes);
  request.U8(at_runtime);
  return request;
}

Request NextRequest(const Variable& after, uint64_t room, bool at_runtime) {
  Request request(kNext);
  request.U64(room);
  request.Counted(after.name);
  request.Raw(after.vendor);
  request.U8(at_runtime);
  return request;
}

Request QueryRequest(uint32_t attributes) {
  Request request(kQuery);
  request.U32(attributes);
  return request;
}

Variable NextName(const Reply& reply) {
  const uint64_t name_bytes = reply.Little(8, 8);
  return {reply.Raw(16 + std::min<uint64_t>(name_bytes, kSharedBytes), 16),
          reply.Raw(16, name_bytes)};
}

Answer Decode(uint32_t command, const Reply& reply) {
  Answer answer{ShowStatus(reply.status())};
  const bool sized = command == kGet || command == kNext;
  if (reply.status() == kBufferTooSmall && sized) {
    answer.text += ' ' + std::to_string(reply.Little(8, 8));
    answer.reply_bytes = 16;
    if (command == kGet) {
      answer.text += ' ' + ShowHexNumber(reply.Little(16, 4));
      answer.reply_bytes = 20;
    }
  }
  if (reply.status() != kSuccess) return answer;
  if (command == kGet) {
    const uint64_t data_bytes = reply.Little(12, 8);
    answer.text +=
        ' ' + ShowHexNumber(reply.Little(8, 4)) + ' ' + ShowData(reply.Raw(20, data_bytes));
    answer.reply_bytes = 20 + std::min<uint64_t>(data_bytes, kSharedBytes);
  } else if (command == kNext) {
    const Variable next = NextName(reply);
    if (next.vendor.size() != 16) return {"malformed"};
    answer.text += ' ' + ShowVariable(next);
    answer.reply_bytes = 32 + next.name.size();
  } else if (command == kQuery) {
    for (size_t offset : {8UL, 16UL, 24UL})
      answer.text += ' ' + std::to_string(reply.Little(offset, 8));
    answer.reply_bytes = 32;
  }
  return answer;
}

}  // namespace guest_driver
