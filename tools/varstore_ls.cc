#include "page.h"
#include "varstored/sandbox/helper.h"
#include "varstored/store/vars_blob.h"
#include "varstored/tool/listing.h"
#include "varstored/tool/live.h"
#include "varstored/tool/session.h"
#include "varstored/tool/xl_vms.h"

namespace {

using namespace varstored;

struct Wishes {
  tool::PlaceOptions place;
  tool::Rights rights;
  bool is_live = false;
  bool is_long = false;
  bool is_json = false;
};

std::string TextOf(const Wishes& wishes, const tool::Entries& entries) {
  return wishes.is_json   ? tool::ListJson(entries)
         : wishes.is_long ? tool::ListLong(entries)
                          : tool::ListShort(entries);
}

base::Result<std::string> ListLive(const Wishes& wishes, base::Log& log) {
  const auto live = tool::AskLive(wishes.place.operand, wishes.rights, log);
  if (!live) {
    return live.failure();
  }
  return sandbox::TextInHelper(
      [&](base::Log& /*lines*/) -> base::Result<std::string> {
        const auto snapshot = tool::ReadLive(*live);
        if (!snapshot) {
          return snapshot.failure();
        }
        const auto blob = store::DecodeVarsBlob(snapshot->blob);
        if (!blob) {
          return blob.failure();
        }
        tool::Entries entries;
        for (const store::Entry& entry : blob->entries) {
          entries.push_back(&entry);
        }
        return TextOf(wishes, entries);
      },
      log);
}

base::Result<std::string> List(const Wishes& wishes, base::Log& log) {
  return tool::WithSession(
      wishes.place, wishes.rights, log, [&wishes](tool::Session& session, base::Log& /*lines*/) {
        tool::Entries entries;
        const store::Store& store = session.store();
        for (const auto* entry = store.First(); entry != nullptr; entry = store.After(*entry)) {
          entries.push_back(entry);
        }
        return base::Result(TextOf(wishes, entries));
      });
}

}  // namespace

int main(int argc, char** argv) {
  Wishes wishes;
  wishes.place.only_looks = true;
  return tool::Main(
      {page::kName, page::kHelp}, argc, argv,
      tool::Joined(
          {tool::OptionsOf(wishes.place),
           tool::OptionsOf(wishes.rights),
           {tool::Flag('\0', "live", wishes.is_live), tool::Flag('l', "long", wishes.is_long),
            tool::Flag('\0', "json", wishes.is_json)}}),
      [&](auto operands, auto& log) -> base::Result<std::string> {
        if (wishes.is_long && wishes.is_json) {
          return tool::Misuse("--long and --json exclude each other");
        }
        auto vms_here = argc == 1 ? tool::ListOfVms() : base::Result(std::string());
        if (!vms_here || !vms_here->empty()) {
          return vms_here;
        }
        if (auto taken = tool::TakePlace(wishes.place, operands, 0, wishes.is_live); !taken) {
          return taken.failure();
        }
        return wishes.is_live ? ListLive(wishes, log) : List(wishes, log);
      });
}
