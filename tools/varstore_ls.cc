#include "page.h"
#include "varstored/tool/session.h"

int main(int argc, char** argv) {
  using namespace varstored;
  tool::PlaceOptions place;
  tool::Rights rights;
  return tool::Main({page::kName, page::kHelp}, argc, argv,
                    tool::Joined({tool::OptionsOf(place), tool::OptionsOf(rights)}),
                    [&](auto operands, auto& log) -> base::Result<std::string> {
                      if (auto taken = tool::TakePlace(place, operands, 0); !taken) {
                        return taken.failure();
                      }
                      const auto session = tool::OpenSession(place, rights, log);
                      if (!session) {
                        return session.failure();
                      }
                      std::string lines;
                      const store::Store& store = session->store();
                      for (const auto* entry = store.First(); entry != nullptr;
                           entry = store.After(*entry)) {
                        lines += tool::Describe(store::KeyOf(*entry)) + "\n";
                      }
                      return lines;
                    });
}
