#pragma once

#include <string>
#include <vector>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/keys/ingredients.h"
#include "varstored/tool/format.h"

/// What an administrator has that keys for first boots can be made of.
namespace varstored::tools {

/// Read, and not looked into.
struct KeySources {
  /// The files of the folders that were named.
  struct File {
    std::string path;
    base::Bytes bytes;
  };
  std::vector<File> files;
  /// Files that were named, such as a flash image.
  std::vector<tool::Input> inputs;
};

/// Reads what is at these paths: the files of a folder, without those of its folders, or a file. Of
/// a folder, files that are too large to be any of this are passed over. Too many files, or too
/// many bytes in those of folders, are an error.
[[nodiscard]] base::Result<KeySources> ReadKeySources(const std::vector<std::string>& paths,
                                                      base::Log& log);

/// For a helper process: what is of use in them. A file that was named, or a flash
/// image of a folder, that has nothing of use is a warning; so is a qcow2 image of a folder.
[[nodiscard]] keys::Ingredients IngredientsIn(const KeySources& sources, base::Log& log);

}  // namespace varstored::tools
