#include "given_lists.h"

#include <algorithm>
#include <utility>

#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/signature_list.h"
#include "varstored/signer/content.h"
#include "varstored/signer/revocation_list.h"

namespace varstored::tools {

base::Result<base::Bytes> ListsOf(const std::string& path, base::ByteSpan content) {
  const auto descriptor = efi::ParseAuthenticationDescriptor(content);
  if (descriptor) {
    const auto parsed = efi::ParseSignatureLists(descriptor->payload);
    if (parsed && !parsed->empty()) {
      return base::ToBytes(descriptor->payload);
    }
  }
  const auto lists = signer::ParseContent(content);
  if (!lists) {
    return base::Fail(path +
                      ": neither a signed update, nor signature lists, nor Microsoft's list: " +
                      lists.error().message);
  }
  base::Bytes encoded = signer::EncodeContent(*lists, efi::Guid{});
  const auto entries = efi::ParseSignatureLists(encoded);
  const bool is_empty =
      entries && std::all_of(entries->begin(), entries->end(),
                             [](const efi::SignatureList& list) { return list.entries.empty(); });
  return is_empty ? base::Result<base::Bytes>(base::Fail(path + ": an update without any entry"))
                  : std::move(encoded);
}

base::Result<std::vector<health::ListedRevocation>> RevocationsOf(const std::string& path,
                                                                  base::ByteSpan content) {
  const auto listed = signer::ParseRevocationList(content);
  if (!listed) {
    return base::Fail(path + ": " + listed.error().message);
  }
  std::vector<health::ListedRevocation> revocations;
  for (const signer::ListedHash& one : *listed) {
    revocations.push_back({one.date, one.hash});
  }
  return revocations;
}

}  // namespace varstored::tools
