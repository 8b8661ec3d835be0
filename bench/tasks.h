#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "support/loopback_client.h"

namespace varstored::bench {

/// What a guest does again and again. A refusal throws.
class Task {
 public:
  virtual ~Task() = default;
  /// Once, before all others.
  virtual void Prepare(test::LoopbackClient& /*guest*/) {}
  /// One round. Gives the number of requests that it took.
  [[nodiscard]] virtual std::size_t Round(test::LoopbackClient& guest) = 0;
};

using MakeTask = std::function<std::unique_ptr<Task>()>;

/// QueryVariableInfo, whatever the answer is.
[[nodiscard]] MakeTask Query();
/// GetVariable of the variable of this number: see NameOfVariable.
[[nodiscard]] MakeTask Get(std::size_t number);
/// GetVariable of a variable that is first written, with so many bytes.
[[nodiscard]] MakeTask GetOfSize(std::size_t data_bytes);
/// GetNextVariableName from the first variable to the last.
[[nodiscard]] MakeTask Walk();
/// SetVariable of one variable, with other data each time.
[[nodiscard]] MakeTask Set(std::uint32_t attributes, std::size_t data_bytes,
                           std::u16string name = u"Changing");
/// Appends of one hash to db, each signed by KEK with RSA-2048. There are kSignedAppends.
[[nodiscard]] MakeTask SignedAppend();
inline constexpr std::size_t kSignedAppends = 600;

}  // namespace varstored::bench
