#include "varstored/health/finding.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "dates.h"
#include "known.h"
#include "varstored/crypto/certificate.h"
#include "varstored/efi/variable_name.h"
#include "varstored/engine/certificate_state.h"
#include "varstored/engine/variable_services.h"
#include "varstored/health/boot.h"
#include "varstored/health/key_content.h"
#include "varstored/health/revoked.h"
#include "varstored/health/text.h"
#include "varstored/health/usage.h"

namespace varstored::health {
namespace {

constexpr std::array<FindingType, 27> kTypes = {{
    {FindingKind::kBlobUnreadable, "blob-unreadable", Severity::kError,
     "Keeps every record that could be read, and writes them as a whole blob."},
    {FindingKind::kRecordDuplicate, "record-duplicate", Severity::kWarning,
     "Keeps the record that counts, in the place of the first."},
    {FindingKind::kRecordMalformed, "record-malformed", Severity::kWarning,
     "Removes a record whose name nobody can give; sets attributes to the nearest valid ones."},
    {FindingKind::kListsMalformed, "lists-malformed", Severity::kError,
     "Keeps the lists in front of the damage, without entries that are no certificates.",
     Who::kOwner},
    {FindingKind::kVariableOversized, "variable-oversized", Severity::kError,
     "Keeps every entry of its lists once, where that makes it fit."},
    {FindingKind::kRevocationsDoubled, "revocations-doubled", Severity::kWarning,
     "Keeps every revocation once, Microsoft's copy if there is one."},
    {FindingKind::kOwnerNotMicrosoft, "owner-not-microsoft", Severity::kWarning,
     "Makes Microsoft the owner of Microsoft's certificates, each once."},
    {FindingKind::kOwnerMicrosoftNot, "owner-microsoft-not", Severity::kWarning, "", Who::kOwner},
    {FindingKind::kSecureBootWithoutPk, "secure-boot-without-pk", Severity::kError, ""},
    {FindingKind::kSecureBootWithoutDb, "secure-boot-without-db", Severity::kError, ""},
    {FindingKind::kDbAllRevoked, "db-all-revoked", Severity::kError, ""},
    {FindingKind::kDbRevokedWithoutSuccessor, "db-revoked-without-successor", Severity::kError, ""},
    {FindingKind::kKeyNotSecret, "key-not-secret", Severity::kError, "", Who::kOwner},
    {FindingKind::kCertificates2011Only, "certificates-2011-only", Severity::kWarning, ""},
    {FindingKind::kKekWithout2011, "kek-without-2011", Severity::kWarning, ""},
    {FindingKind::kRevocationsMissing, "revocations-missing", Severity::kError, "", Who::kGuest},
    {FindingKind::kStoreOverfull, "store-overfull", Severity::kError, "", Who::kGuest},
    {FindingKind::kStoreNearlyFull, "store-nearly-full", Severity::kWarning, "", Who::kGuest},
    {FindingKind::kBootOrderDangling, "boot-order-dangling", Severity::kWarning,
     "Takes the numbers that point at nothing out; a list of which nothing is left goes."},
    {FindingKind::kBootOrderRepeats, "boot-order-repeats", Severity::kWarning,
     "Keeps each number once, in the place where it is first."},
    {FindingKind::kBootOptionsRepeat, "boot-options-repeat", Severity::kWarning,
     "Keeps one of the options that are the same byte for byte, and takes the others out of "
     "BootOrder.",
     Who::kGuest},
    {FindingKind::kKeyUnderWrongGuid, "key-under-wrong-guid", Severity::kWarning, "", Who::kOwner},
    {FindingKind::kLoaderMissing, "loader-missing", Severity::kError, "", Who::kGuest},
    {FindingKind::kLoaderNotTrusted, "loader-not-trusted", Severity::kError, "", Who::kGuest},
    {FindingKind::kLoaderRevoked, "loader-revoked", Severity::kError, "", Who::kGuest},
    {FindingKind::kLoaderNeeds2023, "loader-needs-2023", Severity::kError, ""},
    {FindingKind::kLoaderSignedBy2011Only, "loader-signed-by-2011-only", Severity::kWarning, "",
     Who::kGuest},
}};

/// Tools that update dbx ask for this much before they try.
constexpr std::size_t kWantedStoreRoom = std::size_t{30} * 1024;
/// Room for some 170 more hashes, which is more than came with any list so far.
constexpr std::size_t kWantedDbxRoom = std::size_t{8} * 1024;

/// More than these would only hide the first ones.
constexpr std::size_t kMaxNamed = 4;

std::string Text(std::size_t number) { return std::to_string(number); }

std::string Plural(std::size_t number, const std::string& thing) {
  return Text(number) + " " + thing + (number == 1 ? "" : "s");
}

/// "a, b, c, d and 3 more".
std::string Listed(const std::vector<std::string>& names, std::size_t most = kMaxNamed) {
  std::string text;
  const std::size_t shown = std::min(names.size(), most);
  for (std::size_t i = 0; i < shown; ++i) {
    text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  }
  if (names.size() > shown) {
    text += " and " + Text(names.size() - shown) + " more";
  }
  return text;
}

struct Census {
  std::size_t entries = 0;
  std::size_t owners = 0;
};

Census CensusOf(base::ByteSpan bytes) {
  Census census;
  std::set<efi::Guid> owners;
  if (const auto lists = efi::ParseSignatureLists(bytes)) {
    for (const efi::SignatureList& list : *lists) {
      census.entries += list.entries.size();
      for (const efi::SignatureEntry& entry : list.entries) {
        owners.insert(entry.owner);
      }
    }
  }
  census.owners = owners.size();
  return census;
}

class Search {
 public:
  Search(const State& state, const Context& context)
      : state_(state),
        context_(context),
        usage_(UsageOf(state)),
        usable_(UsableBootOptions(state)) {}

  std::vector<Finding> Run() {
    CheckBlob();
    CheckDuplicates();
    CheckRecords();
    CheckLists();
    CheckSizes();
    CheckRevocations();
    CheckOwners();
    CheckOthersUnderMicrosoft();
    CheckSecureBoot();
    CheckRevokedCertificates();
    CheckSecrets();
    CheckCertificates();
    CheckKekWithout2011();
    CheckAgeOfRevocations();
    CheckRoom();
    CheckBootOrder();
    CheckRepeats();
    CheckGuids();
    return std::move(findings_);
  }

 private:
  void Add(FindingKind kind, std::optional<VariableId> variable, std::string explanation,
           bool is_fixable, std::string command, Severity worst = Severity::kError) {
    if (is_fixable) {
      command = ShellCommand("varstore-repair --fix", {context_.target});
    }
    findings_.push_back({kind, std::max(TypeOf(kind).severity, worst), std::move(variable),
                         std::move(explanation), is_fixable, std::move(command)});
  }

  /// Adds what the host's file has to the VM's key.
  [[nodiscard]] std::string AddFromHost(const efi::WellKnownVariable& key) const {
    const std::string name = NameOf(IdOf(key));
    return ShellCommand("varstore-set", {context_.target, efi::ToText(key.vendor), name, "0x67",
                                         "/var/lib/varstored/" + name + ".auth"});
  }

  /// Adds the certificates of 2023 that are missing beside those of 2011 to KEK and db, from the
  /// host's files.
  [[nodiscard]] std::string AddSuccessors() const {
    return ShellCommand("varstore-repair --fix-certificates", {context_.target});
  }

  /// Secure Boot is on, or nobody can tell and a platform key is there.
  [[nodiscard]] bool IsVerifying() const {
    return IsSecureBootOn(state_, context_).value_or(IsUserMode(state_));
  }

  [[nodiscard]] std::string Remove(const VariableId& id) const {
    return ShellCommand("varstore-rm", {context_.target, efi::ToText(id.vendor), NameOf(id)});
  }

  /// Puts the host's own keys in the place of all of the VM's.
  [[nodiscard]] std::string ResetKeys() const {
    return ShellCommand("varstore-sb-state", {context_.target, "user"});
  }

  /// Mends one key, and leaves the others as they are: a host has files for four of them, and the
  /// other two are rarely there for a purpose.
  [[nodiscard]] std::string ResetKey(const efi::WellKnownVariable& key) const {
    const VariableId id = IdOf(key);
    if (id == IdOf(efi::kDbt) || id == IdOf(efi::kDbr)) {
      return Remove(id);
    }
    return ShellCommand("varstore-set", {context_.target, efi::ToText(id.vendor), NameOf(id),
                                         "0x27", "/var/lib/varstored/" + NameOf(id) + ".auth"});
  }

  /// What that command does.
  [[nodiscard]] static std::string EffectOn(const efi::WellKnownVariable& key) {
    const VariableId id = IdOf(key);
    return id == IdOf(efi::kDbt) || id == IdOf(efi::kDbr)
               ? " The command removes " + NameOf(id) + " alone."
               : " The command replaces " + NameOf(id) + " alone, with the host's.";
  }

  void CheckBlob() {
    if (state_.damage.empty()) {
      return;
    }
    std::vector<std::string> places;
    std::vector<std::string> others;
    std::size_t lost_bytes = 0;
    for (const Damage& damage : state_.damage) {
      places.push_back("offset " + Text(damage.offset) + ": " + damage.reason);
      lost_bytes += damage.bytes;
      if (damage.left_out && !IsKey(*damage.left_out)) {
        others.push_back(NameOf(*damage.left_out));
      }
    }
    const std::vector<std::string> keys = KeysLeftOut(state_);
    // The keys all and first: names of the guest's may be long, and many.
    const std::string left_out =
        (keys.empty() ? ""
                      : " Keys of Secure Boot are left out: " + Listed(keys, keys.size()) + ".") +
        (others.empty() ? "" : " Other variables are left out: " + Listed(others) + ".");
    Add(FindingKind::kBlobUnreadable, std::nullopt,
        "The variables cannot be read as they are, so the VM does not start." + left_out + " " +
            Plural(state_.entries.size(), "variable") + " can be saved, " +
            Plural(lost_bytes, "byte") + " cannot (" + Listed(places) + ").",
        true, "");
  }

  void CheckDuplicates() {
    std::map<std::pair<std::string_view, efi::Guid>, std::size_t> records;
    for (const store::Entry& entry : state_.entries) {
      if (++records[{entry.name(), entry.vendor()}] == 2) {
        Add(FindingKind::kRecordDuplicate, IdOf(entry),
            "There is more than one record of this name and GUID. The last one counts, the others "
            "only take space.",
            true, "");
      }
    }
  }

  void CheckRecords() {
    for (const store::Entry& entry : state_.entries) {
      if (!HasValidName(entry)) {
        Add(FindingKind::kRecordMalformed, IdOf(entry),
            "Its name has an odd number of bytes or a NUL inside, so the guest cannot find it.",
            true, "");
      } else if (entry.raw_attributes() != ValidAttributes(entry)) {
        Add(FindingKind::kRecordMalformed, IdOf(entry),
            "Its attributes are " + Text(entry.raw_attributes()) + ", which no call takes; " +
                Text(ValidAttributes(entry)) + " would be right.",
            true, "");
      }
    }
  }

  void CheckLists() {
    for (const KeyRow& row : KeyRows()) {
      const store::Entry* key = FindEntry(state_, row.variable);
      if (key == nullptr || HasRightForm(*key)) {
        continue;
      }
      const bool is_pk = row.name == "PK";
      const std::size_t left = WithRightForm(key->data()).size();
      const bool is_fixable = !is_pk && left > 0;
      Add(FindingKind::kListsMalformed, IdOf(row.variable),
          std::string(
              is_pk ? "It is not one list with one certificate, so nobody can change the keys."
              : efi::ParseSignatureLists(key->data())
                  ? "It holds an entry that should be a certificate and is none."
                  : "Its signature lists break their form, so nothing of them counts.") +
              (is_fixable ? " " + Text(left) + " of " + Plural(key->data().size(), "byte") +
                                " can be saved."
                          : EffectOn(row.variable)),
          is_fixable, ResetKey(row.variable));
    }
  }

  void CheckSizes() {
    for (const store::Entry& entry : state_.entries) {
      if (entry.data().size() <= store::kMaxDataBytes) {
        continue;
      }
      const bool is_key = IsKey(entry);
      const auto compact = is_key ? WithoutDoubles(entry.data()) : std::nullopt;
      const bool is_fixable = compact && compact->size() <= store::kMaxDataBytes;
      Add(FindingKind::kVariableOversized, IdOf(entry),
          "It has " + Plural(entry.data().size(), "byte") + "; the limit is " +
              Text(store::kMaxDataBytes) +
              ". It cannot grow, and with older daemons the VM does not start." +
              (is_fixable ? " " + Text(compact->size()) +
                                " bytes are left when each entry is there "
                                "once."
               : is_key ? EffectOn({entry.name(), entry.vendor()})
                        : ""),
          is_fixable, is_key ? ResetKey({entry.name(), entry.vendor()}) : Remove(IdOf(entry)));
    }
  }

  void CheckRevocations() {
    const store::Entry* dbx = FindEntry(state_, efi::kDbx);
    const auto compact = dbx == nullptr ? std::nullopt : WithoutDoubles(dbx->data());
    if (!compact) {
      return;
    }
    const Census before = CensusOf(dbx->data());
    const Census after = CensusOf(*compact);
    if (before.entries == after.entries) {
      return;
    }
    Add(FindingKind::kRevocationsDoubled, IdOf(efi::kDbx),
        Text(before.entries - after.entries) + " of its " + Plural(before.entries, "revocation") +
            " are there more than once, under " + Plural(before.owners, "owner") + ". " +
            Text(dbx->data().size() - compact->size()) +
            " bytes are wasted, and the next update may not fit.",
        true, "");
  }

  void CheckOwners() {
    for (const efi::WellKnownVariable& holder : {efi::kKek, efi::kDb}) {
      const store::Entry* key = FindEntry(state_, holder);
      const auto lists = key == nullptr ? std::nullopt : efi::ParseSignatureLists(key->data());
      if (!lists) {
        continue;
      }
      std::vector<std::string> names;
      for (const efi::SignatureList& list : *lists) {
        for (const efi::SignatureEntry& entry : list.entries) {
          const auto digest = crypto::Sha256({entry.data});
          const auto known = digest ? FindKnownCertificate(*digest) : std::nullopt;
          if (known && entry.owner != kMicrosoftOwner) {
            names.emplace_back(known->certificate.name);
          }
        }
      }
      if (!names.empty()) {
        Add(FindingKind::kOwnerNotMicrosoft, IdOf(holder),
            "Another owner than Microsoft is written at " + Listed(names) +
                ". An update of Microsoft's adds the same certificate again.",
            true, "");
        findings_.back().about = std::move(names);
      }
    }
  }

  /// create-auth of older versions wrote Microsoft as the owner of everything but PK.
  void CheckOthersUnderMicrosoft() {
    for (const efi::WellKnownVariable& holder : {efi::kKek, efi::kDb}) {
      std::vector<std::string> names = OthersUnderMicrosoft(DataOf(state_, holder));
      if (!names.empty()) {
        Add(FindingKind::kOwnerMicrosoftNot, IdOf(holder),
            "Microsoft is written as the owner of " + Listed(names) +
                ", which is not Microsoft's. The firmware trusts a certificate whoever its owner "
                "is; "
                "only the owner that is shown is wrong.",
            false, "");
        findings_.back().about = std::move(names);
      }
    }
  }

  /// The subjects of the certificates under Microsoft's owner that are not Microsoft's.
  static std::vector<std::string> OthersUnderMicrosoft(base::ByteSpan data) {
    std::vector<std::string> names;
    const auto lists = efi::UsableSignatureLists(data);
    if (!lists) {
      return names;
    }
    for (const efi::SignatureList& list : *lists) {
      if (list.kind != efi::SignatureKind::kX509) {
        continue;
      }
      for (const efi::SignatureEntry& entry : list.entries) {
        const auto certificate = crypto::Certificate::Parse(entry.data);
        // Microsoft may publish what this program does not know yet.
        if (certificate && entry.owner == kMicrosoftOwner &&
            certificate->whole_subject_text().find("O=Microsoft Corporation") ==
                std::string::npos) {
          names.push_back(certificate->subject_text());
        }
      }
    }
    return names;
  }

  void CheckSecureBoot() {
    const auto& last = context_.secure_boot_at_last_start;
    if (!IsUserMode(state_) && !context_.is_first_boot &&
        context_.secure_boot.value_or(last.value_or(false))) {
      const bool has_others =
          FindEntry(state_, efi::kKek) != nullptr && FindEntry(state_, efi::kDb) != nullptr;
      Add(FindingKind::kSecureBootWithoutPk, IdOf(efi::kPk),
          std::string("The host ") + (context_.secure_boot ? "wants" : "wanted") + " Secure Boot" +
              (context_.secure_boot ? "" : " at the last start") +
              ", but there is no platform key: the VM starts whatever it is given, or not at all "
              "where secure-boot = enforce is set." +
              (has_others ? EffectOn(efi::kPk)
                          : " The command replaces PK, KEK, db and dbx with the host's."),
          false, has_others ? ResetKey(efi::kPk) : ResetKeys());
    }
    const auto is_on = IsSecureBootOn(state_, context_);
    if (is_on.value_or(IsUserMode(state_)) && FindEntry(state_, efi::kDb) == nullptr) {
      Add(FindingKind::kSecureBootWithoutDb, IdOf(efi::kDb),
          std::string(is_on ? "Secure Boot is on" : "There is a platform key") +
              ", but nothing says what may start: with Secure Boot the firmware refuses every boot "
              "loader." +
              EffectOn(efi::kDb),
          false, ResetKey(efi::kDb));
    }
  }

  /// The certificates of this variable that are known, by their digests.
  [[nodiscard]] std::map<crypto::Sha256Digest, base::ByteSpan> KnownIn(
      const efi::WellKnownVariable& holder) const {
    std::map<crypto::Sha256Digest, base::ByteSpan> known;
    const store::Entry* key = FindEntry(state_, holder);
    const auto lists = key == nullptr ? std::nullopt : efi::UsableSignatureLists(key->data());
    if (!lists) {
      return known;
    }
    for (const efi::SignatureList& list : *lists) {
      for (const efi::SignatureEntry& entry : list.entries) {
        const auto digest = list.kind == efi::SignatureKind::kX509
                                ? std::optional(crypto::Sha256({entry.data}))
                                : std::nullopt;
        if (digest && digest->ok() && FindKnownCertificate(**digest)) {
          known.emplace(**digest, entry.data);
        }
      }
    }
    return known;
  }

  /// The rows of engine::Successions of one variable.
  static std::vector<engine::Succession> SuccessionsOf(const efi::WellKnownVariable& holder) {
    const bool is_kek = holder.Is(efi::kKek.name, efi::kKek.vendor);
    std::vector<engine::Succession> rows;
    for (const engine::Succession& row : engine::Successions()) {
      if (is_kek == (row.holder == engine::CertificateHolder::kKek)) {
        rows.push_back(row);
      }
    }
    return rows;
  }

  void CheckRevokedCertificates() {
    const store::Entry* db = FindEntry(state_, efi::kDb);
    const auto lists = db == nullptr ? std::nullopt : efi::UsableSignatureLists(db->data());
    if (!lists || !IsVerifying()) {
      return;
    }
    const RevokedEntries revoked(state_);
    std::size_t entries = 0;
    std::size_t useless = 0;
    for (const efi::SignatureList& list : *lists) {
      entries += list.entries.size();
      useless += static_cast<std::size_t>(
          std::count_if(list.entries.begin(), list.entries.end(),
                        [&](const auto& entry) { return revoked.IsUseless(list.kind, entry); }));
    }
    if (entries > 0 && entries == useless) {
      Add(FindingKind::kDbAllRevoked, IdOf(efi::kDb),
          (entries == 1 ? std::string("Its only entry is revoked by dbx")
                        : "All " + Text(entries) + " entries of it are revoked by dbx") +
              ", and dbx counts more: with Secure Boot the firmware refuses every boot loader.",
          false, AddFromHost(efi::kDb));
    }
    const auto known = KnownIn(efi::kDb);
    const auto is_useless = [&](const engine::MicrosoftCertificate& certificate) {
      const auto found = known.find(certificate.digest);
      return found == known.end() ||
             revoked.IsUseless(efi::SignatureKind::kX509, {kMicrosoftOwner, found->second});
    };
    for (const engine::Succession& row : SuccessionsOf(efi::kDb)) {
      if (known.contains(row.old_certificate.digest) && is_useless(row.old_certificate) &&
          is_useless(row.successor)) {
        Add(FindingKind::kDbRevokedWithoutSuccessor, IdOf(efi::kDb),
            std::string(row.old_certificate.name) + " is revoked by dbx, and its successor " +
                std::string(row.successor.name) +
                (known.contains(row.successor.digest) ? " is, too" : " is not in db") +
                ": boot loaders that are signed under them are refused.",
            false, known.contains(row.successor.digest) ? AddFromHost(efi::kDb) : AddSuccessors());
      }
    }
  }

  /// Of each certificate in the lists of which it is known, its name and why.
  static std::vector<std::string> WhyNotSecret(const std::vector<efi::SignatureList>& lists) {
    std::vector<std::string> reasons;
    for (const efi::SignatureList& list : lists) {
      if (list.kind != efi::SignatureKind::kX509) {
        continue;
      }
      for (const efi::SignatureEntry& entry : list.entries) {
        const auto certificate = crypto::Certificate::Parse(entry.data);
        const auto why = certificate.ok() ? health::WhyNotSecret(*certificate) : std::nullopt;
        if (why) {
          reasons.push_back(certificate->subject_text() + " " + *why);
        }
      }
    }
    return reasons;
  }

  void CheckSecrets() {
    for (const efi::WellKnownVariable& holder : {efi::kPk, efi::kKek, efi::kDb}) {
      const store::Entry* key = FindEntry(state_, holder);
      const auto lists = key == nullptr ? std::nullopt : efi::UsableSignatureLists(key->data());
      if (!lists) {
        continue;
      }
      std::vector<std::string> reasons = WhyNotSecret(*lists);
      if (reasons.empty()) {
        continue;
      }
      const bool is_db = holder.Is(efi::kDb.name, efi::kDb.vendor);
      Add(FindingKind::kKeyNotSecret, IdOf(holder),
          "Everybody can have the private half of " +
              (reasons.size() == 1 ? "its key" : Plural(reasons.size(), "key")) + " and sign " +
              (is_db ? "boot loaders" : "new keys") + " with it: " + Listed(reasons) + "." +
              (is_db ? ""
                     : " Whoever had it may have changed the other keys too, so this replaces all "
                       "of PK, KEK, db and dbx with the host's; keep certificates of your own in "
                       "db before."),
          false, is_db ? "" : ResetKeys(), is_db ? Severity::kWarning : Severity::kError);
      findings_.back().about = std::move(reasons);
    }
  }

  void CheckCertificates() {
    for (const efi::WellKnownVariable& holder : {efi::kKek, efi::kDb}) {
      const auto known = KnownIn(holder);
      std::vector<std::string> old;
      std::vector<std::string> missing;
      for (const engine::Succession& row : SuccessionsOf(holder)) {
        const auto found = known.find(row.old_certificate.digest);
        if (found != known.end() && !known.contains(row.successor.digest)) {
          old.push_back(std::string(row.old_certificate.name) + ", which " + Expiry(found->second));
          missing.emplace_back(row.successor.name);
        }
      }
      if (old.empty()) {
        continue;
      }
      const bool is_kek = holder.Is(efi::kKek.name, efi::kKek.vendor);
      Add(FindingKind::kCertificates2011Only, IdOf(holder),
          "It holds " + Listed(old) + ", without " + Listed(missing) + ". " +
              (is_kek ? "Updates of dbx that are signed with the new one will be refused."
                      : "Boot loaders that are signed with the new one will be refused."),
          false, AddSuccessors());
      findings_.back().about = std::move(old);
    }
  }

  /// "expired on 2026-06-24", or "expires on" that day.
  [[nodiscard]] std::string Expiry(base::ByteSpan der) const {
    const auto certificate = crypto::Certificate::Parse(der);
    const auto end = certificate ? certificate->not_after() : std::nullopt;
    return !end ? "has no end"
                : (*end < context_.now ? "expired on " : "expires on ") + DateText(*end);
  }

  void CheckKekWithout2011() {
    const auto known = KnownIn(efi::kKek);
    for (const engine::Succession& row : SuccessionsOf(efi::kKek)) {
      if (known.contains(row.successor.digest) && !known.contains(row.old_certificate.digest)) {
        Add(FindingKind::kKekWithout2011, IdOf(efi::kKek),
            "It holds " + std::string(row.successor.name) + " without " +
                std::string(row.old_certificate.name) +
                ". The updates of db and dbx that Microsoft publishes today are signed under the "
                "one of 2011: they are refused. Both are needed.",
            false, AddFromHost(efi::kKek));
      }
    }
  }

  void CheckAgeOfRevocations() {
    const Revocations revocations = RevocationsOf(state_, context_);
    std::string what;
    if (const auto& comparison = revocations.comparison) {
      if (comparison->missing == 0) {
        return;
      }
      what = Text(comparison->missing) + " of the " + Text(comparison->total) +
             " entries of the given update are not in it.";
    } else if (!IsVerifying() || context_.is_first_boot || KnownIn(efi::kDb).empty() ||
               revocations.seems_current) {
      // Without Microsoft's certificates in db nothing that Microsoft revokes can start anyway.
      return;
    }
    const bool is_part = revocations.newest_seen == revocations.newest_known;
    if (is_part) {
      what += (what.empty() ? "" : " ") +
              std::string("Of the newest of Microsoft's lists only a part is in it.");
    }
    const std::string newest =
        revocations.newest_seen.empty()
            ? "None of Microsoft's lists is in it"
            : "The newest of Microsoft's lists in it is of " + revocations.newest_seen;
    constexpr std::int64_t kOld = std::int64_t{2} * 365 * 24 * 60 * 60;
    const bool is_old = is_part || revocations.newest_seen < DateText(context_.now - kOld);
    Add(FindingKind::kRevocationsMissing, IdOf(efi::kDbx),
        what + (what.empty() ? "" : " ") + newest + "; the newest known is of " +
            revocations.newest_known +
            ". Boot loaders with known holes may start. The operating system adds the list with "
            "its updates; by hand, update the boot loaders first.",
        false, AddFromHost(efi::kDbx), is_old ? Severity::kError : Severity::kWarning);
  }

  /// Whether the pattern of the first family takes variables that are not of it.
  [[nodiscard]] bool MatchesMore(const VariableFamily& family) const {
    return std::any_of(
        usage_.variables.begin(), usage_.variables.end(), [&family](const VariableUse& variable) {
          return variable.family != 0 && variable.id.vendor == family.vendor &&
                 ::fnmatch(family.pattern.c_str(), NameOf(variable.id).c_str(), FNM_NOESCAPE) == 0;
        });
  }

  /// What takes most and is nothing that the firmware needs: its words, and how it is removed.
  [[nodiscard]] std::pair<std::string, std::string> WhatMayGo() const {
    const auto largest = std::find_if(
        usage_.variables.begin(), usage_.variables.end(), [](const VariableUse& variable) {
          return !variable.family && variable.id.vendor != efi::kGlobalVariableGuid &&
                 variable.id.vendor != efi::kImageSecurityDatabaseGuid;
        });
    const std::size_t one = largest == usage_.variables.end() ? 0 : largest->used_bytes;
    const std::size_t many = usage_.families.empty() ? 0 : usage_.families.front().used_bytes;
    if (std::max(one, many) < kWantedDbxRoom) {
      return {};
    }
    const std::string largest_is = " The largest that Secure Boot does not need ";
    if (many > one) {
      const VariableFamily& family = usage_.families.front();
      if (MatchesMore(family)) {
        return {largest_is + "are " + Text(family.count) + " " + family.title + " with " +
                    Text(family.data_bytes) + " bytes.",
                ""};
      }
      return {largest_is + "are " + Text(family.count) + " " + family.title + " with " +
                  Text(family.data_bytes) + " bytes.",
              ShellCommand("varstore-rm --match " + ShellWord(family.pattern),
                           {context_.target, efi::ToText(family.vendor)})};
    }
    return {
        largest_is + "is " + NameOf(largest->id) + " with " + Text(largest->data_bytes) + " bytes.",
        Remove(largest->id)};
  }

  void CheckRoom() {
    const std::string used = "The variables take " + Text(usage_.used_bytes) + " of " +
                             Text(usage_.limit_bytes) + " bytes";
    const auto [advice, command] = WhatMayGo();
    if (usage_.used_bytes > usage_.limit_bytes) {
      Add(FindingKind::kStoreOverfull, std::nullopt,
          used + ": nothing can be added, and the firmware may stop when it starts." + advice,
          false, command);
    } else if (usage_.store_room_bytes < kWantedStoreRoom) {
      Add(FindingKind::kStoreNearlyFull, std::nullopt,
          used + ". " + Text(usage_.store_room_bytes) +
              " are left for an update of dbx; tools want " + Text(kWantedStoreRoom) +
              " before they try." + advice,
          false, command);
    }
    const store::Entry* dbx = FindEntry(state_, efi::kDbx);
    if (dbx != nullptr && dbx->data().size() <= store::kMaxDataBytes &&
        usage_.dbx_room_bytes < kWantedDbxRoom) {
      Add(FindingKind::kStoreNearlyFull, IdOf(efi::kDbx),
          "It has " + Text(dbx->data().size()) + " of " + Text(store::kMaxDataBytes) +
              " bytes: the next update may not fit.",
          false, "");
    }
  }

  void CheckBootOrder() {
    for (const efi::WellKnownVariable& list : {kBootOrder, kBootNext}) {
      const store::Entry* entry = FindEntry(state_, list);
      if (entry == nullptr) {
        continue;
      }
      std::vector<std::string> nowhere;
      for (const std::uint16_t number : NumbersIn(entry->data())) {
        if (!usable_.contains(number)) {
          nowhere.push_back(BootOptionName(number));
        }
      }
      const bool has_form = entry->data().size() % 2 == 0;
      if (nowhere.empty() && has_form) {
        continue;
      }
      Add(FindingKind::kBootOrderDangling, IdOf(list),
          nowhere.empty() ? "It ends in half a number."
                          : Plural(nowhere.size(), "number") + " of it " +
                                (nowhere.size() == 1 ? "points" : "point") +
                                " at nothing that can be read: " + Listed(nowhere) + ".",
          true, "");
    }
  }

  void CheckRepeats() {
    if (const store::Entry* order = FindEntry(state_, kBootOrder)) {
      const std::size_t numbers = NumbersIn(order->data()).size();
      const std::size_t distinct = WithoutRepeats(order->data()).size();
      if (numbers > distinct) {
        Add(FindingKind::kBootOrderRepeats, IdOf(kBootOrder),
            Text(numbers - distinct) + " of its " + Plural(numbers, "number") +
                (numbers - distinct == 1 ? " is" : " are") +
                " there already: the firmware tries the same again.",
            true, "");
      }
    }
    std::vector<std::string> copies;
    std::vector<std::string> look_alikes;
    for (const RepeatedOption& option : RepeatedOptions(state_)) {
      const std::string of = " of " + BootOptionName(option.number);
      for (const std::uint16_t copy : option.copies) {
        copies.push_back(BootOptionName(copy) + of);
      }
      for (const std::uint16_t other : option.look_alikes) {
        look_alikes.push_back(BootOptionName(other) + of);
      }
    }
    if (!copies.empty() || !look_alikes.empty()) {
      Add(FindingKind::kBootOptionsRepeat, std::nullopt,
          "Boot options say the same as another one." +
              (copies.empty() ? "" : " Copies: " + Listed(copies) + ".") +
              (look_alikes.empty() ? ""
                                   : " With the same description and path, but other attributes or "
                                     "other data for the loader: " +
                                         Listed(look_alikes) + "."),
          !copies.empty(), "");
    }
  }

  /// The two GUIDs of the keys are easily taken for each other.
  void CheckGuids() {
    for (const KeyRow& row : KeyRows()) {
      const efi::Guid& other = row.variable.vendor == efi::kGlobalVariableGuid
                                   ? efi::kImageSecurityDatabaseGuid
                                   : efi::kGlobalVariableGuid;
      const store::Entry* entry = FindEntry(state_, row.variable.name, other);
      if (entry != nullptr) {
        Add(FindingKind::kKeyUnderWrongGuid, IdOf(*entry),
            std::string(row.name) + " counts under " + efi::ToText(row.variable.vendor) +
                " only. This one, under " + efi::ToText(other) + ", means nothing to anybody.",
            false, Remove(IdOf(*entry)));
      }
    }
  }

  const State& state_;
  const Context& context_;
  Usage usage_;
  std::set<std::uint16_t> usable_;
  std::vector<Finding> findings_;
};

}  // namespace

std::span<const FindingType> FindingTypes() { return kTypes; }

const FindingType& TypeOf(FindingKind kind) { return kTypes[static_cast<std::size_t>(kind)]; }

std::string_view ToText(Who who) {
  return who == Who::kHost    ? "the host's administrator"
         : who == Who::kGuest ? "the guest's administrator"
                              : "the owner of the keys";
}

std::string_view ToText(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

std::vector<Finding> FindingsOf(const State& state, const Context& context) {
  return Search(state, context).Run();
}

}  // namespace varstored::health
