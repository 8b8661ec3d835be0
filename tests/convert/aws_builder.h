#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>

#include "varstored/base/base64.h"
#include "varstored/base/bytes.h"
#include "varstored/base/writer.h"
#include "varstored/convert/aws_uefi_data.h"

namespace varstored::test {

/// CRC-32C a bit at a time, the highest first, and turned around at the end: not as the reader has
/// it.
inline std::uint32_t Crc32c(base::ByteSpan bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const std::uint8_t byte : bytes) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      const bool is_set = ((crc >> 31U) ^ ((std::uint32_t{byte} >> bit) & 1U)) != 0;
      crc = (crc << 1U) ^ (is_set ? 0x1EDC6F41U : 0U);
    }
  }
  std::uint32_t turned = 0;
  for (unsigned bit = 0; bit < 32; ++bit) {
    turned |= ((crc >> bit) & 1U) << (31 - bit);
  }
  return ~turned;
}

/// The zlib stream of `bytes` against a dictionary.
inline base::Bytes Compressed(base::ByteSpan bytes, base::ByteSpan dictionary) {
  z_stream stream = {};
  deflateInit(&stream, 1);
  if (!dictionary.empty()) {
    deflateSetDictionary(&stream, dictionary.data(), static_cast<uInt>(dictionary.size()));
  }
  base::Bytes in = base::ToBytes(bytes);
  base::Bytes out(deflateBound(&stream, in.size()) + 16);
  stream.next_in = in.data();
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

/// UefiData with the right sum, whatever is in it.
inline std::string UefiData(base::ByteSpan compressed, std::uint32_t version = 0) {
  base::Writer summed;
  summed.WriteU32(version);
  summed.WriteBytes(compressed);
  const base::Bytes rest = summed.Take();
  base::Writer blob;
  blob.WriteBytes(base::ToBytes("AMZNUEFI"));
  blob.WriteU32(Crc32c(rest));
  blob.WriteBytes(rest);
  return base::EncodeBase64(blob.Take());
}

/// UefiData of serialised variables, whole or not.
inline std::string UefiDataOf(base::ByteSpan variables) {
  return UefiData(Compressed(variables, convert::AwsDictionary()));
}

}  // namespace varstored::test
