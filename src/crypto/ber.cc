#include "ber.h"

namespace varstored::crypto {
namespace {

/// How deep open lengths may be nested: a SignedData has about eight levels.
constexpr int kMaxOpenLengths = 32;
constexpr std::size_t kEndOfContentsBytes = 2;

struct Header {
  std::uint8_t tag;
  std::size_t header_bytes;
  std::optional<std::size_t> contents_bytes;  // nothing: up to end-of-contents
};

std::optional<Header> ReadHeader(base::ByteSpan bytes) {
  constexpr std::uint8_t kConstructed = 0x20;
  constexpr std::uint8_t kLongTag = 0x1F;
  constexpr std::uint8_t kLongLength = 0x80;
  if (bytes.size() < 2 || (bytes[0] & kLongTag) == kLongTag) {
    return std::nullopt;
  }
  const std::uint8_t tag = bytes[0];
  const std::uint8_t first = bytes[1];
  if (first == kLongLength) {
    return (tag & kConstructed) != 0
               ? std::optional(Header{.tag = tag, .header_bytes = 2, .contents_bytes = {}})
               : std::nullopt;
  }
  std::size_t contents_bytes = first;
  std::size_t header_bytes = 2;
  if (first > kLongLength) {
    const std::size_t octets = first - kLongLength;
    if (octets > bytes.size() - header_bytes) {
      return std::nullopt;
    }
    contents_bytes = 0;
    for (const std::uint8_t octet : bytes.subspan(header_bytes, octets)) {
      if (contents_bytes > bytes.size()) {
        return std::nullopt;
      }
      contents_bytes = contents_bytes << 8 | octet;
    }
    header_bytes += octets;
  }
  if (contents_bytes > bytes.size() - header_bytes) {
    return std::nullopt;
  }
  return Header{.tag = tag, .header_bytes = header_bytes, .contents_bytes = contents_bytes};
}

/// How much of `bytes` is contents, when end-of-contents ends them.
std::optional<std::size_t> FindEndOfContents(base::ByteSpan bytes) {
  int open = 1;
  std::size_t offset = 0;
  while (true) {
    const auto header = ReadHeader(bytes.subspan(offset));
    if (!header) {
      return std::nullopt;
    }
    if (header->tag == 0 && header->contents_bytes == 0U &&
        header->header_bytes == kEndOfContentsBytes) {
      if (--open == 0) {
        return offset;
      }
    } else if (!header->contents_bytes && ++open > kMaxOpenLengths) {
      return std::nullopt;
    }
    offset += header->header_bytes + header->contents_bytes.value_or(0);
  }
}

}  // namespace

std::optional<BerElement> BerReader::Next() {
  const auto header = ReadHeader(rest_);
  if (!header) {
    return std::nullopt;
  }
  BerElement element{.tag = header->tag,
                     .definite = header->contents_bytes.has_value(),
                     .whole = {},
                     .contents = {}};
  const base::ByteSpan behind = rest_.subspan(header->header_bytes);
  const auto contents_bytes = element.definite ? header->contents_bytes : FindEndOfContents(behind);
  if (!contents_bytes) {
    return std::nullopt;
  }
  element.contents = behind.first(*contents_bytes);
  element.whole = rest_.first(header->header_bytes + *contents_bytes +
                              (element.definite ? 0 : kEndOfContentsBytes));
  rest_ = rest_.subspan(element.whole.size());
  return element;
}

std::optional<BerElement> BerReader::NextIf(std::uint8_t tag) {
  return !rest_.empty() && rest_.front() == tag ? Next() : std::nullopt;
}

bool BerReader::SkipIf(std::uint8_t tag) { return NextIf(tag).has_value(); }

std::optional<BerElement> OnlyElement(base::ByteSpan bytes, std::uint8_t tag) {
  BerReader reader(bytes);
  auto element = reader.NextIf(tag);
  return element && reader.empty() ? element : std::nullopt;
}

}  // namespace varstored::crypto
