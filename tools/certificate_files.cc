#include "certificate_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "varstored/base/base64.h"
#include "varstored/base/held_file.h"
#include "varstored/crypto/certificate.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/well_known.h"

namespace varstored::tools {
namespace {

struct Key {
  efi::WellKnownVariable variable;
  std::string_view name;
};

constexpr std::array<Key, 6> kKeys = {{{efi::kPk, "PK"},
                                       {efi::kKek, "KEK"},
                                       {efi::kDb, "db"},
                                       {efi::kDbx, "dbx"},
                                       {efi::kDbt, "dbt"},
                                       {efi::kDbr, "dbr"}}};

constexpr std::size_t kMaxCertificates = 1000;
constexpr std::size_t kMaxNameBytes = 60;
constexpr std::size_t kPemColumns = 64;

/// What of a subject may be in the name of a file.
std::string SafeName(std::string_view subject) {
  std::string name;
  for (const char c : subject.substr(0, kMaxNameBytes)) {
    const bool is_safe = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                         (c >= 'a' && c <= 'z') || c == '.' || c == '-';
    if (is_safe) {
      name += c;
    } else if (!name.ends_with('_')) {
      name += '_';
    }
  }
  return name;
}

std::string Pem(base::ByteSpan der) {
  const std::string base64 = base::EncodeBase64(der);
  std::string pem = "-----BEGIN CERTIFICATE-----\n";
  for (std::size_t i = 0; i < base64.size(); i += kPemColumns) {
    pem += base64.substr(i, kPemColumns) + "\n";
  }
  return pem + "-----END CERTIFICATE-----\n";
}

/// What stands in front of the first `end`, which is taken from `text` with it.
std::string_view TakeUntil(std::string_view& text, char end) {
  const std::size_t size = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, size);
  text.remove_prefix(std::min(size + 1, text.size()));
  return taken;
}

/// A file that is to be made.
struct File {
  std::string name;
  std::string pem;
};

base::Result<std::vector<File>> FilesOf(std::string_view certificates) {
  std::vector<File> files;
  std::map<std::string_view, std::size_t> numbers;
  while (!certificates.empty()) {
    std::string_view line = TakeUntil(certificates, '\n');
    const std::string_view key = TakeUntil(line, ' ');
    const auto subject = base::DecodeBase64(TakeUntil(line, ' '));
    const auto der = base::DecodeBase64(line);
    const bool is_key =
        std::any_of(kKeys.begin(), kKeys.end(), [&key](const Key& row) { return row.name == key; });
    if (!is_key || !subject || !der || files.size() == kMaxCertificates) {
      return base::Fail("the helper process answered with something else than certificates");
    }
    files.push_back({std::string(key) + "-" + std::to_string(++numbers[key]) + "-" +
                         SafeName(base::ToString(*subject)) + ".pem",
                     Pem(*der)});
  }
  return files;
}

/// The certificates of one key with their DER form, up to one more than there may be. What cannot
/// be read is named.
std::vector<std::pair<base::ByteSpan, crypto::Certificate>> CertificatesOf(
    const Key& key, const store::Entry* entry, base::Log& log) {
  std::vector<std::pair<base::ByteSpan, crypto::Certificate>> certificates;
  bool has_others = false;
  const auto lists = entry == nullptr ? std::nullopt : efi::UsableSignatureLists(entry->data());
  if (entry != nullptr && !lists) {
    log.Warning(std::string(key.name) + ": left out: its lists cannot be read");
  }
  for (const efi::SignatureList& list : lists.value_or(std::vector<efi::SignatureList>())) {
    if (list.kind != efi::SignatureKind::kX509) {
      continue;
    }
    for (const efi::SignatureEntry& one : list.entries) {
      auto certificate = crypto::Certificate::Parse(one.data);
      if (!certificate) {
        has_others = true;
      } else if (certificates.size() <= kMaxCertificates) {
        certificates.emplace_back(one.data, *std::move(certificate));
      }
    }
  }
  if (has_others) {
    log.Warning(std::string(key.name) + ": left out: an entry that is no certificate");
  }
  return certificates;
}

}  // namespace

base::Result<std::string> CertificatesIn(const store::Store& store, base::Log& log) {
  std::string text;
  std::size_t count = 0;
  for (const Key& key : kKeys) {
    const store::Entry* entry = store.Find({key.variable.name, key.variable.vendor});
    for (const auto& [der, certificate] : CertificatesOf(key, entry, log)) {
      if (++count > kMaxCertificates) {
        return base::Fail("more than " + std::to_string(kMaxCertificates) + " certificates");
      }
      text += std::string(key.name) + " " +
              base::EncodeBase64(base::ToBytes(certificate.subject_text())) + " " +
              base::EncodeBase64(der) + "\n";
    }
  }
  if (count == 0) {
    return base::Fail("there is no certificate in PK, KEK, db, dbx, dbt and dbr");
  }
  return text;
}

base::Result<std::string> WriteCertificates(const std::string& folder,
                                            std::string_view certificates) {
  const auto files = FilesOf(certificates);
  if (!files) {
    return files.failure();
  }
  constexpr mode_t kFolderMode = 0755;
  constexpr mode_t kFileMode = 0644;
  const auto held = base::HeldFolder::OpenOrMake(folder, kFolderMode);
  if (!held) {
    return held.failure();
  }
  if (auto may = held->CheckMayMake(); !may) {
    return may.failure();
  }
  for (const File& file : *files) {
    if (::faccessat(held->fd(), file.name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
      return base::Fail(folder + "/" + file.name +
                        ": it is there already, and nothing is ever overwritten; no certificate "
                        "was written: give another folder");
    }
  }
  std::string paths;
  for (const File& file : *files) {
    if (auto made = held->MakeFile(file.name, base::ToBytes(file.pem), kFileMode); !made) {
      return made.failure();
    }
    paths += folder + "/" + file.name + "\n";
  }
  return paths;
}

}  // namespace varstored::tools
