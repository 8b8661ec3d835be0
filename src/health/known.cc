#include "known.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>

#include "known_hashes.h"
#include "varstored/base/reader.h"

namespace varstored::health {
namespace {

using crypto::DigestFromHex;

struct ListRow {
  std::string_view date;
  std::size_t hashes = 0;
  crypto::Sha256Digest marker;
};

// From the repository secureboot_objects of Microsoft's: dbx_info_msft_latest.json as of July 2026,
// images for x64. The two oldest are dated as fwupd dates them (20140413, 20160809): Microsoft's
// file gives all that they hold the date 2018-04-01, on which it begins.
constexpr std::array<ListRow, 14> kLists = {{
    {"2014-04-13", 11,
     DigestFromHex("80b4d96931bf0d02fd91a61e19d14f1da452e66db2408ca8604d411f92659f0a")},
    {"2016-08-09", 27,
     DigestFromHex("106faceacfecfd4e303b74f480a08098e2d0802b936f8ec774ce21f31686689c")},
    {"2018-06-01", 33,
     DigestFromHex("10d45fcba396aef3153ee8f6ecae58afe8476a280a2026fc71f6217dcf49ba2f")},
    {"2020-07-01", 184,
     DigestFromHex("0257ff710f2a16e489b37493c07604a7cda96129d8a8fd68d2b6af633904315d")},
    {"2021-04-01", 215,
     DigestFromHex("007f4c95125713b112093e21663e2d23e3c1ae9ce4b5de0d58a297332336a2d8")},
    {"2022-08-01", 222,
     DigestFromHex("284153e7d04a9f187e5c3dbfe17b2672ad2fbdd119f27bec789417b7919853ec")},
    {"2023-03-01", 224,
     DigestFromHex("1788d84aa61ede6f2e96cfc900ad1cab1c5be86537f27212e8c291d6ade3b1e9")},
    {"2023-05-01", 375,
     DigestFromHex("0328f7dd12b552efa7a9e083730333b85f3f4e83d39387fc531863b422f75cc8")},
    {"2024-03-01", 415,
     DigestFromHex("0690eadbd2302957bf7912c2851c33463c855c10ad226a11bbfdc8d69d8a14b3")},
    {"2024-11-01", 416,
     DigestFromHex("cdb7c90d3ab8833d5324f5d8516d41fa990b9ca721fe643fffaef9057d9f9e48")},
    {"2025-05-07", 430,
     DigestFromHex("0bc4f078388d41ab039f87ae84cf8d39302ccbdd70c4ade02263ebfce6def0f5")},
    {"2025-09-02", 431,
     DigestFromHex("e14c88dc48339c0555686849a4e3f8986d558e65c4fc863a1a4f1d40478bd47c")},
    {"2026-04-02", 432,
     DigestFromHex("d013ba511aee89ba3285d1cac0c9f4f21ef4810873c2ebbffe7712bf0be8ced3")},
    {"2026-04-09", 443,
     DigestFromHex("236a9cb0d71951c36398a32eb660ce2cd4a52ccfa7cf751cc6a35d9de549e19b")},
}};

struct PublicKey {
  crypto::Sha256Digest digest;  // of the certificate
  std::string_view why;
};

constexpr std::array<PublicKey, 1> kPublicKeys = {{
    // /usr/share/ovmf/PkKek-1-snakeoil.pem of Debian's package ovmf.
    {DigestFromHex("282e8130b7070f107aaecc25d3992ca4440270860b09088792a5075fab0d13f8"),
     "is Debian's snakeoil key, whose private half is in the package ovmf"},
}};

struct Address {
  std::string_view name;  // of the certificate
  std::string_view url;
};

// Microsoft's pages on the certificates of Secure Boot give these.
constexpr std::array<Address, 7> kAddresses = {{
    {"Microsoft Corporation KEK CA 2011", "https://go.microsoft.com/fwlink/?LinkId=321185"},
    {"Microsoft Corporation KEK 2K CA 2023", "https://go.microsoft.com/fwlink/?LinkId=2239775"},
    {"Microsoft Windows Production PCA 2011", "https://go.microsoft.com/fwlink/?LinkId=321192"},
    {"Windows UEFI CA 2023", "https://go.microsoft.com/fwlink/?LinkId=2239776"},
    {"Microsoft Corporation UEFI CA 2011", "https://go.microsoft.com/fwlink/?LinkId=321194"},
    {"Microsoft UEFI CA 2023", "https://go.microsoft.com/fwlink/?LinkId=2239872"},
    {"Microsoft Option ROM UEFI CA 2023", "https://go.microsoft.com/fwlink/?LinkId=2284009"},
}};

KnownCertificate Known(const engine::MicrosoftCertificate& certificate, int year,
                       engine::CertificateHolder holder) {
  const auto* const address =
      std::find_if(kAddresses.begin(), kAddresses.end(),
                   [&](const Address& row) { return row.name == certificate.name; });
  return {certificate, year, holder,
          address == kAddresses.end() ? std::string_view() : address->url};
}

std::vector<KnownCertificate> AllCertificates() {
  constexpr int kOld = 2011;
  constexpr int kNew = 2023;
  std::vector<KnownCertificate> all;
  for (const engine::Succession& row : engine::Successions()) {
    all.push_back(Known(row.old_certificate, kOld, row.holder));
    all.push_back(Known(row.successor, kNew, row.holder));
  }
  all.push_back(Known(kOptionRom2023, kNew, engine::CertificateHolder::kDb));
  all.back().is_optional = true;
  return all;
}

/// Whether `text` holds `words`, which are in upper case, in whatever case.
bool Says(const std::string& text, std::string_view words) {
  return std::search(text.begin(), text.end(), words.begin(), words.end(), [](char c, char upper) {
           return (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c) == upper;
         }) != text.end();
}

}  // namespace

std::span<const KnownCertificate> MicrosoftCertificates() {
  static const std::vector<KnownCertificate> kAll = AllCertificates();
  return kAll;
}

std::optional<KnownCertificate> FindKnownCertificate(const crypto::Sha256Digest& digest) {
  for (const KnownCertificate& known : MicrosoftCertificates()) {
    if (known.certificate.digest == digest) {
      return known;
    }
  }
  return std::nullopt;
}

KnownRevocations::KnownRevocations(const std::vector<ListedRevocation>& given) {
  for (const ListRow& row : kLists) {
    lists_.push_back({std::string(row.date), row.hashes, row.marker});
  }
  std::map<std::string, std::set<crypto::Sha256Digest>> newer;
  for (const ListedRevocation& revocation : given) {
    const bool is_first = given_.insert(base::ToBytes(revocation.hash)).second;
    if (is_first && revocation.date > kLists.back().date) {
      newer[revocation.date].insert(revocation.hash);
    }
  }
  for (const auto& [date, hashes] : newer) {
    lists_.push_back({date, lists_.back().hashes + hashes.size(), *hashes.begin()});
  }
}

bool KnownRevocations::Knows(base::ByteSpan sha256) const {
  base::Reader reader(sha256);
  std::uint8_t byte = 0;
  std::uint32_t front = 0;
  for (std::size_t i = 0; i < sizeof(front); ++i) {
    if (!reader.ReadU8(byte)) {
      return false;
    }
    front = front << 8U | byte;
  }
  return std::binary_search(kKnownHashes.begin(), kKnownHashes.end(), front) ||
         given_.contains(base::ToBytes(sha256));
}

std::optional<std::string> WhyNotSecret(const crypto::Certificate& certificate) {
  const std::string subject = certificate.whole_subject_text();
  for (const std::string_view words : {"DO NOT TRUST", "DO NOT SHIP"}) {
    if (Says(subject, words)) {
      return "says " + std::string(words) + " of itself";
    }
  }
  if (const auto digest = crypto::Sha256({certificate.der()})) {
    for (const PublicKey& key : kPublicKeys) {
      if (key.digest == *digest) {
        return std::string(key.why);
      }
    }
  }
  return std::nullopt;
}

}  // namespace varstored::health
