#include "varstored/tool/place.h"

#include <sys/stat.h>

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "varstored/backend/sqlite.h"
#include "varstored/base/base64.h"
#include "varstored/base/file.h"
#include "varstored/efi/well_known.h"
#include "varstored/tool/session.h"
#include "workshop.h"

namespace varstored::tool {
namespace {

class Lines final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/, std::string_view line) override {
    text += line;
  }
  std::string text;
};

class PlaceTest : public ::testing::Test {
 protected:
  /// The variables in that file, without the process that a tool looks at them in.
  struct Opened {
    Place place;
    Session session;
    base::Log& log;

    engine::VariableServices& services() { return session.services(); }
    [[nodiscard]] const store::Store& store() const { return session.store(); }
    engine::Reason Delete(const store::Key& key) { return session.Delete(key); }
    /// Also keeps what there is to keep.
    base::Result<bool> Save() {
      auto saved = session.Save();
      if (saved && *saved) {
        if (auto kept = place.Keep(*session.changed(), log); !kept) {
          return kept.failure();
        }
      }
      return saved;
    }
  };

  /// Throws when the variables in that file cannot be loaded.
  Opened Open(const std::string& name) {
    PlaceOptions options;
    options.operand = workshop_.File(name);
    auto place = Place::Open(options, log_);
    if (!place) {
      throw std::runtime_error(place.error().message);
    }
    auto session = Session::Open(place->kept(), log_);
    if (!session) {
      throw std::runtime_error(session.error().message);
    }
    return {*std::move(place), *std::move(session), log_};
  }

  static engine::Reason Set(Opened& session, const store::Entry& entry) {
    const base::Bytes name = base::ToBytes(entry.name());
    return session.services()
        .SetVariable({.name = name,
                      .vendor = entry.vendor(),
                      .attributes = entry.raw_attributes(),
                      .data = entry.data()})
        .reason;
  }

  [[nodiscard]] BlobFile Decode(const std::string& name) const {
    const auto file = DecodeBlobFile(workshop_.Content(name));
    if (!file) {
      throw std::runtime_error(file.error().message);
    }
    return *file;
  }

  Workshop workshop_;
  Lines log_;
  const store::Entry new_entry_ = MakeEntry(kVendorText, "New", 7, "new");
};

std::string Message(const base::Bytes& content) {
  const auto file = DecodeBlobFile(content);
  return file ? "read" : file.error().message;
}

TEST_F(PlaceTest, ABlobThatIsCutAnywhereIsRefused) {
  const base::Bytes raw = workshop_.Content("saved.vars");
  for (std::size_t size = 0; size < raw.size(); ++size) {
    const base::Bytes cut(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_NE(Message(cut), "read") << size;
    EXPECT_NE(Message(base::ToBytes(base::EncodeBase64(cut))), "read") << size;
  }
}

TEST_F(PlaceTest, Base64ThatIsCutAnywhereIsRefused) {
  const base::Bytes text = workshop_.Content("kept.b64");
  // The last character but one ends the base64, the last one is a newline.
  for (std::size_t size = 0; size + 1 < text.size(); ++size) {
    EXPECT_NE(Message({text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size)}), "read")
        << size;
  }
  EXPECT_EQ(Message({text.begin(), text.end() - 1}), "read");
}

TEST_F(PlaceTest, BytesBehindABlobAreRefused) {
  base::Bytes raw = workshop_.Content("kept.vars");
  raw.push_back('\n');
  EXPECT_NE(Message(raw), "read");
}

TEST_F(PlaceTest, AFileKeepsItsFormAndEverythingThatDidNotChange) {
  for (const char* name : {"kept.vars", "kept.b64", "wrapped.b64", "saved.vars"}) {
    const BlobFile before = Decode(name);
    Opened session = Open(name);
    ASSERT_EQ(Set(session, new_entry_), engine::Reason::kSuccess) << name;
    const auto saved = session.Save();
    ASSERT_TRUE(saved && *saved) << name;

    const BlobFile after = Decode(name);
    EXPECT_EQ(after.form.is_base64, before.form.is_base64) << name;
    EXPECT_EQ(after.form.ends_in_newline, before.form.ends_in_newline) << name;
    EXPECT_EQ(after.form.is_save_file, before.form.is_save_file) << name;
    EXPECT_EQ(after.blob.ancillary, before.blob.ancillary) << name;
    std::vector<store::Entry> expected = before.blob.entries;
    expected.insert(expected.begin(), new_entry_);
    EXPECT_EQ(after.blob.entries, expected) << name;
  }
}

TEST_F(PlaceTest, AFileKeepsItsMode) {
  ASSERT_EQ(::chmod(workshop_.File("kept.b64").c_str(), 0604), 0);
  Opened session = Open("kept.b64");
  ASSERT_EQ(Set(session, new_entry_), engine::Reason::kSuccess);
  ASSERT_TRUE(session.Save());
  struct stat status = {};
  ASSERT_EQ(::stat(workshop_.File("kept.b64").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0604U);
}

TEST_F(PlaceTest, ASaveFileTakesVolatileChangesAndTheModesThatFollow) {
  Opened session = Open("saved.vars");
  ASSERT_EQ(Set(session, MakeEntry(kVendorText, "Volatile", 6, "other")), engine::Reason::kSuccess);
  ASSERT_TRUE(session.Save());
  const BlobFile after = Decode("saved.vars");
  EXPECT_EQ(after.blob.entries.front(), MakeEntry(kVendorText, "Volatile", 6, "other"));
  EXPECT_EQ(Open("saved.vars").store().size(), after.blob.entries.size());
}

TEST_F(PlaceTest, WhatIsKeptOfAVmThatIsOffGetsNoVolatileVariable) {
  const base::Bytes before = workshop_.Content("kept.b64");
  Opened session = Open("kept.b64");
  ASSERT_EQ(Set(session, MakeEntry(kVendorText, "Volatile", 6, "x")), engine::Reason::kSuccess);
  const auto saved = session.Save();
  ASSERT_TRUE(saved);
  EXPECT_FALSE(*saved);
  EXPECT_EQ(workshop_.Content("kept.b64"), before);

  // Nor with a change that is kept.
  ASSERT_EQ(Set(session, new_entry_), engine::Reason::kSuccess);
  ASSERT_TRUE(session.Save());
  std::vector<store::Entry> expected = UsualEntries();
  expected.insert(expected.begin(), new_entry_);
  EXPECT_EQ(Decode("kept.b64").blob.entries, expected);
}

TEST_F(PlaceTest, ChangesAreSeenTogetherOrNotAtAll) {
  const base::Bytes before = workshop_.Content("kept.vars");
  {
    Opened session = Open("kept.vars");
    ASSERT_EQ(Set(session, new_entry_), engine::Reason::kSuccess);
    ASSERT_EQ(session.Delete(store::KeyOf(MakeEntry(kVendorText, "Note", 7, "x"))),
              engine::Reason::kSuccess);
  }
  EXPECT_EQ(workshop_.Content("kept.vars"), before);
}

TEST_F(PlaceTest, ARecordThatBreaksTodaysRulesIsKeptAndCanBeDeleted) {
  Opened session = Open("odd.vars");
  ASSERT_EQ(Set(session, new_entry_), engine::Reason::kSuccess);
  ASSERT_TRUE(session.Save());
  const std::string name("O\0d\0d", 5);
  const store::Key odd = {name, *efi::ParseGuid(kVendorText)};
  EXPECT_EQ(Decode("odd.vars").blob.entries.back().name(), odd.name);

  ASSERT_EQ(session.Delete(odd), engine::Reason::kSuccess);
  ASSERT_TRUE(session.Save());
  std::vector<store::Entry> expected = UsualEntries();
  expected.insert(expected.begin(), new_entry_);
  EXPECT_EQ(Decode("odd.vars").blob.entries, expected);
}

TEST_F(PlaceTest, ADatabaseThatTheDaemonHasOpenIsRefused) {
  const auto daemon = backend::SqliteBackend::Open(workshop_.File("vm.db"), log_);
  ASSERT_TRUE(daemon);
  const test::Ended ended =
      workshop_.Run("varstore-set @vm.db " + std::string(kVendorText) + " Note 7 @data");
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_EQ(ended.errors,
            "varstore-set: @vm.db: another process uses it: the VM runs, as a rule. Shut it "
            "down, then run this again\n");
}

TEST_F(PlaceTest, WhatIsInAnotherProgramsFormatIsReadAndNothingIsKeptThere) {
  const std::string path = workshop_.File("vm.json");
  const std::string text =
      R"({"version": 2, "variables": [{"guid": "12345678-1234-1234-1234-123456789abc", )"
      R"("name": "A", "attr": 7, "data": "01"}, {"guid": )"
      R"("12345678-1234-1234-1234-123456789abc", "name": "V", "attr": 6, "data": "02"}]})";
  ASSERT_TRUE(base::WriteFileInPlace(path, base::ToBytes(text)).ok());
  Opened session = Open("vm.json");
  EXPECT_EQ(session.place.kept().foreign, Format::kJson);
  const store::Entry there = MakeEntry(kVendorText, "A", 7, "\x01");
  const store::Entry is_volatile = MakeEntry(kVendorText, "V", 6, "\x02");
  EXPECT_NE(session.store().Find(store::KeyOf(there)), nullptr);
  EXPECT_EQ(session.store().Find(store::KeyOf(is_volatile)), nullptr);
  ASSERT_EQ(Set(session, new_entry_), engine::Reason::kSuccess);
  const auto saved = session.Save();
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(saved.error().message,
            path +
                ": nothing was written: it is a variable store of QEMU's (json), which can be "
                "looked at only. Make a copy that can be changed: varstore-convert " +
                path + " vm.json.vars");
  EXPECT_EQ(base::ToString(workshop_.Content("vm.json")), text);
}

TEST_F(PlaceTest, AFileInAFolderThatCannotBeWrittenStaysAsItIs) {
  const base::Bytes before = workshop_.Content("kept.vars");
  ASSERT_EQ(::chmod(workshop_.File("").c_str(), 0500), 0);
  const test::Ended ended =
      workshop_.Run("varstore-rm @kept.vars " + std::string(kVendorText) + " Note");
  ASSERT_EQ(::chmod(workshop_.File("").c_str(), 0700), 0);
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.errors.find("cannot open for writing: Permission denied"), std::string::npos)
      << ended.errors;
  EXPECT_EQ(workshop_.Content("kept.vars"), before);
}

TEST_F(PlaceTest, TheLockOfAVmThatIsSuspendedKeepsItsKey) {
  Opened session = Open("saved.vars");
  ASSERT_EQ(session.Delete(store::KeyOf(efi::kMorControl)), engine::Reason::kMorControlMalformed);
  ASSERT_EQ(Set(session, new_entry_), engine::Reason::kSuccess);
  ASSERT_TRUE(session.Save());
  const auto& key = Decode("saved.vars").blob.ancillary.mor_key;
  EXPECT_EQ(base::ToString(key), "MORlock!");
}

}  // namespace
}  // namespace varstored::tool
