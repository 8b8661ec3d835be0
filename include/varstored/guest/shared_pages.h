#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "varstored/base/bytes.h"
#include "varstored/guest/protocol.h"

namespace varstored::guest {

/// The pages of a request where they are mapped into this process. The guest may change them at any
/// moment, from another vCPU as well, so a byte that was checked and is then read again can be
/// another one (XSA-478). Two things keep that from happening: nobody but CopyOut and CopyIn below
/// uses this class, and each of its accesses is one to a volatile object, which a compiler neither
/// repeats nor leaves out.
class MappedPages {
 public:
  /// `start` is the first of kSharedBytes bytes, aligned to 8, that stay mapped as long as this
  /// object.
  explicit MappedPages(volatile void* start)
      : words_(static_cast<volatile std::uint64_t*>(start), kWords),
        bytes_(static_cast<volatile std::uint8_t*>(start), kSharedBytes) {}

  /// `count` words from `first` on. Each is read when, and as often as, it is looked at.
  [[nodiscard]] std::span<const volatile std::uint64_t> Words(std::size_t first,
                                                              std::size_t count) const {
    return words_.subspan(first, count);
  }
  void StoreWord(std::size_t index, std::uint64_t word) { words_[index] = word; }
  void StoreByte(std::size_t index, std::uint8_t byte) { bytes_[index] = byte; }

 private:
  static constexpr std::size_t kWords = kSharedBytes / sizeof(std::uint64_t);

  // Their lengths are known to the compiler, so that a check of an index costs little.
  std::span<volatile std::uint64_t, kWords> words_;
  std::span<volatile std::uint8_t, kSharedBytes> bytes_;
};

/// Copies the words [first_word, first_word + bytes.size() / 8) of `pages` into `bytes`, reading
/// each of them once. `Pages` is MappedPages, but for the tests that watch it.
template <class Pages>
void CopyOut(const Pages& pages, std::size_t first_word, std::span<std::uint8_t> bytes) {
  for (const std::uint64_t word : pages.Words(first_word, bytes.size() / sizeof(std::uint64_t))) {
    std::memcpy(bytes.data(), &word, sizeof word);
    bytes = bytes.subspan(sizeof word);
  }
}

/// Copies `bytes` to the start of `pages`, and touches nothing behind them.
template <class Pages>
void CopyIn(base::ByteSpan bytes, Pages& pages) {
  bytes = bytes.first(std::min(bytes.size(), kSharedBytes));
  const std::size_t words = bytes.size() / sizeof(std::uint64_t);
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    pages.StoreWord(i, word);
    bytes = bytes.subspan(sizeof word);
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    pages.StoreByte(words * sizeof(std::uint64_t) + i, bytes[i]);
  }
}

}  // namespace varstored::guest
