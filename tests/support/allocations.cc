#include "support/allocations.h"

#include <cstdlib>
#include <limits>

namespace varstored::test {
namespace {

constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

thread_local std::size_t calls = 0;
thread_local std::size_t bytes = 0;
thread_local std::size_t until_failure = kNever;

// NOLINTBEGIN(cppcoreguidelines-no-malloc): this is the allocator
void* Allocate(std::size_t size) noexcept {
  ++calls;
  bytes += size;
  if (until_failure != kNever && until_failure-- == 0) {
    return nullptr;
  }
  return std::malloc(size != 0 ? size : 1);
}

void* AllocateOrThrow(std::size_t size) {
  void* memory = Allocate(size);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

void Free(void* memory) noexcept { std::free(memory); }
// NOLINTEND(cppcoreguidelines-no-malloc)

}  // namespace

AllocationCount::AllocationCount() : calls_before_(test::calls), bytes_before_(test::bytes) {}
std::size_t AllocationCount::calls() const { return test::calls - calls_before_; }
std::size_t AllocationCount::bytes() const { return test::bytes - bytes_before_; }

FailingAllocation::FailingAllocation(std::size_t number) { until_failure = number; }
FailingAllocation::~FailingAllocation() { until_failure = kNever; }

}  // namespace varstored::test

// Those for memory of a stricter alignment stay as they are: nothing here has one.
void* operator new(std::size_t size) { return varstored::test::AllocateOrThrow(size); }
void* operator new[](std::size_t size) { return varstored::test::AllocateOrThrow(size); }
void* operator new(std::size_t size, const std::nothrow_t& /*unused*/) noexcept {
  return varstored::test::Allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t& /*unused*/) noexcept {
  return varstored::test::Allocate(size);
}
void operator delete(void* memory) noexcept { varstored::test::Free(memory); }
void operator delete[](void* memory) noexcept { varstored::test::Free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { varstored::test::Free(memory); }
void operator delete[](void* memory, std::size_t /*size*/) noexcept {
  varstored::test::Free(memory);
}
