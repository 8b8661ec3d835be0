#include "update_pool.h"

#include <poll.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "kept_state.h"
#include "screen_here.h"
#include "varstored/pool/marker.h"
#include "varstored/pool/update.h"
#include "varstored/pool/walk.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/place.h"

namespace varstored::tools {
namespace {

using pool::WaveLine;
using pool::WaveProgress;
using pool::WaveStep;

constexpr int kFailedExitCode = 1;
/// There is something left: VMs to be marked, or marked ones that wait for their boot.
constexpr int kLeftExitCode = 2;

class Update {
 public:
  Update(const UpdateWishes& wishes, base::Log& log)
      : wishes_(wishes), has_toolstack_(wishes.which.has_toolstack), log_(log) {}

  base::Result<std::string> Run(int& exit_code) {
    auto signals = pool::StopSignals::Block();
    if (!signals) {
      return signals.failure();
    }
    signals_ = *std::move(signals);
    soon_.fd = signals_->fd();
    auto done = Work();
    if (!done) {
      return done.failure();
    }
    exit_code = has_failed_ ? kFailedExitCode : has_left_ ? kLeftExitCode : 0;
    const health::ScreenOptions screen = ScreenOptionsHere();
    return sandbox::TextInHelper(
        [&](base::Log& /*lines*/) {
          return base::Result<std::string>(pool::RenderWave(rows_, screen) + summary_ + "\n");
        },
        log_);
  }

 private:
  void Say(const std::string& result, const std::string& uuid, const std::string& name,
           const std::string& words) {
    rows_.push_back({result, uuid, name, words});
  }

  base::Result<void> Work() {
    if (wishes_.work == UpdateWork::kPlan) {
      return Plan();
    }
    auto journal = pool::WaveJournal::Open(wishes_.journal);
    if (!journal) {
      return journal.failure();
    }
    journal_ = *std::move(journal);
    if (has_toolstack_) {
      auto marker =
          pool::Marker::Start({wishes_.which.place.socket, wishes_.which.place.wait}, soon_);
      if (!marker) {
        return marker.failure();
      }
      marker_.emplace(*std::move(marker));
    }
    if (wishes_.work == UpdateWork::kUndo) {
      return Undo();
    }
    // Whoever waits for its boot keeps the next wave from beginning.
    if (auto looked = Watch(); !looked) {
      return looked;
    }
    if (wishes_.work == UpdateWork::kStatus || has_failed_ || signals_->HaveCome()) {
      return {};
    }
    return Go();
  }

  // ---- which VMs ----

  base::Result<void> Plan() {
    if (auto looked = LookAtAll(); !looked) {
      return looked;
    }
    const std::size_t picked = std::min(picks_.size(), wishes_.limit);
    for (std::size_t i = 0; i < picks_.size(); ++i) {
      const Pick& pick = picks_[i];
      Say(i < picked ? (has_toolstack_ ? "would mark" : "would add") : "later", pick.uuid,
          pick.name, i < picked ? pick.words : "behind the limit of a wave");
    }
    has_left_ = !picks_.empty();
    summary_ = std::to_string(count_) + " in all: " + std::to_string(picked) +
               " in the next wave, " + std::to_string(picks_.size() - picked) + " later, " +
               std::to_string(skipped_) + " skipped, " +
               std::to_string(count_ - picks_.size() - skipped_) + " others";
    return {};
  }

  base::Result<void> LookAtAll() {
    auto found = FindCandidates(wishes_.which, wishes_.keys, *signals_, soon_, log_);
    if (!found) {
      return found.failure();
    }
    picks_ = std::move(found->picks);
    count_ = found->count;
    skipped_ += found->skipped;
    const auto wave = journal_ ? journal_->Wave() : std::vector<WaveLine>();
    for (pool::WaveRow& row : found->others) {
      const bool is_ours = std::any_of(wave.begin(), wave.end(), [&row](const WaveLine& line) {
        return line.uuid == row.uuid && IsOpen(line);
      });
      if (is_ours) {
        --skipped_;
      } else {
        rows_.push_back(std::move(row));
      }
    }
    has_failed_ = has_failed_ || found->has_failed;
    return {};
  }

  // ---- what is done ----

  base::Result<void> Note(WaveStep step, const std::string& uuid, const std::string& words = {},
                          const std::string& domain = {}) {
    return journal_->Add({{{}, journal_->number(), step, uuid, domain, words}});
  }

  /// Those of the last wave that are not over.
  static bool IsOpen(const WaveLine& line) {
    return line.step == WaveStep::kMark || line.step == WaveStep::kMarked;
  }
  [[nodiscard]] bool IsToBeDone(const WaveLine& line) const {
    return line.step == WaveStep::kPicked || line.step == WaveStep::kFailed ||
           (line.step == WaveStep::kMark && !has_toolstack_);
  }

  /// Goes on with a wave that was broken off, or begins the next one.
  base::Result<void> Go() {
    std::vector<std::string> uuids;
    for (const WaveLine& line : journal_->Wave()) {
      if (IsToBeDone(line)) {
        uuids.push_back(line.uuid);
      }
    }
    if (uuids.empty() && has_left_) {
      summary_ = "the next wave begins when this one is over: " + summary_;
      return {};
    }
    if (auto looked = LookAtAll(); !looked) {
      return looked;
    }
    if (uuids.empty()) {
      std::vector<WaveLine> lines;
      for (std::size_t i = 0; i < std::min(picks_.size(), wishes_.limit); ++i) {
        const Pick& pick = picks_[i];
        lines.push_back({{}, journal_->number() + 1, WaveStep::kPicked, pick.uuid, {}, pick.words});
        uuids.push_back(pick.uuid);
      }
      if (lines.empty()) {
        summary_ = std::to_string(count_) + " in all: nothing is left to be done, " +
                   std::to_string(skipped_) + " skipped";
        return {};
      }
      if (auto noted = journal_->Add(std::move(lines)); !noted) {
        return noted;
      }
    }
    return DoAll(uuids);
  }

  base::Result<void> DoAll(const std::vector<std::string>& uuids) {
    std::size_t done = 0;
    while (done < uuids.size() && !is_stopped_ && !signals_->HaveCome()) {
      if (auto one = DoOne(uuids[done]); !one) {
        return one;
      }
      done += is_stopped_ ? 0U : 1U;
    }
    const std::string words = "wave " + std::to_string(journal_->number()) + ": " +
                              std::to_string(done) + " of " + std::to_string(uuids.size()) +
                              " done, " + std::to_string(skipped_) + " skipped";
    if (has_toolstack_ && done == uuids.size() && wishes_.watch.count() > 0) {
      auto watched = Watch();
      summary_ = words + "; " + summary_;
      return watched;
    }
    const auto wave = journal_->Wave();
    has_left_ = done < uuids.size() || picks_.size() > uuids.size() ||
                std::any_of(wave.begin(), wave.end(), IsOpen);
    summary_ = words + (is_stopped_ ? "; it is stopped, because one failed" : "");
    return {};
  }

  base::Result<void> DoOne(const std::string& uuid) {
    const auto pick = std::find_if(picks_.begin(), picks_.end(),
                                   [&uuid](const Pick& one) { return one.uuid == uuid; });
    if (pick == picks_.end()) {
      return LeaveOut(uuid, {}, "it has changed since it was picked");
    }
    return has_toolstack_ ? Mark(*pick) : Change(*pick);
  }

  base::Result<void> LeaveOut(const std::string& uuid, const std::string& name,
                              const std::string& why) {
    ++skipped_;
    Say("skipped", uuid, name, why);
    return Note(WaveStep::kSkipped, uuid, why);
  }

  base::Result<void> Failed(const std::string& uuid, const std::string& name,
                            const std::string& why) {
    has_failed_ = true;
    is_stopped_ = true;
    Say("failed", uuid, name, why);
    return Note(WaveStep::kFailed, uuid, why);
  }

  base::Result<void> Mark(const Pick& pick) {
    // All VMs were looked at before the first one is marked, which may take minutes.
    const auto vm = marker_->Find(pick.uuid, log_);
    if (!vm) {
      return Failed(pick.uuid, pick.name, vm.error().message);
    }
    if (!*vm || (*vm)->certificates_state != "update_available") {
      return LeaveOut(pick.uuid, pick.name, "it has changed since it was looked at");
    }
    if (auto noted = Note(WaveStep::kMark, pick.uuid, pick.words, (*vm)->domain); !noted) {
      return noted;
    }
    if (const auto marked = marker_->Mark(pick.uuid, true, log_); !marked) {
      return Failed(pick.uuid, pick.name, marked.error().message);
    }
    Say("marked", pick.uuid, pick.name, pick.words);
    return Note(WaveStep::kMarked, pick.uuid);
  }

  /// As varstore-repair --fix-certificates does it.
  base::Result<void> Change(const Pick& pick) {
    if (auto noted = Note(WaveStep::kMark, pick.uuid); !noted) {
      return noted;
    }
    tool::PlaceOptions options;
    options.operand = pick.path;
    auto subject = OpenKept(options, log_, &soon_);
    if (!subject) {
      return Failed(pick.uuid, pick.name, subject.error().message);
    }
    RepairOptions repair;
    repair.fix = false;
    repair.certificates = wishes_.keys;
    repair.backup_folder = wishes_.backup_folder;
    repair.stop = &soon_;
    const auto fixed = FixPlace(
        *subject, repair, [](const Repair& /*repair*/) { return base::Bytes(); }, log_);
    if (!fixed) {
      return Failed(pick.uuid, pick.name, fixed.error().message);
    }
    if (!fixed->has_fixed) {
      return LeaveOut(pick.uuid, pick.name, "it has changed since it was picked");
    }
    Say("updated", pick.uuid, pick.name, pick.words + "; backup: " + fixed->backup);
    return Note(WaveStep::kUpdated, pick.uuid, "backup: " + fixed->backup);
  }

  // ---- how far it is ----

  /// Looks at all that are marked, until none waits, one has failed, or the time is over.
  base::Result<void> Watch() {
    if (!has_toolstack_) {
      return CountWave();
    }
    const auto end = std::chrono::steady_clock::now() + wishes_.watch;
    while (true) {
      std::vector<pool::WaveRow> waiting;
      for (const WaveLine& line : journal_->Wave()) {
        if (IsOpen(line) || (line.step == WaveStep::kFailed && !line.domain.empty())) {
          if (auto looked = LookAtMarked(line, waiting); !looked) {
            return looked;
          }
        }
      }
      has_left_ = !waiting.empty();
      const auto now = std::chrono::steady_clock::now();
      if (waiting.empty() || has_failed_ || now >= end || signals_->HaveCome()) {
        rows_.insert(rows_.end(), waiting.begin(), waiting.end());
        return CountWave();
      }
      const auto pause =
          std::min<std::chrono::steady_clock::duration>(end - now, std::chrono::seconds(1));
      pollfd stop = {signals_->fd(), POLLIN, 0};
      static_cast<void>(::poll(
          &stop, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(pause).count())));
    }
  }

  base::Result<void> LookAtMarked(const WaveLine& line, std::vector<pool::WaveRow>& waiting) {
    const auto vm = marker_->Find(line.uuid, log_);
    if (!vm) {
      return vm.failure();
    }
    const std::string name = *vm ? (*vm)->name : "";
    if (line.step != WaveStep::kMarked && *vm) {
      // Whether the mark was made was not seen: XAPI knows.
      if ((*vm)->certificates_state == "update_available") {
        return Note(WaveStep::kPicked, line.uuid);
      }
      if (auto noted = Note(WaveStep::kMarked, line.uuid); !noted) {
        return noted;
      }
    }
    switch (pool::ProgressOf(line, *vm)) {
      case WaveProgress::kWaits:
        waiting.push_back({"waits", line.uuid, name, {}});
        return {};
      case WaveProgress::kUpdated:
        Say("updated", line.uuid, name, {});
        return Note(WaveStep::kUpdated, line.uuid);
      case WaveProgress::kGone:
        Say("skipped", line.uuid, name, "it is gone");
        return Note(WaveStep::kSkipped, line.uuid, "it is gone");
      case WaveProgress::kFailed:
        break;
    }
    has_failed_ = true;
    Say("failed", line.uuid, name,
        (*vm)->certificates_state == "update_on_boot"
            ? "it has started since it was marked, and was not updated: its log and XAPI's alert "
              "say why"
            : "somebody has taken the mark back: XAPI says '" + (*vm)->certificates_state + "'");
    return {};
  }

  base::Result<void> CountWave() {
    std::map<WaveStep, std::size_t> counts;
    std::size_t left = 0;
    for (const WaveLine& line : journal_->Wave()) {
      ++counts[line.step];
      left += IsToBeDone(line) ? 1U : 0U;
    }
    has_left_ = has_left_ || left != 0;
    const std::size_t marked = counts[WaveStep::kMark] + counts[WaveStep::kMarked];
    summary_ = journal_->number() == 0
                   ? "there was no wave yet"
                   : "wave " + std::to_string(journal_->number()) + " has " +
                         std::to_string(counts[WaveStep::kUpdated]) + " updated, " +
                         std::to_string(has_toolstack_ ? marked : 0) + " marked, " +
                         std::to_string(left) + " to be done, " +
                         std::to_string(counts[WaveStep::kSkipped]) + " skipped, " +
                         std::to_string(counts[WaveStep::kUndone]) + " taken back";
    return {};
  }

  base::Result<void> Undo() {
    if (!has_toolstack_) {
      return base::Fail(
          "there are no marks on a host without XAPI: varstore-repair --restore puts back the "
          "backup that the journal names, " +
          wishes_.journal);
    }
    for (const WaveLine& line : journal_->Wave()) {
      if (line.step == WaveStep::kPicked) {
        if (auto noted = Note(WaveStep::kUndone, line.uuid); !noted) {
          return noted;
        }
      } else if (IsOpen(line) || line.step == WaveStep::kFailed) {
        if (auto done = UndoOne(line); !done) {
          return done;
        }
      }
      if (signals_->HaveCome()) {
        break;
      }
    }
    return CountWave();
  }

  base::Result<void> UndoOne(const WaveLine& line) {
    const auto vm = marker_->Find(line.uuid, log_);
    if (!vm) {
      return vm.failure();
    }
    const std::string name = *vm ? (*vm)->name : "";
    if (*vm && (*vm)->certificates_state == "ok") {
      Say("updated", line.uuid, name, "it has the certificates: there is no mark to take back");
      return Note(WaveStep::kUpdated, line.uuid);
    }
    if (*vm && (*vm)->certificates_state == "update_on_boot" && !line.domain.empty()) {
      if (const auto taken = marker_->Mark(line.uuid, false, log_); !taken) {
        has_failed_ = true;
        Say("failed", line.uuid, name, taken.error().message);
        return {};
      }
    }
    Say("taken back", line.uuid, name, {});
    return Note(WaveStep::kUndone, line.uuid);
  }

  const UpdateWishes& wishes_;
  bool has_toolstack_;
  base::Log& log_;
  std::optional<pool::StopSignals> signals_;
  sandbox::Stop soon_{.grace = pool::kMostAtTheEnd};
  std::optional<pool::WaveJournal> journal_;
  std::optional<pool::Marker> marker_;
  std::vector<Pick> picks_;
  std::vector<pool::WaveRow> rows_;
  std::string summary_;
  std::size_t count_ = 0;
  std::size_t skipped_ = 0;
  bool has_failed_ = false;
  /// One of the wave has failed: no more are begun.
  bool is_stopped_ = false;
  bool has_left_ = false;
};

}  // namespace

base::Result<std::string> UpdatePool(const UpdateWishes& wishes, int& exit_code, base::Log& log) {
  return Update(wishes, log).Run(exit_code);
}

}  // namespace varstored::tools
