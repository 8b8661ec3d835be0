#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/result.h"
#include "varstored/store/store.h"
#include "varstored/store/variable.h"

namespace varstored::store {

/// Where non-volatile variables are kept outside of the guest. Implemented by the rooms above.
class Backend {
 public:
  virtual ~Backend() = default;

  /// The kept entries, in the order of a walk; nothing when nothing was ever kept (a first boot).
  /// An empty list is a state that was kept, and is empty. Called once, before the first Commit,
  /// and not at all when a saved state is resumed. State that cannot be read is an error and stays
  /// as it is.
  [[nodiscard]] virtual base::Result<std::optional<std::vector<Entry>>> Load() = 0;

  /// Keeps the non-volatile entries of `staged`. On success they survive whatever happens next; on
  /// failure what was kept before is still there. All changes together or none.
  [[nodiscard]] virtual base::Result<void> Commit(const StagedStore& staged) = 0;

  /// The guest's firmware has handed over: from now on a Commit has less time, because an operating
  /// system notices a virtual CPU that stands still. Called once, or never.
  virtual void OperatingSystemRuns() {}

  /// Takes over the state of a VM that goes on from a saved state, here or on another host, before
  /// the first Commit. A backend that is reached from every host has it already; one that is this
  /// host's own keeps it, so that the VM's next boot finds it.
  [[nodiscard]] virtual base::Result<void> KeepResumed(const StagedStore& /*staged*/) { return {}; }

  /// What the VM does, in its toolstack's word ("Running", "Halted"), for a tool that is about to
  /// write: the process of a VM that is not halted overwrites what it finds. Nothing when that is
  /// not known, and when no process can use the variables meanwhile.
  [[nodiscard]] virtual base::Result<std::optional<std::string>> VmState() {
    return std::optional<std::string>();
  }

  /// What is kept, as the place keeps it and whether Load can read it or not, for a tool that saves
  /// what can be saved: base64 of a `VARS` blob. Nothing when nothing was ever kept, and where it
  /// is kept in another form.
  [[nodiscard]] virtual base::Result<std::optional<std::string>> KeptText() {
    return std::optional<std::string>();
  }

  /// The reverse of KeptText: keeps `text` instead of what is there, whatever it says; it is not
  /// looked into. Where it may change certificates, the caller says whether those of KEK and db are
  /// up to date. Fails where it is kept in another form.
  [[nodiscard]] virtual base::Result<void> KeepText(
      std::string_view /*text*/, std::optional<bool> /*are_certificates_up_to_date*/) {
    return base::Fail("the variables are not kept as one text here");
  }

  /// Whether the host wants Secure Boot for the VM (platform/secureboot is exactly "true"). Nothing
  /// when that is not known here. Called after KeptText or Load.
  [[nodiscard]] virtual base::Result<std::optional<bool>> WantsSecureBoot() {
    return std::optional<bool>();
  }

  /// The VM has started, and the host wants Secure Boot for it, or does not: for who asks while it
  /// is off. A place that somebody else keeps that wish in has no use for it.
  [[nodiscard]] virtual base::Result<void> KeepWishAtStart(bool /*wants_secure_boot*/) {
    return {};
  }
  /// What was kept by KeepWishAtStart; nothing where that is not known.
  [[nodiscard]] virtual base::Result<std::optional<bool>> WantedSecureBootAtLastStart() {
    return std::optional<bool>();
  }

  /// Tells the operator that the guest's firmware refused an image.
  [[nodiscard]] virtual base::Result<void> ReportSecureBootFailure() = 0;

  /// Tells the operator that the VM does not start, because Secure Boot is required and would not
  /// be in force.
  virtual void ReportNotInForce(std::string_view /*why*/) {}

  // An administrator can ask for the host's newer certificates at a VM's next boot (docs/engine.md,
  // "Certificates of 2011 and 2023"). Only a toolstack can pass that on, so others keep the
  // defaults.

  /// Whether that was asked for. Known after Load.
  [[nodiscard]] virtual bool WantsCertificateUpdate() const { return false; }
  /// Commit of what a boot itself changes: the keys of a first boot, or the update, and then the
  /// request is done. `staged` may be unchanged.
  [[nodiscard]] virtual base::Result<void> CommitAtBoot(const StagedStore& staged) {
    return Commit(staged);
  }
  /// Tells the operator why the request could not be met; it stays.
  virtual void ReportCertificateUpdateFailure(std::string_view /*why*/) {}
};

}  // namespace varstored::store
