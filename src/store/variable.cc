#include "varstored/store/variable.h"

#include <utility>

namespace varstored::store {
namespace {

constexpr std::uint32_t kStorableAttributes = efi::kNonVolatile | efi::kBootServiceAccess |
                                              efi::kRuntimeAccess |
                                              efi::kTimeBasedAuthenticatedWriteAccess;

// The attributes that SetVariable lets through (UEFI 2.10, 8.2.2), APPEND_WRITE aside: a variable
// that the boot services do not see cannot be seen at runtime, and one that nobody sees is deleted.
bool AreStorable(std::uint32_t raw) {
  return (raw & ~kStorableAttributes) == 0 && (raw & efi::kBootServiceAccess) != 0;
}

}  // namespace

std::string_view Entry::name() const {
  const Variable* kept = variable();
  return kept != nullptr ? kept->name.bytes() : std::get<LegacyRecord>(held_).name;
}

const efi::Guid& Entry::vendor() const {
  return std::visit([](const auto& kept) -> const efi::Guid& { return kept.vendor; }, held_);
}

std::uint32_t Entry::raw_attributes() const {
  const Variable* kept = variable();
  return kept != nullptr ? kept->attributes.raw() : std::get<LegacyRecord>(held_).attributes;
}

const base::Bytes& Entry::data() const {
  return std::visit([](const auto& kept) -> const base::Bytes& { return kept.data; }, held_);
}

const efi::Time& Entry::timestamp() const {
  return std::visit([](const auto& kept) -> const efi::Time& { return kept.timestamp; }, held_);
}

const SignerDigest& Entry::signer() const {
  return std::visit([](const auto& kept) -> const SignerDigest& { return kept.signer; }, held_);
}

Entry MakeEntry(LegacyRecord record) {
  auto name = efi::VariableName::FromBytes(base::ToBytes(record.name));
  const auto attributes = efi::Attributes::FromRaw(record.attributes);
  if (!name || !attributes || !AreStorable(record.attributes) ||
      record.data.size() > kMaxDataBytes) {
    return {std::move(record)};
  }
  return {Variable{*std::move(name), record.vendor, *attributes, std::move(record.data),
                   record.timestamp, record.signer}};
}

}  // namespace varstored::store
