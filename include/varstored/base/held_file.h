#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"

namespace varstored::base {

/// What something is called until it takes the place of `name`, in the same folder: NAME.HEX.new,
/// with eight random digits. So what a process left behind that ended in between, or what somebody
/// has put there, is in nobody's way.
[[nodiscard]] std::string NameBeside(const std::string& name);
/// Eight random hexadecimal digits.
[[nodiscard]] std::string RandomDigits();

/// A folder, found once and held by its descriptor: what is done in it is done there, wherever its
/// path leads later.
///
/// A path is walked name by name. A symbolic link on the way is followed only where it stands in a
/// folder that nobody but root and the caller may write: so /var/lib/varstored may be a link of
/// root's, and no link of somebody else's leads anywhere (docs/security.md, "Files and answers").
class HeldFolder {
 public:
  /// Opens the folder at `path`, which has to be there.
  [[nodiscard]] static Result<HeldFolder> Open(const std::string& path);
  /// The same, and makes it with `mode` where it is missing, and the folders that it stands in
  /// (0755). What the umask takes is missing. What is there keeps its mode.
  [[nodiscard]] static Result<HeldFolder> OpenOrMake(const std::string& path, mode_t mode);

  /// As it was given, for messages.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Of use as the folder of openat and the like only (O_PATH).
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Opens the folder `name`, which is no path, in this one. A symbolic link is an error, whoever
  /// made it: for folders whose content is another's.
  [[nodiscard]] Result<HeldFolder> OpenFolder(const std::string& name) const;
  /// Makes the folder `name`, which is no path, in this one. That something has the name already is
  /// an error.
  [[nodiscard]] Result<HeldFolder> MakeFolder(const std::string& name, mode_t mode) const;

  /// Makes the file `name`, which is no path, with these bytes, which are on the disk afterwards.
  /// That something has the name already is an error. It is there before it is whole: for a folder
  /// that nobody else knows yet. What fails leaves no file.
  [[nodiscard]] Result<void> MakeFile(const std::string& name, ByteSpan bytes, mode_t mode) const;

  /// The names of all that is in it, without "." and "..", in no certain order. More than `limit`
  /// are an error.
  [[nodiscard]] Result<std::vector<std::string>> Names(std::size_t limit) const;

  /// Whether nobody but root and the caller may write in it: not another owner, and neither a group
  /// nor all, with the sticky bit or without. An access control list counts, because the kernel
  /// shows its mask as the group's rights.
  [[nodiscard]] bool IsOursAlone() const;
  /// Fails for root where it is not ours alone: root makes nothing new in it.
  [[nodiscard]] Result<void> CheckMayMake() const;

  /// A name that was made, moved or removed in it is on the disk afterwards.
  [[nodiscard]] Result<void> Sync() const;

 private:
  friend class HeldFile;

  HeldFolder(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

/// A file that is read and written back, or made: its folder and itself are found once, by Open,
/// and held by their descriptors until the end. So nothing that happens to the path in between
/// leads what is read or written elsewhere.
class HeldFile {
 public:
  /// Finds the file at `path`, as HeldFolder finds a folder; the last name may be such a link too.
  /// That the file is missing is no error, that its folder is missing, or that something else than
  /// a regular file has its name, is one. Nothing is changed, and nothing is waited for.
  [[nodiscard]] static Result<HeldFile> Open(const std::string& path);
  /// The same, of a block device too. Nothing is ever written to one: Replace fails.
  [[nodiscard]] static Result<HeldFile> OpenToRead(const std::string& path);
  /// The same for the file `name`, which is no path, in a folder that is held already. A link has
  /// no file behind it here: it is an error.
  [[nodiscard]] static Result<HeldFile> OpenIn(const HeldFolder& folder, const std::string& name);

  /// As it was given, for messages.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// What the file itself is called in folder(), behind all links.
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Whether there is a file. Its Make, too, makes it so.
  [[nodiscard]] bool exists() const { return fd_.valid(); }
  /// The folder that the file itself stands in, behind all links.
  [[nodiscard]] const HeldFolder& folder() const { return folder_; }
  /// Open for reading, at no certain place; -1 where there is no file. May be handed to a process
  /// that has no rights of its own.
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// The whole content. More than `max_bytes`, and no file, are errors.
  [[nodiscard]] Result<Bytes> Read(std::size_t max_bytes) const;
  /// The same; of a longer one its first `max_bytes`.
  [[nodiscard]] Result<Bytes> ReadFront(std::size_t max_bytes) const;

  /// Fails where Replace and Make would for the folder's sake: where that is not ours alone
  /// (HeldFolder::IsOursAlone), unless the caller is not root, and the file is the caller's own or
  /// is to be made. Also for a block device. For a tool that wants to know before it begins.
  [[nodiscard]] Result<void> CheckMayWrite() const;

  /// Makes `bytes` the whole content of the file, so that whoever opens it finds the old content or
  /// the new one, after a power cut too: they are written and synced beside it, under the name
  /// NAME.HEX.new, which then takes the file's place, with its owner and its mode (without the
  /// set-id bits). Fails, and changes nothing, when the name no longer has the file that Open
  /// found. Afterwards it holds the new file.
  [[nodiscard]] Result<void> Replace(ByteSpan bytes);

  /// Makes the file that Open has not found, with `mode` less what the umask takes; it appears
  /// whole or not at all. Fails, and changes nothing, when something has its name meanwhile.
  /// Afterwards it holds the file.
  [[nodiscard]] Result<void> Make(ByteSpan bytes, mode_t mode);

 private:
  HeldFile(HeldFolder folder, std::string name, std::string path)
      : folder_(std::move(folder)), name_(std::move(name)), path_(std::move(path)) {}

  enum class Kinds { kFiles, kFilesAndBlockDevices };

  [[nodiscard]] static Result<HeldFile> Open(const std::string& path, Kinds kinds);
  [[nodiscard]] Result<void> OpenFile(Kinds kinds = Kinds::kFiles);
  [[nodiscard]] Result<void> CheckSame() const;
  [[nodiscard]] Result<UniqueFd> WriteBeside(const std::string& beside, ByteSpan bytes,
                                             mode_t mode) const;

  HeldFolder folder_;
  std::string name_;
  std::string path_;
  UniqueFd fd_;
};

}  // namespace varstored::base
