#include "varstored/efi/time.h"

#include <tuple>

namespace varstored::efi {

bool IsLater(const Time& a, const Time& b) {
  const auto key = [](const Time& t) {
    return std::tie(t.year, t.month, t.day, t.hour, t.minute, t.second);
  };
  return key(a) > key(b);
}

bool ReadTime(base::Reader& reader, Time& time) {
  base::ByteSpan bytes;
  if (!reader.ReadBytes(Time::kSizeBytes, bytes)) {
    return false;
  }
  base::Reader fields(bytes);
  return fields.ReadU16(time.year) && fields.ReadU8(time.month) && fields.ReadU8(time.day) &&
         fields.ReadU8(time.hour) && fields.ReadU8(time.minute) && fields.ReadU8(time.second) &&
         fields.ReadU8(time.pad1) && fields.ReadU32(time.nanosecond) &&
         fields.ReadU16(time.time_zone) && fields.ReadU8(time.daylight) && fields.ReadU8(time.pad2);
}

void WriteTime(base::Writer& writer, const Time& time) {
  writer.WriteU16(time.year);
  writer.WriteU8(time.month);
  writer.WriteU8(time.day);
  writer.WriteU8(time.hour);
  writer.WriteU8(time.minute);
  writer.WriteU8(time.second);
  writer.WriteU8(time.pad1);
  writer.WriteU32(time.nanosecond);
  writer.WriteU16(time.time_zone);
  writer.WriteU8(time.daylight);
  writer.WriteU8(time.pad2);
}

}  // namespace varstored::efi
