#include "varstored/pool/texts.h"

#include <cstdint>

#include "varstored/tool/place.h"

namespace varstored::pool {

void WriteFlag(base::Writer& writer, bool flag) { writer.WriteU8(flag ? 1 : 0); }

bool ReadFlag(base::Reader& reader, bool& flag) {
  std::uint8_t value = 0;
  const bool is_there = reader.ReadU8(value);
  flag = value != 0;
  return is_there;
}

void WriteTexts(base::Writer& writer, const std::vector<std::string>& texts) {
  writer.WriteU32(static_cast<std::uint32_t>(texts.size()));
  for (const std::string& text : texts) {
    tool::WriteText(writer, text);
  }
}

bool ReadTexts(base::Reader& reader, std::vector<std::string>& texts) {
  std::uint32_t count = 0;
  if (!reader.ReadU32(count)) {
    return false;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!tool::ReadText(reader, texts.emplace_back())) {
      return false;
    }
  }
  return true;
}

}  // namespace varstored::pool
