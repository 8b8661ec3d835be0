#include "chain.h"

#include <memory>

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "parsed_certificate.h"
#include "varstored/crypto/signed_data.h"

namespace varstored::crypto {
namespace {

// The stack's references to certificates are not counted: it only points to them.
void FreeStack(STACK_OF(X509) * stack) { sk_X509_free(stack); }
using BorrowedStackPtr = std::unique_ptr<STACK_OF(X509), OpenSslDeleter<FreeStack>>;

using StorePtr = std::unique_ptr<X509_STORE, OpenSslDeleter<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, OpenSslDeleter<X509_STORE_CTX_free>>;

// Whether OpenSSL may go on from `subject` to `issuer`. Its own check compares names and key
// identifiers, takes the first issuer that fits, and fails if that one's key turns out to be wrong.
// Owners do renew a key under the same name: only the signature tells the two apart.
int CheckIssued(X509_STORE_CTX* context, X509* subject, X509* issuer) {
  if (X509_check_issued(issuer, subject) != X509_V_OK) {
    return 0;
  }
  int& checks_left = *static_cast<int*>(X509_STORE_CTX_get_app_data(context));
  if (checks_left == 0) {
    return 0;
  }
  --checks_left;
  return X509_verify(subject, X509_get0_pubkey(issuer)) == 1 ? 1 : 0;
}

}  // namespace

bool ChainsToAnchor(X509* signer, STACK_OF(X509) * intermediates,
                    const std::vector<Certificate>& anchors) {
  const BorrowedStackPtr trusted(sk_X509_new_null());
  if (trusted == nullptr) {
    return false;
  }
  for (const Certificate& anchor : anchors) {
    if (sk_X509_push(trusted.get(), anchor.parsed().x509()) == 0) {
      return false;
    }
  }
  const StorePtr store(X509_STORE_new());
  const StoreContextPtr context(X509_STORE_CTX_new());
  if (store == nullptr || context == nullptr) {
    return false;
  }
  X509_STORE_set_check_issued(store.get(), CheckIssued);
  int checks_left = kMaxSignatureChecks;
  if (X509_STORE_CTX_init(context.get(), store.get(), signer, intermediates) != 1 ||
      X509_STORE_CTX_set_app_data(context.get(), &checks_left) != 1) {
    return false;
  }
  X509_STORE_CTX_set0_trusted_stack(context.get(), trusted.get());
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  // Any purpose, no time, no minimum strength; and an anchor ends the chain wherever it stands.
  X509_VERIFY_PARAM_set_auth_level(parameters, 0);
  X509_VERIFY_PARAM_set_depth(parameters, static_cast<int>(kMaxCertificates));
  return X509_VERIFY_PARAM_set_flags(parameters,
                                     X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME) == 1 &&
         X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_ANY) == 1 &&
         X509_verify_cert(context.get()) == 1;
}

}  // namespace varstored::crypto
