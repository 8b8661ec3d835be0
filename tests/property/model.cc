#include "property/model.h"

#include <algorithm>

namespace varstored::test {
namespace {

using efi::Status;

constexpr std::uint32_t kNv = 1;
constexpr std::uint32_t kBs = 2;
constexpr std::uint32_t kRt = 4;
constexpr std::uint32_t kAppend = 0x40;

bool IsName(const std::string& bytes) {
  bool even = bytes.size() % 2 == 0;
  for (std::size_t i = 0; even && i < bytes.size(); i += 2) {
    even = bytes[i] != 0 || bytes[i + 1] != 0;
  }
  return even;
}

/// What is wrong with a call, whatever is stored.
Status CheckForm(const Write& write) {
  const std::uint32_t attributes = write.attributes;
  if (write.name.empty()) {
    return Status::kInvalidParameter;
  }
  if (write.name.size() > 4096) {
    return Status::kDeviceError;
  }
  if (write.data.size() > 57344) {
    return Status::kOutOfResources;
  }
  if (!IsName(write.name) || (attributes & 0x08) != 0) {
    return Status::kInvalidParameter;
  }
  if ((attributes & 0x10) != 0) {
    return Status::kUnsupported;
  }
  if ((attributes & 0xA0) == 0xA0) {
    return Status::kInvalidParameter;
  }
  if ((attributes & 0x80) != 0) {
    return Status::kUnsupported;
  }
  const bool rt_without_bs = (attributes & (kBs | kRt)) == kRt;
  return attributes > 0xFF || rt_without_bs ? Status::kInvalidParameter : Status::kSuccess;
}

}  // namespace

const Model::Variable* Model::Find(const std::string& name) const {
  const auto found = std::find_if(variables_.begin(), variables_.end(),
                                  [&name](const auto& variable) { return variable.name == name; });
  return found == variables_.end() ? nullptr : &*found;
}

std::size_t Model::used_bytes() const {
  std::size_t used = built_in_bytes_;
  for (const Variable& variable : variables_) {
    used += variable.used_bytes();
  }
  return used;
}

bool Model::IsFull(std::size_t before_bytes, std::size_t after_bytes) const {
  return after_bytes > before_bytes &&
         used_bytes() - before_bytes + after_bytes > (at_runtime_ ? 98304U : 131072U);
}

Status Model::Set(const Write& write, bool backend_works) {
  at_runtime_ = at_runtime_ || write.at_runtime;
  if (const Status form = CheckForm(write); form != Status::kSuccess) {
    return form;
  }
  const std::uint32_t attributes = write.attributes & ~kAppend;
  const bool append = (write.attributes & kAppend) != 0;
  const bool has_access = (attributes & (kBs | kRt)) != 0;
  const Variable* old = Find(write.name);

  if (old == nullptr) {
    if (write.data.empty() || !has_access) {
      return Status::kNotFound;
    }
    if (at_runtime_ && (attributes & (kNv | kRt)) != (kNv | kRt)) {
      return Status::kInvalidParameter;
    }
    if ((attributes & 0x20) != 0) {
      return Status::kSecurityViolation;  // no call here has a signature
    }
    const Variable fresh{write.name, attributes, write.data};
    if (IsFull(0, fresh.used_bytes())) {
      return Status::kOutOfResources;
    }
    if (!backend_works && (attributes & kNv) != 0) {
      return Status::kDeviceError;
    }
    variables_.push_front(fresh);
    return Status::kSuccess;
  }

  if (at_runtime_ && (old->attributes & kRt) == 0) {
    return Status::kInvalidParameter;
  }
  if (at_runtime_ && (old->attributes & kNv) == 0) {
    return Status::kWriteProtected;
  }
  const bool backend_fails = !backend_works && (old->attributes & kNv) != 0;
  if (!has_access || (attributes == old->attributes && write.data.empty() && !append)) {
    if (backend_fails) {
      return Status::kDeviceError;
    }
    variables_.remove_if([&](const auto& variable) { return variable.name == write.name; });
    return Status::kSuccess;
  }
  if (attributes != old->attributes) {
    return Status::kInvalidParameter;
  }
  Variable changed = *old;
  if (!append) {
    changed.data.clear();
  }
  changed.data.insert(changed.data.end(), write.data.begin(), write.data.end());
  if (changed == *old) {
    return Status::kSuccess;
  }
  if (changed.data.size() > 57344 || IsFull(old->used_bytes(), changed.used_bytes())) {
    return Status::kOutOfResources;
  }
  if (backend_fails) {
    return Status::kDeviceError;
  }
  std::replace(variables_.begin(), variables_.end(), Variable(*old), changed);
  return Status::kSuccess;
}

Status Model::Get(const std::string& name, std::size_t room, bool at_runtime) {
  at_runtime_ = at_runtime_ || at_runtime;
  if (name.size() > 4096) {
    return Status::kDeviceError;
  }
  const Variable* found = Find(name);
  if (found == nullptr || (at_runtime_ && (found->attributes & kRt) == 0)) {
    return Status::kNotFound;
  }
  return room < found->data.size() ? Status::kBufferTooSmall : Status::kSuccess;
}

void Model::WritePpi(std::uint32_t index, std::uint32_t offset, std::uint32_t size,
                     std::uint32_t value, bool backend_works) {
  const std::uint64_t begin = std::uint64_t{index} + offset;
  if (offset + size > 4 || begin + size > ppi_.size()) {
    return;
  }
  auto changed = ppi_;
  bool kept_part_changes = false;
  for (std::uint32_t i = 0; i < size; ++i) {
    auto& byte = changed.at(begin + i);
    const auto now = static_cast<std::uint8_t>(value >> (8 * i));
    kept_part_changes = kept_part_changes || (begin + i >= 0x100 && byte != now);
    byte = now;
  }
  if (backend_works || !kept_part_changes) {
    ppi_ = changed;
  }
}

void Model::Reboot() {
  variables_.remove_if([](const auto& variable) { return (variable.attributes & kNv) == 0; });
  std::fill_n(ppi_.begin(), 0x100, std::uint8_t{0});
  at_runtime_ = false;
}

}  // namespace varstored::test
