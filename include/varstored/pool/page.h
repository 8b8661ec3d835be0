#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string_view>
#include <vector>

#include "varstored/base/held_file.h"
#include "varstored/base/result.h"
#include "varstored/pool/entry.h"
#include "varstored/pool/sort.h"

namespace varstored::pool {

/// All VMs as one page of HTML, which needs no other file and no network (src/pool/page.css,
/// page.js).
///
/// Whatever comes from outside of this program goes through health::ForXml, and into the text of an
/// element: into no attribute, no script and no style. The policy in the page
/// (Content-Security-Policy) allows its own script and style, by their digests, and nothing else.
///
/// What is said of a VM is kept in a file without a name in the folder for such (/tmp), as it
/// comes: in memory are 16 bytes of each VM.
class Page {
 public:
  /// Of a screen, in bytes; what is longer is cut.
  static constexpr std::size_t kMostScreenBytes = std::size_t{1} << 20;

  /// Fails where no file without a name can be had.
  [[nodiscard]] static base::Result<Page> Begin();

  /// Adds a VM, which Gathered has just got too. `screen` is health::RenderScreen's, without
  /// colours, of any process; empty where there is none.
  [[nodiscard]] base::Result<void> Add(const Row& row, std::string_view screen);

  /// Makes the page of `gathered`, which is sorted by `key`, the content of `file`, whole or not at
  /// all (base::HeldFile). A new file has mode 0644 less what the umask takes.
  [[nodiscard]] base::Result<void> Write(const Gathered& gathered, SortKey key,
                                         const Totals& totals, base::HeldFile& file);

 private:
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  struct Part {
    std::size_t begin = 0;
    std::size_t size = 0;
  };

  explicit Page(File parts) : parts_file_(std::move(parts)) {}

  File parts_file_;
  std::size_t size_ = 0;
  std::vector<Part> parts_;
};

}  // namespace varstored::pool
