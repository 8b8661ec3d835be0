#include "openssl.h"

#include <new>
#include <string>
#include <string_view>

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

std::size_t CountBeginLines(base::ByteSpan file) {
  constexpr std::string_view kBegin = "\n-----BEGIN ";
  const std::string text = "\n" + base::ToString(file);
  std::size_t count = 0;
  for (std::size_t at = text.find(kBegin); at != std::string::npos;
       at = text.find(kBegin, at + 1)) {
    ++count;
  }
  return count;
}

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

X509Ptr ToX509(const crypto::Certificate& certificate) {
  if (!certificate.may_be_decoded()) {
    return nullptr;
  }
  const base::ByteSpan der = certificate.der();
  const unsigned char* in = der.data();
  return X509Ptr(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
}

bool IsPem(base::ByteSpan file) { return CountBeginLines(file) != 0; }

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
  // OpenSSL passes over a last block whose first line is cut off.
  if (blocks.size() != CountBeginLines(file)) {
    return base::Fail("PEM block " + std::to_string(blocks.size() + 1) + " is damaged");
  }
  return blocks;
}

}  // namespace varstored::signer
