// The variables of a VM as varstore-inspect and varstore-repair read, show and mend them. Input: a
// byte of choices, and a `VARS` blob, whole or broken, as it is or in base64.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "support.h"
#include "varstored/health/edit.h"
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

/// What the state itself does not say, from the bits of `choices`.
health::Context ContextOf(const health::State& state, std::uint8_t choices) {
  health::Context context;
  if ((choices & 1U) == 0) {
    context.secure_boot = (choices & 2U) == 0;
  }
  context.is_first_boot = (choices & 4U) != 0;
  context.is_vm = (choices & 8U) != 0;
  context.target = "vm";
  if ((choices & 16U) != 0 && !state.entries.empty()) {
    context.dbx_update = state.entries.front().data();
  }
  return context;
}

/// The same with the first variable over the limit, each of its lists there many times.
health::State Grown(const health::State& state) {
  health::State grown = state;
  if (!state.entries.empty()) {
    const store::Entry& entry = state.entries.front();
    base::Bytes data;
    while (data.size() <= store::kMaxDataBytes) {
      data.insert(data.end(), entry.data().begin(), entry.data().end());
    }
    grown.entries.front() = store::MakeEntry({.name = std::string(entry.name()),
                                              .vendor = entry.vendor(),
                                              .attributes = entry.raw_attributes(),
                                              .data = std::move(data),
                                              .timestamp = entry.timestamp(),
                                              .signer = entry.signer()});
  }
  return grown;
}

/// What `varstore edit` and `varstore boot` show and do.
void CheckEdits(const health::State& state) {
  for (const std::string& line : health::BootLines(state)) {
    Require(std::count(line.begin(), line.end(), '\t') <= 1 && line.find('\n') == std::string::npos,
            "a boot option is one line");
  }
  const auto added = health::AddBootOption(state, {.label = "new", .file = "new"});
  Require(added.ok() && health::BootLines(*added).size() > health::BootLines(state).size(),
          "an option can be added");
  for (const char* name : {"KEK", "db", "dbx", "dbt", "dbr"}) {
    const auto key = health::EditableKey(name);
    const auto lines = health::EntryLines(state, *key);
    if (!lines || lines->empty()) {
      continue;
    }
    Require(std::all_of(lines->begin(), lines->end(), IsPlain), "an entry is plain characters");
    const std::string digits = lines->front().substr(lines->front().rfind(' ') + 1);
    const auto removed = health::EditKey(state, {*key, {digits}, {}});
    Require(!removed || health::EntryLines(*removed, *key)->size() < lines->size(),
            "what is removed is gone");
  }
}

void CheckState(const health::State& state, std::uint8_t choices) {
  const health::Context context = ContextOf(state, choices);
  const health::Report report = health::MakeReport(state, context);
  Require(IsPlain(health::RenderScreen(report, {})), "the screen holds plain characters");
  Require(IsPlain(health::RenderSvg(report)), "the picture holds plain characters");
  Require(IsAscii(health::RenderJson(report)), "JSON is ASCII");

  CheckEdits(state);
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
  fuzz::Input input({data, size});
  const std::uint8_t choices = input.U8();
  const base::ByteSpan bytes = input.Rest();
  const health::State state = health::ReadState(bytes);
  fuzz::Require(state.damage.empty() == store::DecodeVarsBlob(bytes).ok(),
                "a blob is whole when the daemon takes it");
  // It takes long, so it is not for every second input.
  constexpr std::uint8_t kGrown = 1;
  fuzz::CheckState((choices >> 5U) == kGrown ? fuzz::Grown(state) : state, choices);
  fuzz::CheckState(health::ReadStateFromText(base::ToString(bytes)), choices);
  return 0;
}
