#pragma once

#include <cstdint>
#include <string>

#include "varstored/base/bytes.h"
#include "varstored/base/held_file.h"
#include "varstored/base/result.h"

/// What is kept before a repair, in a file SUBJECT.TIME.DIGEST.backup: the subject is a VM's uuid
/// or a file's name, the digest is the first half of the content's SHA-256, so that a file that was
/// cut or changed is told from a backup.
namespace varstored::tools {

/// Makes a backup. It is on the disk when this returns its path. Nothing that is there already is
/// changed.
[[nodiscard]] base::Result<std::string> MakeBackup(const base::HeldFolder& folder,
                                                   const std::string& subject,
                                                   const base::Bytes& content, std::int64_t now);

struct Backup {
  base::Bytes content;
  /// Made of `subject`, and whole. Else it is some file, of which nothing is known.
  bool is_of_subject = false;
  /// Why it is none.
  std::string reason;
};

[[nodiscard]] base::Result<Backup> ReadBackup(const std::string& path, const std::string& subject);

}  // namespace varstored::tools
