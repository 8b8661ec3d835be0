#include "varstored/engine/certificate_state.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "varstored/efi/signature_list.h"

namespace varstored::engine {
namespace {

using crypto::DigestFromHex;

constexpr std::array<Succession, 3> kSuccessions = {{
    {CertificateHolder::kKek,
     {"Microsoft Corporation KEK CA 2011",
      DigestFromHex("a1117f516a32cefcba3f2d1ace10a87972fd6bbe8fe0d0b996e09e65d802a503")},
     {"Microsoft Corporation KEK 2K CA 2023",
      DigestFromHex("3cd3f0309edae228767a976dd40d9f4affc4fbd5218f2e8cc3c9dd97e8ac6f9d")}},
    {CertificateHolder::kDb,
     {"Microsoft Windows Production PCA 2011",
      DigestFromHex("e8e95f0733a55e8bad7be0a1413ee23c51fcea64b3c8fa6a786935fddcc71961")},
     {"Windows UEFI CA 2023",
      DigestFromHex("076f1fea90ac29155ebf77c17682f75f1fdd1be196da302dc8461e350a9ae330")}},
    {CertificateHolder::kDb,
     {"Microsoft Corporation UEFI CA 2011",
      DigestFromHex("48e99b991f57fc52f76149599bff0a58c47154229b9f8d603ac40d3500248507")},
     {"Microsoft UEFI CA 2023",
      DigestFromHex("f6124e34125bee3fe6d79a574eaa7b91c0e7bd9d929c1a321178efd611dad901")}},
}};

/// The SHA-256 of every X.509 entry. Lists that cannot be read hold none that anybody could use.
std::vector<crypto::Sha256Digest> DigestsIn(base::ByteSpan lists_bytes) {
  std::vector<crypto::Sha256Digest> digests;
  const auto lists = efi::UsableSignatureLists(lists_bytes);
  if (!lists) {
    return digests;
  }
  for (const efi::SignatureList& list : *lists) {
    if (list.kind != efi::SignatureKind::kX509) {
      continue;
    }
    for (const efi::SignatureEntry& entry : list.entries) {
      if (const auto digest = crypto::Sha256({entry.data})) {
        digests.push_back(*digest);
      }
    }
  }
  return digests;
}

bool Contains(const std::vector<crypto::Sha256Digest>& digests,
              const crypto::Sha256Digest& digest) {
  return std::find(digests.begin(), digests.end(), digest) != digests.end();
}

}  // namespace

std::span<const Succession> Successions() { return kSuccessions; }

bool HoldsCertificateOf2011(CertificateHolder holder, base::ByteSpan lists) {
  const auto held = DigestsIn(lists);
  return std::any_of(kSuccessions.begin(), kSuccessions.end(), [&](const Succession& row) {
    return row.holder == holder && Contains(held, row.old_certificate.digest);
  });
}

CertificateState CertificateStateOf(base::ByteSpan kek, base::ByteSpan db) {
  const auto in_kek = DigestsIn(kek);
  const auto in_db = DigestsIn(db);
  const bool is_due = std::any_of(
      kSuccessions.begin(), kSuccessions.end(), [&in_kek, &in_db](const Succession& row) {
        const auto& held = row.holder == CertificateHolder::kKek ? in_kek : in_db;
        return Contains(held, row.old_certificate.digest) && !Contains(held, row.successor.digest);
      });
  return is_due ? CertificateState::kUpdateRequired : CertificateState::kUpToDate;
}

bool HoldOnlyCertificatesOf2011(base::ByteSpan kek, base::ByteSpan db) {
  const auto in_kek = DigestsIn(kek);
  const auto in_db = DigestsIn(db);
  const auto some = [&](const MicrosoftCertificate Succession::*which) {
    return std::ranges::any_of(kSuccessions, [&](const Succession& row) {
      return Contains(row.holder == CertificateHolder::kKek ? in_kek : in_db, (row.*which).digest);
    });
  };
  return some(&Succession::old_certificate) && !some(&Succession::successor);
}

bool AreCertificatesUpToDate(base::ByteSpan kek, base::ByteSpan db) {
  return CertificateStateOf(kek, db) == CertificateState::kUpToDate;
}

}  // namespace varstored::engine
