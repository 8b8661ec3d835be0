#include "domains.h"

#include <cstdlib>
#include <span>
#include <string_view>
#include <utility>

#include "arguments.h"
#include "varstored/base/file.h"

namespace varstored::xl {
namespace {

constexpr std::string_view kVmPrefix = "/vm/";

/// For what the library has allocated.
struct Free {
  void operator()(void* value) const noexcept {
    std::free(value);  // NOLINT(cppcoreguidelines-no-malloc): the library's own way
  }
};

std::string PathOf(std::uint16_t domain, const std::string& key) {
  return "/local/domain/" + std::to_string(domain) + "/" + key;
}

}  // namespace

base::Result<Domains> Domains::Open() {
  Connection connection(xs_open(0));
  if (!connection) {
    return base::Fail("cannot open xenstore: " + base::ErrnoText() +
                      "; this must run as root, in the domain that controls the others");
  }
  return Domains(std::move(connection));
}

std::optional<std::string> Domains::Read(std::uint16_t domain, const std::string& key) const {
  unsigned int size = 0;
  const std::unique_ptr<void, Free> value(
      xs_read(connection_.get(), XBT_NULL, PathOf(domain, key).c_str(), &size));
  if (!value) {
    return std::nullopt;
  }
  return std::string(static_cast<const char*>(value.get()), size);
}

std::vector<std::uint16_t> Domains::All() const {
  unsigned int count = 0;
  const std::unique_ptr<char*, Free> names(
      xs_directory(connection_.get(), XBT_NULL, "/local/domain", &count));
  std::vector<std::uint16_t> domains;
  if (names) {
    for (const char* name : std::span(names.get(), count)) {
      if (const auto domain = ParseDomain(name)) {
        domains.push_back(*domain);
      }
    }
  }
  return domains;
}

base::Result<std::uint16_t> Domains::Find(const std::string& text) const {
  if (const auto number = ParseDomain(text)) {
    return *number;
  }
  std::optional<std::uint16_t> found;
  for (const std::uint16_t domain : All()) {
    if (Read(domain, "name") != text && Read(domain, "vm") != std::string(kVmPrefix) + text) {
      continue;
    }
    if (found) {
      return base::Fail("domains " + std::to_string(*found) + " and " + std::to_string(domain) +
                        " are both '" + text + "': give the number");
    }
    found = domain;
  }
  if (!found) {
    return base::Fail("there is no domain '" + text + "'");
  }
  return *found;
}

base::Result<std::string> Domains::UuidOf(std::uint16_t domain) const {
  const auto vm = Read(domain, "vm");
  if (!vm) {
    return base::Fail("there is no domain " + std::to_string(domain));
  }
  if (!vm->starts_with(kVmPrefix) || !IsUuid(vm->substr(kVmPrefix.size()))) {
    return base::Fail(PathOf(domain, "vm") + " in xenstore names no UUID");
  }
  return vm->substr(kVmPrefix.size());
}

std::optional<std::string> Domains::NameOf(std::uint16_t domain) const {
  return Read(domain, "name");
}

bool Domains::IsThere(std::uint16_t domain, const std::string& uuid) const {
  return Read(domain, "vm") == std::string(kVmPrefix) + uuid;
}

base::Result<void> Domains::WantSecureBoot(std::uint16_t domain, std::optional<bool> wanted) const {
  const std::string key = "platform/secureboot";
  if (!wanted && Read(domain, key)) {
    return {};
  }
  const std::string_view value = wanted.value_or(true) ? "true" : "false";
  if (!xs_write(connection_.get(), XBT_NULL, PathOf(domain, key).c_str(), value.data(),
                static_cast<unsigned int>(value.size()))) {
    return base::Fail("cannot write " + PathOf(domain, key) + " in xenstore: " + base::ErrnoText());
  }
  return {};
}

std::optional<std::string> Domains::ReadyProcess(std::uint16_t domain) const {
  return Read(domain, "varstored-pid");
}

}  // namespace varstored::xl
