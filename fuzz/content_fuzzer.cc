// What an administrator gives to create-auth: certificates, hashes in text or JSON, signature
// lists. Input: the bytes of the file.

#include "support.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/signature_list.h"
#include "varstored/signer/content.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const base::ByteSpan file(data, size);
  const auto content = signer::ParseContent(file);
  const auto certificates = signer::ParseCertificates(file);
  fuzz::Require(!certificates || (content && !content->certificates.empty()),
                "a file of certificates is one");
  if (!content) {
    fuzz::Require(!content.error().message.empty(), "every error has a text");
    return 0;
  }
  const auto lists = efi::ParseSignatureLists(signer::EncodeContent(*content, efi::Guid{}));
  fuzz::Require(lists.has_value() && !lists->empty(), "every content is a sequence of lists");
  return 0;
}
