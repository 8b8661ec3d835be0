#pragma once

#include <cstddef>
#include <new>

/// Counts what operator new is asked for, and lets it fail. A program that links this has another
/// operator new for all of its threads, but counts and fails only what happens in one.
namespace varstored::test {

/// Counts from its making on.
class AllocationCount {
 public:
  AllocationCount();
  /// How often memory was asked for, and how many bytes together.
  [[nodiscard]] std::size_t calls() const;
  [[nodiscard]] std::size_t bytes() const;

 private:
  std::size_t calls_before_;
  std::size_t bytes_before_;
};

/// While it lives, the allocation with this number fails; the next one is number 0.
class FailingAllocation {
 public:
  explicit FailingAllocation(std::size_t number);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
};

/// Whether `operation` ends in std::bad_alloc when its allocation with this number fails. From 0
/// on, until the first false, that is every one of them.
template <class Operation>
[[nodiscard]] bool FailsAtAllocation(std::size_t number, const Operation& operation) {
  const FailingAllocation failing(number);
  try {
    operation();
  } catch (const std::bad_alloc&) {
    return true;
  }
  return false;
}

}  // namespace varstored::test
