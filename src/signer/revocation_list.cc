#include "varstored/signer/revocation_list.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace varstored::signer {
namespace {

using nlohmann::json;

/// The member of an object; null when `value` is no object or does not have it.
const json* Member(const json& value, const char* name) {
  const auto found = value.find(name);  // of what is no object: the end
  return found != value.end() ? &*found : nullptr;
}

/// The text of a member; empty when there is none.
std::string TextOf(const json& value, const char* name) {
  const json* member = Member(value, name);
  return member != nullptr && member->is_string() ? member->get<std::string>() : std::string();
}

/// "2026-04-09" or the like as it is, else nothing.
std::string DateOf(const json& image) {
  constexpr std::string_view kForm = "0000-00-00";
  std::string date = TextOf(image, "dateOfAddition");
  const bool has_form = date.size() == kForm.size() &&
                        std::equal(date.begin(), date.end(), kForm.begin(), [](char c, char form) {
                          return form == '0' ? c >= '0' && c <= '9' : c == form;
                        });
  return has_form ? date : std::string();
}

}  // namespace

std::optional<crypto::Sha256Digest> ParseSha256(std::string_view text) {
  crypto::Sha256Digest digest{};
  if (text.size() != 2 * digest.size()) {
    return std::nullopt;
  }
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    digest[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

base::Result<std::vector<ListedHash>> ParseRevocationList(base::ByteSpan file) {
  // Errors are a value, not an exception; and no depth of the text makes the parser call itself.
  const json list = json::parse(file.begin(), file.end(), nullptr, false);
  if (list.is_discarded()) {
    return base::Fail("not JSON");
  }
  const json* images = Member(list, "images");
  const json* of_x64 = images != nullptr ? Member(*images, "x64") : nullptr;
  if (of_x64 == nullptr || !of_x64->is_array()) {
    return base::Fail("JSON without images.x64: not Microsoft's list of revocations");
  }
  std::vector<ListedHash> hashes;
  for (const json& image : *of_x64) {
    const std::string where = "images.x64, entry " + std::to_string(hashes.size() + 1);
    if (TextOf(image, "hashType") != "SHA256") {
      return base::Fail(where + ": hashType is not SHA256");
    }
    const auto hash = ParseSha256(TextOf(image, "authenticodeHash"));
    if (!hash) {
      return base::Fail(where + ": authenticodeHash is not 64 hexadecimal digits");
    }
    hashes.push_back({*hash, DateOf(image)});
  }
  return hashes;
}

}  // namespace varstored::signer
