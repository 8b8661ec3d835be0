#include "varstored/pool/entry.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/health/json.h"
#include "varstored/health/known_certificates.h"
#include "varstored/health/revoked.h"
#include "varstored/sandbox/helper.h"
#include "varstored/tool/place.h"

namespace varstored::pool {
namespace {

constexpr std::string_view kNothing = "--";
/// The longest cell is a date, or a number of bytes.
constexpr std::size_t kMaxCellBytes = 20;

std::string Words(std::optional<bool> value) { return !value ? "?" : *value ? "yes" : "no"; }

std::string ModeOf(const health::Report& report) {
  return report.is_first_boot ? "new" : std::string(health::ModeName(report.mode));
}

bool IsOptional(std::string_view name) {
  const auto known = health::MicrosoftCertificates();
  return std::any_of(known.begin(), known.end(), [&name](const health::KnownCertificate& one) {
    return one.is_optional && one.certificate.name == name;
  });
}

/// How many of the certificates of one year, which a VM is to have, it has.
struct Share {
  std::size_t has = 0;
  std::size_t of = 0;
  bool is_revoked = false;

  void Count(std::string_view name, bool is_there, bool is_one_revoked) {
    if (name.empty() || IsOptional(name)) {
      return;
    }
    ++of;
    has += is_there ? 1U : 0U;
    is_revoked = is_revoked || is_one_revoked;
  }
  [[nodiscard]] std::string Text() const {
    return is_revoked ? "no" : has == 0 ? std::string(kNothing) : has == of ? "yes" : "some";
  }
};

std::string& Cell(Row& row, Column column) {
  return row.cells.at(static_cast<std::size_t>(column));
}

/// The version below which dbx refuses Windows' boot manager, such as "9.0".
std::string SvnOf(const health::Report& report) {
  std::pair<std::uint16_t, std::uint16_t> highest;
  bool is_there = false;
  for (const health::KeyVariable& key : report.keys) {
    for (const health::MinimumVersion& one : key.versions) {
      if (one.program == health::kWindowsBootManager) {
        highest = std::max(highest, {one.major, one.minor});
        is_there = true;
      }
    }
  }
  return is_there ? std::to_string(highest.first) + "." + std::to_string(highest.second)
                  : std::string(kNothing);
}

}  // namespace

bool Row::Matches(const std::vector<health::FindingKind>& filter) const {
  return filter.empty() || !error.empty() ||
         std::find_first_of(findings.begin(), findings.end(), filter.begin(), filter.end()) !=
             findings.end();
}

Row RowOf(const Entry& entry) {
  Row row;
  row.uuid = entry.uuid;
  row.error = entry.error;
  row.cells.fill(std::string(kNothing));
  Cell(row, Column::kName).clear();
  Cell(row, Column::kWanted) = Words(entry.wants_secure_boot);
  if (!entry.report) {
    return row;
  }
  const health::Report& report = *entry.report;
  Share of_2011;
  Share of_2023;
  for (const health::SuccessionInfo& one : report.successions) {
    of_2011.Count(one.old_name, one.has_old, one.is_old_revoked);
    of_2023.Count(one.new_name, one.has_new, one.is_new_revoked);
  }
  Cell(row, Column::kMode) = ModeOf(report);
  Cell(row, Column::kInForce) = Words(report.secure_boot);
  Cell(row, Column::k2011) = of_2011.Text();
  Cell(row, Column::k2023) = of_2023.Text();
  if (!report.revocations.newest_seen.empty()) {
    Cell(row, Column::kDbx) = report.revocations.newest_seen;
  }
  Cell(row, Column::kSvn) = SvnOf(report);
  Cell(row, Column::kRoom) = std::to_string(report.usage.store_room_bytes);
  for (const health::Finding& finding : report.findings) {
    ++(finding.severity == health::Severity::kError ? row.errors : row.warnings);
    if (std::find(row.findings.begin(), row.findings.end(), finding.kind) == row.findings.end()) {
      row.findings.push_back(finding.kind);
    }
  }
  return row;
}

base::Bytes EncodeRow(const Row& row) {
  base::Writer writer;
  writer.WriteU32(row.errors);
  writer.WriteU32(row.warnings);
  for (const std::string& cell : row.cells) {
    tool::WriteText(writer, cell);
  }
  writer.WriteU32(static_cast<std::uint32_t>(row.findings.size()));
  for (const health::FindingKind kind : row.findings) {
    writer.WriteU32(static_cast<std::uint32_t>(kind));
  }
  return writer.Take();
}

base::Result<Row> DecodeRow(base::ByteSpan bytes, base::ByteSpan& rest) {
  base::Reader reader(bytes);
  Row row;
  bool is_right = reader.ReadU32(row.errors) && reader.ReadU32(row.warnings);
  for (std::string& cell : row.cells) {
    is_right = is_right && tool::ReadText(reader, cell) && cell.size() <= kMaxCellBytes;
  }
  const auto types = health::FindingTypes();
  std::uint32_t count = 0;
  is_right = is_right && reader.ReadU32(count) && count <= types.size();
  for (std::uint32_t i = 0; is_right && i < count; ++i) {
    std::uint32_t kind = 0;
    is_right = reader.ReadU32(kind) && kind < types.size();
    if (is_right) {
      row.findings.push_back(types[kind].kind);
    }
  }
  if (!is_right) {
    return sandbox::BrokenAnswer();
  }
  rest = reader.ReadRest();
  return row;
}

void Totals::Count(const Row& row) {
  ++count;
  ++(!row.error.empty() ? failed : row.findings.empty() ? clean : found);
}

std::string JsonOf(const Entry& entry) {
  health::Json json = health::Json::Object();
  json.Add("name", entry.name)
      .AddText("uuid", entry.uuid)
      .AddText("kind", entry.kind)
      .AddText("power_state", entry.power_state)
      .Add("wants_secure_boot", entry.wants_secure_boot)
      // XAPI's words.
      .AddText("certificate_state", !entry.report || entry.report->is_first_boot ? ""
                                    : entry.are_certificates_up_to_date          ? "update_ok"
                                                                        : "update_required")
      .AddText("error", entry.error);
  if (entry.report) {
    json.Add("report", health::JsonOf(*entry.report));
  }
  return json.Text();
}

}  // namespace varstored::pool
