#pragma once

#include <string>
#include <utility>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/held_file.h"
#include "varstored/base/result.h"
#include "varstored/convert/content.h"

namespace varstored::convert {

/// A variable as Linux's efivarfs shows it: a file NAME-GUID, with the attributes in 4 bytes and
/// then the data. There are no times and no signers.
struct VariableFile {
  std::string name;  // never a path: no '/', no NUL, at most 255 bytes
  base::Bytes bytes;
};

/// The files of the variables. A name that no file can have is a loss, and so are times and
/// signers.
[[nodiscard]] std::vector<VariableFile> ToVariableFiles(const Content& content, Losses& lost);

/// The reverse. A file whose name has not the form is a loss, and so is one that is too short to
/// hold a variable, as copies of efivarfs have them. More variables than
/// ContentBuilder::Take allows are an error.
[[nodiscard]] base::Result<Content> FromVariableFiles(const std::vector<VariableFile>& files);

/// Files that nobody has looked into, in the order of their names.
struct VariableFolder {
  std::vector<VariableFile> files;
  Losses lost;
};

/// The files of the folder at `path`. Only regular files are read; what else there is becomes a
/// loss.
[[nodiscard]] base::Result<VariableFolder> ReadVariableFolder(const std::string& path);

/// Makes the folder `name` in `folder`, where nothing may have that name, with these files. It
/// appears whole or not at all, and is on the disk then. Until then it is called NAME.HEX.new.
[[nodiscard]] base::Result<void> WriteVariableFolder(const base::HeldFolder& folder,
                                                     const std::string& name,
                                                     const std::vector<VariableFile>& files);

}  // namespace varstored::convert
