#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/crypto/digest.h"

namespace varstored::boot {

/// The largest boot loader that is looked at. A unified kernel image has some 100 MB.
inline constexpr std::size_t kMaxImageBytes = std::size_t{160} << 20U;

/// Machine of the COFF header (PE/COFF, "Machine Types").
inline constexpr std::uint16_t kMachineX64 = 0x8664;
inline constexpr std::uint16_t kMachineAarch64 = 0xAA64;
/// That of this host, and so of the VMs that run on it.
#ifdef __aarch64__
inline constexpr std::uint16_t kMachineOfHost = kMachineAarch64;
#else
inline constexpr std::uint16_t kMachineOfHost = kMachineX64;
#endif

/// A section of an image. Both are views of the file.
struct Section {
  /// Without the NULs behind it. One of more than eight characters is in the string table, where
  /// GNU's linker puts it.
  std::string_view name;
  base::ByteSpan data;  // as it is in the file, SizeOfRawData bytes
};

/// A program of EFI: PE32 or PE32+ (Microsoft's "PE Format"). All views are of the file that was
/// parsed.
struct Image {
  std::uint16_t machine = 0;
  std::vector<Section> sections;
  /// What the entries of the certificate table hold that a firmware knows: each is a PKCS#7
  /// SignedData, with what fills its place up (WIN_CERTIFICATE, UEFI 2.10, 32.2.4).
  std::vector<base::ByteSpan> signatures;
  /// There is a certificate table.
  bool is_signed = false;
  /// Its entries fill it exactly. A firmware starts no image of which this is false.
  bool is_table_whole = true;
  /// From the root of the tree of resources (PE Format, "The .rsrc Section") to the end of the
  /// section that it is in, and its address when the image is loaded. Empty: there is none.
  base::ByteSpan resources;
  std::uint32_t resources_address = 0;
  /// What Authenticode's digest is of, one behind the other.
  std::vector<base::ByteSpan> hashed;
};

/// Reads the headers and the tables. Nothing outside of `file` is read, and its work is bounded by
/// the number of sections (at most 65535) and of signatures. An error is what a firmware does not
/// load at all: no PE/COFF image, a section or a table outside of the file.
[[nodiscard]] base::Result<Image> ParseImage(base::ByteSpan file);

/// Authenticode's digest of the image, as edk2's DxeImageVerificationLib computes it: the headers
/// without the checksum and the entry of the certificate table, the sections in the order of their
/// place in the file, and what is behind them in front of the certificates.
[[nodiscard]] base::Result<base::Bytes> DigestOf(const Image& image, crypto::DigestKind kind);

/// The resource of raw data (RT_RCDATA) of this name, in ASCII and capital letters: that of its
/// first language. Nothing when there is none, or the tree of resources breaks its form. At most
/// 131,070 entries of each of three folders are looked at.
[[nodiscard]] std::optional<base::ByteSpan> FindResource(const Image& image, std::string_view name);

/// The section of this name; nothing when there is none.
[[nodiscard]] std::optional<base::ByteSpan> FindSection(const Image& image, std::string_view name);

}  // namespace varstored::boot
