#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "varstored/base/bytes.h"
#include "varstored/efi/status.h"

namespace varstored::test {

/// A call of SetVariable.
struct Write {
  std::string name;  // UTF-16LE bytes, or anything else
  std::uint32_t attributes = 0;
  base::Bytes data;
  bool at_runtime = false;
};

/// The rules of docs/engine.md once more, as short as they can be said: for the ordinary variables
/// of one vendor, and for the physical presence buffer. What a start makes by itself is a number of
/// bytes to it.
class Model {
 public:
  struct Variable {
    std::string name;
    std::uint32_t attributes = 0;
    base::Bytes data;

    [[nodiscard]] bool operator==(const Variable&) const = default;
    [[nodiscard]] std::size_t used_bytes() const { return name.size() + data.size() + 128; }
  };

  explicit Model(std::size_t built_in_bytes) : built_in_bytes_(built_in_bytes) {}

  /// The status that a call gives. Nothing but a success changes anything.
  [[nodiscard]] efi::Status Set(const Write& write, bool backend_works);
  [[nodiscard]] efi::Status Get(const std::string& name, std::size_t room, bool at_runtime);
  void WritePpi(std::uint32_t index, std::uint32_t offset, std::uint32_t size, std::uint32_t value,
                bool backend_works);

  /// The VM starts anew: what is volatile is gone.
  void Reboot();
  /// The variable of that name, or null.
  [[nodiscard]] const Variable* Find(const std::string& name) const;
  /// In the order of a walk.
  [[nodiscard]] const std::list<Variable>& variables() const { return variables_; }
  [[nodiscard]] std::size_t used_bytes() const;
  [[nodiscard]] const std::array<std::uint8_t, 0x130>& ppi() const { return ppi_; }

 private:
  [[nodiscard]] bool IsFull(std::size_t before_bytes, std::size_t after_bytes) const;

  std::size_t built_in_bytes_;
  std::list<Variable> variables_;
  std::array<std::uint8_t, 0x130> ppi_{};
  bool at_runtime_ = false;
};

}  // namespace varstored::test
