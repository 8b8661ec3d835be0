#include "support/stanzas.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "varstored/base/bytes.h"
#include "varstored/base/file.h"

namespace varstored::test {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

[[noreturn]] void Fail(const std::string& path, std::size_t number, const std::string& what) {
  throw std::runtime_error(path + ":" + std::to_string(number) + ": " + what);
}

}  // namespace

const std::string& Stanza::operator[](std::string_view key) const {
  const auto has_key = [key](const Line& line) { return line.key == key; };
  const auto found = std::ranges::find_if(lines, has_key);
  if (found == lines.end()) {
    Fail(path, lines.front().number, "there is no line '" + std::string(key) + ":'");
  }
  if (const auto again = std::find_if(std::next(found), lines.end(), has_key);
      again != lines.end()) {
    Fail(path, again->number, "there is a second line '" + std::string(key) + ":'");
  }
  return found->value;
}

std::string Stanza::Get(std::string_view key, std::string_view otherwise) const {
  return All(key).empty() ? std::string(otherwise) : (*this)[key];
}

std::vector<std::string> Stanza::All(std::string_view key) const {
  std::vector<std::string> values;
  for (const Line& line : lines) {
    if (line.key == key) {
      values.push_back(line.value);
    }
  }
  return values;
}

std::string Stanza::Where(const Line& line) const {
  return path + ":" + std::to_string(line.number);
}

std::vector<Stanza> ParseStanzas(std::string_view text, const std::string& path) {
  std::vector<Stanza> stanzas;
  bool is_between = true;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const std::string_view content = Trim(line);
    if (content.empty()) {
      is_between = true;
      continue;
    }
    if (content.front() == '#') {
      continue;
    }
    if (kBlanks.find(line.front()) != std::string_view::npos) {
      if (is_between) {
        Fail(path, number, "there is no line above that this could go on with");
      }
      std::string& value = stanzas.back().lines.back().value;
      value += (value.empty() ? "" : " ") + std::string(content);
      continue;
    }
    const std::size_t colon = content.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      Fail(path, number, "this is not 'key: value'");
    }
    if (std::exchange(is_between, false)) {
      stanzas.push_back({path, {}});
    }
    stanzas.back().lines.push_back({std::string(Trim(content.substr(0, colon))),
                                    std::string(Trim(content.substr(colon + 1))), number});
  }
  return stanzas;
}

std::vector<Stanza> ReadStanzas(const std::string& path) {
  constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
  const auto bytes = base::ReadFile(path, kMaxBytes);
  if (!bytes) {
    throw std::runtime_error(bytes.error().message);
  }
  return ParseStanzas(base::ToString(*bytes), path);
}

std::vector<Stanza> ReadStanzasOf(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") {
      paths.push_back(entry.path().string());
    }
  }
  std::ranges::sort(paths);
  std::vector<Stanza> all;
  for (const std::string& path : paths) {
    std::ranges::move(ReadStanzas(path), std::back_inserter(all));
  }
  if (all.empty()) {
    throw std::runtime_error("there are no stanzas in " + folder);
  }
  return all;
}

}  // namespace varstored::test
