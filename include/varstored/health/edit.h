#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/well_known.h"
#include "varstored/health/state.h"

/// Changes that an administrator asks for: of the entries of a key variable, and of boot options.
/// All else of a state stays as it is, and in its place. A change keeps the variable's time stamp,
/// so that a signed update that was newer than the variable before is so still (UEFI 2.10, 8.2.2).
namespace varstored::health {

/// The variable whose entries can be edited: KEK, db, dbx, dbt or dbr. Capital letters count. The
/// error says what to do about another name, PK too.
[[nodiscard]] base::Result<efi::WellKnownVariable> EditableKey(std::string_view name);

/// The key for which Microsoft has made this certificate of 2023 (DER), KEK or db; nothing for
/// another one. One of 2011 says nothing: dbx may be to revoke it.
[[nodiscard]] std::optional<efi::WellKnownVariable> UsualKeyOf(base::ByteSpan certificate);

/// One line an entry, in the order in which they are stored: what it is, its name where it is a
/// certificate, and the digits that EditKey knows it by. Names are made for a terminal. The error
/// says that the lists of the variable are malformed; a variable that is absent has no line.
[[nodiscard]] base::Result<std::vector<std::string>> EntryLines(
    const State& state, const efi::WellKnownVariable& variable);

/// What is to become of the entries of one variable.
struct KeyEdit {
  efi::WellKnownVariable variable;
  /// Each names one entry: the SHA-256 of a certificate or the hash that an entry is, in
  /// hexadecimal digits, with or without colons; or a certificate's name, whole or a part of it.
  std::vector<std::string> removed;
  /// EFI_SIGNATURE_LISTs (UEFI 2.10, 32.4.1) whose entries are added behind the others.
  base::Bytes added;
};

/// First removes, then adds. An entry that is stored more than once goes with all its copies. What
/// is there already, under whatever owner, is not added again. Microsoft's certificates get
/// Microsoft as their owner. A variable of which no entry is left goes.
///
/// An error says why nothing changes: no entry of this name, or several; stored or added lists
/// that are malformed; an entry in KEK that is no certificate.
[[nodiscard]] base::Result<State> EditKey(State state, const KeyEdit& edit);

/// BootNext, Timeout and BootOrder where they are there, and each Boot#### by its number, in the
/// form of efibootmgr: a star behind the number of those that are active, a tab in front of the
/// device path. Texts of the guest's are made for a terminal.
[[nodiscard]] std::vector<std::string> BootLines(const State& state);

/// The number of a boot option: one to four hexadecimal digits, with or without "Boot" in front.
[[nodiscard]] base::Result<std::uint16_t> ParseBootNumber(std::string_view text);

/// The same for several, with commas between them. One that repeats is an error.
[[nodiscard]] base::Result<std::vector<std::uint16_t>> ParseBootNumbers(std::string_view text);

/// A partition of a disk with a GUID Partition Table, for the node HD() of a device path.
struct Partition {
  std::uint32_t number = 0;
  efi::Guid guid;  // UniquePartitionGUID
  /// In blocks; 0 where that is not known. A firmware finds the partition by number and GUID.
  std::uint64_t start = 0;
  std::uint64_t size = 0;
};

/// "HD(1,GPT,GUID,0x800,0x32000)", as device paths are shown, or without the last two.
[[nodiscard]] base::Result<Partition> ParsePartition(std::string_view text);

struct NewBootOption {
  std::string label;  // UTF-8
  std::string file;   // UTF-8; slashes and backslashes are the same
  /// Where the file is; nothing: on whichever disk the firmware finds it.
  std::optional<Partition> partition = {};
  /// In front of the others in BootOrder, else behind them.
  bool is_first = false;
};

/// Adds an active option under the lowest number that is free.
[[nodiscard]] base::Result<State> AddBootOption(State state, const NewBootOption& option);

// The error of each names an option that is not there.

/// Removes it, from BootOrder and BootNext too.
[[nodiscard]] base::Result<State> RemoveBootOption(State state, std::uint16_t number);
[[nodiscard]] base::Result<State> ActivateBootOption(State state, std::uint16_t number,
                                                     bool is_active);
/// `numbers` are the new BootOrder: at least one.
[[nodiscard]] base::Result<State> OrderBootOptions(State state,
                                                   const std::vector<std::uint16_t>& numbers);
/// The option of the next start alone; nothing: none.
[[nodiscard]] base::Result<State> ChooseNextBoot(State state, std::optional<std::uint16_t> number);

}  // namespace varstored::health
