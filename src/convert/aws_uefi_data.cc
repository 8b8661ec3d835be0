#include "varstored/convert/aws_uefi_data.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "varstored/base/base64.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/time.h"
#include "varstored/efi/variable_name.h"

namespace varstored::convert {
namespace {

constexpr std::string_view kMagic = "AMZNUEFI";
constexpr std::string_view kMagicInBase64 = "QU1aTlVFRk";
constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::uint32_t kVersion = 0;

/// CRC-32C, of Castagnoli's polynomial (RFC 3720, appendix B.4).
std::uint32_t Crc32c(base::ByteSpan bytes) {
  constexpr std::uint32_t kPolynomial = 0x82F63B78;  // bit-reversed
  std::uint32_t crc = ~std::uint32_t{0};
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? kPolynomial : 0U);
    }
  }
  return ~crc;
}

/// zlib takes its input by pointers that are not const, and does not write there.
Bytef* InputOf(base::ByteSpan bytes) {
  return const_cast<Bytef*>(bytes.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

/// Ends the stream with its scope.
class Inflater {
 public:
  explicit Inflater(base::ByteSpan compressed) : is_ready_(inflateInit(&stream_) == Z_OK) {
    stream_.next_in = InputOf(compressed);
    stream_.avail_in = static_cast<uInt>(compressed.size());
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// All of the stream, at most kMaxAwsBytes.
  base::Result<base::Bytes> Take() {
    constexpr std::size_t kStepBytes = std::size_t{64} * 1024;
    base::Bytes out;
    int state = is_ready_ ? Z_OK : Z_MEM_ERROR;
    while (state == Z_OK) {
      const std::size_t done = out.size();
      if (done >= kMaxAwsBytes) {
        return base::Fail("more than " + std::to_string(kMaxAwsBytes) + " bytes are compressed");
      }
      out.resize(done + kStepBytes);
      stream_.next_out = &out[done];
      stream_.avail_out = kStepBytes;
      state = inflate(&stream_, Z_NO_FLUSH);
      if (state == Z_NEED_DICT) {
        const base::ByteSpan dictionary = AwsDictionary();
        state =
            inflateSetDictionary(&stream_, dictionary.data(), static_cast<uInt>(dictionary.size()));
        if (state != Z_OK) {
          return base::Fail("it is compressed with another dictionary than that of version 0");
        }
      }
      out.resize(done + kStepBytes - stream_.avail_out);
    }
    if (state == Z_MEM_ERROR) {
      return base::Fail("no memory");
    }
    if (state != Z_STREAM_END || stream_.avail_in != 0) {
      return base::Fail("its compressed part is broken, or it is not whole");
    }
    return out;
  }

 private:
  z_stream stream_ = {};
  bool is_ready_;
};

base::Result<base::Bytes> Deflate(base::ByteSpan bytes) {
  z_stream stream = {};
  if (deflateInit(&stream, Z_BEST_COMPRESSION) != Z_OK) {
    return base::Fail("no memory");
  }
  const base::ByteSpan dictionary = AwsDictionary();
  bool is_done = deflateSetDictionary(&stream, dictionary.data(),
                                      static_cast<uInt>(dictionary.size())) == Z_OK;
  base::Bytes out(deflateBound(&stream, bytes.size()));
  stream.next_in = InputOf(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  is_done = is_done && deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return is_done ? base::Result<base::Bytes>(std::move(out)) : base::Fail("zlib failed");
}

bool ReadSized(base::Reader& reader, base::ByteSpan& bytes) {
  std::uint64_t size = 0;
  return reader.ReadU64(size) && reader.ReadBytes(size, bytes);
}

void WriteSized(base::Writer& writer, base::ByteSpan bytes) {
  writer.WriteU64(bytes.size());
  writer.WriteBytes(bytes);
}

base::Result<void> AddVariable(base::Reader& reader, ContentBuilder& builder) {
  store::LegacyRecord record;
  base::ByteSpan name;
  base::ByteSpan data;
  if (!ReadSized(reader, name) || !ReadSized(reader, data) ||
      !reader.ReadArray(record.vendor.bytes) || !reader.ReadU32(record.attributes)) {
    return base::Fail("it ends too early");
  }
  if ((record.attributes & efi::kTimeBasedAuthenticatedWriteAccess) != 0) {
    base::ByteSpan digest;
    if (!efi::ReadTime(reader, record.timestamp) || !ReadSized(reader, digest)) {
      return base::Fail("it ends too early");
    }
    if (digest.size() != record.signer.size()) {
      return base::Fail("its digest has " + std::to_string(digest.size()) + " bytes and not 32");
    }
    std::copy(digest.begin(), digest.end(), record.signer.begin());
  }
  const auto utf16 = efi::NameFromUtf8(base::ToString(name));
  if (!utf16) {
    return base::Fail("its name cannot be one");
  }
  record.name = utf16->bytes();
  record.data = base::ToBytes(data);
  builder.Add(std::move(record));
  return {};
}

base::Result<Content> ReadVariables(base::ByteSpan bytes) {
  base::Reader reader(bytes);
  std::uint64_t count = 0;
  if (!reader.ReadU64(count)) {
    return base::Fail("it ends too early");
  }
  if (count > kMaxRecords) {
    return TooManyRecords();
  }
  ContentBuilder builder;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (auto added = AddVariable(reader, builder); !added) {
      return base::Fail("variable " + std::to_string(i) + ": " + added.error().message);
    }
  }
  if (!reader.empty()) {
    return base::Fail("there are " + std::to_string(reader.remaining()) +
                      " bytes behind the last variable");
  }
  return builder.Take();
}

base::Result<Content> ReadBlob(base::ByteSpan blob) {
  base::Reader reader(blob);
  base::ByteSpan magic;
  std::uint32_t crc = 0;
  if (!reader.ReadBytes(kMagic.size(), magic) || base::ToString(magic) != kMagic ||
      !reader.ReadU32(crc)) {
    return base::Fail("it does not begin with AMZNUEFI and a sum");
  }
  const base::ByteSpan summed = blob.subspan(reader.offset());
  if (Crc32c(summed) != crc) {
    return base::Fail("its sum is wrong: it is not whole, or was changed");
  }
  std::uint32_t version = 0;
  if (!reader.ReadU32(version) || version != kVersion) {
    return base::Fail("version " + std::to_string(version) +
                      " is not known; this program reads version 0");
  }
  const auto bytes = Inflater(reader.ReadRest()).Take();
  return bytes ? ReadVariables(*bytes) : bytes.failure();
}

std::string_view WithoutBlanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text;
}

/// The base64 of a text in which JSON may stand around it.
base::Result<std::string> Base64Of(std::string_view text) {
  if (!text.starts_with('{')) {
    return std::string(text);
  }
  // Errors are a value, not an exception; and no depth of the text makes the parser call itself.
  const auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) {
    return base::Fail("it is no JSON, or it ends too early");
  }
  const auto member = json.find("UefiData");
  if (member == json.end() || !member->is_string()) {
    return base::Fail("there is no UefiData in it: the instance has stored none yet");
  }
  return member->get<std::string>();
}

base::Result<Content> Read(std::string_view text) {
  if (text.size() > kMaxAwsBytes) {
    return base::Fail(std::to_string(text.size()) + " bytes, the limit is " +
                      std::to_string(kMaxAwsBytes));
  }
  const auto base64 = Base64Of(WithoutBlanks(text));
  if (!base64) {
    return base64.failure();
  }
  const auto blob = base::DecodeBase64(*base64);
  return blob ? ReadBlob(*blob) : blob.failure();
}

}  // namespace

bool IsAwsUefiData(std::string_view text) {
  text = WithoutBlanks(text);
  if (text.starts_with(kMagicInBase64)) {
    return true;
  }
  if (!text.starts_with('{')) {
    return false;
  }
  // The first member decides: what stands in values can be a guest's.
  text = WithoutBlanks(text.substr(1));
  return text.starts_with("\"InstanceId\"") || text.starts_with("\"UefiData\"");
}

base::Result<Content> ReadAwsUefiData(base::ByteSpan text) {
  auto content = Read(base::ToString(text));
  return content ? std::move(content)
                 : base::Result<Content>(base::Fail("UefiData: " + content.error().message));
}

base::Result<Written> WriteAwsUefiData(const Content& content) {
  Written written;
  base::Writer variables;
  std::uint64_t count = 0;
  for (const store::Entry* entry : KeptEntries(content, written.lost)) {
    const std::string name = efi::NameToUtf8(entry->name());
    if (const auto back = efi::NameFromUtf8(name); !back || back->bytes() != entry->name()) {
      written.lost.push_back(Describe(*entry) + ": its name cannot be written in UTF-8");
      continue;
    }
    WriteSized(variables, base::ToBytes(name));
    WriteSized(variables, entry->data());
    variables.WriteBytes(entry->vendor().bytes);
    variables.WriteU32(entry->raw_attributes());
    if (entry->Has(efi::kTimeBasedAuthenticatedWriteAccess)) {
      efi::WriteTime(variables, entry->timestamp());
      WriteSized(variables, entry->signer());
    } else if (entry->timestamp() != efi::Time{} || entry->signer() != store::SignerDigest{}) {
      written.lost.push_back(Describe(*entry) +
                             ": its time and signer, which AWS keeps of authenticated variables");
    }
    ++count;
  }
  base::Writer whole;
  whole.WriteU64(count);
  whole.WriteBytes(variables.Take());
  const auto compressed = Deflate(whole.Take());
  if (!compressed) {
    return compressed.failure();
  }
  base::Writer summed;
  summed.WriteU32(kVersion);
  summed.WriteBytes(*compressed);
  const base::Bytes rest = summed.Take();
  base::Writer blob;
  blob.WriteBytes(base::ToBytes(kMagic));
  blob.WriteU32(Crc32c(rest));
  blob.WriteBytes(rest);
  written.bytes = base::ToBytes(base::EncodeBase64(blob.Take()) + "\n");
  return written;
}

}  // namespace varstored::convert
