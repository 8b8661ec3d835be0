#pragma once

#include <cstdint>
#include <optional>

namespace varstored::efi {

/// The attribute bits of a variable (UEFI 2.10, 8.2.1).
enum AttributeBit : std::uint32_t {
  kNonVolatile = 0x01,
  kBootServiceAccess = 0x02,
  kRuntimeAccess = 0x04,
  kHardwareErrorRecord = 0x08,
  kAuthenticatedWriteAccess = 0x10,  // deprecated
  kTimeBasedAuthenticatedWriteAccess = 0x20,
  kAppendWrite = 0x40,
  kEnhancedAuthenticatedAccess = 0x80,
};

/// A set of known attribute bits. Which combinations a call takes is the engine's rule; that no
/// unknown bit is among them holds for every object.
class Attributes {
 public:
  /// No bit is set.
  constexpr Attributes() = default;

  /// Nothing when `raw` has a bit that the specification does not name.
  [[nodiscard]] static constexpr std::optional<Attributes> FromRaw(std::uint32_t raw) {
    return (raw & ~kKnown) == 0 ? std::optional(Attributes(raw)) : std::nullopt;
  }

  [[nodiscard]] constexpr std::uint32_t raw() const { return raw_; }
  [[nodiscard]] constexpr bool Has(AttributeBit bit) const { return (raw_ & bit) != 0; }
  /// Whether boot services or the runtime may read it; a write without either is a deletion.
  [[nodiscard]] constexpr bool HasAccess() const {
    return (raw_ & (kBootServiceAccess | kRuntimeAccess)) != 0;
  }
  /// The attributes of the variable itself: APPEND_WRITE belongs to a call, and is never stored.
  [[nodiscard]] constexpr Attributes WithoutAppend() const {
    return Attributes(raw_ & ~std::uint32_t{kAppendWrite});
  }

  [[nodiscard]] constexpr bool operator==(const Attributes&) const = default;

  static constexpr std::uint32_t kKnown = 0xFF;

 private:
  explicit constexpr Attributes(std::uint32_t raw) : raw_(raw) {}

  std::uint32_t raw_ = 0;
};

/// Attributes written down in the source; an unknown bit does not compile.
template <std::uint32_t kRaw>
inline constexpr Attributes kAttributes = *Attributes::FromRaw(kRaw);

}  // namespace varstored::efi
