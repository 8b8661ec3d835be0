#include "varstored/backend/xapi.h"

#include <algorithm>
#include <utility>

#include "toolstack.h"
#include "varstored/base/base64.h"
#include "varstored/efi/well_known.h"
#include "varstored/store/vars_blob.h"

namespace varstored::backend {
namespace {

/// The blob of the non-volatile variables. The MOR and PPI part belongs to a saved state, and is
/// zero here.
std::string EncodeVariables(const store::StagedStore& staged) {
  std::vector<const store::Entry*> entries;
  staged.ForEach([&entries](const store::Entry& entry) {
    if (entry.Has(efi::kNonVolatile)) {
      entries.push_back(&entry);
    }
  });
  return base::EncodeBase64(store::EncodeVarsBlob({}, entries));
}

bool ChangesCertificates(const store::StagedStore& staged) {
  const auto changes = staged.Changes();
  return std::any_of(changes.begin(), changes.end(), [](const auto& change) {
    const store::Key key = store::KeyOf(change.after != nullptr ? *change.after : *change.before);
    return efi::kKek.Is(key.name, key.vendor) || efi::kDb.Is(key.name, key.vendor);
  });
}

base::ByteSpan ContentOf(const store::StagedStore& staged, const efi::WellKnownVariable& variable) {
  const store::Entry* entry = staged.Find(store::KeyOf(variable));
  return entry != nullptr ? base::ByteSpan(entry->data()) : base::ByteSpan();
}

}  // namespace

/// Keeps the transport out of the header.
class XapiBackend::Calls : public Toolstack {
  using Toolstack::Toolstack;
};

XapiBackend::XapiBackend(XapiOptions options, base::Log& log)
    : options_(std::move(options)),
      log_(log),
      calls_(std::make_unique<Calls>(options_.socket_path, options_.vm_uuid, options_.stop_fd)) {}

XapiBackend::~XapiBackend() = default;

base::Result<std::optional<std::vector<store::Entry>>> XapiBackend::Load() {
  const auto deadline = Clock::now() + options_.start_budget;
  const auto base64 = calls_->GetVariables(deadline);
  if (!base64) {
    return base64.failure();
  }
  if (!base64->has_value()) {
    // A first boot gets the host's newest keys anyway.
    return std::optional<std::vector<store::Entry>>();
  }
  // What is there but cannot be read is never taken for a first boot: the VM would lose its keys.
  const auto bytes = base::DecodeBase64(**base64);
  if (!bytes) {
    return base::Fail("VM.NVRAM EFI-variables: " + bytes.error().message);
  }
  auto blob = store::DecodeVarsBlob(*bytes);
  if (!blob) {
    return base::Fail("VM.NVRAM EFI-variables: " + blob.error().message);
  }
  const auto field = calls_->GetCertificatesField(deadline);
  if (field) {
    wants_certificate_update_ = *field == CertificatesField::kUpdateOnBoot;
  } else {
    log_.Warning("whether an update of certificates is wanted is not known: " +
                 field.error().message);
  }
  return std::optional(std::move(blob->entries));
}

base::Result<void> XapiBackend::Commit(const store::StagedStore& staged) {
  const auto deadline = Clock::now() + options_.request_budget;
  CertificatesWord word = CertificatesWord::kNo;
  if (ChangesCertificates(staged)) {
    // An administrator may have asked for an update since the start. Any other word than "no" would
    // wipe that out, so "no" is what is said when the field cannot be read in good time.
    const auto field = calls_->GetCertificatesField(Clock::now() + options_.request_budget / 3);
    if (field && *field == CertificatesField::kSettled) {
      word = options_.are_certificates_up_to_date(ContentOf(staged, efi::kKek),
                                                  ContentOf(staged, efi::kDb))
                 ? CertificatesWord::kYes
                 : CertificatesWord::kUnspecified;
    }
  }
  return calls_->SetVariables(EncodeVariables(staged), word, deadline);
}

base::Result<void> XapiBackend::CommitCertificateUpdate(const store::StagedStore& staged) {
  return calls_->SetVariables(EncodeVariables(staged), CertificatesWord::kYes,
                              Clock::now() + options_.request_budget);
}

base::Result<void> XapiBackend::ReportSecureBootFailure() {
  return calls_->CreateMessage("VM_SECURE_BOOT_FAILED",
                               "The VM failed to pass Secure Boot verification.",
                               Clock::now() + options_.request_budget);
}

void XapiBackend::ReportCertificateUpdateFailure(std::string_view why) {
  const auto created = calls_->CreateMessage(
      "VM_SECURE_BOOT_CERTIFICATES_NOT_UPDATED",
      "The Secure Boot certificates of the VM were not updated: " + base::Printable(why),
      Clock::now() + options_.request_budget);
  if (!created) {
    log_.Error("the failed update of certificates could not be reported: " +
               created.error().message);
  }
}

}  // namespace varstored::backend
