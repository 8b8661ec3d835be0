#include "varstored/pool/update.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <utility>

#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/efi/guid.h"
#include "varstored/health/json.h"
#include "varstored/health/text.h"

namespace varstored::pool {
namespace {

/// In the order of WaveStep.
constexpr std::array<std::string_view, 7> kSteps = {"picked",  "mark",   "marked", "updated",
                                                    "skipped", "failed", "undone"};
constexpr std::size_t kMaxJournalBytes = std::size_t{64} << 20;

std::string TimeText(std::time_t time) {
  std::tm parts = {};
  ::gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

/// Takes `text` off the front.
bool Skip(std::string_view& rest, std::string_view text) {
  if (!rest.starts_with(text)) {
    return false;
  }
  rest.remove_prefix(text.size());
  return true;
}

/// Takes all up to the next quote, and the quote.
std::optional<std::string> Quoted(std::string_view& rest) {
  const std::size_t end = rest.find('"');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  std::string text(rest.substr(0, end));
  rest.remove_prefix(end + 1);
  return text;
}

std::string Pad(std::string text, std::size_t columns) {
  text.append(columns - std::min(columns, health::ColumnsOf(text)), ' ');
  return text;
}

}  // namespace

std::string EncodeWaveLine(const WaveLine& line) {
  health::Json json = health::Json::Object();
  json.Add("time", line.time)
      .Add("wave", line.wave)
      .Add("step", kSteps.at(static_cast<std::size_t>(line.step)))
      .Add("uuid", line.uuid)
      .Add("domain", line.domain)
      .Add("words", line.words);
  return json.Text() + "\n";
}

std::optional<WaveLine> DecodeWaveLine(std::string_view text) {
  WaveLine line;
  auto time = Skip(text, R"({"time":")") ? Quoted(text) : std::nullopt;
  if (!time || !Skip(text, R"(,"wave":)")) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), line.wave);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  const auto step =
      error == std::errc() && Skip(text, R"(,"step":")") ? Quoted(text) : std::nullopt;
  auto uuid = step && Skip(text, R"(,"uuid":")") ? Quoted(text) : std::nullopt;
  auto domain = uuid && Skip(text, R"(,"domain":")") ? Quoted(text) : std::nullopt;
  if (!domain || !efi::ParseGuid(*uuid) || !text.ends_with('}')) {
    return std::nullopt;
  }
  const auto* const found = std::find(kSteps.begin(), kSteps.end(), *step);
  if (found == kSteps.end()) {
    return std::nullopt;
  }
  line.time = *std::move(time);
  line.step = static_cast<WaveStep>(found - kSteps.begin());
  line.uuid = *std::move(uuid);
  line.domain = *std::move(domain);
  return line;
}

base::Result<WaveJournal> WaveJournal::Open(const std::string& path) {
  const std::filesystem::path parts(path);
  const std::string parent = parts.parent_path();
  const auto folder = base::HeldFolder::OpenOrMake(parent.empty() ? "." : parent, 0700);
  if (!folder) {
    return folder.failure();
  }
  if (auto may = folder->CheckMayMake(); !may) {
    return may.failure();
  }
  const auto failed = [&path] { return base::Fail(path + ": " + base::ErrnoText()); };
  WaveJournal journal(base::UniqueFd(
      ::openat(folder->fd(), parts.filename().c_str(),
               O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)));
  if (!journal.file_.valid()) {
    return failed();
  }
  if (::flock(journal.file_.get(), LOCK_EX | LOCK_NB) != 0) {
    return base::Fail(path + ": another update is at work, and has this journal open");
  }
  if (auto synced = folder->Sync(); !synced) {
    return synced.failure();
  }
  std::string content;
  std::array<char, 65536> part{};
  ssize_t got = 0;
  while ((got = ::read(journal.file_.get(), part.data(), part.size())) > 0) {
    content.append(part.data(), static_cast<std::size_t>(got));
    if (content.size() > kMaxJournalBytes) {
      return base::Fail(path + ": it is too long: move it away when no wave is at work");
    }
  }
  if (got < 0) {
    return failed();
  }
  // A power cut may have left half a line, whose step was not done.
  if (!content.empty() && content.back() != '\n' && ::write(journal.file_.get(), "\n", 1) != 1) {
    return failed();
  }
  std::string_view rest = content;
  while (!rest.empty()) {
    const std::string_view text = rest.substr(0, rest.find('\n'));
    if (const auto line = DecodeWaveLine(text)) {
      journal.Take(*line);
    }
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
  }
  return journal;
}

void WaveJournal::Take(const WaveLine& line) {
  if (line.wave != number_) {
    number_ = line.wave;
    order_.clear();
    last_.clear();
  }
  WaveLine taken = line;
  const auto found = last_.find(line.uuid);
  if (found == last_.end()) {
    order_.push_back(line.uuid);
  } else if (taken.domain.empty()) {
    taken.domain = found->second.domain;
  }
  last_[line.uuid] = std::move(taken);
}

base::Result<void> WaveJournal::Add(std::vector<WaveLine> lines) {
  std::string text;
  for (WaveLine& line : lines) {
    line.time = TimeText(std::time(nullptr));
    text += EncodeWaveLine(line);
  }
  const ssize_t written = ::write(file_.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) || ::fdatasync(file_.get()) != 0) {
    return base::Fail("the journal cannot be written, so nothing more is done: " +
                      (written < 0 ? base::ErrnoText() : std::string("the disk is full")));
  }
  for (const WaveLine& line : lines) {
    Take(line);
  }
  return {};
}

std::vector<WaveLine> WaveJournal::Wave() const {
  std::vector<WaveLine> lines;
  lines.reserve(order_.size());
  for (const std::string& uuid : order_) {
    lines.push_back(last_.at(uuid));
  }
  return lines;
}

WaveProgress ProgressOf(const WaveLine& line, const std::optional<backend::PoolVm>& vm) {
  if (!vm) {
    return WaveProgress::kGone;
  }
  if (vm->certificates_state == "ok") {
    return WaveProgress::kUpdated;
  }
  if (vm->certificates_state != "update_on_boot") {
    return WaveProgress::kFailed;
  }
  // Each start makes another domain.
  const bool has_started = vm->power_state == "Running" && vm->domain != line.domain;
  return has_started ? WaveProgress::kFailed : WaveProgress::kWaits;
}

std::string RenderWave(const std::vector<WaveRow>& rows, const health::ScreenOptions& options) {
  constexpr std::size_t kResultColumns = 12;
  constexpr std::size_t kUuidColumns = 36;
  constexpr std::size_t kMaxWordsColumns = 1000;
  const std::size_t width = std::clamp<std::size_t>(options.width, 80, 120);
  std::string text;
  for (const WaveRow& row : rows) {
    std::string line =
        Pad(row.result, kResultColumns) + Pad(health::ForTerminal(row.uuid), kUuidColumns) + "  " +
        health::Cut(health::ForTerminal(row.name), width - kResultColumns - kUuidColumns - 2);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
    if (!row.words.empty()) {
      text += std::string(kResultColumns, ' ') +
              health::Cut(health::ForTerminal(row.words), kMaxWordsColumns) + "\n";
    }
  }
  return text;
}

}  // namespace varstored::pool
