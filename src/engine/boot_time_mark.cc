#include "boot_time_mark.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "varstored/crypto/digest.h"
#include "varstored/efi/well_known.h"

namespace varstored::engine {
namespace {

/// What makes the digest one for this purpose.
constexpr std::string_view kPurpose = "varstored: the operating system has not been started";

/// A record with another digest in the place of its signer's.
store::Entry WithSigner(const store::Entry& entry, const store::SignerDigest& signer) {
  return store::MakeEntry({.name = std::string(entry.name()),
                           .vendor = entry.vendor(),
                           .attributes = entry.raw_attributes(),
                           .data = entry.data(),
                           .timestamp = entry.timestamp(),
                           .signer = signer});
}

/// The digest of the whole state, in its order, with nothing where the digest goes.
std::optional<store::SignerDigest> DigestOf(const store::Ancillary& ancillary,
                                            std::vector<const store::Entry*> entries,
                                            std::size_t place) {
  const store::Entry unmarked = WithSigner(*entries[place], {});
  entries[place] = &unmarked;
  const base::Bytes purpose(kPurpose.begin(), kPurpose.end());
  const auto digest = crypto::Sha256({purpose, store::EncodeVarsBlob(ancillary, entries)});
  return digest ? std::optional(*digest) : std::nullopt;
}

/// Where SetupMode stands; the number of entries when it does not.
std::size_t PlaceOfMark(const std::vector<const store::Entry*>& entries) {
  const auto found = std::find_if(entries.begin(), entries.end(), [](const store::Entry* entry) {
    return efi::kSetupMode.Is(entry->name(), entry->vendor());
  });
  return static_cast<std::size_t>(found - entries.begin());
}

}  // namespace

base::Bytes EncodeWithBootTimeMark(const store::Ancillary& ancillary,
                                   std::vector<const store::Entry*> entries) {
  const std::size_t place = PlaceOfMark(entries);
  const auto digest = place < entries.size() ? DigestOf(ancillary, entries, place) : std::nullopt;
  if (!digest) {
    return store::EncodeVarsBlob(ancillary, entries);
  }
  const store::Entry marked = WithSigner(*entries[place], *digest);
  entries[place] = &marked;
  return store::EncodeVarsBlob(ancillary, entries);
}

bool HasBootTimeMark(const store::VarsBlob& blob) {
  // Only a daemon that knows the mark writes one, and none of them writes anything twice.
  std::vector<const store::Entry*> entries;
  entries.reserve(blob.entries.size());
  for (const store::Entry& entry : blob.entries) {
    entries.push_back(&entry);
  }
  const std::size_t place = PlaceOfMark(entries);
  if (place == entries.size() || !blob.replaced.empty()) {
    return false;
  }
  const auto digest = DigestOf(blob.ancillary, entries, place);
  return digest && *digest == entries[place]->signer();
}

}  // namespace varstored::engine
