// Appending to a signature database (UEFI 2.10, 8.2.2), on the lists themselves.

#include "signature_database.h"

#include <vector>

#include <gtest/gtest.h>

#include "support/signing.h"
#include "varstored/efi/signature_list.h"

namespace varstored::engine {
namespace {

using efi::SignatureKind;

constexpr efi::Guid kMicrosoft = *efi::ParseGuid("77fa9abd-0359-4d32-bd60-28f4e78f784b");
constexpr efi::Guid kOther = *efi::ParseGuid("9be025e2-415b-435d-ad61-6b3e094fc28d");

base::Bytes List(SignatureKind kind, const efi::Guid& owner,
                 const std::vector<std::uint8_t>& fills) {
  std::vector<base::Bytes> entries;
  entries.reserve(fills.size());
  for (const std::uint8_t fill : fills) {
    entries.emplace_back(kind == SignatureKind::kX509 ? 100 : efi::TypeOf(kind).data_bytes, fill);
  }
  return test::SignatureListOf(efi::TypeOf(kind).guid.bytes, owner.bytes, entries);
}

base::Bytes operator+(base::Bytes left, const base::Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

TEST(AppendNewEntries, LeavesOutWhatIsAlreadyThere) {
  const auto stored = List(SignatureKind::kSha256, kMicrosoft, {1, 2});
  const auto incoming = List(SignatureKind::kSha256, kMicrosoft, {2, 3});
  EXPECT_EQ(AppendNewEntries(stored, incoming, SameEntry::kOwnerAndData),
            stored + List(SignatureKind::kSha256, kMicrosoft, {3}));
}

TEST(AppendNewEntries, FindsAnEntryInAnyStoredList) {
  const auto stored = List(SignatureKind::kSha256, kMicrosoft, {1}) +
                      List(SignatureKind::kX509, kMicrosoft, {9}) +
                      List(SignatureKind::kSha256, kMicrosoft, {2});
  const auto incoming = List(SignatureKind::kSha256, kMicrosoft, {1, 2}) +
                        List(SignatureKind::kX509, kMicrosoft, {9});
  EXPECT_EQ(AppendNewEntries(stored, incoming, SameEntry::kOwnerAndData), stored);
}

TEST(AppendNewEntries, KeepsOneHeaderForEachIncomingList) {
  const auto stored = List(SignatureKind::kSha256, kMicrosoft, {1});
  const auto incoming = List(SignatureKind::kSha256, kMicrosoft, {1, 2}) +
                        List(SignatureKind::kSha256, kMicrosoft, {1}) +
                        List(SignatureKind::kSha256, kMicrosoft, {3});
  EXPECT_EQ(AppendNewEntries(stored, incoming, SameEntry::kOwnerAndData),
            stored + List(SignatureKind::kSha256, kMicrosoft, {2}) +
                List(SignatureKind::kSha256, kMicrosoft, {3}));
}

TEST(AppendNewEntries, TakesAnotherOwnerForAnotherEntry) {
  const auto stored = List(SignatureKind::kSha256, kMicrosoft, {1});
  const auto incoming = List(SignatureKind::kSha256, kOther, {1});
  EXPECT_EQ(AppendNewEntries(stored, incoming, SameEntry::kOwnerAndData), stored + incoming);
}

TEST(AppendNewEntries, LeavesTheOwnerOfHashesOutWhenAsked) {
  const auto stored = List(SignatureKind::kSha256, kMicrosoft, {1});
  const auto incoming = List(SignatureKind::kSha256, kOther, {1, 2});
  EXPECT_EQ(AppendNewEntries(stored, incoming, SameEntry::kHashDataAlone),
            stored + List(SignatureKind::kSha256, kOther, {2}));
}

TEST(AppendNewEntries, NeverLeavesTheOwnerOfCertificatesOut) {
  const auto stored = List(SignatureKind::kX509, kMicrosoft, {1});
  const auto incoming = List(SignatureKind::kX509, kOther, {1});
  EXPECT_EQ(AppendNewEntries(stored, incoming, SameEntry::kHashDataAlone), stored + incoming);
}

TEST(AppendNewEntries, KeepsEntriesOfDifferentTypesApart) {
  // The same 48 bytes as SHA-384 and as X509-SHA-256.
  const auto stored = List(SignatureKind::kSha384, kMicrosoft, {1});
  const auto incoming = List(SignatureKind::kX509Sha256, kMicrosoft, {1});
  EXPECT_EQ(AppendNewEntries(stored, incoming, SameEntry::kHashDataAlone), stored + incoming);
}

TEST(AppendNewEntries, RefusesToBuildUponGarbage) {
  EXPECT_EQ(AppendNewEntries(base::Bytes(30, 0xAA), List(SignatureKind::kSha256, kOther, {1}),
                             SameEntry::kOwnerAndData),
            std::nullopt);
}

}  // namespace
}  // namespace varstored::engine
