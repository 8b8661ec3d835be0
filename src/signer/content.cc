#include "varstored/signer/content.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "openssl.h"
#include "varstored/base/reader.h"
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

/// Text without its byte order mark, from UTF-16 too as far as it is ASCII; other bytes as they
/// are.
base::Bytes WithoutByteOrderMark(base::ByteSpan file) {
  constexpr std::array<std::uint8_t, 3> kUtf8 = {0xEF, 0xBB, 0xBF};
  const auto begins_with = [file](std::uint8_t first, std::uint8_t second) {
    return file.size() >= 2 && file.size() % 2 == 0 && file[0] == first && file[1] == second;
  };
  if (file.size() >= kUtf8.size() && std::equal(kUtf8.begin(), kUtf8.end(), file.begin())) {
    return base::ToBytes(file.subspan(kUtf8.size()));
  }
  const bool is_little = begins_with(0xFF, 0xFE);
  if (!is_little && !begins_with(0xFE, 0xFF)) {
    return base::ToBytes(file);
  }
  base::Bytes text;
  for (std::size_t i = 2; i < file.size(); i += 2) {
    if (file[i + (is_little ? 1 : 0)] != 0) {
      return base::ToBytes(file);
    }
    text.push_back(file[i + (is_little ? 0 : 1)]);
  }
  return text;
}

base::Result<std::vector<crypto::Certificate>> ParsePlainCertificates(base::ByteSpan file) {
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

base::Result<Content> ParsePlainContent(base::ByteSpan file) {
  constexpr std::uint8_t kDerSequence = 0x30;
  if (file.empty()) {
    return base::Fail("empty");
  }
  const bool is_text = IsText(file);
  if (const auto lists = efi::ParseSignatureLists(file); lists && !lists->empty()) {
    return Content{.form = ContentForm::kSignatureLists, .signature_lists = base::ToBytes(file)};
  }
  if (IsPem(file) || (!is_text && file.front() == kDerSequence)) {
    auto certificates = ParsePlainCertificates(file);
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

bool IsUpdate(base::ByteSpan file) {
  const auto descriptor = efi::ParseAuthenticationDescriptor(file);
  return descriptor && efi::ParseSignatureLists(descriptor->payload);
}

std::string WhatIs(const Content& content) {
  const std::size_t count = content.certificates.size() + content.hashes.size();
  const auto counted = [count](const char* one, const char* more) {
    return count == 1 ? std::string(one) : std::to_string(count) + more;
  };
  switch (content.form) {
    case ContentForm::kCertificates:
      return counted("a certificate", " certificates");
    case ContentForm::kHashes:
      return counted("a hash", " hashes");
    case ContentForm::kRevocationList:
      return "Microsoft's list of revocations";
    case ContentForm::kSignatureLists:
      return "signature lists";
  }
  return "";
}

/// A file without attributes in front.
base::Result<Given> ParseBare(base::ByteSpan file) {
  Given given;
  if (IsUpdate(file)) {
    given.update = base::ToBytes(file);
    given.what = "a signed update";
    return given;
  }
  auto content = ParseContent(file);
  if (!content) {
    return content.failure();
  }
  given.what = WhatIs(*content) + ", without a descriptor";
  given.content = *std::move(content);
  return given;
}

/// Whether there is nothing in it but digests of images and of certificates.
bool HasHashesAlone(const Content& content) {
  if (content.form != ContentForm::kSignatureLists) {
    return content.form == ContentForm::kHashes;
  }
  const auto lists = efi::ParseSignatureLists(content.signature_lists);
  return lists && std::none_of(lists->begin(), lists->end(), [](const efi::SignatureList& list) {
           return list.kind == efi::SignatureKind::kX509 ||
                  list.kind == efi::SignatureKind::kRsa2048 ||
                  list.kind == efi::SignatureKind::kExternalManagement;
         });
}

void AddList(base::Writer& writer, const efi::SignatureList& list) {
  writer.WriteBytes(efi::EncodeSignatureLists({list}));
}

}  // namespace

base::Result<std::vector<crypto::Certificate>> ParseCertificates(base::ByteSpan file) {
  return ParsePlainCertificates(WithoutByteOrderMark(file));
}

base::Result<Content> ParseContent(base::ByteSpan file) {
  return ParsePlainContent(WithoutByteOrderMark(file));
}

base::Result<Given> ParseGiven(base::ByteSpan file) {
  // Those of every key, for a write that replaces and one that adds (UEFI 2.10, 32.3).
  constexpr std::array<std::uint32_t, 2> kAttributes = {0x27, 0x67};
  auto bare = ParseBare(file);
  base::Reader reader(file);
  std::uint32_t attributes = 0;
  if (bare || !reader.ReadU32(attributes) ||
      std::find(kAttributes.begin(), kAttributes.end(), attributes) == kAttributes.end()) {
    return bare;
  }
  const base::ByteSpan rest = reader.ReadRest();
  auto given = ParseBare(rest);
  // Behind attributes, nobody has text or a certificate.
  if (!given || (given->content && given->content->form != ContentForm::kSignatureLists)) {
    return bare;
  }
  given->attributes = attributes;
  given->what += std::string(", with 4 bytes of attributes (0x") +
                 (attributes == kAttributes[0] ? "27" : "67") + ") in front";
  return given;
}

base::Result<void> CheckContent(std::string_view name, const Content& content) {
  if (content.form == ContentForm::kRevocationList && name != "dbx") {
    return base::Fail("a list of revocations is for dbx, not for " + std::string(name));
  }
  if ((name == "PK" || name == "KEK") && HasHashesAlone(content)) {
    return base::Fail(std::string(name) +
                      " holds certificates, not hashes: who signs an update is looked for there, "
                      "and a hash verifies no signature");
  }
  return {};
}

efi::Guid UsualOwner(std::string_view name) {
  constexpr efi::Guid kHostsOwner = *efi::ParseGuid("c0acc535-25c8-6446-925b-5dd7d0b2f5aa");
  constexpr efi::Guid kMicrosoft = *efi::ParseGuid("77fa9abd-0359-4d32-bd60-28f4e78f784b");
  return name == "PK" ? kHostsOwner : kMicrosoft;
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

base::Bytes EncodeContent(const Content& content, std::string_view name) {
  if (content.form != ContentForm::kCertificates) {
    return EncodeContent(content, UsualOwner(name));
  }
  base::Bytes all;
  for (const crypto::Certificate& certificate : content.certificates) {
    const bool is_microsofts =
        certificate.whole_subject_text().find("O=Microsoft Corporation") != std::string::npos;
    const base::Bytes list = EncodeContent({.form = content.form, .certificates = {certificate}},
                                           UsualOwner(is_microsofts ? name : "PK"));
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

base::Bytes ManagedByTheHost(const efi::Guid& owner) {
  constexpr std::array<std::uint8_t, 1> kIgnored = {0};
  return efi::EncodeSignatureLists(
      {{efi::SignatureKind::kExternalManagement,
        static_cast<std::uint32_t>(owner.bytes.size() + kIgnored.size()),
        {{owner, kIgnored}}}});
}

}  // namespace varstored::signer
