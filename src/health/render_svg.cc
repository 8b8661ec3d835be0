#include <algorithm>
#include <string>
#include <vector>

#include "rows.h"
#include "varstored/health/render.h"
#include "varstored/health/text.h"
#include "varstored/store/variable.h"

namespace varstored::health {
namespace {

constexpr std::size_t kWidth = 960;
constexpr std::size_t kMargin = 20;
constexpr std::size_t kRowHeight = 24;
constexpr std::size_t kNameWidth = 300;
constexpr std::size_t kBytesWidth = 70;
constexpr std::size_t kBarAt = kMargin + kNameWidth + kBytesWidth + 10;
constexpr std::size_t kBarWidth = kWidth - kMargin - kBarAt;
/// Names of more columns would run into the bytes.
constexpr std::size_t kMaxNameColumns = 40;
/// A longer name is cut.
constexpr std::size_t kMaxCertificateColumns = 80;
/// A picture of more is not looked at.
constexpr std::size_t kMaxRows = 40;

std::string Number(std::size_t number) { return std::to_string(number); }

std::string Text(std::size_t x, std::size_t y, const std::string& attributes,
                 const std::string& text) {
  return "<text x=\"" + Number(x) + "\" y=\"" + Number(y) + "\"" + attributes + ">" + text +
         "</text>\n";
}

std::string Bar(std::size_t y, std::size_t width, const std::string& fill) {
  return "<rect x=\"" + Number(kBarAt) + "\" y=\"" + Number(y) + "\" width=\"" + Number(width) +
         R"(" height="14" fill=")" + fill + "\"/>\n";
}

std::string Row(std::size_t row, const std::string& name, std::size_t bytes, std::size_t limit) {
  const std::size_t y = kMargin + kRowHeight * row;
  const std::size_t full = std::min(kBarWidth, bytes * kBarWidth / limit);
  const std::string fill = bytes > limit           ? "#c0392b"
                           : bytes * 4 > limit * 3 ? "#d68910"
                                                   : "#2e7d6b";
  return Text(kMargin, y + 12, "", name) +
         Text(kMargin + kNameWidth + kBytesWidth, y + 12, " text-anchor=\"end\"", Number(bytes)) +
         Bar(y, kBarWidth, "#e8e8e8") + Bar(y, full, fill);
}

/// A line for each certificate that dbx revokes.
std::vector<std::string> RevokedTexts(const Report& report) {
  std::vector<std::string> texts;
  for (const KeyVariable& key : report.keys) {
    for (const CertificateInfo& certificate : key.certificates) {
      if (certificate.revoked_by != RevokedBy::kNothing && texts.size() < kMaxRows) {
        texts.push_back(std::string(key.name) + ": " +
                        ForXml(Cut(ForTerminal(certificate.name), kMaxCertificateColumns)) +
                        " is revoked by dbx (" +
                        std::string(RevokedByText(certificate.revoked_by)) + ")");
      }
    }
  }
  return texts;
}

}  // namespace

std::string RenderSvg(const Report& report) {
  const Usage& usage = report.usage;
  const std::vector<UsageRow> rows = RowsOf(usage);
  const std::vector<std::string> revoked = RevokedTexts(report);
  const std::size_t shown = std::min(rows.size(), kMaxRows);
  const std::size_t height = 2 * kMargin + kRowHeight * (shown + revoked.size() + 5);
  std::string svg =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"" +
      Number(kWidth) + "\" height=\"" + Number(height) +
      "\" font-family=\"sans-serif\" font-size=\"13\">\n"
      "<title>Space used by the variables of " +
      ForXml(report.target) + "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  svg += Text(kMargin, kMargin + 12, " font-weight=\"bold\"", ForXml(report.target));
  svg += Row(1, "all variables, of " + Number(usage.limit_bytes) + " bytes", usage.used_bytes,
             usage.limit_bytes);
  std::size_t row = 2;
  for (std::size_t i = 0; i < shown; ++i, ++row) {
    svg += Row(row, ForXml(Cut(rows[i].name, kMaxNameColumns)), rows[i].data_bytes,
               rows[i].limit_bytes);
  }
  if (rows.size() > shown) {
    svg += Text(kMargin, kMargin + kRowHeight * row + 12, "",
                "and " + Number(rows.size() - shown) + " smaller ones");
  }
  ++row;
  svg += Text(kMargin, kMargin + kRowHeight * row + 12, "",
              "Each variable may have " + Number(store::kMaxDataBytes) +
                  " bytes. Room for the next dbx update: " +
                  Number(std::min(usage.dbx_room_bytes, usage.store_room_bytes)) + " bytes.");
  for (const std::string& text : revoked) {
    ++row;
    svg += Text(kMargin, kMargin + kRowHeight * row + 12, " fill=\"#c0392b\"", text);
  }
  return svg + "</svg>\n";
}

}  // namespace varstored::health
