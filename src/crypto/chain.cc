#include "chain.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "parsed_certificate.h"
#include "varstored/crypto/signed_data.h"

namespace varstored::crypto {
namespace {

// A chain that is being looked for.
struct Search {
  int& checks_left;
  std::vector<std::pair<const X509*, int>> costs;               // of each possible issuer
  std::vector<std::pair<const X509*, const X509*>> links = {};  // subject and issuer, found good
};

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
  Search& search = *static_cast<Search*>(X509_STORE_CTX_get_app_data(context));
  const std::pair<const X509*, const X509*> link(subject, issuer);
  if (std::ranges::find(search.links, link) != search.links.end()) {
    return 1;
  }
  const auto cost = std::ranges::find(search.costs, issuer, &std::pair<const X509*, int>::first);
  if (cost == search.costs.end() || cost->second > search.checks_left) {
    return 0;
  }
  search.checks_left -= cost->second;
  if (X509_verify(subject, X509_get0_pubkey(issuer)) != 1) {
    return 0;
  }
  search.links.push_back(link);
  return 1;
}

// In place of OpenSSL's own second look at the signatures of a chain that is built: CheckIssued has
// checked each of them.
int CheckLinks(X509_STORE_CTX* context) {
  const Search& search = *static_cast<const Search*>(X509_STORE_CTX_get_app_data(context));
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context);
  for (int i = 0; i + 1 < sk_X509_num(chain); ++i) {
    const std::pair<const X509*, const X509*> link(sk_X509_value(chain, i),
                                                   sk_X509_value(chain, i + 1));
    if (std::ranges::find(search.links, link) == search.links.end()) {
      X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_SIGNATURE_FAILURE);
      return 0;
    }
  }
  return 1;
}

// The names of the issuers that a chain could go on with.
class Issuers {
 public:
  void Add(const Certificate& subject) {
    if (NamePtr name = DecodeName(subject.parsed().form().issuer)) {
      names_.push_back(std::move(name));
    }
  }

  [[nodiscard]] bool Contain(const Certificate& candidate) const {
    const NamePtr subject = DecodeName(candidate.parsed().form().subject);
    return subject != nullptr && std::ranges::any_of(names_, [&subject](const NamePtr& name) {
             return X509_NAME_cmp(name.get(), subject.get()) == 0;
           });
  }

 private:
  std::vector<NamePtr> names_;
};

// Those of `intermediates` that may stand between a signer with one of `issuers` and an anchor, in
// their order. Their own issuers are added.
std::vector<Certificate> Reachable(const std::vector<Certificate>& intermediates,
                                   Issuers& issuers) {
  std::vector<bool> is_reachable(intermediates.size(), false);
  for (bool grown = true; grown;) {
    grown = false;
    for (std::size_t i = 0; i < intermediates.size(); ++i) {
      if (!is_reachable[i] && issuers.Contain(intermediates[i])) {
        is_reachable[i] = true;
        issuers.Add(intermediates[i]);
        grown = true;
      }
    }
  }
  std::vector<Certificate> reachable;
  for (std::size_t i = 0; i < intermediates.size(); ++i) {
    if (is_reachable[i]) {
      reachable.push_back(intermediates[i]);
    }
  }
  return reachable;
}

struct Issuer {
  X509Ptr decoded;
  int cost;
};

// Each certificate that may be decoded, while there are `left`.
std::vector<Issuer> DecodeAll(const std::vector<Certificate>& certificates, std::size_t& left) {
  std::vector<Issuer> issuers;
  for (const Certificate& certificate : certificates) {
    if (left == 0) {
      break;
    }
    if (X509Ptr decoded = Decode(certificate)) {
      issuers.push_back({std::move(decoded), CheckCost(certificate.parsed().form())});
      --left;
    }
  }
  return issuers;
}

BorrowedStackPtr StackOf(const std::vector<Issuer>& issuers) {
  BorrowedStackPtr stack(sk_X509_new_null());
  for (const Issuer& issuer : issuers) {
    if (stack == nullptr || sk_X509_push(stack.get(), issuer.decoded.get()) == 0) {
      return nullptr;
    }
  }
  return stack;
}

}  // namespace

int CheckCost(const CertificateForm& certificate) {
  constexpr std::size_t kLargeExponentBytes = 4;
  return ExponentBytes(certificate) > kLargeExponentBytes ? 2 : 1;
}

bool ChainsToAnchor(const Certificate& signer, X509* decoded_signer,
                    const std::vector<Certificate>& intermediates,
                    const std::vector<Certificate>& anchors, int& checks_left) {
  Issuers issuers;
  issuers.Add(signer);
  std::size_t decodes_left = kMaxDecodedIssuers;
  const std::vector<Issuer> between = DecodeAll(Reachable(intermediates, issuers), decodes_left);
  std::vector<Certificate> wanted_anchors;
  std::ranges::copy_if(anchors, std::back_inserter(wanted_anchors),
                       [&issuers](const Certificate& anchor) { return issuers.Contain(anchor); });
  const std::vector<Issuer> ends = DecodeAll(wanted_anchors, decodes_left);
  if (ends.empty()) {
    return false;
  }
  const BorrowedStackPtr untrusted = StackOf(between);
  const BorrowedStackPtr trusted = StackOf(ends);
  const StorePtr store(X509_STORE_new());
  const StoreContextPtr context(X509_STORE_CTX_new());
  if (untrusted == nullptr || trusted == nullptr || store == nullptr || context == nullptr) {
    return false;
  }
  X509_STORE_set_check_issued(store.get(), CheckIssued);
  X509_STORE_set_verify(store.get(), CheckLinks);
  Search search{.checks_left = checks_left, .costs = {}};
  for (const std::vector<Issuer>* some : {&between, &ends}) {
    for (const Issuer& issuer : *some) {
      search.costs.emplace_back(issuer.decoded.get(), issuer.cost);
    }
  }
  if (X509_STORE_CTX_init(context.get(), store.get(), decoded_signer, untrusted.get()) != 1 ||
      X509_STORE_CTX_set_app_data(context.get(), &search) != 1) {
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
