#include "varstored/engine/certificate_update.h"

#include <string>

#include "modes.h"
#include "set_variable.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/certificate_state.h"

namespace varstored::engine {
namespace {

constexpr std::uint32_t kAppendAttributes = 0x67;

bool IsUpToDate(const store::StagedStore& staged) {
  return CertificateStateOf(store::ContentOf(staged, efi::kKek),
                            store::ContentOf(staged, efi::kDb)) == CertificateState::kUpToDate;
}

/// The signature lists in a host's file; empty when its form is wrong.
base::ByteSpan ListsIn(const base::Bytes& file) {
  const auto descriptor = efi::ParseAuthenticationDescriptor(file);
  return descriptor ? descriptor->payload : base::ByteSpan();
}

base::Result<void> StageAppend(store::StagedStore& staged, const Policy& policy,
                               const efi::WellKnownVariable& variable, const std::string& file_name,
                               const base::Bytes& content) {
  // The host's word counts as much as a signature of the VM's keys, so nobody has to sign.
  Policy host = policy;
  host.enforce = false;
  // The limit is the operating system's: what lies above it the firmware needs to boot.
  constexpr bool kAtRuntime = true;
  const base::Bytes name = base::ToBytes(variable.name);
  const Reason reason = StageSetVariable(
      staged, host, kAtRuntime,
      {.name = name, .vendor = variable.vendor, .attributes = kAppendAttributes, .data = content});
  if (StatusOf(reason) != efi::Status::kSuccess) {
    return base::Fail("the host's " + file_name +
                      " cannot be appended: " + std::string(ReasonText(reason)));
  }
  return {};
}

/// Nothing happens to a variable that follows somebody else than Microsoft: its owner did not mean
/// to trust these certificates.
base::Result<void> StageSuccessors(store::StagedStore& staged, const Policy& policy,
                                   CertificateHolder holder, const efi::WellKnownVariable& variable,
                                   const std::string& file_name, const base::Bytes& content) {
  return HoldsCertificateOf2011(holder, store::ContentOf(staged, variable))
             ? StageAppend(staged, policy, variable, file_name, content)
             : base::Result<void>();
}

}  // namespace

base::Result<void> StageCertificateUpdate(store::StagedStore& staged, const Policy& policy,
                                          const FirstBootKeys& keys) {
  if (IsUpToDate(staged)) {
    return {};
  }
  if (!HasPlatformKey(staged)) {
    return base::Fail("the VM has no PK: it is in setup mode, and stays so");
  }
  if (!keys.kek || !keys.db) {
    return base::Fail("the host has no KEK.auth or no db.auth");
  }
  if (CertificateStateOf(ListsIn(*keys.kek), ListsIn(*keys.db)) != CertificateState::kUpToDate) {
    return base::Fail("the host's own KEK.auth and db.auth are not up to date");
  }
  if (auto appended = StageSuccessors(staged, policy, CertificateHolder::kKek, efi::kKek,
                                      "KEK.auth", *keys.kek);
      !appended) {
    return appended;
  }
  if (auto appended =
          StageSuccessors(staged, policy, CertificateHolder::kDb, efi::kDb, "db.auth", *keys.db);
      !appended) {
    return appended;
  }
  if (keys.update_dbx && keys.dbx) {
    if (auto appended = StageAppend(staged, policy, efi::kDbx, "dbx.auth", *keys.dbx); !appended) {
      return appended;
    }
  }
  if (!IsUpToDate(staged)) {
    return base::Fail("the host's KEK.auth and db.auth lack a successor of a certificate of 2011");
  }
  return {};
}

}  // namespace varstored::engine
