#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/signing.h"
#include "varstored/base/writer.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"
#include "varstored/health/finding.h"
#include "varstored/health/state.h"
#include "varstored/store/variable.h"

namespace varstored::health {

inline constexpr efi::Guid kMicrosoft = *efi::ParseGuid("77fa9abd-0359-4d32-bd60-28f4e78f784b");
inline constexpr efi::Guid kSomebody = *efi::ParseGuid("9be025e2-415b-435d-ad61-6b3e094fc28d");

/// A variable of ASCII name.
inline store::Entry Make(std::string_view name, base::Bytes data, std::uint32_t attributes = 0x07,
                         const efi::Guid& vendor = efi::kGlobalVariableGuid) {
  return store::MakeEntry({.name = efi::NameFromAscii(name).bytes(),
                           .vendor = vendor,
                           .attributes = attributes,
                           .data = std::move(data)});
}

inline store::Entry Make(const efi::WellKnownVariable& key, base::Bytes data,
                         std::uint32_t attributes = 0x27) {
  return store::MakeEntry({.name = std::string(key.name),
                           .vendor = key.vendor,
                           .attributes = attributes,
                           .data = std::move(data)});
}

inline base::Bytes Lists(efi::SignatureKind kind, const efi::Guid& owner,
                         const std::vector<base::Bytes>& entries) {
  return test::SignatureListOf(efi::TypeOf(kind).guid.bytes, owner.bytes, entries);
}

inline base::Bytes CertificateList(const efi::Guid& owner, const base::Bytes& certificate) {
  return Lists(efi::SignatureKind::kX509, owner, {certificate});
}

/// `count` hashes, all different, and those of another `first` different from them.
inline std::vector<base::Bytes> Hashes(std::uint32_t first, std::uint32_t count) {
  std::vector<base::Bytes> hashes;
  for (std::uint32_t i = first; i < first + count; ++i) {
    base::Writer writer;
    writer.WriteU32(i);
    writer.WriteBytes(base::Bytes(28, 0xAB));
    hashes.push_back(writer.Take());
  }
  return hashes;
}

inline base::Bytes HashList(const efi::Guid& owner, std::uint32_t first, std::uint32_t count) {
  return Lists(efi::SignatureKind::kSha256, owner, Hashes(first, count));
}

inline base::Bytes operator+(base::Bytes front, const base::Bytes& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

/// EFI_LOAD_OPTION that goes to a file.
inline base::Bytes BootOptionData(const std::u16string& description, const std::u16string& file) {
  const auto write_text = [](base::Writer& writer, const std::u16string& text) {
    for (const char16_t c : text) {
      writer.WriteU16(c);
    }
    writer.WriteU16(0);
  };
  base::Writer path;
  path.WriteU8(4);
  path.WriteU8(4);
  path.WriteU16(static_cast<std::uint16_t>(4 + 2 * (file.size() + 1)));
  write_text(path, file);
  path.WriteBytes(base::Bytes{0x7F, 0xFF, 4, 0});
  const base::Bytes path_bytes = path.Take();
  base::Writer option;
  option.WriteU32(1);
  option.WriteU16(static_cast<std::uint16_t>(path_bytes.size()));
  write_text(option, description);
  option.WriteBytes(path_bytes);
  return option.Take();
}

/// What is known of a VM of the toolstack's, at a fixed time.
inline Context VmContext() {
  Context context;
  context.secure_boot = true;
  context.now = 1790000000;
  context.target = "1c9a3a52-6d0a-4b3e-8e3d-0c2f6f7f2b11";
  context.is_vm = true;
  return context;
}

}  // namespace varstored::health
