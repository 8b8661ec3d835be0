#pragma once

#include <cstddef>
#include <string>

#include "varstored/health/json.h"
#include "varstored/health/report.h"

namespace varstored::health {

struct ScreenOptions {
  /// Columns: made to fit 80 to 120.
  std::size_t width = 80;
  bool has_colours = false;
};

/// The report for people. Nothing of a guest's reaches a terminal as anything but plain characters.
[[nodiscard]] std::string RenderScreen(const Report& report, const ScreenOptions& options);

/// The same in five lines: the VM, Secure Boot, Microsoft's certificates, revocations and findings.
/// Each of the last four begins with a sign: '+' right, 'x' wrong, '!' a warning, '?' not known.
[[nodiscard]] std::string RenderShort(const Report& report, const ScreenOptions& options);

/// The findings alone, as RenderScreen shows them; empty when there are none.
[[nodiscard]] std::string RenderFindings(const std::vector<Finding>& findings,
                                         const ScreenOptions& options);

/// The report for machines: one object of JSON, in ASCII, of the form that
/// docs/tools/varstore-inspect.schema.json says, and a line end.
[[nodiscard]] std::string RenderJson(const Report& report);
/// The same object, to which more can be added.
[[nodiscard]] Json JsonOf(const Report& report);

/// A picture of the space used, as SVG 1.1.
[[nodiscard]] std::string RenderSvg(const Report& report);

}  // namespace varstored::health
