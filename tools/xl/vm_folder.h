#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "arguments.h"
#include "varstored/base/result.h"
#include "varstored/base/unique_fd.h"

namespace varstored::xl {

/// The folder of one VM, which holds its store and, while the VM does not run, its saved state.
///
/// The state is there only between the end of one daemon and the start of the next, so that it is
/// never older than the store: no later boot goes on from it, and no resume undoes a write that was
/// acknowledged. In between its file is empty: the daemon has it open, and can make no other.
class VmFolder {
 public:
  static constexpr std::size_t kMaxNameBytes = 255;

  /// Opens the folder, which is made when it is missing. Fails where somebody else than root, the
  /// caller and a VM's user may have written in it, or may put another one in its place.
  [[nodiscard]] static base::Result<VmFolder> Open(const std::string& folder,
                                                   const std::string& uuid);

  /// Gives the folder and the files in it to the user of this domain. Fails at one that is no
  /// regular file, or has a second name: it may be a file of the host's.
  [[nodiscard]] base::Result<void> GiveTo(std::uint16_t domain) const;

  /// Keeps the VM's name for the tools, in the file UUID.name beside the folder, where no daemon
  /// can write. What xl adds to it while it receives the VM ("--incoming") is left out. A name that
  /// is empty or longer than kMaxNameBytes is not kept: then the VM has none.
  [[nodiscard]] base::Result<void> KeepName(std::string name) const;

  /// How a domain starts that goes on in the middle of its work. Fails when this host knows nothing
  /// of the VM.
  [[nodiscard]] base::Result<Start> HowToResume() const;

  /// Empties the file of the saved state, for good.
  [[nodiscard]] base::Result<void> ForgetState() const;

 private:
  VmFolder(base::UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  [[nodiscard]] bool Has(std::string_view name) const;

  base::UniqueFd fd_;
  std::string path_;
};

}  // namespace varstored::xl
