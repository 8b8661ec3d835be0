// The content of PK, KEK, db, dbx, dbt and dbr: EFI_SIGNATURE_LISTs, stored ones and those of an
// append. Input: u16 length and bytes of the stored content, then those that are appended.

#include <algorithm>

#include "signature_database.h"
#include "support.h"
#include "varstored/efi/signature_list.h"
#include "varstored/engine/certificate_state.h"

namespace varstored::fuzz {
namespace {

void Check(base::ByteSpan bytes) {
  const auto lists = efi::ParseSignatureLists(bytes);
  if (lists && std::ranges::none_of(
                   *lists, [](const efi::SignatureList& list) { return list.entries.empty(); })) {
    const base::Bytes again = efi::EncodeSignatureLists(*lists);
    Require(std::ranges::equal(again, bytes), "lists are written as they were read");
  }
  for (const auto special :
       {engine::Special::kPk, engine::Special::kKek, engine::Special::kDatabase}) {
    const auto refused = engine::CheckSignatureDatabase(special, bytes);
    Require(refused.has_value() || lists.has_value(), "what is taken is a sequence of lists");
  }
  static_cast<void>(engine::CertificateStateOf(bytes, bytes));
}

void CheckAppend(base::ByteSpan stored, base::ByteSpan incoming, engine::SameEntry same) {
  const auto both = engine::AppendNewEntries(stored, incoming, same);
  Require(both.has_value() == efi::UsableSignatureLists(stored).has_value(),
          "what is stored decides whether an append works");
  if (!both) {
    return;
  }
  Require(std::ranges::equal(base::ByteSpan(*both).first(stored.size()), stored),
          "an append leaves what is stored as it is");
  Require(both->size() <= stored.size() + incoming.size(), "an append adds no byte of its own");
  Require(efi::UsableSignatureLists(*both).has_value(), "an append makes a sequence of lists");
  Require(
      efi::ParseSignatureLists(*both).has_value() == efi::ParseSignatureLists(stored).has_value(),
      "an append brings no list that cannot be used");
  const auto again = engine::AppendNewEntries(*both, incoming, same);
  Require(again == both, "a second append of the same adds nothing");
}

}  // namespace
}  // namespace varstored::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using varstored::engine::SameEntry;
  varstored::fuzz::Input input({data, size});
  const auto stored = input.Counted();
  const auto incoming = input.Rest();
  varstored::fuzz::Check(stored);
  varstored::fuzz::Check(incoming);
  if (varstored::efi::ParseSignatureLists(incoming)) {
    varstored::fuzz::CheckAppend(stored, incoming, SameEntry::kOwnerAndData);
    varstored::fuzz::CheckAppend(stored, incoming, SameEntry::kHashDataAlone);
  }
  return 0;
}
