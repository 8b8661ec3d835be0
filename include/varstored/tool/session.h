#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"
#include "varstored/engine/variable_services.h"
#include "varstored/store/store.h"
#include "varstored/tool/place.h"

namespace varstored::tool {

/// The variables of one VM in an administrator's hands: the variable services, permissive and
/// without Secure Boot (docs/engine.md, "Modes"), over what is kept. What is done to them is seen
/// by nobody before what Save makes is kept. It lives in a helper process: see WithSession.
class Session {
 public:
  /// Loads the variables: as a boot would, and those of a save file as a resume would. That nothing
  /// was ever kept is no error, and an empty store. `log` outlives the session.
  [[nodiscard]] static base::Result<Session> Open(const Kept& kept, base::Log& log);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) = delete;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] engine::VariableServices& services();
  /// All variables: also the computed ones, and records that break today's rules.
  [[nodiscard]] const store::Store& store() const;
  /// Nothing was ever kept: the VM's next start is its first boot.
  [[nodiscard]] bool is_first_boot() const;

  /// Deletes a variable, of whatever kind, as far as a tool may.
  [[nodiscard]] engine::Reason Delete(const store::Key& key);

  /// Whether a Save of no change does nothing, or keeps the state of a VM that was never started,
  /// so that its start is no first boot.
  enum class Keep { kChanges, kAlways };

  /// Makes what is to be kept of all changes together. Gives whether there is something to keep;
  /// changes of volatile variables are not, except in a save file. Warns when the VM's first boot
  /// may undo it, and says what becomes of PCR 7 when a key was written.
  [[nodiscard]] base::Result<bool> Save(Keep keep = Keep::kChanges);
  /// What the last Save made; nothing when there was nothing to keep.
  [[nodiscard]] const std::optional<NewBytes>& changed() const { return place_->changed(); }

 private:
  class Loaded;

  Session(std::unique_ptr<KeptVariables> place, std::unique_ptr<Loaded> loaded, base::Log& log);

  void WarnBeforeSave();
  void SayPcr7(Keep keep);

  std::unique_ptr<KeptVariables> place_;
  std::unique_ptr<Loaded> loaded_;
  base::Log& log_;
  engine::VariableServices services_;
  /// The variables as they were at Open or at the last Save.
  store::Store kept_;
};

/// What is done with a session. Gives what the tool writes to its standard output.
using SessionWork = std::function<base::Result<std::string>(Session& session, base::Log& log)>;

/// DropRights and Place::Open; then `work` on the variables, in a helper process; then what was
/// saved there is kept. Warns when the VM's own process may undo it.
[[nodiscard]] base::Result<std::string> WithSession(const PlaceOptions& options,
                                                    const Rights& rights, base::Log& log,
                                                    const SessionWork& work);

/// A variable as a command line names it: GUID and name, as Describe or in UTF-8
/// (efi::UnescapeName).
struct NamedVariable {
  efi::Guid vendor;
  efi::VariableName name;

  /// Its name belongs to this object.
  [[nodiscard]] store::Key key() const { return {name.bytes(), vendor}; }
};

[[nodiscard]] base::Result<NamedVariable> ParseNamedVariable(std::string_view guid,
                                                             std::string_view name);

/// "GUID NAME", for messages and lists, the name as efi::EscapeName has it: two words whatever the
/// guest has put into the name.
[[nodiscard]] std::string Describe(const store::Key& key);

/// The failure of a call: "WHAT: Security Violation (signature-wrong)", and `hint` behind it.
[[nodiscard]] base::Failure<base::Error> Refused(const std::string& what, engine::Reason reason,
                                                 const std::string& hint = {});

}  // namespace varstored::tool
