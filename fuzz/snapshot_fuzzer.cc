// What a daemon tells of a running VM, as varstore-inspect reads and shows it: a guest may have
// taken the daemon over.

#include <algorithm>
#include <string_view>

#include "support.h"
#include "varstored/health/render.h"
#include "varstored/health/report.h"
#include "varstored/live/snapshot.h"

namespace {

using namespace varstored;

void CheckNames(std::string_view text) {
  if (const auto name = live::ParseSocketName(text)) {
    fuzz::Require(live::ToText(*name) == text, "a name is written as it was read");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteSpan bytes(data, size);
  CheckNames(base::ToString(bytes));
  const auto snapshot = live::DecodeSnapshot(bytes);
  if (!snapshot) {
    return 0;
  }
  // Nothing was left out, and nothing read in another way.
  const base::Bytes again = live::EncodeSnapshot(snapshot->counts, snapshot->blob);
  fuzz::Require(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()),
                "what is read is written in the same way");

  health::Context context;
  context.running = {live::SocketName{}, snapshot->counts};
  const health::Report report = health::MakeReport(health::State(), context);
  for (const char c : health::RenderScreen(report, {})) {
    fuzz::Require(c == '\n' || static_cast<unsigned char>(c) >= ' ',
                  "a screen has no control characters");
  }
  for (const char c : health::RenderJson(report)) {
    fuzz::Require(c == '\n' || (c >= ' ' && c <= '~'), "JSON is ASCII");
  }
  return 0;
}
