// L-28: state is lost when a file is truncated and written again, or written and not synced.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "sqlite_disk.h"
#include "sqlite_session.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"

namespace varstored::test {
namespace {

constexpr std::size_t kMaxFileBytes = backend::kMaxDatabaseBytes;

FolderContent ReadFolder(const std::string& folder) {
  FolderContent content;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    content[file.path().filename()] = *base::ReadFile(file.path(), kMaxFileBytes);
  }
  return content;
}

void WriteFolder(const std::string& folder, const FolderContent& content) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  for (const auto& [name, bytes] : content) {
    std::ofstream file(std::filesystem::path(folder) / name, std::ios::binary);
    std::copy(bytes.begin(), bytes.end(), std::ostreambuf_iterator<char>(file));
  }
}

using State = std::vector<store::Entry>;
using History = std::vector<store::HistoryEntry>;

/// One commit of a session: what the log had before and behind it, and the state behind it.
struct Acknowledged {
  std::size_t begin;
  std::size_t end;
  State state;
};

/// A VM's life on one file: starts, writes of every kind and size, and ends.
class PowerCutTest : public testing::Test {
 protected:
  PowerCutTest() {
    disk_.SkipSyncs();
    { const Session made(path_); }
    before_ = ReadFolder(live_.path());
    disk_.ClearLog();
    history_.push_back({0, 0, {}});
    Live();
  }

  void Live() {
    {
      Session session(path_);
      Do(session, [](auto& staged) { staged.Put(MakeVariable("Boot0000", 100)); });
      Do(session, [](auto& staged) { staged.Put(MakeVariable("BootOrder", 2)); });
      // PK and what depends on it; first-boot keys.
      Do(session, [](auto& staged) {
        staged.Put(MakeVariable("dbx", 30000, 1, 0x27));
        staged.Put(MakeVariable("db", 6000, 1, 0x27));
        staged.Put(MakeVariable("KEK", 3000));
        staged.Put(MakeVariable("PK", 1500));
      });
      for (std::uint8_t i = 0; i < 12; ++i) {
        Do(session, [i](auto& staged) { staged.Put(MakeVariable("BootNext", 2, i)); });
      }
      Do(session, [](auto& staged) { staged.Put(MakeVariable("Big", 57344, 1)); });
      Do(session, [](auto& staged) { staged.Put(MakeVariable("Big", 57344, 2)); });
      Do(session, [](auto& staged) {
        staged.Put(MakeVariable("dbx", 32000, 3, 0x27));
        staged.Erase(store::KeyOf(MakeVariable("Boot0000", 1)));
      });
    }
    Session session(path_);
    Do(session, [](auto& staged) { staged.Erase(store::KeyOf(MakeVariable("Big", 1))); });
    for (std::uint8_t i = 0; i < 30; ++i) {
      Do(session, [i](auto& staged) {
        staged.Put(MakeVariable("Var" + std::to_string(i), 1000U + 100U * i, i));
      });
    }
    Do(session, [](auto& staged) { staged.Put(MakeVariable("Big", 50000, 7)); });
  }

  void Do(Session& session, const Session::Staging& stage) {
    const std::size_t begin = disk_.log().size();
    const auto kept = session.Commit(stage);
    ASSERT_TRUE(kept.ok()) << kept.error().message;
    history_.push_back({begin, disk_.log().size(), session.Kept()});
  }

  /// Whether `found` is what a cut behind the first `count` operations may leave.
  [[nodiscard]] bool IsAllowed(const State& found, std::size_t count) const {
    std::size_t last = 0;
    while (last + 1 < history_.size() && history_[last + 1].end <= count) {
      ++last;
    }
    if (found == history_[last].state) {
      return true;
    }
    return last + 1 < history_.size() && history_[last + 1].begin < count &&
           found == history_[last + 1].state;
  }

  /// Whether each key has the size that the history says last, and none is in one alone.
  [[nodiscard]] static bool IsTold(const State& found, const History& history) {
    std::map<std::string_view, std::size_t> in_state;
    for (const store::Entry& entry : found) {
      if (store::HasHistory(entry)) {
        in_state[entry.name()] = entry.data().size();
      }
    }
    std::map<std::string_view, std::size_t> in_history;
    for (const store::HistoryEntry& entry : history) {
      in_history.emplace(entry.name, entry.after.bytes);
    }
    return in_state == in_history;
  }

  TemporaryFolder live_;
  TemporaryFolder scratch_{FastParent()};
  std::string path_ = live_.File("vm.db");
  SqliteDisk disk_;
  FolderContent before_;
  std::vector<Acknowledged> history_;
};

TEST_F(PowerCutTest, L28LeavesTheOldStateOrTheNewOneAtEveryCut) {
  const std::vector<DiskOperation> log = disk_.log();
  const std::string folder = scratch_.File("found");
  std::mt19937 random(20260101);
  for (std::size_t count = 0; count <= log.size(); ++count) {
    for (const Unsynced unsynced : {Unsynced::kLost, Unsynced::kKept, Unsynced::kRandom}) {
      WriteFolder(folder, AfterPowerCut(before_, log, count, unsynced, random));
      Session session(folder + "/vm.db");
      const State found = session.Kept();
      ASSERT_TRUE(IsAllowed(found, count))
          << "cut behind operation " << count << ", unsynced " << static_cast<int>(unsynced);
      ASSERT_TRUE(IsTold(found, *session.backend().History())) << "cut behind operation " << count;
    }
  }
}

}  // namespace
}  // namespace varstored::test
