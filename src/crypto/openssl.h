#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "varstored/base/bytes.h"

/// What all of this room needs of OpenSSL: owners for its objects, its initialisation, its error
/// queue, and digests.
namespace varstored::crypto {

/// Frees an OpenSSL object, which may be none, with its own function.
template <auto kFree>
struct OpenSslDeleter {
  template <class T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};

using MdContextPtr = std::unique_ptr<EVP_MD_CTX, OpenSslDeleter<EVP_MD_CTX_free>>;
using NamePtr = std::unique_ptr<X509_NAME, OpenSslDeleter<X509_NAME_free>>;
using SignerInfoPtr = std::unique_ptr<PKCS7_SIGNER_INFO, OpenSslDeleter<PKCS7_SIGNER_INFO_free>>;
using X509Ptr = std::unique_ptr<X509, OpenSslDeleter<X509_free>>;

/// A public function's time inside of OpenSSL. It makes sure that the library never reads its
/// configuration file, because the host's settings are not to change what is accepted, and because
/// the daemon cannot see the file once it is in its chroot. And it leaves the thread's error queue
/// empty: the daemon lives long, and an old entry would be taken for a new one.
class OpenSslCall {
 public:
  OpenSslCall() noexcept;
  ~OpenSslCall();
  OpenSslCall(const OpenSslCall&) = delete;
  OpenSslCall& operator=(const OpenSslCall&) = delete;

  /// False when the library could not be initialised. It must not be used then.
  [[nodiscard]] bool ready() const noexcept { return ready_; }

  /// Whether something failed for want of memory since the call began. Empties the error queue.
  [[nodiscard]] static bool RanOutOfMemory() noexcept;

 private:
  bool ready_;
};

/// A digest of up to 64 bytes.
struct DigestValue {
  [[nodiscard]] base::ByteSpan bytes() const { return {buffer.data(), size}; }

  std::array<std::uint8_t, EVP_MAX_MD_SIZE> buffer{};
  unsigned int size = 0;
};

/// The digest called `name` of the parts, one behind the other; nothing when memory runs out.
[[nodiscard]] std::optional<DigestValue> DigestOf(const char* name,
                                                  std::span<const base::ByteSpan> parts);

}  // namespace varstored::crypto
