#include "known.h"

#include <array>

namespace varstored::health {
namespace {

using crypto::DigestFromHex;

// From the repository secureboot_objects of Microsoft's: dbx_info_msft_latest.json as of July 2026,
// images for x64.
constexpr std::array<KnownList, 13> kLists = {{
    {"2018-04-01", 27,
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

}  // namespace

std::optional<KnownCertificate> FindKnownCertificate(const crypto::Sha256Digest& digest) {
  for (const engine::Succession& row : engine::Successions()) {
    if (row.old_certificate.digest == digest) {
      return KnownCertificate{row.old_certificate, 2011};
    }
    if (row.successor.digest == digest) {
      return KnownCertificate{row.successor, 2023};
    }
  }
  if (kOptionRom2023.digest == digest) {
    return KnownCertificate{kOptionRom2023, 2023};
  }
  return std::nullopt;
}

std::span<const KnownList> KnownLists() { return kLists; }

}  // namespace varstored::health
