#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "varstored/base/bytes.h"

/// The headers of ASN.1 elements (X.690, 8.1), and nothing of what is in them. It reads what is
/// foreign before OpenSSL does, so that what OpenSSL gets is known in number, size and kind.
namespace varstored::crypto {

namespace ber {
inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kBitString = 0x03;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kNull = 0x05;
inline constexpr std::uint8_t kOid = 0x06;
inline constexpr std::uint8_t kUtcTime = 0x17;
inline constexpr std::uint8_t kGeneralizedTime = 0x18;
inline constexpr std::uint8_t kSequence = 0x30;
inline constexpr std::uint8_t kSet = 0x31;

/// The context-specific tag [number], constructed.
[[nodiscard]] constexpr std::uint8_t Context(std::uint8_t number) {
  return static_cast<std::uint8_t>(0xA0 + number);
}
}  // namespace ber

struct BerElement {
  std::uint8_t tag = 0;  // the identifier octet, class and "constructed" included
  bool definite = true;  // its length is given, not marked by end-of-contents
  base::ByteSpan whole;  // with header and end-of-contents
  base::ByteSpan contents;
};

/// Reads elements one behind the other. Each step takes time in proportion to the element's size at
/// most, and none for a definite length. All views are of the bytes that it was made with.
class BerReader {
 public:
  explicit BerReader(base::ByteSpan bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }

  /// The next element, whatever it is. Nothing when there is none, when it does not fit, when its
  /// tag takes more than one octet, or when open lengths are nested too deep; then the reader is of
  /// no more use.
  [[nodiscard]] std::optional<BerElement> Next();

  /// The next element when it has this tag; when it has not, the reader stays where it is.
  [[nodiscard]] std::optional<BerElement> NextIf(std::uint8_t tag);

  /// Steps over the next element when it has this tag, and says whether it had.
  bool SkipIf(std::uint8_t tag);

 private:
  base::ByteSpan rest_;
};

/// The element with this tag that the whole of `bytes` is.
[[nodiscard]] std::optional<BerElement> OnlyElement(base::ByteSpan bytes, std::uint8_t tag);

}  // namespace varstored::crypto
