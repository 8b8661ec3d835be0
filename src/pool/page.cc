#include "varstored/pool/page.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <string>
#include <utility>

#include "page_parts.h"
#include "page_pictures.h"
#include "varstored/base/bytes.h"
#include "varstored/base/file.h"
#include "varstored/health/finding.h"
#include "varstored/health/text.h"
#include "varstored/version.h"

namespace varstored::pool {
namespace {

constexpr mode_t kMode = 0644;

base::Failure<base::Error> NoFile() {
  return base::Fail("cannot keep the page in a file without a name in /tmp: " + base::ErrnoText());
}

struct State {
  std::string_view name;   // in attributes and in page.js
  std::string_view words;  // for people
  std::string_view kind;   // of page.css
};
constexpr std::array<State, 4> kStates = {{{"failed", "cannot be read", "bad"},
                                           {"errors", "errors", "bad"},
                                           {"warnings", "warnings", "warn"},
                                           {"clean", "clean", "good"}}};

const State& StateOf(const Row& row) {
  return kStates.at(!row.error.empty() ? 0U : row.errors > 0 ? 1U : row.warnings > 0 ? 2U : 3U);
}

bool IsOfNumbers(std::size_t column) {
  return column == static_cast<std::size_t>(Column::kSvn) ||
         column == static_cast<std::size_t>(Column::kRoom);
}

std::string Element(std::string_view name, std::string_view kind, std::string_view inside) {
  std::string text = "<" + std::string(name);
  if (!kind.empty()) {
    text += " class=\"" + std::string(kind) + "\"";
  }
  return text + ">" + std::string(inside) + "</" + std::string(name) + ">";
}

/// A line of text after the other, so that ends of lines stay.
std::string LinesForXml(std::string_view untrusted) {
  std::string text;
  while (!untrusted.empty()) {
    const std::size_t end = std::min(untrusted.find('\n'), untrusted.size());
    text += health::ForXml(untrusted.substr(0, end));
    text += end < untrusted.size() ? "\n" : "";
    untrusted.remove_prefix(std::min(end + 1, untrusted.size()));
  }
  return text;
}

std::string FindingsOf(const Row& row) {
  if (!row.error.empty()) {
    return health::ForXml(row.error);
  }
  std::string list;
  for (const health::FindingKind kind : row.findings) {
    list += Element("li", "", health::TypeOf(kind).name);
  }
  return list.empty() ? "none" : Element("ul", "", list);
}

/// All of a VM but the begin of its <tbody>, which says its place.
std::string PartOf(const Row& row, std::string_view screen) {
  const State& state = StateOf(row);
  const std::string name = health::ForXml(row.cells[0]);
  std::string part = "<tr><th scope=\"row\">" + name;
  if (!row.uuid.empty() && row.uuid != row.cells[0]) {
    part += Element("small", "", health::ForXml(row.uuid));
  }
  part += "</th>" + Element("td", state.kind, state.words);
  for (std::size_t i = 1; i < kColumns; ++i) {
    part += Element("td", IsOfNumbers(i) ? "number" : "", health::ForXml(row.cells.at(i)));
  }
  part += Element("td", "words", FindingsOf(row)) + "</tr>\n";
  if (!screen.empty()) {
    part += R"(<tr class="fold"><td colspan=")" + std::to_string(kColumns + 2) +
            "\"><details><summary>screen" + Element("span", "off", " of " + name) + "</summary>" +
            Element("pre", "", LinesForXml(screen.substr(0, Page::kMostScreenBytes))) +
            "</details></td></tr>\n";
  }
  return part;
}

std::string FindingNames(const Row& row) {
  std::string names;
  for (const health::FindingKind kind : row.findings) {
    names += (names.empty() ? "" : " ") + std::string(health::TypeOf(kind).name);
  }
  return names;
}

std::string Head(std::string_view name, std::string_view kind, bool is_sorted) {
  return "<th scope=\"col\"" + std::string(kind == "number" ? " class=\"number\"" : "") +
         (kind.empty() ? "" : " data-kind=\"" + std::string(kind) + "\"") +
         (is_sorted ? " aria-sort=\"ascending\"" : "") + ">" + std::string(name) + "</th>";
}

std::string Heads(SortKey key) {
  std::string heads;
  for (std::size_t i = 0; i < kColumns; ++i) {
    heads += Head(kColumnNames.at(i), IsOfNumbers(i) ? "number" : "text",
                  key && static_cast<std::size_t>(*key) == i);
    if (i == 0) {
      heads += Head("state", "worst", !key);
    }
  }
  return heads + Head("findings", "", false);
}

/// Hidden until the script is there.
std::string Controls(const std::vector<Row>& rows) {
  std::string states;
  for (const State& state : kStates) {
    states += "<option value=\"" + std::string(state.name) + "\">" + std::string(state.words) +
              "</option>";
  }
  std::string findings;
  for (const health::FindingType& type : health::FindingTypes()) {
    const bool is_there = std::any_of(rows.begin(), rows.end(), [&type](const Row& row) {
      return std::find(row.findings.begin(), row.findings.end(), type.kind) != row.findings.end();
    });
    if (is_there) {
      findings += "<option>" + std::string(type.name) + "</option>";
    }
  }
  return "<form hidden>"
         "<label>Search <input type=\"search\" name=\"search\" autocomplete=\"off\"></label>"
         "<label>State <select name=\"state\"><option value=\"\">all</option>" +
         states +
         "</select></label>"
         "<label>Finding <select name=\"finding\"><option value=\"\">all</option>" +
         findings +
         "</select></label>"
         "<button type=\"reset\">Show all</button></form>\n"
         "<p role=\"status\" class=\"soft\"></p>\n";
}

std::string Now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  std::array<char, 32> text = {};
  ::gmtime_r(&now, &parts);
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts)};
}

std::string Front(const std::vector<Row>& rows, SortKey key, const Totals& totals) {
  std::string summary = RenderTable({}, totals, {});
  std::replace(summary.begin(), summary.end(), '\n', ' ');
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"" +
         std::string(page::kPolicy) +
         "\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"
         "<meta name=\"referrer\" content=\"no-referrer\">\n"
         "<title>UEFI variables of all VMs</title>\n<style>" +
         std::string(page::kStyle) +
         "</style></head>\n<body><main>\n<h1>UEFI variables of all VMs</h1>\n<p>" +
         health::ForXml(summary) + "</p>\n<p class=\"soft\">varstore-inspect " +
         std::string(kVersion) + ", " + Now() + ". " + std::to_string(rows.size()) +
         " are in this page.</p>\n" + Pictures(rows, totals) + Controls(rows) +
         "<div class=\"scroll\" role=\"region\" aria-label=\"Table\" tabindex=\"0\"><table>\n"
         "<caption>VMs, snapshots and templates. varstore help inspect explains the columns, "
         "varstore help "
         "findings NAME a finding.</caption>\n<thead><tr>" +
         Heads(key) + "</tr></thead>\n";
}

std::string Back() {
  return "</table></div>\n</main>\n<script>" + std::string(page::kScript) +
         "</script></body></html>\n";
}

/// The content of a file, for as long as it stands there.
class Mapping {
 public:
  explicit Mapping(std::FILE* file) {
    if (std::fflush(file) == 0 && std::fseek(file, 0, SEEK_END) == 0) {
      const long size = std::ftell(file);
      size_ = size > 0 ? static_cast<std::size_t>(size) : 0;
    }
    if (size_ > 0) {
      address_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, ::fileno(file), 0);
    }
  }
  ~Mapping() {
    if (is_there()) {
      ::munmap(address_, size_);
    }
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  Mapping(Mapping&&) = delete;
  Mapping& operator=(Mapping&&) = delete;

  [[nodiscard]] bool is_there() const { return address_ != MAP_FAILED; }
  [[nodiscard]] base::ByteSpan bytes() const {
    return {static_cast<const std::uint8_t*>(address_), size_};
  }

 private:
  void* address_ = MAP_FAILED;
  std::size_t size_ = 0;
};

bool Put(std::FILE* file, std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), file) == text.size();
}

}  // namespace

base::Result<Page> Page::Begin() {
  File file(std::tmpfile(), &std::fclose);
  return file ? Page(std::move(file)) : base::Result<Page>(NoFile());
}

base::Result<void> Page::Add(const Row& row, std::string_view screen) {
  const std::string part = PartOf(row, screen);
  if (!Put(parts_file_.get(), part)) {
    return NoFile();
  }
  parts_.push_back({size_, part.size()});
  size_ += part.size();
  return {};
}

base::Result<void> Page::Write(const Gathered& gathered, SortKey key, const Totals& totals,
                               base::HeldFile& file) {
  const File whole(std::tmpfile(), &std::fclose);
  if (!whole || !Put(whole.get(), Front(gathered.rows(), key, totals))) {
    return NoFile();
  }
  std::string part;
  for (const Row& row : gathered.rows()) {
    const Part& place = parts_.at(row.number);
    part.resize(place.size);
    const std::string begin =
        "<tbody data-worst=\"" + std::to_string(row.error.empty() ? 0 : 1) + " " +
        std::to_string(row.errors) + " " + std::to_string(row.warnings) + "\" data-state=\"" +
        std::string(StateOf(row).name) + "\" data-findings=\"" + FindingNames(row) + "\">\n";
    if (std::fseek(parts_file_.get(), static_cast<long>(place.begin), SEEK_SET) != 0 ||
        std::fread(part.data(), 1, part.size(), parts_file_.get()) != part.size() ||
        !Put(whole.get(), begin) || !Put(whole.get(), part) || !Put(whole.get(), "</tbody>\n")) {
      return NoFile();
    }
  }
  if (!Put(whole.get(), Back())) {
    return NoFile();
  }
  const Mapping mapping(whole.get());
  if (!mapping.is_there()) {
    return NoFile();
  }
  return file.exists() ? file.Replace(mapping.bytes()) : file.Make(mapping.bytes(), kMode);
}

}  // namespace varstored::pool
