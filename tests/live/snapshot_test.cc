#include "varstored/live/snapshot.h"

#include <string>

#include <gtest/gtest.h>

namespace varstored::live {
namespace {

const efi::Guid kUuid = *efi::ParseGuid("c0acc535-2c4e-4d3b-8f0a-1d2e3f405162");

Counts SomeCounts() {
  return {.version = "varstored 1.0.0",
          .backend = "sqlite",
          .uptime_us = 1,
          .answers = {{"GetVariable", "success", "Success", 0x1122334455667788},
                      {"other", "unsupported-version", "Unsupported", 2}},
          .unmapped = 3,
          .ignored_accesses = 4,
          .backend_calls = 5,
          .backend_us = 6,
          .backend_longest_us = 7,
          .last_error = LastError{.call = "SetVariable",
                                  .reason = "store-full",
                                  .status = "Out of Resources",
                                  .age_us = 8,
                                  .vendor = kUuid,
                                  .name = std::string("N\0\n\0", 4)}};
}

std::string Hex(base::ByteSpan bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

// docs/formats.md, "The snapshot of a running VM", byte by byte.
TEST(Snapshot, HasTheBytesOfItsForm) {
  Counts counts = SomeCounts();
  counts.answers.pop_back();
  EXPECT_EQ(Hex(EncodeSnapshot(counts, base::Bytes{0xAA, 0xBB})),
            "4c495645"                            // "LIVE"
            "01000000"                            // version
            "0f766172"                            // "varstored 1.0.0"
            "73746f72656420312e302e30"            //
            "0673716c697465"                      // "sqlite"
            "0100000000000000"                    // uptime
            "0300000000000000"                    // not mapped
            "0400000000000000"                    // ignored
            "0500000000000000"                    // calls of the backend
            "0600000000000000"                    // all their time
            "0700000000000000"                    // the longest
            "01000000"                            // rows
            "0b4765745661726961626c65"            // "GetVariable"
            "0773756363657373"                    // "success"
            "0753756363657373"                    // "Success"
            "8877665544332211"                    // count
            "01"                                  // there is a last error
            "0b5365745661726961626c65"            // "SetVariable"
            "0a73746f72652d66756c6c"              // "store-full"
            "104f7574206f66205265736f7572636573"  // "Out of Resources"
            "0800000000000000"                    // age
            "35c5acc04e2c3b4d8f0a1d2e3f405162"    // vendor
            "044e000a00"                          // name
            "aabb");                              // the blob
}

/// What a daemon tells that also says what its boot found.
Counts CountsOfVersion2() {
  Counts counts = SomeCounts();
  counts.found = Found{.is_secure_boot_on = true,
                       .pk = 1,
                       .kek = 2,
                       .db = 3,
                       .dbx = 0x11223344,
                       .drift = "older",
                       .waits_us = 0x0102030405060708};
  return counts;
}

TEST(Snapshot, WhatTheBootFoundStandsBeforeTheBlob) {
  const base::Bytes before = EncodeSnapshot(SomeCounts(), {});
  const base::Bytes bytes = EncodeSnapshot(CountsOfVersion2(), base::Bytes{0xAA, 0xBB});
  EXPECT_EQ(Hex(base::ByteSpan(bytes).first(8)), "4c49564502000000");
  EXPECT_EQ(Hex(base::ByteSpan(bytes).subspan(before.size())),
            "01"                // Secure Boot is on
            "01000000"          // PK
            "02000000"          // KEK
            "03000000"          // db
            "44332211"          // dbx
            "056f6c646572"      // "older"
            "0807060504030201"  // the request at hand waits
            "aabb");            // the blob
}

TEST(Snapshot, OfEitherVersionIsRead) {
  const auto older = DecodeSnapshot(EncodeSnapshot(SomeCounts(), {}));
  ASSERT_TRUE(older);
  EXPECT_FALSE(older->counts.found);
  const auto read = DecodeSnapshot(EncodeSnapshot(CountsOfVersion2(), base::Bytes{1, 2, 3}));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->counts.found->drift, "older");
  EXPECT_EQ(EncodeSnapshot(read->counts, read->blob),
            EncodeSnapshot(CountsOfVersion2(), base::Bytes{1, 2, 3}));
}

TEST(Snapshot, IsReadAsItWasWritten) {
  const auto read = DecodeSnapshot(EncodeSnapshot(SomeCounts(), base::Bytes{1, 2, 3}));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(EncodeSnapshot(read->counts, read->blob),
            EncodeSnapshot(SomeCounts(), base::Bytes{1, 2, 3}));
  EXPECT_EQ(read->blob, (base::Bytes{1, 2, 3}));
  EXPECT_EQ(read->counts.answers.at(1).count, 2U);
  EXPECT_EQ(read->counts.last_error->name, std::string("N\0\n\0", 4));

  Counts without = SomeCounts();
  without.last_error.reset();
  EXPECT_FALSE(DecodeSnapshot(EncodeSnapshot(without, {}))->counts.last_error);
}

TEST(Snapshot, CutAtEveryByteBeforeTheBlobItIsRefused) {
  for (const Counts& counts : {SomeCounts(), CountsOfVersion2()}) {
    const base::Bytes whole = EncodeSnapshot(counts, {});
    ASSERT_TRUE(DecodeSnapshot(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(DecodeSnapshot(base::ByteSpan(whole).first(size))) << size;
    }
  }
}

TEST(Snapshot, AnotherVersionIsNamed) {
  base::Bytes bytes = EncodeSnapshot(SomeCounts(), {});
  bytes[4] = 3;
  const auto read = DecodeSnapshot(bytes);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("version 3 is not known"), std::string::npos);
}

// A daemon that a guest has taken over says what the guest wants.
TEST(Snapshot, ATextIsShortAndPrintable) {
  for (const std::string& text :
       {std::string("\x1b[31m"), std::string("a\nb"), std::string("a\0b", 3), std::string("\x7f"),
        std::string("\xc3\xa4"), std::string(kMaxTextBytes + 1, 'a')}) {
    for (std::string Counts::*member : {&Counts::version, &Counts::backend}) {
      Counts counts = SomeCounts();
      counts.*member = text;
      EXPECT_FALSE(DecodeSnapshot(EncodeSnapshot(counts, {}))) << text;
    }
    for (std::string AnswerCount::*member :
         {&AnswerCount::call, &AnswerCount::reason, &AnswerCount::status}) {
      Counts counts = SomeCounts();
      counts.answers.front().*member = text;
      EXPECT_FALSE(DecodeSnapshot(EncodeSnapshot(counts, {}))) << text;
    }
    for (std::string LastError::*member :
         {&LastError::call, &LastError::reason, &LastError::status}) {
      Counts counts = SomeCounts();
      *counts.last_error.*member = text;
      EXPECT_FALSE(DecodeSnapshot(EncodeSnapshot(counts, {}))) << text;
    }
  }
  Counts found = CountsOfVersion2();
  found.found->drift = "\x1b[31m";
  EXPECT_FALSE(DecodeSnapshot(EncodeSnapshot(found, {})));
  Counts counts = SomeCounts();
  counts.version = std::string(kMaxTextBytes, '~');
  EXPECT_TRUE(DecodeSnapshot(EncodeSnapshot(counts, {})));
}

TEST(Snapshot, ItsPartsAreBounded) {
  Counts counts = SomeCounts();
  counts.answers.resize(kMaxRows);
  EXPECT_TRUE(DecodeSnapshot(EncodeSnapshot(counts, {})));
  counts.answers.emplace_back();
  EXPECT_FALSE(DecodeSnapshot(EncodeSnapshot(counts, {})));

  counts = SomeCounts();
  counts.last_error->name.assign(kMaxNameBytes, 'n');
  EXPECT_TRUE(DecodeSnapshot(EncodeSnapshot(counts, {})));
  counts.last_error->name.push_back('n');
  EXPECT_FALSE(DecodeSnapshot(EncodeSnapshot(counts, {})));

  const base::Bytes blob(store::kMaxBlobBytes + 1);
  EXPECT_TRUE(
      DecodeSnapshot(EncodeSnapshot(counts = SomeCounts(), base::ByteSpan(blob).subspan(1))));
  EXPECT_FALSE(DecodeSnapshot(EncodeSnapshot(counts, blob)));
}

TEST(SocketName, SaysDomainAndUuid) {
  EXPECT_EQ(ToText({.domain = 5, .uuid = std::nullopt}), "5");
  EXPECT_EQ(ToText({.domain = 32751, .uuid = kUuid}), "32751.c0acc535-2c4e-4d3b-8f0a-1d2e3f405162");
  for (const SocketName& name :
       {SocketName{5, std::nullopt}, SocketName{0, kUuid}, SocketName{32751, kUuid}}) {
    EXPECT_EQ(ParseSocketName(ToText(name)), name);
  }
}

TEST(SocketName, NothingElseIsOne) {
  for (const char* text :
       {"", ".", "5.", "5.x", "05", "+5", "-1", " 5", "5 ", "5.new", "4294967296", "a",
        "5.c0acc535-2c4e-4d3b-8f0a-1d2e3f405162.new", ".c0acc535-2c4e-4d3b-8f0a-1d2e3f405162",
        "5.C0ACC535-2c4e-4d3b-8f0a-1d2e3f405162"}) {
    EXPECT_FALSE(ParseSocketName(text)) << text;
  }
}

}  // namespace
}  // namespace varstored::live
