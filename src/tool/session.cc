#include "varstored/tool/session.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/status.h"
#include "varstored/efi/time.h"
#include "varstored/efi/well_known.h"
#include "varstored/pcr/pcr7.h"

namespace varstored::tool {
namespace {

constexpr engine::Policy kPolicy = {.secure_boot = false, .enforce = false, .tool = true};

std::vector<const store::Entry*> EntriesOf(const store::Store& store) {
  std::vector<const store::Entry*> entries;
  entries.reserve(store.size());
  for (const store::Entry* entry = store.First(); entry != nullptr; entry = store.After(*entry)) {
    entries.push_back(entry);
  }
  return entries;
}

/// What leads from `before` to `after`.
store::StagedStore Difference(const store::Store& before, const store::Store& after) {
  store::StagedStore staged(before);
  for (const store::Entry* entry : EntriesOf(before)) {
    if (after.Find(store::KeyOf(*entry)) == nullptr) {
      staged.Erase(store::KeyOf(*entry));
    }
  }
  // Of new entries the last one comes first in a walk.
  auto entries = EntriesOf(after);
  std::reverse(entries.begin(), entries.end());
  for (const store::Entry* entry : entries) {
    staged.Put(*entry);
  }
  staged.SetAncillary(after.ancillary());
  return staged;
}

bool ChangesWhatIsKept(const store::StagedStore& staged) {
  const auto is_kept = [](const store::Entry* entry) {
    return entry != nullptr && entry->Has(efi::kNonVolatile);
  };
  for (const store::StagedStore::Change& change : staged.Changes()) {
    if (is_kept(change.before) || is_kept(change.after)) {
      return true;
    }
  }
  return false;
}

/// What comes back from the helper process.
struct Done {
  std::string text;
  std::optional<NewBytes> changed;
};

base::Bytes Encode(const Done& done) {
  base::Writer writer;
  WriteText(writer, done.text);
  if (done.changed) {
    WriteNewBytes(writer, *done.changed);
  }
  return writer.Take();
}

base::Result<Done> Decode(base::ByteSpan answer) {
  base::Reader reader(answer);
  Done done;
  if (!ReadText(reader, done.text)) {
    return sandbox::BrokenAnswer();
  }
  if (!reader.empty()) {
    auto changed = ReadNewBytes(reader);
    if (!changed) {
      return changed.failure();
    }
    done.changed = *std::move(changed);
  }
  return done;
}

void WarnUnlessHalted(Place& place, base::Log& log) {
  const auto state = place.VmState(log);
  if (!state) {
    log.Warning("whether the VM runs is not known: " + state.error().message);
  } else if (*state && **state != "Halted") {
    log.Warning("the VM is not halted but " + **state +
                ": its varstored has its own copy of the variables, and overwrites this change "
                "with its next one. Change them while the VM is halted");
  }
}

/// EFI_VARIABLE_AUTHENTICATION_2 without a signature and without a payload, which deletes an
/// authenticated variable where nobody has to sign (UEFI 2.10, 8.2.2).
base::Bytes UnsignedDeletion() {
  constexpr std::uint32_t kCertificateBytes = 24;
  constexpr std::uint16_t kRevision = 0x0200;
  constexpr std::uint16_t kTypeEfiGuid = 0x0EF1;
  base::Writer writer;
  efi::WriteTime(writer, {});
  writer.WriteU32(kCertificateBytes);
  writer.WriteU16(kRevision);
  writer.WriteU16(kTypeEfiGuid);
  writer.WriteBytes(efi::kCertTypePkcs7Guid.bytes);
  return writer.Take();
}

}  // namespace

/// What the services start from; what they would keep waits for Save.
class Session::Loaded final : public store::Backend {
 public:
  explicit Loaded(std::optional<std::vector<store::Entry>> entries)
      : is_first_boot_(!entries), entries_(std::move(entries).value_or(decltype(entries_)())) {}

  [[nodiscard]] bool is_first_boot() const { return is_first_boot_; }
  void set_kept() { is_first_boot_ = false; }

  /// An empty state, even for a first boot: the host's keys are no business of a tool's.
  base::Result<std::optional<std::vector<store::Entry>>> Load() override {
    return std::optional(std::move(entries_));
  }
  base::Result<void> Commit(const store::StagedStore& /*staged*/) override { return {}; }
  base::Result<void> ReportSecureBootFailure() override { return {}; }

 private:
  bool is_first_boot_;
  std::vector<store::Entry> entries_;
};

Session::Session(std::unique_ptr<KeptVariables> place, std::unique_ptr<Loaded> loaded,
                 base::Log& log)
    : place_(std::move(place)),
      loaded_(std::move(loaded)),
      log_(log),
      services_(kPolicy, *loaded_, log) {}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;

base::Result<Session> Session::Open(const Kept& kept, base::Log& log) {
  auto place = KeptVariables::Decode(kept);
  if (!place) {
    return place.failure();
  }
  auto entries = (*place)->Load();
  if (!entries) {
    return entries.failure();
  }
  Session session(*std::move(place), std::make_unique<Loaded>(*std::move(entries)), log);
  const auto& saved = session.place_->saved();
  auto started = saved ? session.services_.Resume(*saved) : session.services_.Boot({});
  if (!started) {
    return started.failure();
  }
  session.kept_.Apply(Difference(session.kept_, session.store()));
  return session;
}

engine::VariableServices& Session::services() { return services_; }
const store::Store& Session::store() const { return services_.store(); }
bool Session::is_first_boot() const { return loaded_->is_first_boot(); }

engine::Reason Session::Delete(const store::Key& key) {
  const store::Entry* entry = store().Find(key);
  if (entry == nullptr) {
    return engine::Reason::kNothingToDelete;
  }
  // What a request may say of the stored bits, which an older daemon may have chosen
  // (docs/engine.md, "SetVariable").
  std::uint32_t attributes =
      entry->raw_attributes() & (efi::kNonVolatile | efi::kBootServiceAccess | efi::kRuntimeAccess |
                                 efi::kTimeBasedAuthenticatedWriteAccess);
  if ((attributes & efi::kRuntimeAccess) != 0) {
    attributes |= efi::kBootServiceAccess;
  }
  const base::Bytes name = base::ToBytes(key.name);
  const base::Bytes data =
      entry->Has(efi::kTimeBasedAuthenticatedWriteAccess) ? UnsignedDeletion() : base::Bytes();
  return services_
      .SetVariable({.name = name, .vendor = key.vendor, .attributes = attributes, .data = data})
      .reason;
}

void Session::WarnBeforeSave() {
  if (is_first_boot() && store().Find(store::KeyOf(efi::kPk)) == nullptr) {
    log_.Warning(
        "the VM has never been started: with variables of its own it gets none of the host's "
        "keys at its first start");
  }
}

/// Nothing was sealed by a VM that was never started.
void Session::SayPcr7(Keep keep) {
  if (is_first_boot()) {
    return;
  }
  constexpr std::array kKeys = {efi::kPk, efi::kKek, efi::kDb, efi::kDbx, efi::kDbt, efi::kDbr};
  const auto has_changed = [this](const efi::WellKnownVariable& key) {
    const store::Entry* before = kept_.Find(store::KeyOf(key));
    const store::Entry* after = store().Find(store::KeyOf(key));
    return before == nullptr || after == nullptr ? before != after : *before != *after;
  };
  if (keep == Keep::kAlways || std::any_of(kKeys.begin(), kKeys.end(), has_changed)) {
    // Whether the host wants Secure Boot is the same before and after.
    log_.Info(pcr::WordsOnChange(pcr::PcrEvents(kept_, true), pcr::PcrEvents(store(), true)));
  }
}

base::Result<bool> Session::Save(Keep keep) {
  SayPcr7(keep);
  store::StagedStore staged = Difference(kept_, store());
  const bool has_changed = place_->saved() ? staged.changed() : ChangesWhatIsKept(staged);
  if (!has_changed && !(keep == Keep::kAlways && is_first_boot())) {
    return false;
  }
  WarnBeforeSave();
  // Where nothing was ever kept, all that is built in is new as well.
  const store::Store nothing;
  auto kept = place_->Commit(is_first_boot() ? Difference(nothing, store()) : std::move(staged));
  if (!kept) {
    return kept.failure();
  }
  kept_.Apply(Difference(kept_, store()));
  loaded_->set_kept();
  return true;
}

base::Result<std::string> WithSession(const PlaceOptions& options, const Rights& rights,
                                      base::Log& log, const SessionWork& work) {
  if (auto dropped = DropRights(rights, log); !dropped) {
    return dropped.failure();
  }
  auto place = Place::Open(options, log);
  if (!place) {
    return place.failure();
  }
  const auto answer = sandbox::InHelper(
      [&](base::Log& lines) -> base::Result<base::Bytes> {
        auto session = Session::Open(place->kept(), lines);
        if (!session) {
          return session.failure();
        }
        const auto text = work(*session, lines);
        return text ? base::Result<base::Bytes>(Encode({*text, session->changed()}))
                    : text.failure();
      },
      log);
  if (!answer) {
    return answer.failure();
  }
  auto done = Decode(*answer);
  if (!done) {
    return done.failure();
  }
  if (done->changed) {
    WarnUnlessHalted(*place, log);
    if (auto kept = place->Keep(*done->changed, log); !kept) {
      return kept.failure();
    }
  }
  return std::move(done->text);
}

base::Result<NamedVariable> ParseNamedVariable(std::string_view guid, std::string_view name) {
  const auto vendor = efi::ParseGuid(guid);
  if (!vendor) {
    return base::Fail("'" + base::Printable(guid) + "' is no GUID");
  }
  const auto bytes = efi::UnescapeName(name);
  auto valid_name = bytes ? efi::VariableName::FromBytes(base::ToBytes(*bytes)) : std::nullopt;
  if (!valid_name) {
    return base::Fail("'" + base::Printable(name) + "' is no name of a variable" +
                      (name.find('\\') == std::string_view::npos
                           ? ""
                           : " (a backslash begins \\uXXXX; one itself is \\u005C)"));
  }
  return NamedVariable{*vendor, *std::move(valid_name)};
}

std::string Describe(const store::Key& key) {
  return efi::ToText(key.vendor) + " " + efi::EscapeName(key.name);
}

base::Failure<base::Error> Refused(const std::string& what, engine::Reason reason,
                                   const std::string& hint) {
  return base::Fail(what + ": " + std::string(efi::StatusText(engine::StatusOf(reason))) + " (" +
                    std::string(engine::ReasonText(reason)) + ")" + hint);
}

}  // namespace varstored::tool
