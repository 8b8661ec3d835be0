#include "revocation_list.h"

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include <boost/property_tree/json_parser.hpp>
#include <boost/property_tree/ptree.hpp>

namespace varstored::signer {
namespace {

using boost::property_tree::ptree;

/// The published list has 4. The parser calls itself for each level, so a file of nothing but
/// brackets must not reach it.
constexpr std::size_t kMaxDepth = 16;

bool IsTooDeep(std::string_view json) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      i += c == '\\' ? 1 : 0;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) {
        return true;
      }
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

base::Result<ptree> ParseJson(const std::string& text) {
  if (IsTooDeep(text)) {
    return base::Fail("JSON of more than " + std::to_string(kMaxDepth) + " levels");
  }
  ptree tree;
  std::istringstream stream(text);
  try {
    boost::property_tree::read_json(stream, tree);
  } catch (const boost::property_tree::json_parser_error& error) {
    return base::Fail("not JSON: line " + std::to_string(error.line()) + ": " + error.message());
  }
  return tree;
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

base::Result<std::vector<crypto::Sha256Digest>> ParseRevocationList(base::ByteSpan file) {
  const auto tree = ParseJson(base::ToString(file));
  if (!tree) {
    return tree.failure();
  }
  const auto images = tree->get_child_optional("images.x64");
  if (!images) {
    return base::Fail("JSON without images.x64: not Microsoft's list of revocations");
  }
  std::vector<crypto::Sha256Digest> hashes;
  for (const auto& [key, image] : *images) {
    const std::string where = "images.x64, entry " + std::to_string(hashes.size() + 1);
    if (image.get("hashType", "") != "SHA256") {
      return base::Fail(where + ": hashType is not SHA256");
    }
    const auto hash = ParseSha256(image.get("authenticodeHash", ""));
    if (!hash) {
      return base::Fail(where + ": authenticodeHash is not 64 hexadecimal digits");
    }
    hashes.push_back(*hash);
  }
  return hashes;
}

}  // namespace varstored::signer
