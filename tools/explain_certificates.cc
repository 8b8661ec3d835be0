#include "explain_certificates.h"

#include <string>

#include "varstored/engine/certificate_state.h"

namespace varstored::tools {
namespace {

using engine::CertificateHolder;

void Explain(const std::string& name, CertificateHolder holder, bool is_up_to_date,
             base::ByteSpan lists, base::Log& log) {
  std::string line = name + ": " + std::to_string(lists.size()) + " bytes, ";
  if (!engine::HoldsCertificateOf2011(holder, lists)) {
    line += "no certificate of 2011";
  } else {
    line += is_up_to_date ? "each certificate of 2011 with its successor"
                          : "a certificate of 2011 without its successor";
  }
  log.Info(line);
}

}  // namespace

void ExplainCertificates(base::ByteSpan kek, base::ByteSpan db, base::Log& log) {
  Explain("KEK", CertificateHolder::kKek, engine::AreCertificatesUpToDate(kek, {}), kek, log);
  Explain("db", CertificateHolder::kDb, engine::AreCertificatesUpToDate({}, db), db, log);
}

}  // namespace varstored::tools
