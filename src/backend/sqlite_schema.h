#pragma once

#include <array>
#include <cstdint>

namespace varstored::backend {

/// Each step leads from the version of its index to the next one, so a new file takes all of them
/// and an old one those that it lacks. A step that has been published never changes.
inline constexpr std::array kSteps = {
    // clang-format off
R"sql(PRAGMA application_id = 1447121491;
CREATE TABLE variable (
  position INTEGER PRIMARY KEY,  -- the highest is the newest, which a walk meets first
  name BLOB NOT NULL,            -- UTF-16LE, no terminator
  name_text TEXT NOT NULL,       -- the same for people; not read by varstored
  vendor TEXT NOT NULL,          -- GUID
  attributes INTEGER NOT NULL,
  timestamp BLOB NOT NULL,       -- EFI_TIME
  signer BLOB NOT NULL,          -- SHA-256 of who may write a private authenticated variable
  data BLOB NOT NULL,
  UNIQUE (name, vendor)
) STRICT;
CREATE TABLE state (
  kept INTEGER NOT NULL          -- 0: nothing was ever kept, this is a first boot
) STRICT;
INSERT INTO state (kept) VALUES (0);)sql",
R"sql(CREATE TABLE last_start (
  secure_boot INTEGER NOT NULL   -- 1: the host wanted Secure Boot when the VM was last started
) STRICT;)sql",
R"sql(CREATE TABLE history (
  place INTEGER PRIMARY KEY,     -- 0 to 59: of the host; 60 to 159: of the keys; 160 to 199: others
  number INTEGER NOT NULL,       -- the highest is the newest
  time INTEGER NOT NULL,         -- seconds since 1970, UTC, by the host's clock
  who TEXT NOT NULL,             -- guest, first-boot, boot-update, start, resume, tool or repair
  what TEXT NOT NULL,            -- such as written, appended, deleted
  name BLOB NOT NULL,            -- UTF-16LE, no terminator; the beginning of a long one
  name_text TEXT NOT NULL,       -- the same for people
  vendor TEXT NOT NULL,          -- GUID
  bytes_before INTEGER NOT NULL, -- 0: there was no such variable
  digest_before BLOB NOT NULL,   -- SHA-256
  bytes_after INTEGER NOT NULL,
  digest_after BLOB NOT NULL,
  reason TEXT NOT NULL           -- the mode, or the name of a program
) STRICT;)sql",
    // clang-format on
};
inline constexpr std::uint32_t kVersion = kSteps.size();

}  // namespace varstored::backend
