// The variables of a VM as varstore-inspect and varstore-repair read, show and mend them. Input: a
// `VARS` blob, whole or broken, as it is or in base64.

#include <algorithm>
#include <string>
#include <string_view>

#include "support.h"
#include "varstored/health/fix.h"
#include "varstored/health/render.h"
#include "varstored/health/report.h"
#include "varstored/store/vars_blob.h"

namespace varstored::fuzz {
namespace {

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

/// No byte that a terminal obeys; U+0080 to U+009F are not looked for.
bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  });
}

void CheckState(const health::State& state) {
  health::Context context;
  context.secure_boot = true;
  context.target = "vm";
  const health::Report report = health::MakeReport(state, context);
  Require(IsPlain(health::RenderScreen(report, {})), "the screen holds plain characters");
  Require(IsPlain(health::RenderSvg(report)), "the picture holds plain characters");
  Require(IsAscii(health::RenderJson(report)), "JSON is ASCII");

  const health::Repaired repaired = health::FixAll(state, context);
  Require(std::none_of(repaired.left.begin(), repaired.left.end(),
                       [](const health::Finding& finding) { return finding.is_fixable; }),
          "what can be fixed is fixed");
  Require(health::FixAll(repaired.state, context).fixed.empty(), "once is enough");
  Require(repaired.state.entries.size() <= state.entries.size(), "a repair adds no variable");
  const base::Bytes encoded = health::EncodeState(repaired.state);
  Require(encoded.size() > store::kMaxBlobBytes || store::DecodeVarsBlob(encoded).ok(),
          "a repaired state can be loaded");
}

}  // namespace
}  // namespace varstored::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const base::ByteSpan bytes(data, size);
  const health::State state = health::ReadState(bytes);
  fuzz::Require(state.damage.empty() == store::DecodeVarsBlob(bytes).ok(),
                "a blob is whole when the daemon takes it");
  fuzz::CheckState(state);
  fuzz::CheckState(health::ReadStateFromText(base::ToString(bytes)));
  return 0;
}
