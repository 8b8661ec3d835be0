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
      : words_(static_cast<volatile std::uint64_t*>(start), kSharedBytes / sizeof(std::uint64_t)),
        bytes_(static_cast<volatile std::uint8_t*>(start), kSharedBytes) {}

  [[nodiscard]] std::uint64_t LoadWord(std::size_t index) const { return words_[index]; }
  void StoreWord(std::size_t index, std::uint64_t word) { words_[index] = word; }
  void StoreByte(std::size_t index, std::uint8_t byte) { bytes_[index] = byte; }

 private:
  std::span<volatile std::uint64_t> words_;
  std::span<volatile std::uint8_t> bytes_;
};

/// Copies the words [first_word, first_word + bytes.size() / 8) of `pages` into `bytes`, reading
/// each of them once. `Pages` is MappedPages, but for the tests that watch it.
template <class Pages>
void CopyOut(const Pages& pages, std::size_t first_word, std::span<std::uint8_t> bytes) {
  for (std::size_t i = 0; i < bytes.size() / sizeof(std::uint64_t); ++i) {
    const std::uint64_t word = pages.LoadWord(first_word + i);
    std::memcpy(bytes.subspan(i * sizeof word, sizeof word).data(), &word, sizeof word);
  }
}

/// Copies `bytes` to the start of `pages`, and touches nothing behind them.
template <class Pages>
void CopyIn(base::ByteSpan bytes, Pages& pages) {
  const std::size_t words = std::min(bytes.size(), kSharedBytes) / sizeof(std::uint64_t);
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.subspan(i * sizeof word, sizeof word).data(), sizeof word);
    pages.StoreWord(i, word);
  }
  for (std::size_t i = words * sizeof(std::uint64_t); i < std::min(bytes.size(), kSharedBytes);
       ++i) {
    pages.StoreByte(i, bytes[i]);
  }
}

}  // namespace varstored::guest
