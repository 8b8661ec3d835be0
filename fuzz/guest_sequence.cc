#include "guest_sequence.h"

#include <algorithm>

#include "support.h"
#include "varstored/base/writer.h"

namespace varstored::fuzz {

Sequence ReadSequence(base::ByteSpan input) {
  Input bytes(input);
  Sequence sequence;
  sequence.platform = bytes.U8();
  while (!bytes.empty()) {
    Step step;
    step.kind = static_cast<Step::Kind>(bytes.U8() % Step::kKinds);
    if (step.kind == Step::Kind::kCommand) {
      step.request = base::ToBytes(bytes.Counted());
    } else if (step.kind != Step::Kind::kUnmapped && step.kind != Step::Kind::kResume) {
      step.port = bytes.U8();
      step.size = bytes.U8();
      step.value = bytes.U32();
    }
    sequence.steps.push_back(std::move(step));
  }
  return sequence;
}

base::Bytes WriteSequence(const Sequence& sequence) {
  base::Writer writer;
  writer.WriteU8(sequence.platform);
  for (const Step& step : sequence.steps) {
    writer.WriteU8(static_cast<std::uint8_t>(step.kind));
    if (step.kind == Step::Kind::kCommand) {
      const auto size = std::min<std::size_t>(step.request.size(), 65535);
      writer.WriteU16(static_cast<std::uint16_t>(size));
      writer.WriteBytes(base::ByteSpan(step.request).first(size));
    } else if (step.kind != Step::Kind::kUnmapped && step.kind != Step::Kind::kResume) {
      writer.WriteU8(step.port);
      writer.WriteU8(step.size);
      writer.WriteU32(step.value);
    }
  }
  return writer.Take();
}

}  // namespace varstored::fuzz
