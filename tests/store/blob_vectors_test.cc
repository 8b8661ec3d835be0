// The vectors of tests/vectors/blob. See tests/vectors/README.md.

#include <algorithm>
#include <array>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "store/blob_notation.h"
#include "store/entries.h"
#include "support/stanzas.h"
#include "varstored/base/bytes.h"
#include "varstored/base/reader.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/time.h"
#include "varstored/efi/variable_name.h"
#include "varstored/store/vars_blob.h"

namespace varstored::test {

// Found by its type's namespace, so that a failing test names the stanza.
static std::ostream& operator<<(std::ostream& out, const Stanza& stanza) {
  return out << stanza.Where();
}

}  // namespace varstored::test

namespace varstored::store {
namespace {

using base::Bytes;
using test::Stanza;

/// "NAME VENDOR ATTRIBUTES DATA [TIME [SIGNER]]", each a word of bytes.
LegacyRecord RecordOf(const Stanza::Line& line) {
  std::vector<std::string_view> words = test::Words(line.value);
  if (words.size() == 4) {
    words.emplace_back("bytes(16,00)");
  }
  if (words.size() == 5) {
    words.emplace_back("bytes(32,00)");
  }
  if (words.size() != 6) {
    throw std::runtime_error("a variable has 4 to 6 words: " + line.value);
  }
  const Bytes fixed = test::BytesOfWord(std::string(words[1]) + "+" + std::string(words[2]) + "+" +
                                        std::string(words[4]) + "+" + std::string(words[5]));
  base::Reader reader(fixed);
  LegacyRecord record;
  if (!reader.ReadArray(record.vendor.bytes) || !reader.ReadU32(record.attributes) ||
      !efi::ReadTime(reader, record.timestamp) || !reader.ReadArray(record.signer) ||
      !reader.empty()) {
    throw std::runtime_error("a field of another size: " + line.value);
  }
  record.name = base::ToString(test::BytesOfWord(words[0]));
  record.data = test::BytesOfWord(words[3]);
  return record;
}

/// A line `legacy:` is a record that breaks today's rules, one `variable:` is none.
Entry EntryOf(const Stanza::Line& line) {
  LegacyRecord record = RecordOf(line);
  if (line.key == "legacy") {
    return record;
  }
  return Variable{.name = efi::VariableName::FromBytes(base::ToBytes(record.name)).value(),
                  .vendor = record.vendor,
                  .attributes = efi::Attributes::FromRaw(record.attributes).value(),
                  .data = record.data,
                  .timestamp = record.timestamp,
                  .signer = record.signer};
}

std::vector<Entry> EntriesOf(const Stanza& stanza) {
  std::vector<Entry> entries;
  for (const Stanza::Line& line : stanza.lines) {
    if (line.key == "variable" || line.key == "legacy") {
      entries.push_back(EntryOf(line));
    }
  }
  return entries;
}

Ancillary AncillaryOf(const Stanza& stanza) {
  const Bytes bytes = test::BytesOfLine(stanza.Get("mor-and-ppi", "bytes(268,00)"));
  base::Reader reader(bytes);
  Ancillary ancillary;
  if (!reader.ReadArray(ancillary.mor_key) || !reader.ReadU32(ancillary.ppi_index) ||
      !reader.ReadArray(ancillary.ppi_volatile) || !reader.empty()) {
    throw std::runtime_error("the MOR and PPI part has 268 bytes");
  }
  return ancillary;
}

/// A word that is misspelt must not make a test that checks less.
void CheckKeys(const Stanza& stanza, const std::vector<std::string_view>& known) {
  for (const Stanza::Line& line : stanza.lines) {
    if (std::find(known.begin(), known.end(), line.key) == known.end()) {
      throw std::runtime_error(stanza.Where(line) + ": '" + line.key + ":' does not belong here");
    }
  }
}

std::vector<const Entry*> PointersTo(const std::vector<Entry>& entries) {
  std::vector<const Entry*> pointers;
  pointers.reserve(entries.size());
  for (const Entry& entry : entries) {
    pointers.push_back(&entry);
  }
  return pointers;
}

class BlobVectors : public testing::TestWithParam<Stanza> {};

TEST_P(BlobVectors, Hold) {
  const Stanza& stanza = GetParam();
  const Bytes blob = test::BytesOfLine(stanza["blob"]);

  const auto decoded = DecodeVarsBlob(blob);

  if (!stanza.All("error").empty()) {
    CheckKeys(stanza, {"test", "what", "blob", "error"});
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().message, stanza["error"]);
    return;
  }
  CheckKeys(stanza,
            {"test", "what", "blob", "version", "mor-and-ppi", "variable", "legacy", "encoded"});
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(std::to_string(decoded->version), stanza["version"]);
  EXPECT_EQ(decoded->ancillary, AncillaryOf(stanza));
  EXPECT_EQ(decoded->entries, EntriesOf(stanza));

  const Bytes encoded = EncodeVarsBlob(decoded->ancillary, PointersTo(decoded->entries));
  EXPECT_EQ(encoded, stanza.All("encoded").empty() ? blob : test::BytesOfLine(stanza["encoded"]));
  const auto again = DecodeVarsBlob(encoded);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->version, 2U);
  EXPECT_EQ(again->ancillary, decoded->ancillary);
  EXPECT_EQ(again->entries, decoded->entries);
}

INSTANTIATE_TEST_SUITE_P(Blob, BlobVectors,
                         testing::ValuesIn(test::ReadStanzasOf(VARSTORED_TEST_VECTORS "/blob")),
                         [](const auto& stanza) { return stanza.param["test"]; });

}  // namespace
}  // namespace varstored::store
