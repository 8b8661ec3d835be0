#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/health/render.h"
#include "varstored/health/report.h"

/// What there is to see of one VM among many, and of all of them. Texts are an administrator's or a
/// guest's until one of the renderings has escaped them.
namespace varstored::pool {

/// One VM. It is made, and rendered, in the process that looks at its variables.
struct Entry {
  std::string uuid;  // empty: not known
  std::string name;
  std::string kind;         // "vm", "snapshot" or "template"; empty: not known
  std::string power_state;  // XAPI's word, such as "Running"; empty: not known
  /// Whether the host wants Secure Boot; nothing when nobody can tell.
  std::optional<bool> wants_secure_boot;
  /// Why the variables could not be read; then there is no report.
  std::string error;
  std::optional<health::Report> report;
  /// As tool::AreCertificatesUpToDate has it.
  bool are_certificates_up_to_date = false;
};

/// The columns of the table, from left to right.
enum class Column : std::uint8_t {
  kName,
  kMode,
  kWanted,
  kInForce,
  k2011,
  k2023,
  kDbx,
  kSvn,
  kRoom
};
inline constexpr std::size_t kColumns = 9;
inline constexpr std::array<std::string_view, kColumns> kColumnNames = {
    "name", "mode", "wanted", "on", "2011", "2023", "dbx", "svn", "room"};

/// What is kept of a VM until the end: little. kName is for whoever knows the VM: RowOf leaves it.
struct Row {
  std::string uuid;
  std::array<std::string, kColumns> cells;
  std::vector<health::FindingKind> findings;  // each once
  std::uint32_t errors = 0;                   // findings of this severity
  std::uint32_t warnings = 0;
  std::string error;
  /// Of those that Gathered has, in the order in which they came, from 0 on.
  std::size_t number = 0;

  /// Whether it has one of `filter`, or cannot be read; with an empty filter always.
  [[nodiscard]] bool Matches(const std::vector<health::FindingKind>& filter) const;
};

[[nodiscard]] Row RowOf(const Entry& entry);
/// All of a row but uuid, name and error, which the asking process has.
[[nodiscard]] base::Bytes EncodeRow(const Row& row);
/// The reverse, of the front of `bytes`; `rest` is what stands behind it. Anybody may have made it
/// up: a cell is as short as RowOf makes it, a finding is one that there is. The error says that
/// the answer is broken.
[[nodiscard]] base::Result<Row> DecodeRow(base::ByteSpan bytes, base::ByteSpan& rest);

/// How many VMs came to what.
struct Totals {
  std::size_t count = 0;
  std::size_t clean = 0;
  std::size_t found = 0;
  std::size_t failed = 0;
  /// Control domains, VMs of a BIOS, and templates that come with the toolstack.
  std::size_t skipped = 0;
  /// Why not all were looked at; empty when they were.
  std::string ended_early;

  void Count(const Row& row);
};

/// A line a VM, one with uuid and findings below where there are such, and the totals.
[[nodiscard]] std::string RenderTable(const std::vector<Row>& rows, const Totals& totals,
                                      const health::ScreenOptions& options);

/// One object of docs/tools/varstore-inspect-pool.schema.json, on one line, without its end.
[[nodiscard]] std::string JsonOf(const Entry& entry);

}  // namespace varstored::pool
