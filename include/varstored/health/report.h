#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/efi/guid.h"
#include "varstored/engine/secure_boot_mode.h"
#include "varstored/health/finding.h"
#include "varstored/health/state.h"

namespace varstored::health {

/// By which entry of dbx a certificate of another variable is revoked (UEFI 2.10, 32.5.3).
enum class RevokedBy : std::uint8_t {
  kNothing,
  kCertificate,  // the certificate itself
  kTbsHash,      // the hash of its tbsCertificate, of one of the three X509_SHA types
  kHash,         // the hash of all of it
};

/// The version of a program of Microsoft's below which dbx refuses it: an entry of dbx that is no
/// hash (docs/findings.md, "Version numbers in dbx").
struct MinimumVersion {
  /// Such as "Windows boot manager", or the GUID of one that is not known. Empty: the entry is
  /// Microsoft's for versions, but of a form that is not known.
  std::string program;
  std::uint16_t major = 0;
  std::uint16_t minor = 0;
  /// Another entry asks for a higher one.
  bool is_superseded = false;
};

/// An X.509 entry of a key variable. Texts are valid UTF-8 and otherwise the guest's.
struct CertificateInfo {
  /// The subject's commonName, or all of the subject; "not a certificate" for bytes that are none.
  std::string name;
  efi::Guid owner;
  /// "Microsoft" for its GUID, else empty.
  std::string_view owner_name;
  /// Seconds since 1970, UTC; nothing for bytes that are no certificate.
  std::optional<std::int64_t> not_after;
  bool has_expired = false;
  /// 2011 or 2023 for one of Microsoft's, else 0.
  int microsoft_year = 0;
  RevokedBy revoked_by = RevokedBy::kNothing;
  /// The day from which on it is revoked, such as "2024-02-01"; empty: for all times.
  std::string revoked_since;
  /// Why everybody has its private key (docs/findings.md, "Keys that are not secret"); else empty.
  std::string not_secret;
  /// Of all its bytes, whether they are a certificate or not.
  base::Bytes sha256;
  base::Bytes sha1;
};

/// How many entries of a kind other than X.509 a key variable holds.
struct EntryCount {
  std::string_view kind;  // such as "SHA-256"
  std::size_t count = 0;
};

/// One of PK, KEK, db, dbx, dbt, dbr; or of PKDefault, KEKDefault, dbDefault, dbxDefault.
struct KeyVariable {
  std::string_view name;
  bool is_present = false;
  /// False when its lists break their form; then the rest is empty.
  bool is_readable = true;
  /// It is one entry of external management (UEFI 2.10, 32.4.1) and nothing else: no certificate
  /// can sign for it, only the host's tools change what it guards.
  bool is_managed_by_host = false;
  std::vector<CertificateInfo> certificates;
  /// Of dbx: without those of `versions`.
  std::vector<EntryCount> others;
  /// Of dbx, in their order there.
  std::vector<MinimumVersion> versions;
};

/// A certificate of 2011 beside the one of 2023 that takes its place.
struct SuccessionInfo {
  std::string_view variable;
  std::string_view old_name = {};  // empty where there was none
  bool has_old = false;
  bool is_old_revoked = false;  // it is there, and dbx revokes it
  std::string_view new_name;
  bool has_new = false;
  bool is_new_revoked = false;
};

/// How the revocations compare with Microsoft's list.
struct Revocations {
  /// Different hashes (of any kind) and certificates in dbx; a minimum version is none.
  std::size_t distinct = 0;
  /// The date ("2026-04-09") of the newest of Microsoft's lists for x64 of which dbx holds the
  /// entry that came with it; empty when none that this program knows.
  std::string newest_seen;
  /// The date of the newest list that is known, and how many hashes that has.
  std::string newest_known;
  std::size_t newest_known_count = 0;
  /// Whether dbx holds the entry of every list that this program knows, and at least as many hashes
  /// as the newest. It then holds that list as far as one can tell without it.
  bool seems_current = false;
  /// How many hashes of dbx are Microsoft's by their owner, and in no list that is known. With
  /// seems_current they come from a newer one.
  std::size_t unknown_of_microsofts = 0;
  /// Exactly: how many entries of Context::dbx_update there are, and how many of them dbx lacks.
  /// Nothing when none was given.
  struct Comparison {
    std::size_t total = 0;
    std::size_t missing = 0;
  };
  std::optional<Comparison> comparison;
};

/// A boot option (UEFI 2.10, 3.1.3).
struct BootOption {
  std::uint16_t number = 0;
  bool is_present = false;   // the variable Boot#### is there
  bool is_readable = false;  // and its form is right
  bool is_active = false;
  bool is_hidden = false;
  bool is_ordered = false;  // BootOrder names it
  std::string description;  // valid UTF-8 of the guest's
  std::string path;         // UEFI 2.10, 10.6; valid UTF-8 of the guest's
};

struct VariableUse {
  VariableId id;
  std::size_t data_bytes = 0;
  /// Its part of Usage::used_bytes.
  std::size_t used_bytes = 0;
  bool is_volatile = false;
  /// Its place in Usage::families.
  std::optional<std::size_t> family;
};

/// Variables that somebody writes by the dozen, under names that differ in numbers only.
struct VariableFamily {
  std::string title;  // for people: "crash records of Linux", or the pattern
  /// A pattern (POSIX, fnmatch) that efi::EscapeName of each of them matches.
  std::string pattern;
  efi::Guid vendor;
  std::size_t count = 0;
  std::size_t data_bytes = 0;
  std::size_t used_bytes = 0;
};

struct Usage {
  /// The largest first.
  std::vector<VariableUse> variables;
  /// Those of at least three variables, the largest first.
  std::vector<VariableFamily> families;
  /// What the store counts once the VM runs: all variables, and those that the daemon makes.
  std::size_t used_bytes = 0;
  std::size_t limit_bytes = 0;
  /// What the guest's operating system may still add to dbx: the room that is left in the variable,
  /// and in the store. The smaller one counts.
  std::size_t dbx_room_bytes = 0;
  std::size_t store_room_bytes = 0;
};

/// All that there is to see of a VM's variables.
struct Report {
  std::string target;
  bool is_first_boot = false;
  /// A platform key is enrolled.
  bool is_user_mode = false;
  /// UEFI 2.10, 32.3: what SetupMode, AuditMode and DeployedMode say, and whether somebody has
  /// chosen it (docs/engine.md, "Audit mode and deployed mode").
  engine::SecureBootMode mode = engine::SecureBootMode::kSetup;
  bool is_mode_chosen = false;
  /// Nothing when nobody can tell.
  std::optional<bool> secure_boot;
  /// What it was when the VM was last started, where nobody can tell more than that: of today's
  /// PK, and of the host's wish at that start.
  std::optional<bool> secure_boot_at_last_start;
  std::vector<KeyVariable> keys;  // all six
  /// Of a running VM: PKDefault and the like, those that the guest is shown, and VendorKeys.
  std::vector<KeyVariable> defaults;
  std::optional<bool> vendor_keys;
  std::vector<SuccessionInfo> successions;
  Revocations revocations;
  std::optional<std::uint16_t> boot_next;
  /// Those of BootOrder in its order, then the others by number.
  std::vector<BootOption> boot_options;
  Usage usage;
  std::vector<Finding> findings;
  std::optional<Running> running;
};

[[nodiscard]] Report MakeReport(const State& state, const Context& context);

/// UEFI's word for it (UEFI 2.10, 32.3), in small letters.
[[nodiscard]] std::string_view ModeName(engine::SecureBootMode mode);

}  // namespace varstored::health
