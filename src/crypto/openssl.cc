#include "openssl.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

namespace varstored::crypto {

OpenSslCall::OpenSslCall() noexcept
    : ready_(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1) {}

OpenSslCall::~OpenSslCall() { ERR_clear_error(); }

bool OpenSslCall::RanOutOfMemory() noexcept {
  bool ran_out = false;
  while (const unsigned long error = ERR_get_error()) {
    ran_out = ran_out || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
  }
  return ran_out;
}

std::optional<DigestValue> DigestOf(const char* name, std::span<const base::ByteSpan> parts) {
  const std::unique_ptr<EVP_MD, OpenSslDeleter<EVP_MD_free>> md(
      EVP_MD_fetch(nullptr, name, nullptr));
  const MdContextPtr context(EVP_MD_CTX_new());
  if (md == nullptr || context == nullptr ||
      EVP_DigestInit_ex2(context.get(), md.get(), nullptr) != 1) {
    return std::nullopt;
  }
  for (const base::ByteSpan part : parts) {
    if (EVP_DigestUpdate(context.get(), part.data(), part.size()) != 1) {
      return std::nullopt;
    }
  }
  DigestValue value;
  if (EVP_DigestFinal_ex(context.get(), value.buffer.data(), &value.size) != 1) {
    return std::nullopt;
  }
  return value;
}

}  // namespace varstored::crypto
