#pragma once

#include <memory>
#include <optional>
#include <string>

#include "hypervisor.h"
#include "varstored/base/result.h"

namespace varstored::guest_xen {

/// The keys of one domain in xenstore, the tree of keys by which the programs of a host find each
/// other. This is a connection that can change the keys of every domain, and cannot be restricted
/// to one: whoever takes over a process that holds it owns the host. So each is short.
class DomainKeys {
 public:
  [[nodiscard]] static base::Result<DomainKeys> Open(domid_t domain);

  // `key` is relative to the domain's folder, /local/domain/<domain>/.

  /// The value, or nothing when there is none.
  [[nodiscard]] base::Result<std::optional<std::string>> Read(const std::string& key);
  [[nodiscard]] base::Result<void> Write(const std::string& key, const std::string& value);
  /// A key that is missing is removed already.
  [[nodiscard]] base::Result<void> Remove(const std::string& key);

 private:
  using Connection = std::unique_ptr<xs_handle, Closer<xs_close>>;

  DomainKeys(Connection connection, std::string folder)
      : connection_(std::move(connection)), folder_(std::move(folder)) {}

  Connection connection_;
  std::string folder_;
};

}  // namespace varstored::guest_xen
