#include "domain_keys.h"

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "varstored/base/file.h"

namespace varstored::guest_xen {
namespace {

/// For what the library has allocated.
struct Free {
  void operator()(void* value) const noexcept {
    std::free(value);  // NOLINT(cppcoreguidelines-no-malloc): the library's own way
  }
};

base::Failure<base::Error> FailWithErrno(const char* what, const std::string& path) {
  return base::Fail(std::string("cannot ") + what + " " + path +
                    " in xenstore: " + base::ErrnoText());
}

}  // namespace

base::Result<DomainKeys> DomainKeys::Open(domid_t domain) {
  Connection connection(xs_open(0));
  if (!connection) {
    return base::Fail("cannot open xenstore: " + base::ErrnoText());
  }
  return DomainKeys(std::move(connection), "/local/domain/" + std::to_string(domain) + "/");
}

base::Result<std::optional<std::string>> DomainKeys::Read(const std::string& key) {
  const std::string path = folder_ + key;
  unsigned int size = 0;
  const std::unique_ptr<void, Free> value(
      xs_read(connection_.get(), XBT_NULL, path.c_str(), &size));
  if (!value) {
    return errno == ENOENT ? base::Result<std::optional<std::string>>(std::nullopt)
                           : FailWithErrno("read", path);
  }
  return std::optional(std::string(static_cast<const char*>(value.get()), size));
}

base::Result<void> DomainKeys::Write(const std::string& key, const std::string& value) {
  const std::string path = folder_ + key;
  if (!xs_write(connection_.get(), XBT_NULL, path.c_str(), value.data(),
                static_cast<unsigned int>(value.size()))) {
    return FailWithErrno("write", path);
  }
  return {};
}

base::Result<void> DomainKeys::Remove(const std::string& key) {
  const std::string path = folder_ + key;
  if (!xs_rm(connection_.get(), XBT_NULL, path.c_str()) && errno != ENOENT) {
    return FailWithErrno("remove", path);
  }
  return {};
}

}  // namespace varstored::guest_xen
