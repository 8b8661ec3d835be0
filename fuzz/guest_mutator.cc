// How libFuzzer changes the life of a VM. Bytes that are changed anywhere would nearly always break
// a length, and a request with a wrong length ends early: so what is changed here is a field, and
// the lengths are written anew - but for one time in sixteen.

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "guest_sequence.h"
#include "support.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/well_known.h"

extern "C" {
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned int seed);
std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data1, std::size_t size1,
                                      const std::uint8_t* data2, std::size_t size2,
                                      std::uint8_t* out, std::size_t max_out_size,
                                      unsigned int seed);
}

namespace varstored::fuzz {
namespace {

using base::Bytes;
using base::ByteSpan;
using Random = std::minstd_rand;

constexpr std::array kNames = {efi::kPk,       efi::kKek,         efi::kDb,
                               efi::kDbx,      efi::kDbt,         efi::kMorControl,
                               efi::kMorLock,  efi::kSetupMode,   efi::kPpiBuffer,
                               efi::kPpiFlags, efi::kPpiFlagsLock};
constexpr std::array<std::uint32_t, 10> kAttributes = {7, 7, 6, 3, 0x27, 0x67, 0x47, 0x27, 0x25, 0};
constexpr std::array<std::uint64_t, 10> kLengths = {
    0, 1, 2, 4096, 4097, 57344, 57345, 65535, 0x100000000, 0xFFFFFFFFFFFFFFFF};

std::uint32_t Below(Random& random, std::size_t end) {
  return static_cast<std::uint32_t>(random() % end);
}

template <class Range>
auto& OneOf(Random& random, Range& range) {
  return range[Below(random, range.size())];
}

/// The fields of a request, whatever its lengths say.
struct Fields {
  std::uint32_t version = 1;
  std::uint32_t command = 0;
  std::uint64_t room = 100;  // GetVariable, GetNextVariableName
  Bytes name;
  std::array<std::uint8_t, 16> vendor{};
  Bytes data;  // SetVariable
  std::uint32_t attributes = 7;
  std::uint8_t at_runtime = 0;
};

constexpr std::uint32_t kGet = 0;
constexpr std::uint32_t kSet = 1;
constexpr std::uint32_t kNext = 2;

/// What cannot be read stays as it is above.
Fields ReadFields(ByteSpan request) {
  Fields fields;
  base::Reader reader(request);
  const auto read_counted = [&reader](Bytes& bytes) {
    std::uint64_t size = 0;
    ByteSpan found;
    if (!reader.ReadU64(size)) {
      return false;
    }
    if (!reader.ReadBytes(size, found)) {
      found = reader.ReadRest();
    }
    bytes = base::ToBytes(found);
    return true;
  };
  bool more = reader.ReadU32(fields.version) && reader.ReadU32(fields.command);
  if (fields.command > kNext) {
    more = more && reader.ReadU32(fields.attributes);
    return fields;
  }
  if (fields.command == kNext) {
    more = more && reader.ReadU64(fields.room);
  }
  more = more && read_counted(fields.name) && reader.ReadArray(fields.vendor);
  if (fields.command == kGet) {
    more = more && reader.ReadU64(fields.room);
  }
  if (fields.command == kSet) {
    more = more && read_counted(fields.data) && reader.ReadU32(fields.attributes);
  }
  static_cast<void>(more && reader.ReadU8(fields.at_runtime));
  return fields;
}

/// `lie` takes the place of one of the lengths.
Bytes WriteFields(const Fields& fields, Random& random) {
  const bool lies = Below(random, 16) == 0;
  const auto length = [&](std::size_t size) {
    return lies && Below(random, 2) == 0 ? OneOf(random, kLengths) : size;
  };
  base::Writer writer;
  writer.WriteU32(fields.version);
  writer.WriteU32(fields.command);
  if (fields.command > kNext) {
    writer.WriteU32(fields.attributes);
    return writer.Take();
  }
  if (fields.command == kNext) {
    writer.WriteU64(fields.room);
  }
  writer.WriteU64(length(fields.name.size()));
  writer.WriteBytes(fields.name);
  writer.WriteBytes(fields.vendor);
  if (fields.command == kGet) {
    writer.WriteU64(fields.room);
  }
  if (fields.command == kSet) {
    writer.WriteU64(length(fields.data.size()));
    writer.WriteBytes(fields.data);
    writer.WriteU32(fields.attributes);
  }
  writer.WriteU8(fields.at_runtime);
  return writer.Take();
}

void ChangeBytes(Bytes& bytes, std::size_t max_bytes) {
  const std::size_t size = bytes.size();
  bytes.resize(std::max(size + 1, std::min(max_bytes, size + 64)));
  bytes.resize(LLVMFuzzerMutate(bytes.data(), size, bytes.size()));
}

void ChangeName(Fields& fields, Random& random) {
  if (Below(random, 2) == 0) {
    const auto& known = OneOf(random, kNames);
    fields.name = base::ToBytes(known.name);
    fields.vendor = known.vendor.bytes;
  } else {
    ChangeBytes(fields.name, 4100);
  }
}

void ChangeField(Step& step, const Sequence& sequence, Random& random) {
  Fields fields = ReadFields(step.request);
  switch (Below(random, 12)) {
    case 0:
      fields.command = Below(random, 6);
      break;
    case 1:
      fields.version = Below(random, 3);
      break;
    case 2:
      fields.at_runtime ^= 1U;
      break;
    case 3:
      fields.room = OneOf(random, kLengths) + Below(random, 3);
      break;
    case 4:
    case 5:
      fields.attributes = OneOf(random, kAttributes);
      break;
    case 6:
      fields.attributes ^= 1U << Below(random, 9);
      break;
    case 7:
    case 8:
      ChangeName(fields, random);
      break;
    case 9: {
      // The data of another request: signatures that are good elsewhere.
      const Fields other = ReadFields(OneOf(random, sequence.steps).request);
      fields.data = other.data;
      break;
    }
    default:
      ChangeBytes(fields.data, 57346);
  }
  step.request = WriteFields(fields, random);
}

Step NewStep(Random& random) {
  Step step;
  step.kind = static_cast<Step::Kind>(Below(random, Step::kKinds));
  step.port = static_cast<std::uint8_t>(Below(random, 16));
  step.size = static_cast<std::uint8_t>(Below(random, 6));
  step.value = Below(random, 2) == 0 ? Below(random, 0x140)
                                     : static_cast<std::uint32_t>(OneOf(random, kLengths));
  if (step.kind == Step::Kind::kFill) {
    step.size = static_cast<std::uint8_t>(OneOf(random, kAttributes));
    step.value = Below(random, 57346);
  }
  if (step.kind == Step::Kind::kCommand) {
    Fields fields;
    fields.command = Below(random, 5);
    fields.room = OneOf(random, kLengths);
    fields.attributes = OneOf(random, kAttributes);
    ChangeName(fields, random);
    fields.data.assign(Below(random, 40), 1);
    step.request = WriteFields(fields, random);
  }
  return step;
}

void Change(Sequence& sequence, Random& random) {
  auto& steps = sequence.steps;
  const std::uint32_t choice = Below(random, 16);
  if (steps.empty() || choice < 2) {
    steps.insert(steps.begin() + Below(random, steps.size() + 1), NewStep(random));
  } else if (choice == 2) {
    steps.erase(steps.begin() + Below(random, steps.size()));
  } else if (choice == 3) {
    const Step copy = OneOf(random, steps);
    steps.insert(steps.begin() + Below(random, steps.size() + 1), copy);
  } else if (choice == 4) {
    std::swap(OneOf(random, steps), OneOf(random, steps));
  } else if (choice == 5) {
    sequence.platform = static_cast<std::uint8_t>(Below(random, 8));
  } else {
    Step& step = OneOf(random, steps);
    if (step.kind == Step::Kind::kCommand) {
      ChangeField(step, sequence, random);
    } else {
      step = NewStep(random);
    }
  }
}

/// As many of the steps as there is room for.
std::size_t Put(Sequence& sequence, std::uint8_t* out, std::size_t max_size) {
  Bytes bytes = WriteSequence(sequence);
  while (bytes.size() > max_size && !sequence.steps.empty()) {
    sequence.steps.pop_back();
    bytes = WriteSequence(sequence);
  }
  const std::size_t size = std::min(bytes.size(), max_size);
  std::copy_n(bytes.begin(), size, out);
  return size;
}

}  // namespace
}  // namespace varstored::fuzz

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned int seed) {
  using namespace varstored::fuzz;
  Random random(seed);
  if (Below(random, 20) == 0) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  Sequence sequence = ReadSequence({data, size});
  for (std::uint32_t changes = 1 + Below(random, 3); changes != 0; --changes) {
    Change(sequence, random);
  }
  return Put(sequence, data, max_size);
}

std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data1, std::size_t size1,
                                      const std::uint8_t* data2, std::size_t size2,
                                      std::uint8_t* out, std::size_t max_out_size,
                                      unsigned int seed) {
  using namespace varstored::fuzz;
  Random random(seed);
  Sequence first = ReadSequence({data1, size1});
  const Sequence second = ReadSequence({data2, size2});
  const auto begin = second.steps.begin() + Below(random, second.steps.size() + 1);
  first.steps.resize(Below(random, first.steps.size() + 1));
  first.steps.insert(first.steps.end(), begin, second.steps.end());
  return Put(first, out, max_out_size);
}
