#include "modes.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "built_in.h"
#include "varstored/base/writer.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"

namespace varstored::engine {
namespace {

// Boot service and runtime access: computed here, so nothing of them is kept.
constexpr efi::Attributes kModeAttributes = efi::kAttributes<0x06>;

// UEFI 2.10, 3.3, SignatureSupport: first those that the older daemon has, in its order, for who
// looks at no more; then the others.
constexpr std::array kFirstSupported = {efi::SignatureKind::kSha1, efi::SignatureKind::kSha256,
                                        efi::SignatureKind::kRsa2048, efi::SignatureKind::kX509};

// Boot service access and non-volatile: the guest's operating system does not see it.
constexpr efi::Attributes kMarkAttributes = efi::kAttributes<0x03>;

/// What the mark has in the place of a signer. No guest can write it, under no daemon, and it fits
/// one PK only: a mark that a guest made, or from before another PK, says nothing.
std::optional<store::SignerDigest> SealOf(const store::Entry* pk, SecureBootMode mode) {
  const base::Bytes text = base::ToBytes(std::string_view("varstored: the mode of Secure Boot"));
  const std::array<std::uint8_t, 1> byte = {static_cast<std::uint8_t>(mode)};
  const auto digest =
      crypto::Sha256({text, byte, pk != nullptr ? base::ByteSpan(pk->data()) : base::ByteSpan()});
  return digest ? std::optional<store::SignerDigest>(*digest) : std::nullopt;
}

Reason Choose(store::StagedStore& staged, SecureBootMode mode) {
  const auto seal = SealOf(staged.Find(store::KeyOf(efi::kPk)), mode);
  if (!seal) {
    return Reason::kOutOfMemory;
  }
  const std::size_t before = staged.used_bytes();
  staged.Put(store::MakeEntry({.name = std::string(efi::kModeMark.name),
                               .vendor = efi::kModeMark.vendor,
                               .attributes = kMarkAttributes.raw(),
                               .data = {static_cast<std::uint8_t>(mode)},
                               .signer = *seal}));
  // docs/engine.md, "Limits": only growth is refused.
  const std::size_t after = staged.used_bytes();
  return after > before && after > kStoreBytes ? Reason::kStoreFull : Reason::kSuccess;
}

SecureBootMode ModeNow(const store::StagedStore& staged) {
  const auto without = HasPlatformKey(staged) ? SecureBootMode::kDeployed : SecureBootMode::kSetup;
  return ChosenMode(staged).value_or(without);
}

void StageByte(store::StagedStore& staged, const efi::WellKnownVariable& variable, bool value) {
  StageBuiltIn(staged, variable, kModeAttributes, {static_cast<std::uint8_t>(value ? 1 : 0)});
}

}  // namespace

bool HasPlatformKey(const store::StagedStore& staged) {
  return staged.Find(store::KeyOf(efi::kPk)) != nullptr;
}

std::optional<SecureBootMode> ChosenMode(const store::Entry* pk, const store::Entry* mark) {
  const auto byte = SingleByte(mark);
  if (!byte || *byte > static_cast<std::uint8_t>(SecureBootMode::kDeployed)) {
    return std::nullopt;
  }
  const auto mode = static_cast<SecureBootMode>(*byte);
  const bool has_key = mode == SecureBootMode::kUser || mode == SecureBootMode::kDeployed;
  const bool is_ours = has_key == (pk != nullptr) && SealOf(pk, mode) == mark->signer();
  return is_ours ? std::optional(mode) : std::nullopt;
}

std::optional<SecureBootMode> ChosenMode(const store::StagedStore& staged) {
  return ChosenMode(staged.Find(store::KeyOf(efi::kPk)), staged.Find(store::KeyOf(efi::kModeMark)));
}

Reason StageModeAfterPk(store::StagedStore& staged, SecureBootMode before) {
  if (!HasPlatformKey(staged)) {
    return Choose(staged, SecureBootMode::kSetup);
  }
  const bool was_user = before == SecureBootMode::kSetup || before == SecureBootMode::kUser;
  return Choose(staged, was_user ? SecureBootMode::kUser : SecureBootMode::kDeployed);
}

Reason StageModeWrite(store::StagedStore& staged, const Policy& policy,
                      const SetVariableRequest& request) {
  const SecureBootMode mode = ModeNow(staged);
  const bool is_audit = efi::kAuditMode.Is(base::ToString(request.name), request.vendor);
  // The way out of deployed mode is the platform's own (32.3): a tool of the host's.
  const bool is_left = mode == SecureBootMode::kDeployed && policy.tool && !is_audit;
  const bool is_deletion =
      request.data.empty() || (request.attributes & kModeAttributes.raw()) == 0;
  if ((mode == SecureBootMode::kDeployed && !is_left) || is_deletion) {
    return Reason::kReadOnly;
  }
  if (request.attributes != kModeAttributes.raw() || request.data.size() != 1 ||
      request.data.front() > 1) {
    return Reason::kModeMalformed;
  }
  const bool wanted = request.data.front() == 1;
  if (wanted == (mode == (is_audit ? SecureBootMode::kAudit : SecureBootMode::kDeployed))) {
    return Reason::kUnchanged;
  }
  Reason chosen = Reason::kReadOnly;  // the figure has no such way
  if (is_audit && wanted) {
    staged.Erase(store::KeyOf(efi::kPk));
    chosen = Choose(staged, SecureBootMode::kAudit);
  } else if (is_left) {
    chosen = Choose(staged, SecureBootMode::kUser);
  } else if (!is_audit && mode == SecureBootMode::kUser) {
    chosen = Choose(staged, SecureBootMode::kDeployed);
  }
  if (chosen == Reason::kSuccess) {
    StageModes(staged, policy.secure_boot);
  }
  return chosen;
}

void StageModes(store::StagedStore& staged, std::optional<bool> secure_boot) {
  const bool user = HasPlatformKey(staged);
  const SecureBootMode mode = ModeNow(staged);
  StageByte(staged, efi::kSetupMode, !user);
  StageByte(staged, efi::kAuditMode, mode == SecureBootMode::kAudit);
  StageByte(staged, efi::kDeployedMode, mode == SecureBootMode::kDeployed);
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
  for (const efi::SignatureKind kind : kFirstSupported) {
    writer.WriteBytes(efi::TypeOf(kind).guid.bytes);
  }
  for (std::size_t i = 0; i < efi::kSignatureKinds; ++i) {
    const auto kind = static_cast<efi::SignatureKind>(i);
    if (std::find(kFirstSupported.begin(), kFirstSupported.end(), kind) == kFirstSupported.end()) {
      writer.WriteBytes(efi::TypeOf(kind).guid.bytes);
    }
  }
  StageBuiltIn(staged, efi::kSignatureSupport, kModeAttributes, writer.Take());
}

}  // namespace varstored::engine
