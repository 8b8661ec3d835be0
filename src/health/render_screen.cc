#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dates.h"
#include "rows.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"
#include "varstored/health/boot.h"
#include "varstored/health/check.h"
#include "varstored/health/key_content.h"
#include "varstored/health/render.h"
#include "varstored/health/text.h"
#include "varstored/store/variable.h"

namespace varstored::health {
namespace {

constexpr std::size_t kIndent = 2;
/// Where the second column begins.
constexpr std::size_t kTab = 16;
/// The same where the first column holds names of keys, and the second is short of room.
constexpr std::size_t kKeyTab = 8;
constexpr std::size_t kDateColumns = 10;
constexpr std::size_t kOwnerColumns = 11;
constexpr std::size_t kExpiredColumns = 7;
constexpr std::size_t kNumberColumns = 6;
/// Small variables, of which there are many, share a line. The first few have their own anyway.
constexpr std::size_t kMinVariableRows = 3;
constexpr std::size_t kMaxVariableRows = 12;
constexpr std::size_t kSmallBytes = store::kMaxDataBytes / 100;
/// What a guest wrote may be long; JSON has all of it.
constexpr std::size_t kMaxTextColumns = 1000;
/// Boot options that point at nothing share a line when there are more.
constexpr std::size_t kMaxMissingRows = 4;
/// Minimum versions that are named.
constexpr std::size_t kMaxVersions = 8;

enum class Colour { kPlain, kBold, kDim, kRed, kYellow, kGreen };

std::string_view CodeOf(Colour colour) {
  switch (colour) {
    case Colour::kBold:
      return "\x1b[1m";
    case Colour::kDim:
      return "\x1b[2m";
    case Colour::kRed:
      return "\x1b[1;31m";
    case Colour::kYellow:
      return "\x1b[33m";
    case Colour::kGreen:
      return "\x1b[32m";
    case Colour::kPlain:
      break;
  }
  return "";
}

std::string Number(std::size_t number) { return std::to_string(number); }

/// `text`, made as wide as `columns`.
std::string Pad(const std::string& text, std::size_t columns) {
  std::string padded = Cut(text, columns);
  padded.append(columns - ColumnsOf(padded), ' ');
  return padded;
}

std::string PadLeft(const std::string& text, std::size_t columns) {
  const std::size_t width = ColumnsOf(text);
  return std::string(columns > width ? columns - width : 0, ' ') + text;
}

class Screen {
 public:
  explicit Screen(const ScreenOptions& options)
      : width_(std::clamp<std::size_t>(options.width, 80, 120)),
        has_colours_(options.has_colours) {}

  [[nodiscard]] std::size_t width() const { return width_; }

  [[nodiscard]] std::string Paint(const std::string& text, Colour colour) const {
    if (!has_colours_ || colour == Colour::kPlain) {
      return text;
    }
    return std::string(CodeOf(colour)) + text + "\x1b[0m";
  }

  void Heading(const std::string& text) {
    text_ += text_.empty() ? "" : "\n";
    Line(Paint(text, Colour::kBold));
  }

  /// Takes what is painted already.
  void Line(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    text_ += line + "\n";
  }

  /// `words` behind `label`, in the second column, over as many lines as they take.
  void Field(const std::string& label, const std::string& words, Colour colour = Colour::kPlain,
             std::size_t tab = kTab) {
    std::string start = Pad(std::string(kIndent, ' ') + label, tab);
    for (const std::string& line : Wrap(words, width_ - tab)) {
      Line(start + Paint(line, colour));
      start.assign(tab, ' ');
    }
  }

  /// A line that is never more than one. `sign` says in one character what the colour says.
  void Short(char sign, const std::string& label, const std::string& words) {
    const Colour colour = sign == '+'                  ? Colour::kGreen
                          : sign == 'x'                ? Colour::kRed
                          : sign == '!' || sign == '?' ? Colour::kYellow
                                                       : Colour::kPlain;
    Line(Paint(std::string(1, sign) + " " + Pad(label, kTab - kIndent), colour) +
         Cut(words, width_ - kTab));
  }

  void Indented(const std::string& words, std::size_t indent) {
    for (const std::string& line : Wrap(words, width_ - indent)) {
      Line(std::string(indent, ' ') + line);
    }
  }

  [[nodiscard]] std::string Take() { return std::move(text_); }

 private:
  /// Lines of at most `columns`. A word that is longer is broken.
  static std::vector<std::string> Wrap(const std::string& words, std::size_t columns) {
    std::vector<std::string> lines(1);
    std::size_t used = 0;
    std::size_t begin = 0;
    while (begin < words.size()) {
      const std::size_t end = std::min(words.find(' ', begin), words.size());
      const std::string word = words.substr(begin, end - begin);
      begin = end + 1;
      const std::size_t word_columns = ColumnsOf(word);
      if (used > 0 && used + 1 + word_columns > columns) {
        lines.emplace_back();
        used = 0;
      }
      if (used > 0) {
        lines.back() += ' ';
        ++used;
      }
      for (const char c : word) {
        const bool is_first = (static_cast<unsigned char>(c) & 0xC0U) != 0x80;
        if (is_first && used == columns) {
          used = BreakWord(lines);
        }
        used += is_first ? 1 : 0;
        lines.back() += c;
      }
    }
    return lines;
  }

  /// Begins a new line in the middle of a word: behind the last slash, as device paths have them,
  /// if there is one. Gives how many columns of the new line are taken.
  static std::size_t BreakWord(std::vector<std::string>& lines) {
    std::string& line = lines.back();
    const std::size_t slash = line.rfind('/');
    const std::size_t end = slash == std::string::npos ? line.size() : slash + 1;
    std::string rest = line.substr(end);
    line.resize(end);
    lines.push_back(std::move(rest));
    return ColumnsOf(lines.back());
  }

  std::size_t width_;
  bool has_colours_;
  std::string text_;
};

std::string RevocationsText(const Report& report) {
  const Revocations& revocations = report.revocations;
  std::string text = Number(revocations.distinct) + " in dbx. ";
  const std::string& newest = revocations.newest_known;
  if (const auto& comparison = revocations.comparison) {
    return text + (comparison->missing == 0
                       ? "All " + Number(comparison->total) + " of the given update are in."
                       : Number(comparison->missing) + " of the " + Number(comparison->total) +
                             " of the given update are missing.");
  }
  if (revocations.seems_current && revocations.unknown_of_microsofts > 0) {
    return text + "A list of Microsoft's newer than " + newest +
           " is in: " + Number(revocations.unknown_of_microsofts) +
           " of its entries are not known here.";
  }
  if (revocations.seems_current) {
    return text + "Microsoft's list of " + newest + " is in, as far as its marks tell.";
  }
  if (revocations.newest_seen.empty()) {
    return text + "None of Microsoft's lists is in.";
  }
  return text + "The newest of Microsoft's lists seen is of " + revocations.newest_seen +
         ", the newest known is of " + newest + ".";
}

std::string CountText(const std::vector<Finding>& findings) {
  std::array<std::size_t, 2> counts{};
  for (const Finding& finding : findings) {
    ++counts[static_cast<std::size_t>(finding.severity)];
  }
  std::string text;
  for (const Severity severity : {Severity::kError, Severity::kWarning}) {
    const std::size_t count = counts[static_cast<std::size_t>(severity)];
    if (count > 0) {
      text += (text.empty() ? "" : ", ") + Number(count) + " " + std::string(ToText(severity)) +
              (count == 1 ? "" : "s");
    }
  }
  return text;
}

std::string ModeText(const Report& report) {
  switch (report.mode) {
    case engine::SecureBootMode::kSetup:
      return "setup: no platform key, anybody may set keys";
    case engine::SecureBootMode::kUser:
      return "user: a platform key is enrolled; the guest may still choose audit or deployed mode";
    case engine::SecureBootMode::kAudit:
      return "audit, which was chosen: no platform key, anybody may set keys, every image starts";
    case engine::SecureBootMode::kDeployed:
      break;
  }
  return report.is_mode_chosen ? "deployed, which was chosen: a platform key is enrolled"
                               : "user: a platform key is enrolled";
}

/// Where there are no findings.
std::string NoFindings(const Report& report) {
  return report.is_first_boot
             ? "none yet: the VM has not been started, and its keys come at its first start"
             : "none";
}

/// '+', '?' or 'x': they differ in shape, for whoever does not see the colours.
char SignOf(Verdict verdict) {
  return verdict == Verdict::kRight ? '+' : verdict == Verdict::kNotKnown ? '?' : 'x';
}

void ShowSummary(Screen& screen, const Report& report) {
  screen.Heading(ForTerminal(report.target));
  if (report.is_first_boot) {
    screen.Field("Variables",
                 "nothing was ever kept: the next start is the first, and brings the "
                 "host's keys");
  }
  screen.Field("Mode", ModeText(report));
  if (const auto& last = report.secure_boot_at_last_start) {
    screen.Field("Secure Boot", *last ? "on at its last start" : "off at its last start",
                 *last ? Colour::kGreen : Colour::kYellow);
  } else if (!report.secure_boot) {
    screen.Field("Secure Boot", "not known: whether the host wants it is not kept here",
                 Colour::kDim);
  } else {
    screen.Field("Secure Boot", *report.secure_boot ? "on" : "off",
                 *report.secure_boot ? Colour::kGreen : Colour::kYellow);
  }
  screen.Field("Revocations", RevocationsText(report));
  if (report.findings.empty()) {
    screen.Field("Findings", NoFindings(report),
                 report.is_first_boot ? Colour::kDim : Colour::kGreen);
  } else {
    screen.Field("Findings", CountText(report.findings), Colour::kYellow);
  }
}

void ShowCertificate(Screen& screen, std::string label, const CertificateInfo& certificate) {
  const std::size_t name_columns =
      screen.width() - kKeyTab - kOwnerColumns - kDateColumns - kExpiredColumns - 3;
  const std::string owner = certificate.owner_name.empty()
                                ? efi::ToText(certificate.owner).substr(0, 8) + "..."
                                : std::string(certificate.owner_name);
  const std::string expiry =
      certificate.not_after ? DateText(*certificate.not_after) : std::string();
  label = Pad(std::string(kIndent, ' ') + std::move(label), kKeyTab);
  screen.Line(label + Pad(ForTerminal(certificate.name), name_columns) + " " +
              Pad(owner, kOwnerColumns) + " " + Pad(expiry, kDateColumns) + " " +
              (certificate.has_expired ? screen.Paint("expired", Colour::kYellow) : ""));
  if (certificate.revoked_by != RevokedBy::kNothing) {
    screen.Field("",
                 "revoked by dbx: " + std::string(RevokedByText(certificate.revoked_by)) +
                     (certificate.revoked_since.empty()
                          ? ""
                          : ", for what was signed since " + certificate.revoked_since),
                 Colour::kRed, kKeyTab);
  }
  if (!certificate.not_secret.empty()) {
    screen.Field("", "not secret: it " + certificate.not_secret, Colour::kRed, kKeyTab);
  }
}

/// "Windows boot manager before 9.0, cdboot before 3.0 are refused".
std::string VersionsText(const std::vector<MinimumVersion>& versions) {
  std::size_t refused = 0;
  std::size_t superseded = 0;
  std::size_t unknown = 0;
  std::string text;
  std::string old;
  const auto add = [](std::string& list, std::size_t place, const std::string& words) {
    if (place < kMaxVersions) {
      list += (list.empty() ? "" : ", ") + words;
    } else if (place == kMaxVersions) {
      list += " and others";
    }
  };
  for (const MinimumVersion& version : versions) {
    const std::string number = Number(version.major) + "." + Number(version.minor);
    if (version.program.empty()) {
      ++unknown;
    } else if (version.is_superseded) {
      add(old, superseded++, version.program + " before " + number);
    } else {
      add(text, refused++, version.program + " before " + number);
    }
  }
  text += text.empty() ? "" : refused == 1 ? " is refused" : " are refused";
  if (superseded > 0) {
    text += (text.empty() ? "superseded: " : "; superseded: ") + old;
  }
  if (unknown > 0) {
    text += (text.empty() ? "" : "; ") + Number(unknown) +
            " of Microsoft's version numbers in a form that is not known";
  }
  return text;
}

void ShowKeys(Screen& screen, const Report& report) {
  const std::size_t name_columns =
      screen.width() - kKeyTab - kOwnerColumns - kDateColumns - kExpiredColumns - 3;
  screen.Heading(Pad("Keys", kKeyTab) + Pad("certificate", name_columns) + " " +
                 Pad("owner", kOwnerColumns) + " expires");
  for (const KeyVariable& key : report.keys) {
    const std::string name(key.name);
    if (!key.is_present) {
      if (name != "dbt" && name != "dbr") {
        screen.Field(name, "not there", Colour::kDim, kKeyTab);
      }
      continue;
    }
    if (!key.is_readable) {
      screen.Field(name, "its lists cannot be read", Colour::kRed, kKeyTab);
      continue;
    }
    if (key.is_managed_by_host) {
      screen.Field(name, "managed by the host, no certificate", Colour::kPlain, kKeyTab);
      continue;
    }
    std::string label = name;
    for (const CertificateInfo& certificate : key.certificates) {
      ShowCertificate(screen, label, certificate);
      label.clear();
    }
    for (const EntryCount& count : key.others) {
      screen.Field(label, Number(count.count) + " " + std::string(count.kind), Colour::kPlain,
                   kKeyTab);
      label.clear();
    }
    if (!key.versions.empty()) {
      screen.Field(label, VersionsText(key.versions), Colour::kPlain, kKeyTab);
    }
  }
}

/// What Microsoft's names begin with says nothing in a table of Microsoft's.
std::string_view WithoutMaker(std::string_view name) {
  for (const std::string_view prefix : {"Microsoft Corporation ", "Microsoft "}) {
    if (name.substr(0, prefix.size()) == prefix) {
      return name.substr(prefix.size());
    }
  }
  return name;
}

void ShowSuccessions(Screen& screen, const Report& report) {
  const std::size_t half = (screen.width() - kKeyTab - 1) / 2;
  screen.Heading("Microsoft's certificates");
  screen.Line(screen.Paint(Pad("", kKeyTab) + Pad("of 2011", half) + " of 2023", Colour::kDim));
  constexpr std::size_t kMark = 4;
  const auto cell = [&](std::string_view name, bool is_there, bool is_revoked,
                        std::size_t columns) {
    const std::string mark = name.empty() ? "" : is_revoked ? "no  " : is_there ? "yes " : "--  ";
    const std::string text = Pad(std::string(name), columns - kMark);
    return screen.Paint(Pad(mark, kMark) + text, is_revoked ? Colour::kRed
                                                 : is_there ? Colour::kGreen
                                                            : Colour::kDim);
  };
  const auto note = [&](bool is_revoked, std::size_t columns) {
    return screen.Paint(Pad(is_revoked ? "    revoked by dbx" : "", columns), Colour::kRed);
  };
  for (const SuccessionInfo& row : report.successions) {
    screen.Line(Pad(std::string(kIndent, ' ') + std::string(row.variable), kKeyTab) +
                cell(WithoutMaker(row.old_name), row.has_old, row.is_old_revoked, half) + " " +
                cell(WithoutMaker(row.new_name), row.has_new, row.is_new_revoked, half));
    if (row.is_old_revoked || row.is_new_revoked) {
      screen.Line(Pad("", kKeyTab) + note(row.is_old_revoked, half) + " " +
                  note(row.is_new_revoked, half));
    }
  }
}

void ShowBoot(Screen& screen, const Report& report) {
  screen.Heading("Boot order");
  std::size_t missing = 0;
  for (const BootOption& option : report.boot_options) {
    if (!option.is_present && ++missing > kMaxMissingRows) {
      continue;
    }
    const bool is_next = report.boot_next == option.number;
    const std::string label =
        BootOptionName(option.number) + (option.is_ordered ? "" : " -") + (is_next ? " *" : "");
    if (!option.is_readable) {
      screen.Field(label, option.is_present ? "cannot be read" : "not there", Colour::kRed);
      continue;
    }
    screen.Field(label, Cut(ForTerminal(option.description), kMaxTextColumns) +
                            (option.is_active ? "" : " (not active)") +
                            (option.is_hidden ? " (hidden)" : ""));
    screen.Indented(Cut(ForTerminal(option.path), kMaxTextColumns), kTab);
  }
  if (missing > kMaxMissingRows) {
    screen.Field("", Number(missing - kMaxMissingRows) + " more that are not there", Colour::kRed);
  }
  if (report.boot_options.empty()) {
    screen.Field("", "none: the firmware makes its own at the first start", Colour::kDim);
  } else if (std::any_of(report.boot_options.begin(), report.boot_options.end(),
                         [](const BootOption& option) { return !option.is_ordered; })) {
    screen.Field("", "-: not in BootOrder", Colour::kDim);
  }
  if (report.boot_next) {
    screen.Field("", "*: the next start only (BootNext)", Colour::kDim);
  }
}

/// Bytes as a bar of `columns`: full at `limit`.
std::string Bar(std::size_t bytes, std::size_t limit, std::size_t columns) {
  const std::size_t full = std::min(columns, (bytes * columns + limit - 1) / limit);
  return "[" + std::string(full, '#') + std::string(columns - full, '.') + "]";
}

void ShowUsage(Screen& screen, const Report& report) {
  const Usage& usage = report.usage;
  screen.Heading("Space");
  const std::size_t name_columns = screen.width() / 3;
  const std::size_t bar_columns = screen.width() - kIndent - name_columns - kNumberColumns - 10;
  const auto row = [&](const std::string& name, std::size_t bytes, std::size_t limit) {
    const std::size_t percent = (bytes * 100 + limit / 2) / limit;
    const Colour colour = percent >= 100  ? Colour::kRed
                          : percent >= 75 ? Colour::kYellow
                                          : Colour::kGreen;
    screen.Line(std::string(kIndent, ' ') + Pad(name, name_columns) +
                PadLeft(Number(bytes), kNumberColumns) + " " +
                screen.Paint(Bar(bytes, limit, bar_columns), colour) + PadLeft(Number(percent), 5) +
                "%");
  };
  row("all variables", usage.used_bytes, usage.limit_bytes);
  std::size_t shown = 0;
  std::size_t rest_bytes = 0;
  std::size_t others = 0;
  for (const UsageRow& variable : RowsOf(usage)) {
    const bool is_small = variable.count == 1 && variable.data_bytes < kSmallBytes;
    if (variable.name == "dbx" ||  // which is asked for most
        shown < (is_small ? kMinVariableRows : kMaxVariableRows)) {
      ++shown;
      row(variable.name, variable.data_bytes, variable.limit_bytes);
    } else {
      rest_bytes += variable.data_bytes;
      others += variable.count;
    }
  }
  if (others > 0) {
    screen.Line(std::string(kIndent, ' ') +
                Pad(Number(others) + (others == 1 ? " other" : " others"), name_columns) +
                PadLeft(Number(rest_bytes), kNumberColumns));
  }
  screen.Indented("bytes; all of " + Number(usage.limit_bytes) + ", one variable of " +
                      Number(store::kMaxDataBytes),
                  kIndent);
  const std::size_t room = std::min(usage.dbx_room_bytes, usage.store_room_bytes);
  screen.Indented("Room for the next dbx update: " + Number(room) + " bytes (" +
                      Number(usage.dbx_room_bytes) + " in dbx, " + Number(usage.store_room_bytes) +
                      " in the store).",
                  kIndent);
}

/// What the guest is shown of the host's keys.
void ShowDefaults(Screen& screen, const Report& report) {
  if (report.defaults.empty()) {
    return;
  }
  screen.Heading("Host's keys");
  for (const KeyVariable& key : report.defaults) {
    std::string words = key.is_managed_by_host ? "managed by the host, no certificate" : "";
    const auto add = [&words](const std::string& text) {
      words += (words.empty() ? "" : ", ") + text;
    };
    for (const CertificateInfo& certificate : key.certificates) {
      add(ForTerminal(certificate.name));
    }
    for (const EntryCount& count : key.others) {
      if (!key.is_managed_by_host) {
        add(Number(count.count) + " " + std::string(count.kind));
      }
    }
    screen.Field(std::string(key.name), Cut(words, kMaxTextColumns));
  }
  if (report.vendor_keys) {
    screen.Field("VendorKeys", *report.vendor_keys ? "1: the VM's keys are the host's"
                                                   : "0: the VM has other keys than the host's");
  }
}

void ShowFindings(Screen& screen, const std::vector<Finding>& findings) {
  screen.Heading("Findings");
  for (const Finding& finding : findings) {
    const FindingType& type = TypeOf(finding.kind);
    const bool is_error = finding.severity == Severity::kError;
    std::string title(type.name);
    if (finding.variable) {
      title += ": " + NameOf(*finding.variable);
    }
    title = Cut(title, screen.width() - kTab);
    screen.Field(std::string(ToText(finding.severity)), title,
                 is_error ? Colour::kRed : Colour::kYellow);
    screen.Field("", Cut(ForTerminal(finding.explanation), kMaxTextColumns));
    if (finding.is_fixable) {
      screen.Field("", "Repair: " + std::string(type.fix));
    }
    if (!finding.command.empty()) {
      // On one line, however long, so that it can be copied.
      screen.Line(std::string(kTab, ' ') + screen.Paint("$ " + finding.command, Colour::kBold));
    }
  }
}

/// "3 d 4 h", "45 s", "12.5 ms": two units at most.
std::string TimeText(std::uint64_t microseconds) {
  struct Unit {
    std::uint64_t microseconds;
    const char* name;
  };
  constexpr std::array<Unit, 4> kUnits = {
      {{86'400'000'000, " d"}, {3'600'000'000, " h"}, {60'000'000, " min"}, {1'000'000, " s"}}};
  for (std::size_t i = 0; i < kUnits.size(); ++i) {
    const std::uint64_t count = microseconds / kUnits[i].microseconds;
    if (count == 0) {
      continue;
    }
    std::string text = Number(count) + kUnits[i].name;
    if (i + 1 < kUnits.size()) {
      const std::uint64_t rest = microseconds % kUnits[i].microseconds;
      text += " " + Number(rest / kUnits[i + 1].microseconds) + kUnits[i + 1].name;
    }
    return text;
  }
  return Number(microseconds / 1000) + "." + Number(microseconds / 100 % 10) + " ms";
}

void ShowCount(std::string& list, std::uint64_t count, const std::string& what) {
  list += (list.empty() ? "" : ", ") + Number(count) + " " + what;
}

/// The texts of live::Counts are printable, a name is not.
void ShowRunning(Screen& screen, const Running& running) {
  constexpr std::size_t kCallTab = 24;
  const auto& [name, counts] = running;
  screen.Heading("Running");
  screen.Field("Daemon", counts.version + " for " + TimeText(counts.uptime_us) + ", backend " +
                             counts.backend);
  screen.Field("Domain",
               Number(name.domain) + (name.uuid ? ", VM " + efi::ToText(*name.uuid) : ""));
  // In the order in which they come, each call's and all reasons'.
  std::vector<std::pair<std::string, std::map<std::string, std::uint64_t>>> calls;
  std::map<std::string, std::uint64_t> reasons;
  for (const live::AnswerCount& row : counts.answers) {
    if (calls.empty() || calls.back().first != row.call) {
      calls.push_back({row.call, {}});
    }
    calls.back().second[row.status] += row.count;
    if (row.status != "Success") {
      reasons[row.reason] += row.count;
    }
  }
  for (const auto& [call, statuses] : calls) {
    std::string list;
    for (const auto& [status, count] : statuses) {
      ShowCount(list, count, status);
    }
    screen.Field(call, list, Colour::kPlain, kCallTab);
  }
  std::string list;
  for (const auto& [reason, count] : reasons) {
    ShowCount(list, count, reason);
  }
  screen.Field("Reasons", list.empty() ? "no answer but success" : list);
  if (counts.unmapped + counts.ignored_accesses > 0) {
    screen.Field("No answer", Number(counts.unmapped) + " requests whose pages cannot be mapped, " +
                                  Number(counts.ignored_accesses) +
                                  " accesses to ports that mean nothing");
  }
  screen.Field("Backend", counts.backend_calls == 0
                              ? "no request had to wait for it"
                              : Number(counts.backend_calls) + " requests in " +
                                    TimeText(counts.backend_us) + ", the longest in " +
                                    TimeText(counts.backend_longest_us));
  if (const auto& error = counts.last_error) {
    const std::string variable = error->name.empty() ? ""
                                                     : " of " + efi::EscapeName(error->name) + " " +
                                                           efi::ToText(error->vendor);
    screen.Field("Last error", error->call + variable + ": " + error->reason + " (" +
                                   error->status + "), " + TimeText(error->age_us) + " ago");
  } else {
    screen.Field("Last error", "none");
  }
  if (const auto& found = counts.found) {
    screen.Field("Keys found", std::string("Secure Boot ") +
                                   (found->is_secure_boot_on ? "on" : "off") + ", entries: PK " +
                                   Number(found->pk) + ", KEK " + Number(found->kek) + ", db " +
                                   Number(found->db) + ", dbx " + Number(found->dbx) +
                                   ", drift from the host's: " + found->drift);
    if (found->waits_us > 0) {
      screen.Field("Waits now", "a write for " + TimeText(found->waits_us) +
                                    " already, because the backend has not taken it yet");
    }
  }
}

}  // namespace

std::string RenderScreen(const Report& report, const ScreenOptions& options) {
  Screen screen(options);
  ShowSummary(screen, report);
  if (!report.findings.empty()) {
    ShowFindings(screen, report.findings);
  }
  ShowKeys(screen, report);
  ShowDefaults(screen, report);
  ShowSuccessions(screen, report);
  ShowBoot(screen, report);
  ShowUsage(screen, report);
  if (report.running) {
    ShowRunning(screen, *report.running);
  }
  return screen.Take();
}

std::string RenderShort(const Report& report, const ScreenOptions& options) {
  Screen screen(options);
  screen.Short(' ', "VM", ForTerminal(report.target));
  const Judgement secure_boot = Judge(report, Check::kSecureBoot);
  screen.Short(SignOf(secure_boot.verdict), "Secure Boot",
               secure_boot.why.empty() ? "on" : secure_boot.why);
  const Judgement certificates = Judge(report, Check::kCertificates);
  screen.Short(SignOf(certificates.verdict), "Certificates",
               certificates.why.empty() ? "Microsoft's of 2023 are there" : certificates.why);
  screen.Short(SignOf(Judge(report, Check::kRevocations).verdict), "Revocations",
               RevocationsText(report));
  std::string names;
  bool has_error = false;
  for (const Finding& finding : report.findings) {
    names += (names.empty() ? ": " : ", ") + std::string(TypeOf(finding.kind).name);
    has_error = has_error || finding.severity == Severity::kError;
  }
  screen.Short(report.is_first_boot ? '?'
               : names.empty()      ? '+'
               : has_error          ? 'x'
                                    : '!',
               "Findings", names.empty() ? NoFindings(report) : CountText(report.findings) + names);
  return screen.Take();
}

std::string RenderFindings(const std::vector<Finding>& findings, const ScreenOptions& options) {
  Screen screen(options);
  if (!findings.empty()) {
    ShowFindings(screen, findings);
  }
  return screen.Take();
}

}  // namespace varstored::health
