#include "page.h"
#include "varstored/store/vars_blob.h"
#include "varstored/tool/live.h"
#include "varstored/tool/session.h"

namespace {

using namespace varstored;

base::Result<std::string> ListLive(const std::string& vm, const tool::Rights& rights,
                                   base::Log& log) {
  const auto live = tool::ReadLive(vm, rights, log);
  if (!live) {
    return live.failure();
  }
  const auto blob = store::DecodeVarsBlob(live->snapshot.blob);
  if (!blob) {
    return blob.failure();
  }
  std::string lines;
  for (const store::Entry& entry : blob->entries) {
    lines += tool::Describe(store::KeyOf(entry)) + "\n";
  }
  return lines;
}

base::Result<std::string> List(const tool::PlaceOptions& place, const tool::Rights& rights,
                               base::Log& log) {
  const auto session = tool::OpenSession(place, rights, log);
  if (!session) {
    return session.failure();
  }
  std::string lines;
  const store::Store& store = session->store();
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
        return is_live ? ListLive(place.operand, rights, log) : List(place, rights, log);
      });
}
