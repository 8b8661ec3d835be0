#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "change.h"
#include "commands.h"
#include "varstore-boot/page.h"
#include "varstored/health/edit.h"

namespace varstored::tools {
namespace {

using Apply = std::function<base::Result<health::State>(health::State state)>;

struct Wishes {
  ChangeOptions change;
  health::NewBootOption option;  // of --add
  bool has_new = false;
  /// The one change that was asked for.
  Apply apply;
  int changes = 0;
};

/// An option whose value says what is to be done: one of them in a call.
tool::Option Does(std::string name, Wishes& wishes,
                  std::function<base::Result<Apply>(std::string_view value)> read) {
  return {'\0', std::move(name), true,
          [&wishes, read = std::move(read)](std::string_view value) -> base::Result<void> {
            auto apply = read(value);
            if (!apply) {
              return apply.failure();
            }
            wishes.apply = *std::move(apply);
            ++wishes.changes;
            return {};
          }};
}

/// The same for a change of one option that is there.
tool::Option DoesToOne(std::string name, Wishes& wishes,
                       base::Result<health::State> (*change)(health::State state,
                                                             std::uint16_t number)) {
  return Does(std::move(name), wishes, [change](std::string_view value) -> base::Result<Apply> {
    const auto number = health::ParseBootNumber(value);
    if (!number) {
      return number.failure();
    }
    return Apply([change, number = *number](health::State state) {
      return change(std::move(state), number);
    });
  });
}

base::Result<Apply> ReadOrder(std::string_view value) {
  const auto numbers = health::ParseBootNumbers(value);
  if (!numbers) {
    return numbers.failure();
  }
  return Apply([numbers = *numbers](health::State state) {
    return health::OrderBootOptions(std::move(state), numbers);
  });
}

base::Result<Apply> ReadNext(std::string_view value) {
  std::optional<std::uint16_t> next;
  if (value != "none") {
    const auto number = health::ParseBootNumber(value);
    if (!number) {
      return number.failure();
    }
    next = *number;
  }
  return Apply(
      [next](health::State state) { return health::ChooseNextBoot(std::move(state), next); });
}

std::vector<tool::Option> OptionsOf(Wishes& wishes) {
  return {
      Does("add", wishes,
           [&wishes](std::string_view value) -> base::Result<Apply> {
             wishes.option.file = value;
             wishes.has_new = true;
             return Apply([&wishes](health::State state) {
               return health::AddBootOption(std::move(state), wishes.option);
             });
           }),
      tool::Value('\0', "label", wishes.option.label),
      {'\0', "partition", true,
       [&wishes](std::string_view value) -> base::Result<void> {
         auto partition = health::ParsePartition(value);
         if (!partition) {
           return partition.failure();
         }
         wishes.option.partition = *partition;
         return {};
       }},
      tool::Flag('\0', "first", wishes.option.is_first),
      Does("order", wishes, ReadOrder),
      Does("next", wishes, ReadNext),
      DoesToOne("remove", wishes, health::RemoveBootOption),
      DoesToOne("active", wishes,
                [](health::State state, std::uint16_t number) {
                  return health::ActivateBootOption(std::move(state), number, true);
                }),
      DoesToOne("inactive", wishes,
                [](health::State state, std::uint16_t number) {
                  return health::ActivateBootOption(std::move(state), number, false);
                }),
  };
}

base::Result<void> Check(const Wishes& wishes) {
  if (wishes.changes > 1) {
    return tool::Misuse(
        "one of --add, --order, --next, --remove, --active and --inactive in a call, and once");
  }
  const health::NewBootOption& option = wishes.option;
  if (!wishes.has_new && (!option.label.empty() || option.partition || option.is_first)) {
    return tool::Misuse("--label, --partition and --first belong to --add");
  }
  if (wishes.has_new && option.label.empty()) {
    return tool::Misuse("--add needs --label, which a boot menu shows");
  }
  return {};
}

base::Result<std::string> Run(Wishes& wishes, std::vector<std::string> operands, base::Log& log) {
  if (auto right = Check(wishes); !right) {
    return right.failure();
  }
  if (auto taken = tool::TakePlace(wishes.change.place, operands, 0); !taken) {
    return taken.failure();
  }
  const Change change = {wishes.apply, [](const health::State& state) {
                           return base::Result<std::vector<std::string>>(health::BootLines(state));
                         }};
  return wishes.changes == 0 ? ShowPlace(wishes.change, change, log)
                             : ChangePlace(wishes.change, change, log);
}

}  // namespace

int BootMain(int argc, char** argv) {
  Wishes wishes;
  return tool::Main(
      {"varstore boot", page::kHelp}, argc, argv,
      tool::Joined({OptionsOf(wishes.change), OptionsOf(wishes)}),
      [&](auto operands, auto& log) { return Run(wishes, std::move(operands), log); });
}

}  // namespace varstored::tools
