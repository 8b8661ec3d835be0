#include "varstored/engine/variable_services.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "authority.h"
#include "boot_time_mark.h"
#include "built_in.h"
#include "default_keys.h"
#include "modes.h"
#include "mor.h"
#include "ppi.h"
#include "set_variable.h"
#include "special_variables.h"
#include "varstored/base/no_log.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/certificate_state.h"
#include "varstored/engine/certificate_update.h"
#include "varstored/store/vars_blob.h"

namespace varstored::engine {
namespace {

/// More lines than these would only hide the first ones.
constexpr std::size_t kMaxReportedRecords = 8;

bool IsVisible(const store::Entry& entry, bool at_runtime) {
  return !at_runtime || entry.Has(efi::kRuntimeAccess);
}

/// Whether a walk may show the entry. A guest that is given a name of odd length or with a NUL
/// inside asks for the next one with another name, and its walk breaks.
bool IsWalkable(const store::Entry& entry, bool at_runtime) {
  return IsVisible(entry, at_runtime) &&
         (!entry.is_legacy() || efi::VariableName::FromBytes(base::ToBytes(entry.name())));
}

/// Whether the backend has to know. Both MOR variables are reset by every start, so keeping them
/// would cost a write and change nothing.
bool NeedsCommit(const store::StagedStore& staged) {
  const auto is_kept = [](const store::Entry* entry) {
    if (entry == nullptr || !entry->Has(efi::kNonVolatile)) {
      return false;
    }
    const Special special = SpecialOf(store::KeyOf(*entry));
    return special != Special::kMorControl && special != Special::kMorLock;
  };
  const auto changes = staged.Changes();
  return std::any_of(changes.begin(), changes.end(), [&](const auto& change) {
    return is_kept(change.before) || is_kept(change.after);
  });
}

/// Whether PK, KEK or one of the databases differs.
bool ChangesKeys(const store::StagedStore& staged) {
  const auto changes = staged.Changes();
  return std::any_of(changes.begin(), changes.end(), [](const auto& change) {
    const store::Entry* entry = change.after != nullptr ? change.after : change.before;
    return IsSecureBootVariable(SpecialOf(store::KeyOf(*entry)));
  });
}

/// Adds the time of its life to `use`.
class Stopwatch {
 public:
  explicit Stopwatch(BackendUse& use) : use_(use) { use_.waits_since = started_; }
  ~Stopwatch() {
    const auto taken = std::chrono::steady_clock::now() - started_;
    use_.waits_since.reset();
    ++use_.calls;
    use_.total += taken;
    use_.longest = std::max(use_.longest, taken);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  BackendUse& use_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

std::string Describe(const store::Entry& entry) {
  return "variable " + efi::ToText(entry.vendor()) + " " + efi::EscapeName(entry.name()) + " (" +
         std::to_string(entry.data().size()) + " bytes, attributes " +
         std::to_string(entry.raw_attributes()) + ")";
}

struct Oddity {
  base::Event event;
  std::string_view text;
};

/// What an administrator has to know about an entry that was loaded and is served; nothing when it
/// is as it should be.
std::optional<Oddity> OddityOf(const store::Entry& entry) {
  if (entry.is_legacy()) {
    return Oddity{base::Event::kVariableLegacy,
                  "breaks today's rules: it can be read, deleted and made smaller"};
  }
  if (entry.Has(efi::kTimeBasedAuthenticatedWriteAccess) &&
      !IsGuardedByKeys(SpecialOf(store::KeyOf(entry))) && entry.signer() == store::SignerDigest{}) {
    return Oddity{base::Event::kVariableWithoutSigner,
                  "has no signer: it can be read, but nobody can sign a change of it"};
  }
  return std::nullopt;
}

void ReportOddities(const store::Store& store, base::Log& log) {
  std::size_t oddities = 0;
  for (const store::Entry* entry = store.First(); entry != nullptr; entry = store.After(*entry)) {
    if (const auto oddity = OddityOf(*entry); oddity && ++oddities <= kMaxReportedRecords) {
      log.Say(oddity->event, Describe(*entry) + " " + std::string(oddity->text));
    }
  }
  if (oddities > kMaxReportedRecords) {
    log.Say(base::Event::kMoreOddVariables,
            std::to_string(oddities - kMaxReportedRecords) + " more variables are like these");
  }
  if (store.used_bytes() > kStoreBytes) {
    log.Say(base::Event::kStoreOverfull,
            "the stored variables use " + std::to_string(store.used_bytes()) + " of " +
                std::to_string(kStoreBytes) + " bytes: nothing can be added");
  }
}

struct FirstBootFile {
  const char* file_name = nullptr;
  efi::WellKnownVariable variable = {};
  std::uint32_t attributes = 0;
  std::optional<base::Bytes> FirstBootKeys::*content = nullptr;
};

// PK comes last: with it, setup mode ends. dbx is published as an append.
constexpr std::array<FirstBootFile, 4> kFirstBootFiles = {{
    {"dbx.auth", efi::kDbx, 0x67, &FirstBootKeys::dbx},
    {"db.auth", efi::kDb, 0x27, &FirstBootKeys::db},
    {"KEK.auth", efi::kKek, 0x27, &FirstBootKeys::kek},
    {"PK.auth", efi::kPk, 0x27, &FirstBootKeys::pk},
}};

/// Whether PK may be enrolled without the keys that are missing; says so when not.
bool AreRequiredKeysThere(const FirstBootKeys& keys, const std::string& occasion, base::Log& log) {
  bool complete = true;
  const auto check = [&](const char* file_name, bool is_there, bool is_required) {
    if (!is_there) {
      log.Say(base::Event::kKeyFileMissing,
              occasion + ": there is no " + file_name +
                  (is_required ? ", which the configuration requires: the VM stays in setup mode"
                               : ""));
      complete = complete && !is_required;
    }
  };
  check("KEK.auth", keys.kek.has_value(), keys.require_kek);
  check("db.auth", keys.db.has_value(), keys.require_db);
  check("PK.auth", keys.pk.has_value(), false);
  return complete;
}

/// The one judge of a host's files, for a first boot and for the tools. The host owns the store, so
/// nobody has to have signed them, for whatever attributes: who has the private key of a PK is not
/// known here. All other rules hold.
base::Result<void> StageFirstBootKeys(store::StagedStore& staged, const Policy& policy,
                                      const FirstBootKeys& keys, const std::string& occasion,
                                      base::Log& log) {
  const Policy hosts = {.secure_boot = policy.secure_boot, .enforce = false};
  const bool enroll_pk = AreRequiredKeysThere(keys, occasion, log);
  for (const FirstBootFile& file : kFirstBootFiles) {
    const std::optional<base::Bytes>& content = keys.*file.content;
    if (!content) {
      continue;
    }
    const base::Bytes name = base::ToBytes(file.variable.name);
    const Reason reason = StageSetVariable(staged, hosts, false,
                                           {.name = name,
                                            .vendor = file.variable.vendor,
                                            .attributes = file.attributes,
                                            .data = *content});
    if (StatusOf(reason) != efi::Status::kSuccess) {
      return base::Fail(occasion + ": " + file.file_name +
                        " cannot be used: " + std::string(ReasonText(reason)));
    }
  }
  // It had to be usable all the same: a bad file is found today, not once the others are there.
  if (!enroll_pk) {
    staged.Erase(store::KeyOf(efi::kPk));
    StageModes(staged, policy.secure_boot);
  }
  return {};
}

}  // namespace

base::Result<void> CheckFirstBootKeys(const FirstBootKeys& keys) {
  const store::Store nothing;
  store::StagedStore staged(nothing);
  base::NoLog log;
  return StageFirstBootKeys(staged, {}, keys, "the host's keys", log);
}

VariableServices::VariableServices(const Policy& policy, store::Backend& backend, base::Log& log)
    : policy_(policy), backend_(backend), log_(log) {}

base::Result<void> VariableServices::Boot(const FirstBootKeys& keys) {
  auto booted = BootFromKept(keys);
  if (booted) {
    KeepWish();
  }
  return booted;
}

void VariableServices::KeepWish() {
  // With a PK it is SecureBoot, which a resume has from before.
  const bool wanted = store_.Find(store::KeyOf(efi::kPk)) != nullptr
                          ? SingleByte(store_.Find(store::KeyOf(efi::kSecureBoot))) == 1
                          : policy_.secure_boot;
  // A full disk keeps no VM from its start that writes nothing else.
  if (const auto kept = backend_.KeepWishAtStart(wanted); !kept) {
    log_.Say(base::Event::kWishNotStored,
             "that Secure Boot is wanted for this VM, or is not, could not be stored: " +
                 kept.error().message);
  }
}

base::Result<void> VariableServices::BootFromKept(const FirstBootKeys& keys) {
  auto kept = backend_.Load();
  if (!kept) {
    return kept.failure();
  }
  const bool is_first_boot = !kept->has_value();
  store::Store loaded;
  for (store::Entry& entry : kept->value_or(std::vector<store::Entry>())) {
    // Computed anew below; a stored mode is nobody's word.
    const Special special = SpecialOf(store::KeyOf(entry));
    if (special != Special::kComputed && special != Special::kMode) {
      loaded.Append(std::move(entry));
    }
  }
  store_ = std::move(loaded);
  ReportOddities(store_, log_);

  store::StagedStore built_in(store_);
  if (keys.is_boot) {
    StageMorAtBoot(built_in);
    StagePpiAtBoot(built_in);
  } else {
    // Nobody knows what the guest has locked, and mostly not how far it has come, so it begins
    // with every restriction that it may have been under.
    if (!keys.is_boot_time_known) {
      SetAtRuntime();
    }
    StageMorAtTakeover(built_in);
    StagePpiAtTakeover(built_in);
  }
  StageSignatureSupport(built_in);
  StageModes(built_in, policy_.secure_boot);
  store_.Apply(std::move(built_in));
  if (!is_first_boot) {
    if (!keys.is_boot) {
      return {};
    }
    const store::StagedStore kept_keys(store_);
    if (backend_.WantsCertificateUpdate() ||
        (keys.update_clones && HoldOnlyCertificatesOf2011(store::ContentOf(kept_keys, efi::kKek),
                                                          store::ContentOf(kept_keys, efi::kDb)))) {
      UpdateCertificates(keys);
    }
    return CheckSecureBootInForce(store::StagedStore(store_));
  }

  store::StagedStore first(store_);
  if (auto staged = StageFirstBootKeys(first, policy_, keys, "first boot", log_); !staged) {
    return staged;
  }
  if (keys.is_boot) {
    if (auto in_force = CheckSecureBootInForce(first); !in_force) {
      return in_force;
    }
  }
  if (NeedsCommit(first)) {
    if (const auto committed = backend_.CommitAtBoot(first); !committed) {
      return base::Fail("first boot: the keys could not be stored: " + committed.error().message);
    }
  }
  store_.Apply(std::move(first));
  return {};
}

void VariableServices::UpdateCertificates(const FirstBootKeys& keys) {
  store::StagedStore staged(store_);
  auto done = StageCertificateUpdate(staged, policy_, keys);
  if (done) {
    done = backend_.CommitAtBoot(staged);
  }
  if (!done) {
    log_.Say(base::Event::kCertificatesNotUpdated,
             "the certificates were not updated: " + done.error().message);
    backend_.ReportCertificateUpdateFailure(done.error().message);
    return;
  }
  const std::string why = backend_.WantsCertificateUpdate()
                              ? "as an administrator asked for"
                              : "because there were none but those of 2011 (update-clones)";
  // TCG PC Client Platform Firmware Profile, "PCR[7] - Secure Boot Policy Measurements":
  // SecureBoot, PK, KEK, db and dbx are measured, and SecureBoot follows from PK.
  log_.Say(base::Event::kCertificatesUpdated,
           ChangesKeys(staged)
               ? "the certificates were updated, " + why +
                     ": PCR 7 changes, so what is sealed to it (BitLocker) may ask for its "
                     "recovery key"
               : "the certificates that an administrator wanted to be updated are up to date: "
                 "PCR 7 stays");
  store_.Apply(std::move(staged));
}

base::Result<void> VariableServices::CheckSecureBootInForce(const store::StagedStore& staged) {
  if (!policy_.require_secure_boot || !policy_.secure_boot) {
    return {};
  }
  std::string missing = HasPlatformKey(staged) ? "" : "no PK";
  if (store::ContentOf(staged, efi::kDb).empty()) {
    missing += missing.empty() ? "no db" : " and no db";
  }
  if (missing.empty()) {
    return {};
  }
  lacks_secure_boot_ = true;
  const std::string why = "Secure Boot is required and would not be in force: the VM has " +
                          missing + ". To give it the host's keys: varstore-sb-state UUID user";
  backend_.ReportNotInForce(why);
  return base::Fail(why);
}

base::Result<void> VariableServices::Resume(base::ByteSpan saved) {
  auto blob = store::DecodeVarsBlob(saved);
  if (!blob) {
    return blob.failure();
  }
  if (!HasBootTimeMark(*blob)) {
    SetAtRuntime();
  }
  store::Store loaded;
  for (store::Entry& entry : blob->entries) {
    // The five computed ones too: they are replaced below, but where they stand, so that a walk
    // that was under way goes on.
    loaded.Append(std::move(entry));
  }
  loaded.SetAncillary(blob->ancillary);
  store_ = std::move(loaded);
  ReportOddities(store_, log_);

  store::StagedStore built_in(store_);
  StageMorAtResume(built_in);
  StagePpiAtResume(built_in);
  StageSignatureSupport(built_in);
  // Firmware has acted upon the SecureBoot that it read.
  StageModesAtResume(built_in, policy_.secure_boot);
  store_.Apply(std::move(built_in));
  if (auto kept = backend_.KeepResumed(store::StagedStore(store_)); !kept) {
    return base::Fail("the resumed state could not be stored: " + kept.error().message);
  }
  KeepWish();
  return {};
}

void VariableServices::ServeDefaultKeys(const FirstBootKeys& keys) {
  store::StagedStore served(served_);
  StageDefaultKeys(served, keys);
  StageVendorKeys(served, store::StagedStore(store_));
  served_.Apply(std::move(served));
}

base::Result<void> VariableServices::ReplaceKeys(const std::optional<FirstBootKeys>& keys) {
  store::StagedStore staged(store_);
  for (const FirstBootFile& file : kFirstBootFiles) {
    staged.Erase(store::KeyOf(file.variable));
  }
  StageModes(staged, policy_.secure_boot);
  if (keys) {
    if (auto enrolled = StageFirstBootKeys(staged, policy_, *keys, "the host's keys", log_);
        !enrolled) {
      return enrolled;
    }
    if (!HasPlatformKey(staged)) {
      return base::Fail("the host's keys: the VM would be left in setup mode");
    }
  }
  const Reason kept = CommitAndApply(std::move(staged));
  return StatusOf(kept) == efi::Status::kSuccess ? base::Result<void>()
                                                 : base::Fail(std::string(ReasonText(kept)));
}

base::Bytes VariableServices::Save() const {
  std::vector<const store::Entry*> entries;
  entries.reserve(store_.size());
  store::StagedStore(store_).ForEach(
      [&entries](const store::Entry& entry) { entries.push_back(&entry); });
  return at_runtime_ ? store::EncodeVarsBlob(store_.ancillary(), entries)
                     : EncodeWithBootTimeMark(store_.ancillary(), std::move(entries));
}

bool VariableServices::Latch(bool at_runtime) {
  if (at_runtime && !at_runtime_) {
    SetAtRuntime();
  }
  return is_restricted();
}

void VariableServices::SetAtRuntime() {
  at_runtime_ = true;
  backend_.OperatingSystemRuns();
  if (when_operating_system_runs_) {
    when_operating_system_runs_();
  }
}

Reason VariableServices::CommitAndApply(store::StagedStore&& staged) {
  if (!staged.changed()) {
    return Reason::kUnchanged;
  }
  store::StagedStore served(served_);
  if (ChangesKeys(staged)) {
    StageVendorKeys(served, staged);
  }
  if (NeedsCommit(staged)) {
    const auto kept = [&] {
      const Stopwatch stopwatch(backend_use_);
      return backend_.Commit(staged);
    }();
    if (!kept) {
      log_.Say(base::Event::kChangeNotStored,
               "a change could not be stored: " + kept.error().message);
      return Reason::kBackendFailed;
    }
  }
  store_.Apply(std::move(staged));
  served_.Apply(std::move(served));
  return Reason::kSuccess;
}

const store::Entry* VariableServices::Find(const store::Key& key) const {
  const store::Entry* entry = served_.Find(key);
  return entry != nullptr ? entry : store_.Find(key);
}

const store::Entry* VariableServices::After(const store::Entry* previous) const {
  if (previous != nullptr && served_.Find(store::KeyOf(*previous)) == previous) {
    return served_.After(*previous);
  }
  const store::Entry* entry = previous != nullptr ? store_.After(*previous) : store_.First();
  // One that was stored under such a name is not seen while the host's is there.
  while (entry != nullptr && served_.Find(store::KeyOf(*entry)) != nullptr) {
    entry = store_.After(*entry);
  }
  return entry != nullptr ? entry : served_.First();
}

GetVariableReply VariableServices::GetVariable(const GetVariableRequest& request) {
  const bool at_runtime = Latch(request.at_runtime);
  if (const auto refused = CheckNameLength(request.name.size())) {
    return {.reason = *refused};
  }
  const std::string name = base::ToString(request.name);
  const store::Entry* entry = Find({name, request.vendor});
  if (entry == nullptr) {
    return {.reason = Reason::kNotFound};
  }
  if (!IsVisible(*entry, at_runtime)) {
    return {.reason = Reason::kHiddenAtRuntime};
  }
  const base::Bytes& data = entry->data();
  if (request.data_size < data.size()) {
    return {.reason = Reason::kBufferTooSmall,
            .attributes = entry->raw_attributes(),
            .needed_size = data.size()};
  }
  if (data.size() > kMaxAnswerDataBytes) {
    return {.reason = Reason::kAnswerTooLarge};
  }
  return {.reason = Reason::kSuccess, .attributes = entry->raw_attributes(), .data = data};
}

SetVariableReply VariableServices::SetVariable(const SetVariableRequest& request) {
  const bool at_runtime = Latch(request.at_runtime);
  store::StagedStore staged(store_);
  untrusted_.reset();
  const Reason reason = StageSetVariable(staged, policy_, at_runtime, request, &untrusted_);
  // A wrong key of the MOR lock is refused, and remembered.
  if (StatusOf(reason) != efi::Status::kSuccess && reason != Reason::kMorLockWrongKey) {
    return {reason};
  }
  const Reason kept = CommitAndApply(std::move(staged));
  return {kept == Reason::kSuccess ? reason : kept};
}

std::string VariableServices::UntrustedText() const {
  return untrusted_ ? UntrustedSignerText(*untrusted_) : std::string();
}

GetNextVariableNameReply VariableServices::GetNextVariableName(
    const GetNextVariableNameRequest& request) {
  const bool at_runtime = Latch(request.at_runtime);
  if (const auto refused = CheckNameLength(request.name.size())) {
    return {.reason = *refused};
  }
  const store::Entry* entry = nullptr;
  if (request.name.empty()) {
    entry = After(nullptr);
  } else {
    const std::string name = base::ToString(request.name);
    const store::Entry* previous = Find({name, request.vendor});
    if (previous == nullptr || !IsWalkable(*previous, at_runtime)) {
      return {.reason = Reason::kWalkFromUnknownName};
    }
    entry = After(previous);
  }
  while (entry != nullptr && !IsWalkable(*entry, at_runtime)) {
    entry = After(entry);
  }
  if (entry == nullptr) {
    return {.reason = Reason::kEndOfWalk};
  }
  const std::uint64_t needed_size = entry->name().size() + 2;
  if (request.name_size < needed_size) {
    return {.reason = Reason::kBufferTooSmall, .needed_size = needed_size};
  }
  return {.reason = Reason::kSuccess, .name = entry->name(), .vendor = entry->vendor()};
}

QueryVariableInfoReply VariableServices::QueryVariableInfo(
    const QueryVariableInfoRequest& request) const {
  const auto has = [&request](std::uint32_t bit) { return (request.attributes & bit) != 0; };
  if (has(efi::kHardwareErrorRecord)) {
    return {.reason = Reason::kQueryHardwareErrorRecord};
  }
  if (has(efi::kAuthenticatedWriteAccess)) {
    return {.reason = Reason::kAuthenticatedWriteDeprecated};
  }
  if (has(efi::kEnhancedAuthenticatedAccess)) {
    return {.reason = Reason::kEnhancedAuthenticated};
  }
  if (!efi::Attributes::FromRaw(request.attributes)) {
    return {.reason = Reason::kUnknownAttributes};
  }
  if (!has(efi::kBootServiceAccess)) {
    return {.reason = Reason::kQueryWithoutBootService};
  }
  const std::size_t limit = is_restricted() ? kRuntimeSecureBootBytes : kStoreBytes;
  return {.reason = Reason::kSuccess,
          .maximum_storage = kStoreBytes,
          .remaining_storage = limit - std::min(limit, store_.used_bytes()),
          .maximum_variable = store::kMaxDataBytes};
}

NotifySecureBootFailureReply VariableServices::NotifySecureBootFailure() {
  if (std::exchange(secure_boot_failure_reported_, true)) {
    return {Reason::kAlreadyReported};
  }
  const auto reported = [&] {
    const Stopwatch stopwatch(backend_use_);
    return backend_.ReportSecureBootFailure();
  }();
  if (!reported) {
    log_.Say(base::Event::kSecureBootRefusalNotReported,
             "the Secure Boot failure could not be reported: " + reported.error().message);
    return {Reason::kReportFailed};
  }
  return {Reason::kSuccess};
}

void VariableServices::WritePpiIndex(std::uint32_t index) {
  store::Ancillary ancillary = store_.ancillary();
  ancillary.ppi_index = index;
  store_.SetAncillary(ancillary);
}

std::uint32_t VariableServices::ReadPpiData(std::uint32_t offset, std::uint32_t size) const {
  return ReadPpi(store_, offset, size);
}

void VariableServices::WritePpiData(std::uint32_t offset, std::uint32_t size, std::uint32_t value) {
  store::StagedStore staged(store_);
  StagePpiWrite(staged, offset, size, value);
  // The port has no way to say that it failed: the bytes stay as they were, and the log knows.
  [[maybe_unused]] const Reason reason = CommitAndApply(std::move(staged));
}

}  // namespace varstored::engine
