#include "modes.h"

#include <array>
#include <cstdint>
#include <optional>

#include "built_in.h"
#include "varstored/base/writer.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"

namespace varstored::engine {
namespace {

// Boot service and runtime access: computed here, so nothing of them is kept.
constexpr efi::Attributes kModeAttributes = efi::kAttributes<0x06>;

// UEFI 2.10, 3.3, SignatureSupport: the types that a loader may count on.
constexpr std::array kSupported = {efi::SignatureKind::kSha1, efi::SignatureKind::kSha256,
                                   efi::SignatureKind::kRsa2048, efi::SignatureKind::kX509};

void StageByte(store::StagedStore& staged, const efi::WellKnownVariable& variable, bool value) {
  StageBuiltIn(staged, variable, kModeAttributes, {static_cast<std::uint8_t>(value ? 1 : 0)});
}

}  // namespace

bool HasPlatformKey(const store::StagedStore& staged) {
  return staged.Find(store::KeyOf(efi::kPk)) != nullptr;
}

void StageModes(store::StagedStore& staged, std::optional<bool> secure_boot) {
  const bool user = HasPlatformKey(staged);
  StageByte(staged, efi::kSetupMode, !user);
  StageByte(staged, efi::kAuditMode, false);
  StageByte(staged, efi::kDeployedMode, user);
  if (secure_boot) {
    StageByte(staged, efi::kSecureBoot, user && *secure_boot);
  }
}

void StageModesAtResume(store::StagedStore& staged, bool secure_boot) {
  const auto saved = SingleByte(staged.Find(store::KeyOf(efi::kSecureBoot)));
  if (!saved || *saved > 1) {
    return StageModes(staged, secure_boot);
  }
  StageModes(staged, std::nullopt);
  StageByte(staged, efi::kSecureBoot, *saved == 1);
}

void StageSignatureSupport(store::StagedStore& staged) {
  base::Writer writer;
  for (const efi::SignatureKind kind : kSupported) {
    writer.WriteBytes(efi::TypeOf(kind).guid.bytes);
  }
  StageBuiltIn(staged, efi::kSignatureSupport, kModeAttributes, writer.Take());
}

}  // namespace varstored::engine
