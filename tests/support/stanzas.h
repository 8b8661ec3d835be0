#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace varstored::test {

/// Test vectors are text that a reviewer can add to without writing code. A file is a sequence of
/// stanzas with empty lines between them; a stanza is a sequence of lines `key: value`. A line that
/// begins with a blank goes on with the value above, and one that begins with # is a comment.
struct Stanza {
  struct Line {
    std::string key;
    std::string value;  // without blanks at its ends
    std::size_t number = 0;
  };

  std::string path;
  std::vector<Line> lines;  // at least one

  /// The value of the only line with this key. Throws when there is none or more than one.
  [[nodiscard]] const std::string& operator[](std::string_view key) const;
  /// The same, or `otherwise` when there is none.
  [[nodiscard]] std::string Get(std::string_view key, std::string_view otherwise) const;
  /// The values of all lines with this key, in their order.
  [[nodiscard]] std::vector<std::string> All(std::string_view key) const;
  /// "path:number", for messages.
  [[nodiscard]] std::string Where(const Line& line) const;
  [[nodiscard]] std::string Where() const { return Where(lines.front()); }
};

/// Throws, naming path and line, when a line has no key.
[[nodiscard]] std::vector<Stanza> ParseStanzas(std::string_view text, const std::string& path);

/// The stanzas of one file. Throws also when it cannot be read.
[[nodiscard]] std::vector<Stanza> ReadStanzas(const std::string& path);

/// Those of all files *.txt in the folder, in the order of the files' names. Throws when there is
/// none.
[[nodiscard]] std::vector<Stanza> ReadStanzasOf(const std::string& folder);

}  // namespace varstored::test
