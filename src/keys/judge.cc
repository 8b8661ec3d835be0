#include "varstored/keys/judge.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "varstored/base/ascii.h"
#include "varstored/base/hex.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/signed_data.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/signature_list.h"
#include "varstored/health/key_content.h"
#include "varstored/health/known_certificates.h"
#include "varstored/health/text.h"
#include "varstored/signer/content.h"
#include "varstored/signer/update.h"

namespace varstored::keys {
namespace {

using Lists = std::vector<efi::SignatureList>;

/// One of the files, taken apart as far as it can be. Its bytes are the caller's.
struct File {
  std::string variable;
  base::ByteSpan bytes = {};
  std::optional<efi::AuthenticationDescriptor> descriptor = {};
  Lists lists = {};
  /// What its signature is for, if it is a good one of anybody's, and whose it is.
  std::optional<signer::Update> update = {};
  std::optional<crypto::Certificate> signer = {};

  [[nodiscard]] std::string name() const { return variable + ".auth"; }
};

struct Entry {
  efi::Guid owner;
  crypto::Certificate certificate;
  crypto::Sha256Digest digest{};
};

std::vector<Entry> CertificatesIn(const File& file) {
  std::vector<Entry> entries;
  for (const efi::SignatureList& list : file.lists) {
    for (const efi::SignatureEntry& entry : list.entries) {
      auto certificate = list.kind == efi::SignatureKind::kX509
                             ? crypto::Certificate::Parse(entry.data)
                             : base::Fail("");
      const auto digest = crypto::Sha256({entry.data});
      if (certificate && digest) {
        entries.push_back({entry.owner, *std::move(certificate), *digest});
      }
    }
  }
  return entries;
}

File TakeApart(std::string variable, base::ByteSpan bytes) {
  File file{.variable = std::move(variable), .bytes = bytes};
  file.descriptor = efi::ParseAuthenticationDescriptor(bytes);
  if (!file.descriptor) {
    return file;
  }
  file.lists = efi::ParseSignatureLists(file.descriptor->payload).value_or(Lists());
  file.update = signer::SignedFor(bytes);
  if (file.update) {
    if (auto signer =
            crypto::VerifyDetached(file.descriptor->signed_data,
                                   {signer::SignableBytes(*file.update)}, {.any_signer = true})) {
      file.signer = *std::move(signer);
    }
  }
  return file;
}

std::vector<File> FilesOf(const engine::FirstBootKeys& keys) {
  std::vector<File> files;
  const auto add = [&files](const char* variable, const std::optional<base::Bytes>& bytes) {
    if (bytes) {
      files.push_back(TakeApart(variable, *bytes));
    }
  };
  add("PK", keys.pk);
  add("KEK", keys.kek);
  add("db", keys.db);
  add("dbx", keys.dbx);
  return files;
}

const File* Find(const std::vector<File>& files, std::string_view variable) {
  const auto found = std::find_if(files.begin(), files.end(), [variable](const File& file) {
    return file.variable == variable;
  });
  return found == files.end() ? nullptr : &*found;
}

std::string Quoted(const crypto::Certificate& certificate) {
  return "\"" + health::ForTerminal(certificate.subject_text()) + "\"";
}

std::string Two(unsigned number) { return base::Padded(number, 2); }

std::string DayText(const efi::Time& time) {
  return std::to_string(time.year) + "-" + Two(time.month) + "-" + Two(time.day);
}

std::string DayOf(std::int64_t seconds) {
  const auto time = signer::TimeOf(seconds);
  return time ? DayText(*time) : "?";
}

/// Whom a signature over this file has to be of, for a VM that has the keys already.
crypto::Trust TrustFor(const File& file, const std::vector<File>& files) {
  crypto::Trust trust;
  const auto add = [&](std::string_view variable, std::vector<crypto::Certificate>& to) {
    if (const File* other = Find(files, variable)) {
      for (const Entry& entry : CertificatesIn(*other)) {
        to.push_back(entry.certificate);
      }
    }
  };
  add("PK", trust.equals);
  if (file.variable == "db" || file.variable == "dbx") {
    add("KEK", trust.anchors);
  }
  return trust;
}

void JudgeSignature(const File& file, const std::vector<File>& files, Judgement& judgement) {
  if (!file.descriptor) {
    return;  // a first boot says what is wrong
  }
  if (!file.update) {
    judgement.notes.push_back(
        file.name() + (file.descriptor->signed_data.empty()
                           ? ": not signed: it does for first boots and the host's tools only"
                           : ": its signature is not a good one for this content: it does for "
                             "first boots and the host's tools only"));
    return;
  }
  if (health::IdOf(*signer::SecureBootVariable(file.variable)) !=
      health::IdOf(file.update->variable)) {
    judgement.wrong.push_back(file.name() + ": what it holds was signed for " +
                              health::NameOf(health::IdOf(file.update->variable)) +
                              ": the file has the wrong name");
    return;
  }
  if (!crypto::VerifyDetached(file.descriptor->signed_data, {signer::SignableBytes(*file.update)},
                              TrustFor(file, files))) {
    const bool may_be_kek = file.variable == "db" || file.variable == "dbx";
    judgement.wrong.push_back(
        file.name() + ": signed by " + Quoted(*file.signer) + ", which is not " +
        (may_be_kek ? "in PK.auth, and not trusted by KEK.auth" : "in PK.auth") +
        ": the files are not of one set. A first boot takes it all the same");
  }
}

void JudgeCertificates(const File& file, std::int64_t now, Judgement& judgement) {
  for (const Entry& entry : CertificatesIn(file)) {
    const std::string what = file.name() + ": " + Quoted(entry.certificate);
    const bool is_microsofts = health::FindKnownCertificate(entry.digest).has_value();
    if (const auto why = health::WhyNotSecret(entry.certificate)) {
      judgement.wrong.push_back(what + " " + *why + ": everybody can sign with it");
    }
    const auto end = entry.certificate.not_after();
    if (end && *end < now) {
      judgement.notes.push_back(what + " has expired on " + DayOf(*end) +
                                ": Secure Boot does not look at dates");
    }
    if (!is_microsofts && file.variable != "dbx" && entry.owner == health::kMicrosoftOwner) {
      judgement.notes.push_back(what +
                                " is not one of the certificates of Microsoft's for VMs, "
                                "and has Microsoft as its owner");
    }
  }
}

base::ByteSpan PayloadOf(const std::vector<File>& files, std::string_view variable) {
  const File* file = Find(files, variable);
  return file != nullptr && file->descriptor ? file->descriptor->payload : base::ByteSpan();
}

/// Certificates of 2011 whose successor is not there.
void JudgeSuccession(const std::vector<File>& files, Judgement& judgement) {
  for (const engine::Succession& row : engine::Successions()) {
    const char* variable = row.holder == engine::CertificateHolder::kKek ? "KEK" : "db";
    const File* file = Find(files, variable);
    if (file == nullptr) {
      continue;
    }
    const auto entries = CertificatesIn(*file);
    const auto has = [&entries](const engine::MicrosoftCertificate& certificate) {
      return std::any_of(entries.begin(), entries.end(), [&certificate](const Entry& entry) {
        return entry.digest == certificate.digest;
      });
    };
    if (has(row.old_certificate) && !has(row.successor)) {
      judgement.wrong.push_back(file->name() + ": " + std::string(row.old_certificate.name) +
                                " is there without its successor, " +
                                std::string(row.successor.name));
    }
  }
}

/// Such as "2026-11-30 09:05:00 UTC".
std::string TimeText(const efi::Time& time) {
  return DayText(time) + " " + Two(time.hour) + ":" + Two(time.minute) + ":" + Two(time.second) +
         " UTC";
}

std::string OwnerText(const efi::Guid& owner) {
  if (owner == health::kMicrosoftOwner) {
    return "Microsoft";
  }
  return owner == signer::UsualOwner("PK") ? "the host" : efi::ToText(owner);
}

std::string SignerText(const File& file) {
  if (file.signer) {
    return "signed by " + Quoted(*file.signer);
  }
  return file.descriptor->signed_data.empty() ? "not signed"
                                              : "its signature is not one for this content";
}

std::string ListOf(const File& file) {
  std::string text = file.name() + ": " + std::to_string(file.bytes.size()) + " bytes, ";
  if (!file.descriptor) {
    return text + "no signed update\n";
  }
  text += "of " + TimeText(file.descriptor->timestamp) + ", " + SignerText(file) + "\n";
  for (const Entry& entry : CertificatesIn(file)) {
    const auto end = entry.certificate.not_after();
    text += "  " + Quoted(entry.certificate) + ", to " + (end ? DayOf(*end) : "?") +
            ", owner: " + OwnerText(entry.owner) + "\n    SHA-256 " + base::ToHex(entry.digest) +
            "\n";
  }
  std::map<efi::SignatureKind, std::size_t> others;
  for (const efi::SignatureList& list : file.lists) {
    if (list.kind != efi::SignatureKind::kX509) {
      others[list.kind] += list.entries.size();
    }
  }
  for (const auto& [kind, count] : others) {
    text += kind == efi::SignatureKind::kExternalManagement
                ? std::string("  managed by the host\n")
                : "  " + std::to_string(count) + " " + std::string(health::KindText(kind)) + "\n";
  }
  return text;
}

}  // namespace

Judgement Judge(const engine::FirstBootKeys& keys, std::int64_t now) {
  Judgement judgement;
  if (!keys.pk) {
    judgement.wrong.emplace_back(
        "PK.auth is missing: a new VM starts in setup mode, and its Secure Boot is off");
  }
  if (const auto usable = engine::CheckFirstBootKeys(keys); !usable) {
    judgement.wrong.push_back(usable.error().message);
  }
  const auto files = FilesOf(keys);
  for (const char* variable : {"KEK", "db"}) {
    if (keys.pk && Find(files, variable) == nullptr) {
      judgement.wrong.push_back(std::string(variable) + ".auth is missing");
    }
  }
  for (const File& file : files) {
    JudgeSignature(file, files, judgement);
    JudgeCertificates(file, now, judgement);
  }
  JudgeSuccession(files, judgement);
  if (keys.pk && PayloadOf(files, "dbx").empty()) {
    judgement.notes.emplace_back("dbx.auth is missing: new VMs start without revocations");
  }
  return judgement;
}

std::string List(const engine::FirstBootKeys& keys) {
  std::string text;
  for (const File& file : FilesOf(keys)) {
    text += ListOf(file);
  }
  return text;
}

}  // namespace varstored::keys
