// The requests that a guest's firmware puts into the shared pages, and the replies that it finds
// there (docs/guest-protocol.md). Written apart from the daemon's own code, so that both have to
// agree.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "notation.h"

namespace guest_driver {

inline constexpr size_t kSharedBytes = 65536;

enum Command : uint32_t { kGet = 0, kSet = 1, kNext = 2, kQuery = 3, kNotify = 4 };

class Request {
 public:
  explicit Request(uint32_t command) {
    U32(1);  // version
    U32(command);
  }
  void U8(uint8_t value) { bytes_.push_back(value); }
  void U32(uint32_t value) { Little(value, 4); }
  void U64(uint64_t value) { Little(value, 8); }
  void Raw(const Bytes& bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void Counted(const Bytes& bytes) {
    U64(bytes.size());
    Raw(bytes);
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  void Little(uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes_.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  Bytes bytes_;
};

// The shared pages after a call, read field by field; what is out of bounds reads as 0.
class Reply {
 public:
  explicit Reply(Bytes pages) : pages_(std::move(pages)) {}
  uint64_t Little(size_t offset, size_t width) const;
  Bytes Raw(size_t offset, uint64_t bytes) const;
  uint64_t status() const { return Little(0, 8); }
  const Bytes& pages() const { return pages_; }

 private:
  Bytes pages_;
};

// An answer in the script's notation, and how many bytes of the pages it took.
struct Answer {
  std::string text;
  size_t reply_bytes = 8;
};

Request GetRequest(const Variable& variable, uint64_t room, bool at_runtime);
Request SetRequest(const Variable& variable, uint32_t attributes, const Bytes& data,
                   bool at_runtime);
Request NextRequest(const Variable& after, uint64_t room, bool at_runtime);
Request QueryRequest(uint32_t attributes);

// What the reply to `command` says.
Answer Decode(uint32_t command, const Reply& reply);

// The variable in a successful reply to kNext.
Variable NextName(const Reply& reply);

}  // namespace guest_driver
