// Of every change of keys there is a row, in the same transaction.

#include <sqlite3.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "sqlite_session.h"
#include "support/temporary_folder.h"
#include "varstored/base/hex.h"
#include "varstored/efi/well_known.h"
#include "varstored/store/history.h"

namespace varstored::test {
namespace {

using History = std::vector<store::HistoryEntry>;

store::Entry Signed(const efi::WellKnownVariable& variable, std::string_view data) {
  return store::MakeEntry({.name = std::string(variable.name),
                           .vendor = variable.vendor,
                           .attributes = 0x27,
                           .data = base::ToBytes(data)});
}

std::string Name(const store::HistoryEntry& entry) { return efi::NameToUtf8(entry.name); }

/// "who what name before>after reason", the newest first.
std::vector<std::string> Told(const History& history) {
  std::vector<std::string> lines;
  for (const store::HistoryEntry& entry : history) {
    lines.push_back(std::string(store::ActorText(entry.actor)) + " " +
                    std::string(store::DeedText(entry.deed)) + " " + Name(entry) + " " +
                    std::to_string(entry.before.bytes) + ">" + std::to_string(entry.after.bytes) +
                    " " + entry.reason);
  }
  return lines;
}

class SqliteHistoryTest : public testing::Test {
 protected:
  void Run(const std::string& sql) const {
    sqlite3* tool = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &tool), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(tool, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(tool);
    sqlite3_close(tool);
  }
  [[nodiscard]] History Kept() const {
    Session session(path_);
    return *session.backend().History();
  }

  TemporaryFolder folder_{FastParent()};
  std::string path_ = folder_.File("vm.db");
};

TEST_F(SqliteHistoryTest, AGuestsChangesHaveSizesDigestsAndTheReason) {
  const std::time_t begin = std::time(nullptr);
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(Signed(efi::kDb, "abc")).ok());
    ASSERT_TRUE(session.Put(Signed(efi::kPk, "key")).ok());
    ASSERT_TRUE(session.Put(Signed(efi::kDb, "abcdef")).ok());
    ASSERT_TRUE(session.Put(Signed(efi::kDb, "abd")).ok());
    ASSERT_TRUE(session.Erase(Signed(efi::kDb, "")).ok());
    ASSERT_TRUE(session.Erase(Signed(efi::kPk, "")).ok());
  }
  const History history = Kept();
  EXPECT_EQ(Told(history),
            (std::vector<std::string>{
                "guest deleted PK 3>0 user-mode", "guest deleted db 3>0 user-mode",
                "guest written db 6>3 user-mode", "guest appended db 3>6 user-mode",
                "guest written PK 0>3 setup-mode", "guest written db 0>3 setup-mode"}));
  ASSERT_EQ(history.size(), 6U);
  // FIPS 180-4's first example.
  EXPECT_EQ(base::ToHex(history[5].after.sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(history[5].before, store::DataMark());
  EXPECT_EQ(history[3].before, history[5].after);
  EXPECT_EQ(history[1].after, store::DataMark());
  for (std::size_t i = 0; i < history.size(); ++i) {
    EXPECT_EQ(history[i].number, history.size() - i);
    EXPECT_GE(history[i].time, begin);
    EXPECT_LE(history[i].time, std::time(nullptr));
    EXPECT_EQ(history[i].vendor, Name(history[i]) == "PK" ? efi::kGlobalVariableGuid
                                                          : efi::kImageSecurityDatabaseGuid);
  }
}

TEST_F(SqliteHistoryTest, WhatNobodySignsHasNone) {
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(MakeVariable("BootOrder", 2)).ok());
    ASSERT_TRUE(session.Put(MakeVariable("Volatile", 2, 1, 0x26)).ok());
  }
  EXPECT_EQ(Kept(), History());
}

TEST_F(SqliteHistoryTest, AModeIsOneOfItsOwn) {
  for (const char mode : {'\0', '\1', '\2', '\3'}) {
    store::Entry mark = Signed(efi::kModeMark, std::string_view(&mode, 1));
    mark = store::MakeEntry({.name = std::string(mark.name()),
                             .vendor = mark.vendor(),
                             .attributes = 3,
                             .data = mark.data()});
    ASSERT_TRUE(Session(path_).Put(mark).ok());
  }
  EXPECT_EQ(Told(Kept()),
            (std::vector<std::string>{"guest mode-deployed SecureBootMode 1>1 setup-mode",
                                      "guest mode-audit SecureBootMode 1>1 setup-mode",
                                      "guest mode-user SecureBootMode 1>1 setup-mode",
                                      "guest mode-setup SecureBootMode 0>1 setup-mode"}));
}

TEST_F(SqliteHistoryTest, EachActorIsTold) {
  const store::Entry first = Signed(efi::kPk, "first");
  store::Store kept;
  {
    Session session(path_);
    store::StagedStore staged(kept);
    staged.Put(first);
    ASSERT_TRUE(session.backend().CommitAtBoot(staged).ok());
    ASSERT_TRUE(session.backend().KeepWishAtStart(true).ok());
    kept.Apply(std::move(staged));
  }
  {
    Session session(path_);
    store::StagedStore staged(kept);
    staged.Put(Signed(efi::kKek, "update"));
    ASSERT_TRUE(session.backend().CommitAtBoot(staged).ok());
    ASSERT_TRUE(session.backend().KeepWishAtStart(false).ok());
    kept.Apply(std::move(staged));
    ASSERT_TRUE(session.Put(Signed(efi::kDb, "guest")).ok());
  }
  kept.Append(Signed(efi::kDb, "guest"));
  const auto keep = [&](std::string_view program, const store::Entry& entry) {
    Lines log;
    const auto backend = backend::SqliteBackend::Open(path_, log);
    ASSERT_TRUE(backend);
    store::StagedStore staged(kept);
    staged.Put(entry);
    ASSERT_TRUE((program.empty() ? (*backend)->KeepResumed(staged)
                                 : (*backend)->KeepByTool(staged, program))
                    .ok());
    kept.Apply(std::move(staged));
  };
  keep("", Signed(efi::kDbx, "resumed"));
  keep("varstore-set", Signed(efi::kDbx, "tool"));
  keep("varstore-repair", Signed(efi::kDbx, "repaired"));
  keep("a name of more than 32 letters \n and more", Signed(efi::kDbx, "odd"));
  EXPECT_EQ(Told(Kept()),
            (std::vector<std::string>{
                "tool written dbx 8>3 a?name?of?more?than?32?letters??",
                "repair written dbx 4>8 varstore-repair", "tool written dbx 7>4 varstore-set",
                "resume written dbx 0>7 saved-state", "guest written db 0>5 user-mode",
                "start not-wanted  0>0 host", "boot-update written KEK 0>6 certificates-of-2011",
                "start wanted  0>0 host", "first-boot written PK 0>5 no-state-was-kept"}));
}

TEST_F(SqliteHistoryTest, AGuestThatWritesAllDayPushesOutNothingButItsOwn) {
  store::Store kept;
  kept.Append(Signed(efi::kPk, "x"));
  {
    Lines log;
    const auto backend = backend::SqliteBackend::Open(path_, log);
    ASSERT_TRUE((*backend)->KeepByTool(store::StagedStore(kept), "varstore-set").ok());
  }
  const efi::WellKnownVariable own = {efi::detail::NameOf<"Own">(), efi::kGlobalVariableGuid};
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(Signed(efi::kDbx, "key")).ok());
    for (int i = 0; i < 250; ++i) {
      ASSERT_TRUE(session.Put(Signed(own, std::to_string(i))).ok());
    }
  }
  History history = Kept();
  EXPECT_EQ(history.size(), 40U + 2U);
  EXPECT_EQ(Told({history[40], history[41]}),
            (std::vector<std::string>{"guest written dbx 0>3 user-mode",
                                      "tool written PK 0>1 varstore-set"}));
  EXPECT_EQ(history[0].number, 252U);
  EXPECT_EQ(history[39].number, 213U);

  {
    Session session(path_);
    for (int i = 0; i < 150; ++i) {
      ASSERT_TRUE(session.Put(Signed(efi::kDb, std::to_string(i))).ok());
    }
    for (int i = 0; i < 70; ++i) {
      ASSERT_TRUE(session.backend().KeepWishAtStart(i % 2 == 0).ok());
    }
  }
  history = Kept();
  EXPECT_EQ(history.size(), store::kMostHistory);
  const auto count = [&history](const auto& is) {
    return std::count_if(history.begin(), history.end(), is);
  };
  EXPECT_EQ(count([](const auto& entry) { return entry.actor == store::Actor::kStart; }), 60);
  EXPECT_EQ(count([](const auto& entry) { return Name(entry) == "db"; }), 100);
  EXPECT_EQ(count([](const auto& entry) { return Name(entry) == "Own"; }), 40);
}

TEST_F(SqliteHistoryTest, ItIsBoundedInBytes) {
  {
    Session session(path_);
    for (int i = 0; i < 120; ++i) {
      std::string name;
      for (int letter = 0; letter < 2048; ++letter) {
        name += static_cast<char>('a' + i % 26);
        name += '\0';
      }
      const store::Entry entry = store::MakeEntry({.name = name,
                                                   .vendor = efi::kGlobalVariableGuid,
                                                   .attributes = 0x27,
                                                   .data = {static_cast<std::uint8_t>(i)}});
      ASSERT_TRUE(session.Put(entry).ok());
      ASSERT_TRUE(session.Erase(entry).ok());
    }
    const auto history = *session.backend().History();
    ASSERT_EQ(history.size(), 40U);
    EXPECT_EQ(history[0].name.size(), store::kMaxHistoryNameBytes);
    EXPECT_TRUE(Name(history[0]).ends_with("p…")) << Name(history[0]);
  }
  EXPECT_LT(std::filesystem::file_size(path_), 128U * 1024U);
}

TEST_F(SqliteHistoryTest, AWriteThatFailsLeavesNoEntry) {
  Session session(path_);
  ASSERT_TRUE(session.Put(Signed(efi::kDb, "a")).ok());
  // No room for a page more.
  ASSERT_FALSE(session
                   .Commit([](auto& staged) {
                     for (int i = 0; i < 40; ++i) {
                       staged.Put(MakeVariable("Big" + std::to_string(i), 57344));
                     }
                     staged.Put(Signed(efi::kDb, "b"));
                   })
                   .ok());
  ASSERT_TRUE(session.Put(Signed(efi::kDb, "c")).ok());
  EXPECT_EQ(Told(*session.backend().History()),
            (std::vector<std::string>{"guest written db 1>1 setup-mode",
                                      "guest written db 0>1 setup-mode"}));
}

TEST_F(SqliteHistoryTest, AFileOfVersion2HasNoneUntilItsFirstStart) {
  ASSERT_TRUE(Session(path_).Put(Signed(efi::kDb, "a")).ok());
  Run("DROP TABLE history; PRAGMA user_version = 2");
  Lines log;
  {
    const auto files = backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kLook);
    const auto looker = backend::SqliteBackend::Look(*backend::ReadDatabase(*files), log);
    ASSERT_TRUE(looker) << looker.error().message;
    EXPECT_EQ(*(*looker)->History(), History());
    EXPECT_TRUE((*looker)->Load().ok());
  }
  ASSERT_TRUE(Session(path_).Put(Signed(efi::kDb, "ab")).ok());
  EXPECT_EQ(Told(Kept()), (std::vector<std::string>{"guest appended db 1>2 setup-mode"}));
}

TEST_F(SqliteHistoryTest, RowsThatAreNoneAreRefused) {
  ASSERT_TRUE(Session(path_).Put(Signed(efi::kDb, "a")).ok());
  struct Case {
    const char* change;
    const char* reason;
  };
  for (const auto& [change, reason] : {
           Case{"place = 0", "its place is not one of its kind's"},
           Case{"place = 160", "its place is not one of its kind's"},
           Case{"place = -1", "its place is not one of its kind's"},
           Case{"place = 200", "its place is not one of its kind's"},
           Case{"number = 0", "its number is 0"},
           Case{"number = -1", "its number is < 0"},
           Case{"number = 281474976710657", "its number is 281474976710657"},
           Case{"time = -1", "its time is -1"},
           Case{"time = 253402300800", "its time is 253402300800"},
           Case{"who = 'Guest'", "its who is none"},
           Case{"what = ''", "its what is none"},
           Case{"name = x''", "its name has 0 bytes"},
           Case{"what = 'wanted'", "its name has 4 bytes"},
           Case{"name = zeroblob(514)", "its name has 514 bytes"},
           Case{"name_text = 'dbx'", "its name_text is not what its name says"},
           Case{"vendor = 'me'", "its vendor is no GUID in lower case"},
           Case{"vendor = upper(vendor)", "its vendor is no GUID in lower case"},
           Case{"bytes_before = 1", "it has sizes and digests that are none"},
           Case{"bytes_after = -1", "it has sizes and digests that are none"},
           Case{"bytes_after = 0", "it has sizes and digests that are none"},
           Case{"bytes_after = 4294967296", "it has sizes and digests that are none"},
           Case{"digest_after = zeroblob(31)", "it has sizes and digests that are none"},
           Case{"reason = 'two words'", "its reason is no word of 32 characters at most"},
           Case{"reason = hex(zeroblob(17))", "its reason is no word of 32 characters at most"},
           Case{"reason = char(27)", "its reason is no word of 32 characters at most"},
       }) {
    const std::string good = folder_.File("good.db");
    std::filesystem::copy_file(path_, good, std::filesystem::copy_options::overwrite_existing);
    Run(std::string("UPDATE history SET ") + change);
    Lines log;
    {
      const auto files = backend::OpenDatabaseFiles(path_, backend::DatabaseUse::kLook);
      const auto looker = backend::SqliteBackend::Look(*backend::ReadDatabase(*files), log);
      ASSERT_TRUE(looker) << change;
      const auto loaded = (*looker)->Load();
      ASSERT_FALSE(loaded) << change;
      EXPECT_TRUE(loaded.error().message.starts_with(path_ + ": damaged: history, place "))
          << loaded.error().message;
      EXPECT_TRUE(loaded.error().message.ends_with(reason)) << loaded.error().message;
      EXPECT_FALSE((*looker)->History().ok()) << change;
    }
    // Who replaces all rows without having read them begins a new history.
    {
      const auto resumed = backend::SqliteBackend::Open(path_, log);
      store::Store state;
      state.Append(Signed(efi::kDb, "resumed"));
      ASSERT_TRUE((*resumed)->KeepResumed(store::StagedStore(state)).ok()) << change;
      EXPECT_EQ(Told(*(*resumed)->History()),
                (std::vector<std::string>{"resume written db 1>7 saved-state"}))
          << change;
    }
    std::filesystem::copy_file(good, path_, std::filesystem::copy_options::overwrite_existing);
  }
}

TEST_F(SqliteHistoryTest, ANumberThatTwoHaveIsRefusedAndTheLastNumberEndsAHistory) {
  ASSERT_TRUE(Session(path_).Put(Signed(efi::kDb, "a")).ok());
  ASSERT_TRUE(Session(path_).Put(Signed(efi::kDb, "b")).ok());
  Run("UPDATE history SET number = 281474976710656 WHERE number = 2");
  {
    Session session(path_);
    ASSERT_TRUE(session.Put(Signed(efi::kDb, "c")).ok());
    const auto history = *session.backend().History();
    ASSERT_EQ(history.size(), 1U);
    EXPECT_EQ(history[0].number, 1U);
    ASSERT_TRUE(session.Put(Signed(efi::kDb, "d")).ok());
  }
  Run("UPDATE history SET number = 1");
  EXPECT_THROW(Session session(path_), std::exception);
}

}  // namespace
}  // namespace varstored::test
