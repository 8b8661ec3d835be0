#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace varstored::base {

/// Why something failed, in words for an operator: what is wrong, in which file or field.
struct Error {
  std::string message;
};

/// The tag that makes a failed Result of any value type: `return Fail("...")`.
template <class E>
struct Failure {
  E error;
};

[[nodiscard]] inline Failure<Error> Fail(std::string message) {
  return {Error{std::move(message)}};
}

/// A value, or the reason why there is none. Reading the side that is not there ends the process:
/// it is a mistake of the caller, never of its input.
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  // Implicit, so that a function returns its value, or Fail(), as it is.
  Result(T value)  // NOLINT(google-explicit-constructor)
      : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Failure<E> failure)  // NOLINT(google-explicit-constructor)
      : state_(std::in_place_index<1>, std::move(failure.error)) {}

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  [[nodiscard]] T& value() & noexcept { return *Get<0>(this); }
  [[nodiscard]] const T& value() const& noexcept { return *Get<0>(this); }
  [[nodiscard]] T&& value() && noexcept { return std::move(*Get<0>(this)); }
  [[nodiscard]] T& operator*() & noexcept { return value(); }
  [[nodiscard]] const T& operator*() const& noexcept { return value(); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() noexcept { return Get<0>(this); }
  [[nodiscard]] const T* operator->() const noexcept { return Get<0>(this); }

  [[nodiscard]] const E& error() const& noexcept { return *Get<1>(this); }
  /// The failure, to hand on as a Result of another value type.
  [[nodiscard]] Failure<E> failure() const { return {error()}; }

 private:
  template <std::size_t I, class Self>
  [[nodiscard]] static auto* Get(Self* self) noexcept {
    auto* found = std::get_if<I>(&self->state_);
    if (found == nullptr) {
      std::abort();
    }
    return found;
  }

  std::variant<T, E> state_;
};

/// Success without a value, or the reason of the failure.
template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(Failure<E> failure)  // NOLINT(google-explicit-constructor)
      : state_(std::in_place_index<1>, std::move(failure.error)) {}

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  [[nodiscard]] const E& error() const& noexcept {
    const auto* found = std::get_if<1>(&state_);
    if (found == nullptr) {
      std::abort();
    }
    return *found;
  }
  [[nodiscard]] Failure<E> failure() const { return {error()}; }

 private:
  std::variant<std::monostate, E> state_;
};

}  // namespace varstored::base
