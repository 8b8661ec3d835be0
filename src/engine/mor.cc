#include "mor.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "built_in.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/well_known.h"

namespace varstored::engine {
namespace {

constexpr efi::Attributes kMorAttributes = efi::kAttributes<0x07>;

// Bit 0: clear memory; bit 4: do not clear it on an orderly shutdown.
constexpr std::uint8_t kControlBits = 0x11;

enum LockState : std::uint8_t { kUnlocked = 0, kLockedWithoutKey = 1, kLockedWithKey = 2 };

using Key = std::array<std::uint8_t, 8>;

std::uint8_t StateOf(const store::StagedStore& staged) {
  return SingleByte(staged.Find(store::KeyOf(efi::kMorLock))).value_or(kLockedWithoutKey);
}

void StageLock(store::StagedStore& staged, LockState state, const Key& key) {
  StageBuiltIn(staged, efi::kMorLock, kMorAttributes, {state});
  store::Ancillary ancillary = staged.ancillary();
  ancillary.mor_key = key;
  staged.SetAncillary(ancillary);
  crypto::Cleanse(ancillary.mor_key);
}

void StageControl(store::StagedStore& staged, std::uint8_t value) {
  StageBuiltIn(staged, efi::kMorControl, kMorAttributes, {value});
}

}  // namespace

void StageMorAtBoot(store::StagedStore& staged) {
  StageControl(staged, 0);
  StageLock(staged, kUnlocked, {});
}

void StageMorAtTakeover(store::StagedStore& staged) {
  StageControl(staged, 0);
  StageLock(staged, kLockedWithoutKey, {});
}

void StageMorAtResume(store::StagedStore& staged) {
  const auto control = SingleByte(staged.Find(store::KeyOf(efi::kMorControl)));
  StageControl(staged, control.value_or(0) & kControlBits);

  const std::uint8_t state = StateOf(staged);
  const Key key = staged.ancillary().mor_key;
  if (state == kUnlocked) {
    StageLock(staged, kUnlocked, {});
  } else if (state == kLockedWithKey) {
    StageLock(staged, kLockedWithKey, key);
  } else {
    StageLock(staged, kLockedWithoutKey, {});
  }
}

Reason StageMorControl(store::StagedStore& staged, const SetVariableRequest& request) {
  if (request.attributes != kMorAttributes.raw() || request.data.size() != 1 ||
      (request.data[0] & ~kControlBits) != 0) {
    return Reason::kMorControlMalformed;
  }
  if (StateOf(staged) != kUnlocked) {
    return Reason::kMorLocked;
  }
  StageControl(staged, request.data[0]);
  return Reason::kSuccess;
}

Reason StageMorLock(store::StagedStore& staged, const SetVariableRequest& request) {
  if (request.attributes == 0 || request.data.empty()) {
    return Reason::kMorLockDeletion;
  }
  Key key{};
  if (request.attributes != kMorAttributes.raw() ||
      (request.data.size() != 1 && request.data.size() != key.size())) {
    return Reason::kMorLockMalformed;
  }
  const bool has_key = request.data.size() == key.size();
  switch (StateOf(staged)) {
    case kUnlocked:
      if (has_key) {
        std::copy(request.data.begin(), request.data.end(), key.begin());
        StageLock(staged, kLockedWithKey, key);
        return Reason::kSuccess;
      }
      if (request.data[0] > kLockedWithoutKey) {
        return Reason::kMorLockMalformed;
      }
      StageLock(staged, request.data[0] == 1 ? kLockedWithoutKey : kUnlocked, {});
      return Reason::kSuccess;
    case kLockedWithKey:
      if (!has_key) {
        return Reason::kMorLocked;
      }
      if (crypto::ConstantTimeEqual(request.data, staged.ancillary().mor_key)) {
        StageLock(staged, kUnlocked, {});
        return Reason::kSuccess;
      }
      // One guess only: the lock stays until the next restart.
      StageLock(staged, kLockedWithoutKey, {});
      return Reason::kMorLockWrongKey;
    default:
      return Reason::kMorLocked;
  }
}

}  // namespace varstored::engine
