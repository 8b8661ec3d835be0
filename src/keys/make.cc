#include "varstored/keys/make.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "varstored/efi/signature_list.h"
#include "varstored/signer/content.h"
#include "varstored/signer/new_key.h"
#include "varstored/signer/update.h"

namespace varstored::keys {
namespace {

struct ProfileName {
  Profile profile;
  std::string_view name;
};

constexpr std::array<ProfileName, 3> kProfiles = {
    {{Profile::kMicrosoft, "microsoft"}, {Profile::kManaged, "managed"}, {Profile::kOwn, "own"}}};

/// The variables that a profile has private keys of.
std::vector<std::string> OwnKeys(Profile profile) {
  switch (profile) {
    case Profile::kMicrosoft:
      return {};
    case Profile::kManaged:
      return {"PK"};
    case Profile::kOwn:
      return {"PK", "KEK", "db"};
  }
  return {};
}

const base::Bytes* Find(const std::vector<NamedFile>& files, const std::string& name) {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&name](const NamedFile& file) { return file.name == name; });
  return found == files.end() ? nullptr : &found->bytes;
}

/// The key of `variable` that is kept, or a new one.
base::Result<signer::NewKey> KeyOf(const std::string& variable, const std::vector<NamedFile>& kept,
                                   std::int64_t now) {
  const base::Bytes* key = Find(kept, variable + ".key");
  const base::Bytes* pem = Find(kept, variable + ".pem");
  if (key == nullptr && pem == nullptr) {
    const auto time = signer::TimeOf(now);
    return signer::MakeKey(
        "varstored " + variable + (time ? " " + std::to_string(time->year) : std::string()), now);
  }
  if (key == nullptr || pem == nullptr) {
    return base::Fail(variable + (key == nullptr ? ".key" : ".pem") + " is missing beside " +
                      variable + (key == nullptr ? ".pem" : ".key") +
                      ". Put it back; or, where a run was ended before it had made any .auth file, "
                      "remove the other one and run this again");
  }
  auto private_key = signer::PrivateKey::Parse(*key);
  if (!private_key) {
    return base::Fail(variable + ".key: " + private_key.error().message);
  }
  auto certificates = signer::ParseCertificates(*pem);
  if (!certificates) {
    return base::Fail(variable + ".pem: " + certificates.error().message);
  }
  // What an administrator signs with it later is verified with this certificate.
  if (const auto tried = signer::Sign(*pem, *private_key, {certificates->front()}); !tried) {
    return base::Fail(variable + ".key, with " + variable + ".pem: " + tried.error().message);
  }
  return signer::NewKey{*std::move(private_key), certificates->front()};
}

base::Result<void> KeepKey(const std::string& variable, const signer::NewKey& key, Made& made) {
  auto private_pem = signer::KeyToPem(key.key);
  auto pem = signer::CertificateToPem(key.certificate);
  if (!private_pem || !pem) {
    return private_pem ? pem.failure() : private_pem.failure();
  }
  made.secret.push_back({variable + ".key", *std::move(private_pem)});
  made.secret.push_back({variable + ".pem", *std::move(pem)});
  return {};
}

/// Of the host's own certificate.
base::Bytes OwnLists(const crypto::Certificate& certificate) {
  return signer::EncodeContent(
      {.form = signer::ContentForm::kCertificates, .certificates = {certificate}},
      signer::UsualOwner("PK"));
}

/// Of Microsoft's certificates for this variable.
base::Result<base::Bytes> MicrosoftsLists(const Ingredients& ingredients,
                                          engine::CertificateHolder holder) {
  base::Bytes all;
  for (const health::KnownCertificate& known : health::MicrosoftCertificates()) {
    const auto found = ingredients.certificates.find(known.certificate.digest);
    if (known.holder != holder || found == ingredients.certificates.end()) {
      if (known.holder == holder && !known.is_optional) {
        return base::Fail(std::string(known.certificate.name) + " is missing");
      }
      continue;
    }
    const base::ByteSpan der = found->second;
    const base::Bytes list =
        efi::EncodeSignatureLists({{efi::SignatureKind::kX509,
                                    static_cast<std::uint32_t>(sizeof(efi::Guid) + der.size()),
                                    {{health::kMicrosoftOwner, der}}}});
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

/// The update of `variable` with this content, signed by PK.
base::Result<NamedFile> Signed(const std::string& variable, base::Bytes lists,
                               const signer::NewKey& pk, std::int64_t now) {
  const auto time = signer::TimeOf(now);
  if (!time) {
    return base::Fail("the clock: not a time from 1970 to 9999");
  }
  const signer::Update update{.variable = *signer::SecureBootVariable(variable),
                              .attributes = variable == "dbx" ? signer::kAppend : signer::kReplace,
                              .time = *time,
                              .payload = std::move(lists)};
  const auto signature = signer::Sign(signer::SignableBytes(update), pk.key, {pk.certificate});
  if (!signature) {
    return base::Fail("PK.key: " + signature.error().message);
  }
  base::Bytes file = signer::EncodeAuthFile(update, *signature);
  if (auto good = signer::TryAuthFile(update, file, pk.certificate); !good) {
    return base::Fail("no VM would take " + variable + ".auth: " + good.error().message);
  }
  return NamedFile{variable + ".auth", std::move(file)};
}

}  // namespace

base::Result<Profile> ParseProfile(std::string_view name) {
  for (const ProfileName& row : kProfiles) {
    if (row.name == name) {
      return row.profile;
    }
  }
  return base::Fail("is none of microsoft, managed, own");
}

std::vector<std::string> PrivateFiles(Profile profile) {
  std::vector<std::string> names;
  for (const std::string& variable : OwnKeys(profile)) {
    names.push_back(variable + ".key");
    names.push_back(variable + ".pem");
  }
  return names;
}

base::Result<Made> MakeFiles(Profile profile, const Ingredients& ingredients,
                             const std::vector<NamedFile>& kept, std::int64_t now) {
  Made made;
  const auto own_keys = OwnKeys(profile);
  const auto key_of = [&](const std::string& variable) -> base::Result<signer::NewKey> {
    auto key = KeyOf(variable, kept, now);
    const bool is_kept = std::find(own_keys.begin(), own_keys.end(), variable) != own_keys.end();
    if (key && is_kept && Find(kept, variable + ".key") == nullptr) {
      if (auto done = KeepKey(variable, *key, made); !done) {
        return done.failure();
      }
    }
    return key;
  };
  const auto pk = key_of("PK");
  if (!pk) {
    return pk.failure();
  }
  const auto lists_of = [&](const std::string& variable,
                            engine::CertificateHolder holder) -> base::Result<base::Bytes> {
    if (profile != Profile::kOwn) {
      return MicrosoftsLists(ingredients, holder);
    }
    const auto key = key_of(variable);
    return key ? base::Result<base::Bytes>(OwnLists(key->certificate)) : key.failure();
  };
  auto kek = lists_of("KEK", engine::CertificateHolder::kKek);
  auto db = lists_of("db", engine::CertificateHolder::kDb);
  if (!kek || !db) {
    return kek ? db.failure() : kek.failure();
  }
  std::vector<std::pair<std::string, base::Bytes>> contents = {
      {"PK", OwnLists(pk->certificate)}, {"KEK", *std::move(kek)}, {"db", *std::move(db)}};
  if (!ingredients.revocations.empty()) {
    contents.emplace_back("dbx", ingredients.revocations);
  }
  for (auto& [variable, lists] : contents) {
    auto file = Signed(variable, std::move(lists), *pk, now);
    if (!file) {
      return file.failure();
    }
    made.auth.push_back(*std::move(file));
  }
  return made;
}

}  // namespace varstored::keys
