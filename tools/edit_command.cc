#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "change.h"
#include "commands.h"
#include "varstore-edit/page.h"
#include "varstored/base/file.h"
#include "varstored/health/edit.h"
#include "varstored/signer/content.h"

namespace varstored::tools {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20U;

struct Wishes {
  ChangeOptions change;
  std::vector<std::string> removed;
  std::vector<std::string> added;  // paths
  /// Of what is added, if the file names none and it is not Microsoft's.
  efi::Guid owner = signer::UsualOwner("PK");
};

/// A file that nobody has looked into.
struct File {
  std::string path;
  base::Bytes bytes;
};

tool::Option Collected(std::string name, std::vector<std::string>& values) {
  return {'\0', std::move(name), true, [&values](std::string_view value) -> base::Result<void> {
            if (value.empty()) {
              return base::Fail("it is empty");
            }
            values.emplace_back(value);
            return {};
          }};
}

tool::Option Owner(efi::Guid& owner) {
  return {'\0', "owner", true, [&owner](std::string_view value) -> base::Result<void> {
            const auto guid = efi::ParseGuid(value);
            if (!guid) {
              return base::Fail("'" + base::Printable(value) + "' is no GUID");
            }
            owner = *guid;
            return {};
          }};
}

base::Result<std::vector<File>> ReadFiles(const std::vector<std::string>& paths) {
  std::vector<File> files;
  for (const std::string& path : paths) {
    auto bytes = base::ReadFile(path, kMaxFileBytes);
    if (!bytes) {
      return bytes.failure();
    }
    files.push_back({path, *std::move(bytes)});
  }
  return files;
}

/// For the helper process: the entries of all files, for this variable, as signature lists.
base::Result<base::Bytes> ListsOf(const std::vector<File>& files, std::string_view name,
                                  const efi::Guid& owner) {
  base::Bytes all;
  for (const File& file : files) {
    const auto content = signer::ParseContent(file.bytes);
    if (!content) {
      return base::Fail(file.path + ": " + content.error().message);
    }
    if (auto fits = signer::CheckContent(name, *content); !fits) {
      return base::Fail(file.path + ": " + fits.error().message);
    }
    const base::Bytes lists = signer::EncodeContent(*content, owner);
    all.insert(all.end(), lists.begin(), lists.end());
  }
  return all;
}

base::Result<std::string> Run(Wishes& wishes, std::vector<std::string> operands, base::Log& log) {
  if (auto taken = tool::TakePlace(wishes.change.place, operands, 1); !taken) {
    return taken.failure();
  }
  const auto variable = health::EditableKey(operands.front());
  if (!variable) {
    return tool::Misuse(variable.error().message);
  }
  const std::string name = operands.front();
  const auto files = ReadFiles(wishes.added);
  if (!files) {
    return files.failure();
  }
  const Change change = {
      [&](health::State state) -> base::Result<health::State> {
        const auto lists = ListsOf(*files, name, wishes.owner);
        return lists ? health::EditKey(std::move(state), {*variable, wishes.removed, *lists})
                     : lists.failure();
      },
      [&](const health::State& state) { return health::EntryLines(state, *variable); }};
  return wishes.removed.empty() && wishes.added.empty() ? ShowPlace(wishes.change, change, log)
                                                        : ChangePlace(wishes.change, change, log);
}

}  // namespace

int EditMain(int argc, char** argv) {
  Wishes wishes;
  return tool::Main(
      {"varstore edit", page::kHelp}, argc, argv,
      tool::Joined({OptionsOf(wishes.change),
                    {Collected("remove", wishes.removed), Collected("add", wishes.added),
                     Owner(wishes.owner)}}),
      [&](auto operands, auto& log) { return Run(wishes, std::move(operands), log); });
}

}  // namespace varstored::tools
