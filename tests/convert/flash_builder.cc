#include "flash_builder.h"

#include <algorithm>
#include <array>

#include "varstored/base/writer.h"

namespace varstored::test {
namespace {

constexpr std::size_t kVolumeHeaderBytes = 72;
constexpr std::size_t kLogBytes = 4096;

void Put(base::Bytes& image, std::size_t offset, base::ByteSpan bytes) {
  std::copy(bytes.begin(), bytes.end(), image.begin() + static_cast<std::ptrdiff_t>(offset));
}

base::Bytes VolumeHeader(std::size_t volume_bytes) {
  base::Writer header;
  header.WriteBytes(base::Bytes(16, 0));
  header.WriteBytes(efi::ParseGuid("fff12b8d-7696-4c8b-a985-2747075b4f50")->bytes);
  header.WriteU64(volume_bytes);
  header.WriteBytes(base::ToBytes("_FVH"));
  header.WriteU32(0x0004FEFF);
  header.WriteU16(kVolumeHeaderBytes);
  header.WriteU16(0);  // checksum
  header.WriteU16(0);
  header.WriteU8(0);
  header.WriteU8(2);
  header.WriteU32(static_cast<std::uint32_t>(volume_bytes / 4096));
  header.WriteU32(4096);
  header.WriteU64(0);
  base::Bytes bytes = header.Take();
  unsigned sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += bytes[i] + 256U * bytes[i + 1];
  }
  const unsigned checksum = (0x10000U - (sum & 0xFFFFU)) & 0xFFFFU;
  bytes[50] = static_cast<std::uint8_t>(checksum);
  bytes[51] = static_cast<std::uint8_t>(checksum >> 8U);
  return bytes;
}

}  // namespace

FlashBuilder::FlashBuilder(bool authenticated, std::size_t store_bytes)
    : authenticated_(authenticated),
      area_bytes_(store_bytes + 2 * kLogBytes),
      next_write_(store_bytes + kLogBytes + 32),
      image_(2 * area_bytes_, 0xFF) {
  Put(image_, 0, VolumeHeader(image_.size()));
  base::Writer store;
  store.WriteBytes(efi::ParseGuid(authenticated ? "aaf32c78-947b-439a-a180-2e144ec37792"
                                                : "ddcf3616-3275-4164-98b6-fe85707ffe7d")
                       ->bytes);
  store.WriteU32(static_cast<std::uint32_t>(store_bytes - kVolumeHeaderBytes));
  store.WriteU8(0x5A);
  store.WriteU8(0xFE);
  store.WriteBytes(base::Bytes(6, 0));
  Put(image_, kVolumeHeaderBytes, store.Take());

  base::Writer log;
  log.WriteBytes(efi::ParseGuid("9e58292b-7c68-497d-a0ce-6500fd9f1b95")->bytes);
  log.WriteU32(0x642CAF2C);
  log.WriteU32(0xFFFFFFFE);
  log.WriteU64(kLogBytes - 32);
  Put(image_, store_bytes + kLogBytes, log.Take());
}

FlashBuilder& FlashBuilder::Add(const FlashRecord& record) {
  base::Writer bytes;
  bytes.WriteU16(0x55AA);
  bytes.WriteU8(record.state);
  bytes.WriteU8(0);
  bytes.WriteU32(record.attributes);
  if (authenticated_) {
    bytes.WriteU64(record.monotonic_count);
    efi::WriteTime(bytes, record.timestamp);
    bytes.WriteU32(record.public_key_index);
  }
  bytes.WriteU32(static_cast<std::uint32_t>(record.name.size() + (record.terminated ? 2 : 0)));
  bytes.WriteU32(static_cast<std::uint32_t>(record.data.size()));
  bytes.WriteBytes(record.vendor.bytes);
  bytes.WriteBytes(base::ToBytes(record.name));
  if (record.terminated) {
    bytes.WriteU16(0);
  }
  bytes.WriteBytes(record.data);
  const std::size_t size = bytes.size();
  Put(image_, next_record_, bytes.Take());
  next_record_ = (next_record_ + size + 3) / 4 * 4;
  return *this;
}

FlashBuilder& FlashBuilder::AddWrite(std::uint8_t header_flags, std::uint8_t record_flags) {
  base::Writer bytes;
  bytes.WriteU8(header_flags);
  bytes.WriteBytes(base::Bytes(23, 0xFF));
  bytes.WriteU64(1);   // writes
  bytes.WriteU64(16);  // private bytes of each
  bytes.WriteU8(record_flags);
  bytes.WriteBytes(base::Bytes(7, 0xFF));
  bytes.WriteBytes(base::Bytes(32, 0));
  bytes.WriteBytes(base::Bytes(16, 0x11));
  const std::size_t size = bytes.size();
  Put(image_, next_write_, bytes.Take());
  next_write_ += size;
  return *this;
}

std::string Utf16(std::string_view ascii) {
  std::string bytes;
  for (const char character : ascii) {
    bytes += {character, '\0'};
  }
  return bytes;
}

}  // namespace varstored::test
