#include "wire/key_ring.h"

#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace varstored::test {
namespace {

[[noreturn]] void Fail(const Stanza& stanza, const std::string& what) {
  throw std::runtime_error(stanza.Where() + ": " + what);
}

template <class Value, std::size_t N>
Value ValueOf(const Stanza& stanza, std::string_view word,
              const std::array<std::pair<std::string_view, Value>, N>& rows) {
  for (const auto& [name, value] : rows) {
    if (name == word) {
      return value;
    }
  }
  Fail(stanza, "unknown word '" + std::string(word) + "'");
}

constexpr std::array<std::pair<std::string_view, KeyType>, 5> kKeyTypes = {{
    {"ec256", KeyType::kEcP256},
    {"ec384", KeyType::kEcP384},
    {"rsa1024", KeyType::kRsa1024},
    {"rsa2048", KeyType::kRsa2048},
    {"rsa4096", KeyType::kRsa4096},
}};

constexpr std::array<std::pair<std::string_view, Digest>, 3> kDigests = {{
    {"md5", Digest::kMd5},
    {"sha1", Digest::kSha1},
    {"sha256", Digest::kSha256},
}};

/// "FIELD=text", with * and a count behind the text to repeat it.
Name ParseName(const Stanza& stanza, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) {
    Fail(stanza, "a subject is FIELD=text");
  }
  std::string octets = text.substr(equals + 1);
  if (const std::size_t star = octets.rfind('*'); star != std::string::npos) {
    const std::string repeated = octets.substr(0, star);
    std::string all;
    for (int left = std::stoi(octets.substr(star + 1)); left > 0; --left) {
      all += repeated;
    }
    octets = all;
  }
  return {{text.substr(0, equals), octets}};
}

}  // namespace

KeyRing::KeyRing(const std::vector<Stanza>& stanzas) {
  for (const Stanza& stanza : stanzas) {
    if (!stanzas_.emplace(stanza["key"], stanza).second) {
      Fail(stanza, "there is a second key '" + stanza["key"] + "'");
    }
  }
}

const Identity& KeyRing::operator[](const std::string& name) {
  if (const auto found = made_.find(name); found != made_.end()) {
    return found->second;
  }
  const auto found = stanzas_.find(name);
  if (found == stanzas_.end()) {
    throw std::runtime_error("there is no key '" + name + "'");
  }
  const Stanza& stanza = found->second;
  CertificateOptions options;
  options.subject = CommonName(name);
  for (const Stanza::Line& line : stanza.lines) {
    if (line.key == "issuer") {
      options.issuer = &(*this)[line.value];
    } else if (line.key == "same-key-as") {
      options.key = (*this)[line.value].key();
    } else if (line.key == "type") {
      options.key_type = ValueOf(stanza, line.value, kKeyTypes);
    } else if (line.key == "subject") {
      options.subject = ParseName(stanza, line.value);
    } else if (line.key == "serial") {
      options.serial = std::stoll(line.value);
    } else if (line.key == "not-after") {
      options.not_after = line.value;
    } else if (line.key == "digest") {
      options.digest = ValueOf(stanza, line.value, kDigests);
    } else if (line.key == "purpose") {
      options.extensions.emplace_back("extendedKeyUsage", line.value);
    } else if (line.key != "key" && line.key != "what") {
      Fail(stanza, "a key has no '" + line.key + "'");
    }
  }
  return made_.emplace(name, Identity::Make(options)).first->second;
}

}  // namespace varstored::test
