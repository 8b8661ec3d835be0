#include "inspect_history.h"

#include "kept_state.h"
#include "varstored/health/history.h"
#include "varstored/sandbox/helper.h"
#include "varstored/store/history.h"

namespace varstored::tools {

base::Result<std::string> InspectHistory(const tool::PlaceOptions& options, bool as_json,
                                         base::Log& log) {
  const auto opened = OpenKept(options, log);
  if (!opened) {
    return opened.failure();
  }
  const std::string& target = opened->context.target;
  if (opened->place.running() != nullptr) {
    return base::Fail(target +
                      ": the VM runs, and its daemon does not tell the history. Look at it "
                      "when the VM is off");
  }
  const auto& history = opened->place.history();
  if (!history) {
    return base::Fail(target +
                      ": no history is kept there: only a database of the backend sqlite "
                      "has one");
  }
  return sandbox::TextInHelper(
      [&](base::Log& /*lines*/) -> base::Result<std::string> {
        const auto entries = store::DecodeHistory(*history);
        if (!entries) {
          return entries.failure();
        }
        return as_json ? health::RenderHistoryJson(target, *entries)
                       : health::RenderHistory(*entries);
      },
      log);
}

}  // namespace varstored::tools
