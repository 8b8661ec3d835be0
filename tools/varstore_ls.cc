#include "page.h"
#include "varstored/sandbox/helper.h"
#include "varstored/store/vars_blob.h"
#include "varstored/tool/live.h"
#include "varstored/tool/session.h"

namespace {

using namespace varstored;

base::Result<std::string> ListLive(const std::string& vm, const tool::Rights& rights,
                                   base::Log& log) {
  const auto live = tool::AskLive(vm, rights, log);
  if (!live) {
    return live.failure();
  }
  return sandbox::TextInHelper(
      [&live](base::Log& /*lines*/) -> base::Result<std::string> {
        const auto snapshot = tool::ReadLive(*live);
        if (!snapshot) {
          return snapshot.failure();
        }
        const auto blob = store::DecodeVarsBlob(snapshot->blob);
        if (!blob) {
          return blob.failure();
        }
        std::string text;
        for (const store::Entry& entry : blob->entries) {
          text += tool::Describe(store::KeyOf(entry)) + "\n";
        }
        return text;
      },
      log);
}

std::string List(const store::Store& store) {
  std::string lines;
  for (const auto* entry = store.First(); entry != nullptr; entry = store.After(*entry)) {
    lines += tool::Describe(store::KeyOf(*entry)) + "\n";
  }
  return lines;
}

}  // namespace

int main(int argc, char** argv) {
  tool::PlaceOptions place;
  place.only_looks = true;
  tool::Rights rights;
  bool is_live = false;
  return tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined(
          {tool::OptionsOf(place), tool::OptionsOf(rights), {tool::Flag('\0', "live", is_live)}}),
      [&](auto operands, auto& log) -> base::Result<std::string> {
        if (auto taken = tool::TakePlace(place, operands, 0, is_live); !taken) {
          return taken.failure();
        }
        return is_live ? ListLive(place.operand, rights, log)
                       : tool::WithSession(place, rights, log,
                                           [](tool::Session& session, base::Log& /*lines*/) {
                                             return base::Result(List(session.store()));
                                           });
      });
}
