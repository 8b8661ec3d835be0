#include "set_variable.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "authority.h"
#include "modes.h"
#include "mor.h"
#include "ppi.h"
#include "signature_database.h"
#include "special_variables.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/variable_name.h"

namespace varstored::engine {
namespace {

/// The attributes of PK, KEK, db, dbx, dbt, dbr and the recovery options (UEFI 2.10, 3.3, 32.5).
constexpr efi::Attributes kSecureBootAttributes = efi::kAttributes<0x27>;

/// One call on its way through the rules. Each step returns a reason to end the call with, or
/// nothing to go on.
class SetVariableCall {
 public:
  SetVariableCall(store::StagedStore& staged, const Policy& policy, bool at_runtime,
                  const SetVariableRequest& request, std::optional<UntrustedSigner>* untrusted)
      : staged_(staged),
        policy_(policy),
        at_runtime_(at_runtime),
        request_(request),
        name_(base::ToString(request.name)),
        key_{name_, request.vendor},
        special_(SpecialOf(key_)),
        current_(staged.Find(key_)),
        untrusted_(untrusted) {}

  Reason Run() {
    if (const auto end = CheckForm()) {
      return *end;
    }
    if (const auto end = CheckAttributes()) {
      return *end;
    }
    if (special_ == Special::kMorControl) {
      return StageMorControl(staged_, request_);
    }
    if (special_ == Special::kMorLock) {
      return StageMorLock(staged_, request_);
    }
    if (const auto end = current_ != nullptr ? CheckExisting() : CheckAbsent()) {
      return *end;
    }
    return attributes_.Has(efi::kTimeBasedAuthenticatedWriteAccess) ? WriteAuthenticated()
                                                                    : WritePlain();
  }

 private:
  using End = std::optional<Reason>;

  [[nodiscard]] bool append() const { return attributes_.Has(efi::kAppendWrite); }

  /// Lengths and name.
  End CheckForm() const {
    if (const auto refused = CheckSetLengths(request_.name.size(), request_.data.size())) {
      return refused;
    }
    const bool is_legacy = current_ != nullptr && current_->is_legacy();
    return is_legacy || efi::VariableName::FromBytes(request_.name) ? std::nullopt
                                                                    : End(Reason::kNameMalformed);
  }

  /// UEFI 2.10, 8.2.2, on Attributes alone. The deprecated bit wins over everything behind it.
  End CheckAttributes() {
    const std::uint32_t raw = request_.attributes;
    const auto has = [raw](std::uint32_t bits) { return (raw & bits) == bits; };
    if (has(efi::kHardwareErrorRecord)) {
      return Reason::kHardwareErrorRecord;
    }
    if (has(efi::kAuthenticatedWriteAccess)) {
      return Reason::kAuthenticatedWriteDeprecated;
    }
    if (has(efi::kTimeBasedAuthenticatedWriteAccess | efi::kEnhancedAuthenticatedAccess)) {
      return Reason::kTimeBasedWithEnhanced;
    }
    if (has(efi::kEnhancedAuthenticatedAccess)) {
      return Reason::kEnhancedAuthenticated;
    }
    const auto known = efi::Attributes::FromRaw(raw);
    if (!known) {
      return Reason::kUnknownAttributes;
    }
    if (has(efi::kRuntimeAccess) && !has(efi::kBootServiceAccess)) {
      return Reason::kRuntimeWithoutBootService;
    }
    attributes_ = *known;
    return std::nullopt;
  }

  /// The rules on a variable that is there.
  End CheckExisting() {
    // UEFI 2.10, 8.2.2: once ExitBootServices() is performed, only variables that have runtime
    // access and are non-volatile can be set.
    if (at_runtime_ && !current_->Has(efi::kRuntimeAccess)) {
      return Reason::kBootServiceVariableAtRuntime;
    }
    if (at_runtime_ && !current_->Has(efi::kNonVolatile)) {
      return Reason::kVolatileVariableAtRuntime;
    }
    if (const auto end = CheckSpecial()) {
      return end;
    }
    const bool authenticated = current_->Has(efi::kTimeBasedAuthenticatedWriteAccess);
    if (!authenticated && !IsGuardedByKeys(special_) && !attributes_.HasAccess()) {
      return Delete();
    }
    if (attributes_.WithoutAppend().raw() != AttributesOfCurrent()) {
      return Reason::kAttributesDiffer;
    }
    // An imported store may hold a key under attributes that no call would give it. No guest writes
    // that one, in no mode; an administrator's tool removes it.
    if (IsGuardedByKeys(special_) && AttributesOfCurrent() != kSecureBootAttributes.raw() &&
        !policy_.tool) {
      return Reason::kSecureBootAttributes;
    }
    if (request_.data.empty() && append()) {
      return Reason::kUnchanged;
    }
    if (request_.data.empty() && !authenticated) {
      return Delete();
    }
    return std::nullopt;
  }

  /// The rules on a variable that is not there yet.
  End CheckAbsent() const {
    if (const auto end = CheckSpecial()) {
      return end;
    }
    if (request_.data.empty() || !attributes_.HasAccess()) {
      return Reason::kNothingToDelete;
    }
    if (at_runtime_ &&
        !(attributes_.Has(efi::kRuntimeAccess) && attributes_.Has(efi::kNonVolatile))) {
      return Reason::kNewVariableAtRuntime;
    }
    if (IsGuardedByKeys(special_) && attributes_.WithoutAppend() != kSecureBootAttributes) {
      return Reason::kSecureBootAttributes;
    }
    return std::nullopt;
  }

  /// Variables that are built in, or are guarded by one that is.
  End CheckSpecial() const {
    switch (special_) {
      case Special::kComputed:
        return Reason::kReadOnly;
      case Special::kMode:
        return StageModeWrite(staged_, policy_, request_);
      case Special::kReserved:
        return policy_.tool ? std::nullopt : End(Reason::kReadOnly);
      case Special::kPpiBuffer:
        return Reason::kPpiBufferReadOnly;
      case Special::kPpiFlagsLock:
        return StagePpiFlagsLock(staged_, request_);
      case Special::kPpiFlags:
        return ArePpiFlagsLocked(staged_) ? End(Reason::kPpiFlagsLocked) : std::nullopt;
      default:
        return std::nullopt;
    }
  }

  /// The attributes to compare a request with. A record of an older daemon may hold bits that no
  /// request can have; they are kept, and left out of the comparison.
  [[nodiscard]] std::uint32_t AttributesOfCurrent() const {
    constexpr std::uint32_t kRequestable = efi::kNonVolatile | efi::kBootServiceAccess |
                                           efi::kRuntimeAccess |
                                           efi::kTimeBasedAuthenticatedWriteAccess;
    const std::uint32_t raw = current_->raw_attributes() & kRequestable;
    return (raw & efi::kRuntimeAccess) != 0 ? raw | efi::kBootServiceAccess : raw;
  }

  Reason WritePlain() {
    // Without a descriptor, nothing would look at the lists, or ask for a signature.
    if (IsGuardedByKeys(special_)) {
      return Reason::kSecureBootAttributes;
    }
    base::Bytes data;
    if (append() && current_ != nullptr) {
      data = current_->data();
    }
    data.insert(data.end(), request_.data.begin(), request_.data.end());
    return Write(std::move(data), {}, {});
  }

  /// UEFI 2.10, 8.2.2, "Using the EFI_VARIABLE_AUTHENTICATION_2 descriptor".
  Reason WriteAuthenticated() {
    const auto descriptor = efi::ParseAuthenticationDescriptor(request_.data);
    if (!descriptor) {
      return Reason::kDescriptorMalformed;
    }
    const bool exists = current_ != nullptr;
    const Operation operation = OperationOf(attributes_, descriptor->payload.empty(), exists);
    const Authority authority =
        AuthorityFor(special_, ModeOf(policy_, staged_), operation, policy_);

    if (ChecksTime(authority) && exists && !append() &&
        !efi::IsLater(descriptor->timestamp, current_->timestamp())) {
      return Reason::kTimestampNotLater;
    }
    const auto signer =
        VerifyAuthority(authority, staged_, current_, request_, *descriptor, untrusted_);
    if (!signer) {
      return signer.error();
    }
    if (IsSecureBootVariable(special_) && !descriptor->payload.empty()) {
      if (const auto refused = CheckSignatureDatabase(special_, descriptor->payload)) {
        return *refused;
      }
    }
    if (special_ == Special::kPk && exists && append()) {
      return Reason::kPkAppend;
    }
    switch (operation) {
      case Operation::kDelete:
        return exists ? Delete() : Reason::kNothingToDelete;
      case Operation::kTouch:
        return exists ? Write(current_->data(), LaterTime(*descriptor), current_->signer())
                      : Reason::kNothingToDelete;
      case Operation::kAppend:
        return AppendAuthenticated(*descriptor);
      case Operation::kSet:
        break;
    }
    return Write(base::ToBytes(descriptor->payload), descriptor->timestamp, *signer);
  }

  Reason AppendAuthenticated(const efi::AuthenticationDescriptor& descriptor) {
    const efi::Time time = LaterTime(descriptor);
    if (!IsSecureBootVariable(special_)) {
      base::Bytes data = current_->data();
      data.insert(data.end(), descriptor.payload.begin(), descriptor.payload.end());
      return Write(std::move(data), time, current_->signer());
    }
    auto merged = AppendNewEntries(current_->data(), descriptor.payload, SameEntry::kOwnerAndData);
    if (!merged) {
      return Reason::kStoredListMalformed;
    }
    if (CheckLimits(merged->size())) {
      merged = AppendNewEntries(current_->data(), descriptor.payload, SameEntry::kHashDataAlone);
    }
    return merged ? Write(*std::move(merged), time, current_->signer())
                  : Reason::kStoredListMalformed;
  }

  [[nodiscard]] efi::Time LaterTime(const efi::AuthenticationDescriptor& descriptor) const {
    return efi::IsLater(current_->timestamp(), descriptor.timestamp) ? current_->timestamp()
                                                                     : descriptor.timestamp;
  }

  /// docs/engine.md, "Limits": only growth is refused.
  [[nodiscard]] End CheckLimits(std::size_t data_bytes) const {
    const std::size_t before = current_ != nullptr ? current_->used_bytes() : 0;
    const std::size_t after = name_.size() + data_bytes + store::kOverheadBytes;
    if (after <= before) {
      return std::nullopt;
    }
    if (data_bytes > store::kMaxDataBytes) {
      return Reason::kVariableFull;
    }
    if (current_ == nullptr && staged_.size() >= store::kMaxVariables) {
      return Reason::kTooManyVariables;
    }
    const std::size_t limit = !at_runtime_                     ? kStoreBytes
                              : IsSecureBootVariable(special_) ? kRuntimeSecureBootBytes
                                                               : kRuntimeBytes;
    return staged_.used_bytes() - before + after > limit ? End(Reason::kStoreFull) : std::nullopt;
  }

  Reason Write(base::Bytes data, const efi::Time& timestamp, const store::SignerDigest& signer) {
    if (const auto refused = CheckLimits(data.size())) {
      return *refused;
    }
    store::Entry entry = store::MakeEntry({
        .name = name_,
        .vendor = request_.vendor,
        .attributes =
            current_ != nullptr ? current_->raw_attributes() : attributes_.WithoutAppend().raw(),
        .data = std::move(data),
        .timestamp = timestamp,
        .signer = signer,
    });
    if (entry.is_legacy() && (current_ == nullptr || !current_->is_legacy() ||
                              entry.data().size() > current_->data().size())) {
      return Reason::kLegacyRecordWouldGrow;
    }
    if (current_ != nullptr && *current_ == entry) {
      return Reason::kUnchanged;
    }
    return Stage([&] { staged_.Put(std::move(entry)); });
  }

  Reason Delete() {
    return Stage([&] { staged_.Erase(key_); });
  }

  /// UEFI 2.10, 32.3: the mode follows PK at once. SecureBoot says what this boot does (3.3), which
  /// is over once the operating system runs.
  template <class Change>
  Reason Stage(const Change& change) {
    const auto chosen = special_ == Special::kPk ? ChosenMode(staged_) : std::nullopt;
    change();
    if (special_ != Special::kPk) {
      return Reason::kSuccess;
    }
    if (chosen) {
      if (const Reason kept = StageModeAfterPk(staged_, *chosen); kept != Reason::kSuccess) {
        return kept;
      }
    }
    StageModes(staged_, at_runtime_ ? std::nullopt : std::optional(policy_.secure_boot));
    return Reason::kSuccess;
  }

  store::StagedStore& staged_;
  const Policy& policy_;
  const bool at_runtime_;
  const SetVariableRequest& request_;
  const std::string name_;
  const store::Key key_;
  const Special special_;
  const store::Entry* const current_;
  std::optional<UntrustedSigner>* const untrusted_;
  efi::Attributes attributes_;
};

}  // namespace

Reason StageSetVariable(store::StagedStore& staged, const Policy& policy, bool at_runtime,
                        const SetVariableRequest& request,
                        std::optional<UntrustedSigner>* untrusted) {
  return SetVariableCall(staged, policy, at_runtime, request, untrusted).Run();
}

}  // namespace varstored::engine
