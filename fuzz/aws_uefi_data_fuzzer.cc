// UefiData of AWS's that an administrator was given. Input: a byte, and then the text when it is
// even, the serialised variables when it is odd: no mutation finds the sum and the compression.

#include <string>

#include "convert/aws_builder.h"
#include "support.h"
#include "varstored/convert/aws_uefi_data.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  if (size == 0) {
    return 0;
  }
  const base::ByteSpan input(data + 1, size - 1);
  const base::Bytes text =
      data[0] % 2 == 0 ? base::ToBytes(input) : base::ToBytes(test::UefiDataOf(input));
  const auto content = convert::ReadAwsUefiData(text);
  if (!content) {
    fuzz::Require(content.error().message.starts_with("UefiData: "),
                  "every error has a text that says what the file is");
    return 0;
  }
  const auto written = convert::WriteAwsUefiData(*content);
  fuzz::Require(written.ok(), "what is read can be written");
  const auto again = convert::ReadAwsUefiData(written->bytes);
  fuzz::Require(again.ok() && again->lost.empty(),
                "what is written can be read, and loses nothing");
  std::size_t kept = 0;
  for (const store::Entry& entry : content->entries) {
    kept += entry.Has(efi::kNonVolatile) ? 1U : 0U;
  }
  fuzz::Require(again->entries.size() == kept, "each name is one that can be written");
  fuzz::Require(!written->lost.empty() || kept != content->entries.size() ||
                    again->entries == content->entries,
                "what is written is read as the same");
  return 0;
}
