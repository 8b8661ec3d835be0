#include "varstored/backend/xapi.h"

#include <algorithm>
#include <utility>

#include "toolstack.h"
#include "varstored/base/base64.h"
#include "varstored/efi/well_known.h"
#include "varstored/store/vars_blob.h"

namespace varstored::backend {
namespace {

constexpr const char* kRepairCommand = "varstore-repair ";

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

base::Result<store::VarsBlob> Decode(std::string_view base64) {
  const auto bytes = base::DecodeBase64(base64);
  return bytes ? store::DecodeVarsBlob(*bytes) : bytes.failure();
}

}  // namespace

bool ChangesCertificates(const store::StagedStore& staged) {
  const auto changes = staged.Changes();
  return std::any_of(changes.begin(), changes.end(), [](const auto& change) {
    const store::Key key = store::KeyOf(change.after != nullptr ? *change.after : *change.before);
    return efi::kKek.Is(key.name, key.vendor) || efi::kDb.Is(key.name, key.vendor);
  });
}

/// Keeps the transport out of the header.
class XapiBackend::Calls : public Toolstack {
 public:
  using Toolstack::Toolstack;

  /// The word for a change of certificates. An administrator may have asked for an update since the
  /// start. Any other word than "no" would wipe that out, so "no" is also what is said when the
  /// field cannot be read until `deadline`.
  [[nodiscard]] CertificatesWord ChooseWord(bool are_up_to_date, Clock::time_point deadline,
                                            base::Log& log) {
    const auto field = GetCertificatesField(deadline);
    if (!field) {
      log.Say(base::Event::kCertificateWordUnknown,
              "the toolstack is told nothing about the certificates: " + field.error().message);
      return CertificatesWord::kNo;
    }
    if (*field == CertificatesField::kUpdateOnBoot) {
      return CertificatesWord::kNo;
    }
    return are_up_to_date ? CertificatesWord::kYes : CertificatesWord::kUnspecified;
  }

  /// SetVariables with all of `staged` that is kept.
  [[nodiscard]] base::Result<void> Keep(const store::StagedStore& staged, CertificatesWord word,
                                        Clock::time_point deadline, base::Log& log) {
    return KeepBase64(EncodeVariables(staged), word, deadline, log);
  }

  [[nodiscard]] base::Result<void> KeepBase64(std::string_view base64, CertificatesWord word,
                                              Clock::time_point deadline, base::Log& log) {
    const auto kept = SetVariables(base64, word, deadline);
    if (kept) {
      is_ahead_ = false;
      return {};
    }
    if (kept.error().may_be_done && !std::exchange(is_ahead_, true)) {
      log.Say(base::Event::kToolstackAhead,
              "the toolstack may hold the newer state until the next change is stored");
    }
    return base::Fail(kept.error().message);
  }

  /// The toolstack may hold a state of which the guest was told that it is not stored.
  [[nodiscard]] bool is_ahead() const { return is_ahead_; }

 private:
  bool is_ahead_ = false;
};

XapiBackend::XapiBackend(XapiOptions options, base::Log& log)
    : options_(std::move(options)),
      log_(log),
      calls_(std::make_unique<Calls>(options_.socket_path, options_.vm_uuid, options_.stop_fd,
                                     options_.patience, options_.meanwhile)) {}

XapiBackend::~XapiBackend() = default;

base::Result<std::optional<std::vector<store::Entry>>> XapiBackend::Load() {
  start_deadline_ = Clock::now() + options_.start_budget;
  const auto base64 = calls_->GetVariables(start_deadline_);
  if (!base64) {
    return base64.failure();
  }
  if (!base64->has_value()) {
    // A first boot gets the host's newest keys anyway.
    return std::optional<std::vector<store::Entry>>();
  }
  // What is there but cannot be read is never taken for a first boot: the VM would lose its keys.
  auto blob = Decode(**base64);
  if (!blob) {
    Report("VM_UEFI_VARIABLES_UNREADABLE",
           "The VM does not start, because its UEFI variables cannot be read (" +
               blob.error().message + "). They were left as they are. To save what can be saved: " +
               kRepairCommand + "--fix " + options_.vm_uuid);
    return base::Fail("VM.NVRAM EFI-variables: " + blob.error().message);
  }
  if (options_.is_tool) {
    return std::optional(std::move(blob->entries));
  }
  if ((*base64)->size() > Toolstack::kMaxRequestBytes) {
    log_.Say(base::Event::kTooLargeForToolstack,
             "the variables have " + std::to_string((*base64)->size()) +
                 " bytes in base64, and the toolstack takes " +
                 std::to_string(Toolstack::kMaxRequestBytes) +
                 " with a write: only a change after which they fit can be stored");
  }
  ReportTooLarge(blob->entries);
  const auto field = calls_->GetCertificatesField(ThirdOfStart());
  if (field) {
    wants_certificate_update_ = *field == CertificatesField::kUpdateOnBoot;
  } else {
    log_.Say(base::Event::kCertificateWishUnknown,
             "whether an update of certificates is wanted is not known: " + field.error().message);
  }
  return std::optional(std::move(blob->entries));
}

base::Result<void> XapiBackend::Commit(const store::StagedStore& staged) {
  const auto now = Clock::now();
  const auto budget = options_.boot_write_budget.value_or(options_.request_budget);
  auto word = CertificatesWord::kNo;
  // What a write did that seemed to fail may have changed the field, and this one takes it back.
  if (ChangesCertificates(staged) || calls_->is_ahead()) {
    word = calls_->ChooseWord(AreUpToDate(staged), now + budget / 3, log_);
  }
  return calls_->Keep(staged, word, now + budget, log_);
}

base::Result<void> XapiBackend::CommitAtBoot(const store::StagedStore& staged) {
  const auto word = AreUpToDate(staged) ? CertificatesWord::kYes
                                        : calls_->ChooseWord(false, ThirdOfStart(), log_);
  return calls_->Keep(staged, word, start_deadline_, log_);
}

base::Result<void> XapiBackend::ReportSecureBootFailure() {
  return calls_->CreateMessage("VM_SECURE_BOOT_FAILED",
                               "The VM failed to pass Secure Boot verification.",
                               Clock::now() + options_.request_budget);
}

void XapiBackend::ReportCertificateUpdateFailure(std::string_view why) {
  Report("VM_SECURE_BOOT_CERTIFICATES_NOT_UPDATED",
         "The Secure Boot certificates of the VM were not updated: " + std::string(why));
}

void XapiBackend::ReportNotInForce(std::string_view why) {
  Report("VM_SECURE_BOOT_NOT_IN_FORCE", "The VM does not start: " + std::string(why));
}

bool XapiBackend::AreUpToDate(const store::StagedStore& staged) const {
  return options_.are_certificates_up_to_date(store::ContentOf(staged, efi::kKek),
                                              store::ContentOf(staged, efi::kDb));
}

void XapiBackend::ReportTooLarge(const std::vector<store::Entry>& entries) {
  const auto is_too_large = [](const store::Entry& entry) {
    return entry.data().size() > store::kMaxDataBytes;
  };
  const auto first = std::find_if(entries.begin(), entries.end(), is_too_large);
  if (first != entries.end()) {
    Report("VM_UEFI_VARIABLE_TOO_LARGE",
           "The UEFI variable " + efi::EscapeName(first->name()) + " of the VM has " +
               std::to_string(first->data().size()) + " bytes, where " +
               std::to_string(store::kMaxDataBytes) +
               " are allowed: it can be read, but not grow. To look at it: " + kRepairCommand +
               options_.vm_uuid);
  }
}

base::Result<std::optional<std::string>> XapiBackend::VmState() {
  return calls_->GetPowerState(Clock::now() + options_.request_budget);
}

base::Result<std::optional<std::string>> XapiBackend::KeptText() {
  return calls_->GetVariables(Clock::now() + options_.start_budget);
}

base::Result<void> XapiBackend::KeepText(std::string_view text,
                                         std::optional<bool> are_certificates_up_to_date) {
  const auto now = Clock::now();
  auto word = CertificatesWord::kNo;
  if (are_certificates_up_to_date || calls_->is_ahead()) {
    word = calls_->ChooseWord(are_certificates_up_to_date.value_or(false),
                              now + options_.request_budget / 3, log_);
  }
  return calls_->KeepBase64(text, word, now + options_.request_budget, log_);
}

base::Result<std::optional<bool>> XapiBackend::WantsSecureBoot() {
  return calls_->GetSecureBootWish(Clock::now() + options_.request_budget);
}

void XapiBackend::Report(std::string_view name, const std::string& body) {
  if (options_.is_tool) {
    return;
  }
  if (const auto created = calls_->CreateMessage(name, base::Printable(body), ThirdOfStart());
      !created) {
    log_.Say(base::Event::kAlertFailed,
             "an alert could not be created: " + created.error().message);
  }
}

XapiBackend::Time XapiBackend::ThirdOfStart() const {
  return std::min(start_deadline_, Clock::now() + options_.start_budget / 3);
}

}  // namespace varstored::backend
