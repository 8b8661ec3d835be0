#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/backend/pool.h"
#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"
#include "varstored/health/render.h"

/// The update of the certificates of many VMs, in waves. A wave is over when each of its VMs is
/// updated, left out, or taken back; only then the next one begins.
namespace varstored::pool {

/// What became of a VM, as a line of the journal says it.
enum class WaveStep : std::uint8_t {
  kPicked,   // it is of the wave
  kMark,     // it is being marked, or changed
  kMarked,   // XAPI has the mark
  kUpdated,  // it has the certificates
  kSkipped,  // it has changed since it was picked
  kFailed,   // it could not be marked, changed, or its mark be taken back
  kUndone,   // the mark is taken back
};

struct WaveLine {
  std::string time;  // such as "2026-12-01T05:00:00Z"
  std::uint32_t wave = 0;
  WaveStep step{};
  std::string uuid;
  /// VM.domid when it was marked; empty where that is not known.
  std::string domain;
  /// Why, or where the backup is.
  std::string words;
};

/// One object of JSON with an end of line.
[[nodiscard]] std::string EncodeWaveLine(const WaveLine& line);
/// The reverse, but for `words`, which nobody asks for; nothing for a line of another form, as a
/// power cut may leave one.
[[nodiscard]] std::optional<WaveLine> DecodeWaveLine(std::string_view text);

/// What was done so far: lines that are only ever added, each on the disk before the next thing is
/// done. Whoever has it open keeps others out.
class WaveJournal {
 public:
  /// Opens the file at `path`, and makes it, and its folder for its owner alone, where they are
  /// missing. Fails where another process has it open, or others may write in its folder.
  [[nodiscard]] static base::Result<WaveJournal> Open(const std::string& path);

  /// Adds the lines, with the time of now.
  [[nodiscard]] base::Result<void> Add(std::vector<WaveLine> lines);

  /// Of each VM of the last wave, in the order in which they were picked, its last line.
  [[nodiscard]] std::vector<WaveLine> Wave() const;
  /// Its number; 0 before the first one.
  [[nodiscard]] std::uint32_t number() const { return number_; }

 private:
  explicit WaveJournal(base::UniqueFd file) : file_(std::move(file)) {}
  void Take(const WaveLine& line);

  base::UniqueFd file_;
  std::uint32_t number_ = 0;
  std::vector<std::string> order_;
  std::map<std::string, WaveLine> last_;
};

/// Of a VM that was marked: how far its update is.
enum class WaveProgress : std::uint8_t {
  kWaits,    // for its next boot
  kUpdated,  // XAPI says "ok"
  kFailed,   // it has started since, and is as it was; or somebody has taken the mark back
  kGone,
};
/// `vm` is nothing when it is gone; `line` is its last one of the journal.
[[nodiscard]] WaveProgress ProgressOf(const WaveLine& line,
                                      const std::optional<backend::PoolVm>& vm);

/// One line of what is planned or was done: "marked", the VM, and why.
struct WaveRow {
  std::string result;
  std::string uuid;
  std::string name;   // as the pool has it: not fit for a terminal
  std::string words;  // the same
};

/// A table for a terminal. For a helper process: names are foreign.
[[nodiscard]] std::string RenderWave(const std::vector<WaveRow>& rows,
                                     const health::ScreenOptions& options);

}  // namespace varstored::pool
