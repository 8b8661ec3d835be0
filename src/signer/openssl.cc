#include "openssl.h"

#include <new>
#include <string>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace varstored::signer {
namespace {

/// What OpenSSL allocated for the caller.
template <class T>
struct OpenSslMemory {
  OpenSslMemory() = default;
  ~OpenSslMemory() { OPENSSL_free(data); }
  OpenSslMemory(const OpenSslMemory&) = delete;
  OpenSslMemory& operator=(const OpenSslMemory&) = delete;

  T* data = nullptr;
};

}  // namespace

OpenSslCall::OpenSslCall() {
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) {
    throw std::bad_alloc();
  }
}

OpenSslCall::~OpenSslCall() { ERR_clear_error(); }

BioPtr ReaderOf(base::ByteSpan bytes) {
  BioPtr bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  if (bio == nullptr) {
    throw std::bad_alloc();
  }
  return bio;
}

base::Bytes WrittenTo(BIO* bio) {
  base::Bytes bytes(BIO_ctrl_pending(bio));
  std::size_t count = 0;
  if (!bytes.empty() && BIO_read_ex(bio, bytes.data(), bytes.size(), &count) != 1) {
    return {};
  }
  return bytes;
}

X509Ptr ToX509(const crypto::Certificate& certificate) {
  const base::ByteSpan der = certificate.der();
  const unsigned char* in = der.data();
  // It was parsed before, so only memory can be short.
  X509Ptr x509(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  if (x509 == nullptr) {
    throw std::bad_alloc();
  }
  return x509;
}

bool IsPem(base::ByteSpan file) {
  const std::string text = base::ToString(file);
  return text.starts_with("-----BEGIN ") || text.find("\n-----BEGIN ") != std::string::npos;
}

base::Result<std::vector<PemBlock>> ReadPem(base::ByteSpan file) {
  const BioPtr bio = ReaderOf(file);
  std::vector<PemBlock> blocks;
  while (true) {
    OpenSslMemory<char> name;
    OpenSslMemory<char> header;
    OpenSslMemory<unsigned char> content;
    long size = 0;
    if (PEM_read_bio(bio.get(), &name.data, &header.data, &content.data, &size) != 1) {
      break;
    }
    blocks.push_back(
        {.name = name.data,
         .content = base::ToBytes(base::ByteSpan(content.data, static_cast<std::size_t>(size)))});
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE || blocks.empty()) {
    return base::Fail("PEM block " + std::to_string(blocks.size() + 1) + " is damaged");
  }
  return blocks;
}

}  // namespace varstored::signer
