#include "varstored/signer/content.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "openssl.h"
#include "varstored/base/writer.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/signature_list.h"
#include "varstored/signer/revocation_list.h"

namespace varstored::signer {
namespace {

constexpr std::string_view kBlank = " \t\r\n\v\f";

base::Result<std::vector<crypto::Certificate>> ParsePemCertificates(base::ByteSpan file) {
  const auto blocks = ReadPem(file);
  if (!blocks) {
    return blocks.failure();
  }
  std::vector<crypto::Certificate> certificates;
  for (const PemBlock& block : *blocks) {
    const std::string where = "PEM block " + std::to_string(certificates.size() + 1);
    if (block.name != "CERTIFICATE" && block.name != "X509 CERTIFICATE") {
      return base::Fail(where + " is no certificate but a " + block.name);
    }
    auto certificate = crypto::Certificate::Parse(block.content);
    if (!certificate) {
      return base::Fail(where + ": " + certificate.error().message);
    }
    certificates.push_back(*std::move(certificate));
  }
  return certificates;
}

bool IsText(base::ByteSpan file) {
  return std::ranges::all_of(file, [](std::uint8_t byte) {
    return byte >= ' ' || kBlank.find(static_cast<char>(byte)) != std::string_view::npos;
  });
}

base::Result<std::vector<crypto::Sha256Digest>> ParseHashes(std::string_view text) {
  std::vector<crypto::Sha256Digest> hashes;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t begin = line.find_first_not_of(kBlank);
    if (begin == std::string_view::npos || line[begin] == '#') {
      continue;
    }
    const std::string_view rest = line.substr(begin);
    const auto hash = ParseSha256(rest.substr(0, rest.find_first_of(kBlank)));
    if (!hash) {
      return base::Fail("line " + std::to_string(number) +
                        " does not begin with a SHA-256 of 64 hexadecimal digits");
    }
    hashes.push_back(*hash);
  }
  return hashes;
}

/// A hash that is listed twice means nothing more, and costs 48 bytes of the VM's store.
void DropDoubles(std::vector<crypto::Sha256Digest>& hashes) {
  std::set<crypto::Sha256Digest> seen;
  std::erase_if(hashes, [&seen](const auto& hash) { return !seen.insert(hash).second; });
}

base::Result<Content> HashContent(ContentForm form,
                                  base::Result<std::vector<crypto::Sha256Digest>> hashes) {
  if (!hashes) {
    return hashes.failure();
  }
  if (hashes->empty()) {
    return base::Fail("no hash in it");
  }
  DropDoubles(*hashes);
  return Content{.form = form, .hashes = *std::move(hashes)};
}

void AddList(base::Writer& writer, const efi::SignatureList& list) {
  writer.WriteBytes(efi::EncodeSignatureLists({list}));
}

}  // namespace

base::Result<std::vector<crypto::Certificate>> ParseCertificates(base::ByteSpan file) {
  const OpenSslCall call;
  if (file.empty()) {
    return base::Fail("empty");
  }
  if (IsPem(file)) {
    return ParsePemCertificates(file);
  }
  auto certificate = crypto::Certificate::Parse(file);
  if (!certificate) {
    return base::Fail("neither PEM nor DER: " + certificate.error().message);
  }
  return std::vector<crypto::Certificate>{*std::move(certificate)};
}

base::Result<Content> ParseContent(base::ByteSpan file) {
  constexpr std::uint8_t kDerSequence = 0x30;
  if (file.empty()) {
    return base::Fail("empty");
  }
  const bool is_text = IsText(file);
  if (const auto lists = efi::ParseSignatureLists(file); lists && !lists->empty()) {
    return Content{.form = ContentForm::kSignatureLists, .signature_lists = base::ToBytes(file)};
  }
  if (IsPem(file) || (!is_text && file.front() == kDerSequence)) {
    auto certificates = ParseCertificates(file);
    if (!certificates) {
      return certificates.failure();
    }
    return Content{.form = ContentForm::kCertificates, .certificates = *std::move(certificates)};
  }
  if (is_text) {
    const std::string text = base::ToString(file);
    const std::size_t begin = text.find_first_not_of(kBlank);
    if (begin != std::string::npos && text[begin] == '{') {
      const auto list = ParseRevocationList(file);
      if (!list) {
        return list.failure();
      }
      std::vector<crypto::Sha256Digest> hashes;
      for (const ListedHash& listed : *list) {
        hashes.push_back(listed.hash);
      }
      return HashContent(ContentForm::kRevocationList, std::move(hashes));
    }
    return HashContent(ContentForm::kHashes, ParseHashes(text));
  }
  if (efi::ParseAuthenticationDescriptor(file)) {
    return base::Fail("this is a signed update already, for SetVariable as it is");
  }
  return base::Fail(
      "neither a certificate (PEM or DER), nor hashes (text, or Microsoft's JSON), nor well-formed "
      "signature lists");
}

base::Bytes EncodeContent(const Content& content, const efi::Guid& owner) {
  base::Writer writer;
  const auto add = [&writer, &owner](efi::SignatureKind kind, const auto& data_of_entries) {
    efi::SignatureList list{kind, 0, {}};
    for (const base::ByteSpan data : data_of_entries) {
      list.entry_bytes = static_cast<std::uint32_t>(owner.bytes.size() + data.size());
      list.entries.push_back({owner, data});
    }
    AddList(writer, list);
  };
  for (const crypto::Certificate& certificate : content.certificates) {
    add(efi::SignatureKind::kX509, std::vector{certificate.der()});
  }
  add(efi::SignatureKind::kSha256, content.hashes);
  writer.WriteBytes(content.signature_lists);
  return writer.Take();
}

base::Bytes ManagedByTheHost(const efi::Guid& owner) {
  constexpr std::array<std::uint8_t, 1> kIgnored = {0};
  return efi::EncodeSignatureLists(
      {{efi::SignatureKind::kExternalManagement,
        static_cast<std::uint32_t>(owner.bytes.size() + kIgnored.size()),
        {{owner, kIgnored}}}});
}

}  // namespace varstored::signer
