#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

extern "C" {
#include <xenstore.h>
}

#include "varstored/base/result.h"

namespace varstored::xl {

/// The domains of this host as xenstore, the tree of keys that its programs share, knows them.
class Domains {
 public:
  [[nodiscard]] static base::Result<Domains> Open();

  /// The domain of this number, of this UUID, or of this name.
  [[nodiscard]] base::Result<std::uint16_t> Find(const std::string& text) const;
  /// The UUID of the VM that runs as this domain.
  [[nodiscard]] base::Result<std::string> UuidOf(std::uint16_t domain) const;
  /// The name that the toolstack gave to the domain.
  [[nodiscard]] std::optional<std::string> NameOf(std::uint16_t domain) const;
  /// Whether the toolstack still has this domain, as that VM.
  [[nodiscard]] bool IsThere(std::uint16_t domain, const std::string& uuid) const;

  /// Says whether Secure Boot is wanted; nothing: yes, unless something is said already.
  [[nodiscard]] base::Result<void> WantSecureBoot(std::uint16_t domain,
                                                  std::optional<bool> wanted) const;
  /// The process that is ready to serve the domain, as it says itself.
  [[nodiscard]] std::optional<std::string> ReadyProcess(std::uint16_t domain) const;

  /// The numbers of all domains that there are.
  [[nodiscard]] std::vector<std::uint16_t> All() const;

 private:
  struct Close {
    void operator()(xs_handle* connection) const noexcept { xs_close(connection); }
  };
  using Connection = std::unique_ptr<xs_handle, Close>;

  explicit Domains(Connection connection) : connection_(std::move(connection)) {}

  [[nodiscard]] std::optional<std::string> Read(std::uint16_t domain, const std::string& key) const;

  Connection connection_;
};

}  // namespace varstored::xl
