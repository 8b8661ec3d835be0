// The order of SetVariable's checks (docs/engine.md, "SetVariable"): each of its rows, and every
// two of them that can be wrong in one call, of which the earlier must be the answer. The engine
// says which rule has ended a call, so two rules with the same status are told apart as well.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "failing_backend.h"
#include "support/signing.h"
#include "varstored/crypto/certificate.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/variable_services.h"

namespace varstored::engine {
namespace {

constexpr efi::Guid kVendor = *efi::ParseGuid("12345678-1234-1234-1234-123456789abc");
// Before and after what is stored.
constexpr test::Time kEarly = {.year = 2024, .month = 1};
constexpr test::Time kLate = {.year = 2024, .month = 3};

const test::Identity& Pk() {
  static const test::Identity identity = test::Identity::Make();
  return identity;
}

const test::Identity& Stranger() {
  static const test::Identity identity = test::Identity::Make();
  return identity;
}

base::Bytes CertificateList(const test::Identity& identity) {
  return test::SignatureListOf(efi::TypeOf(efi::SignatureKind::kX509).guid.bytes, kVendor.bytes,
                               {identity.certificate()});
}

base::Bytes HashList(std::uint8_t fill, std::size_t count = 1) {
  return test::SignatureListOf(efi::TypeOf(efi::SignatureKind::kSha256).guid.bytes, kVendor.bytes,
                               std::vector<base::Bytes>(count, base::Bytes(32, fill)));
}

/// A call of SetVariable and all that its outcome depends on. Left alone, it succeeds.
struct Situation {
  std::u16string name = u"Variable";
  bool name_has_odd_byte = false;
  efi::Guid vendor = kVendor;
  std::uint32_t attributes = 0x07;
  base::Bytes payload = {1, 2, 3};
  bool at_runtime = false;

  // An authenticated call: what is wrong with it, and how the data is changed once it is signed.
  bool is_signed = false;
  const test::Identity* signer = &Pk();
  test::Time time = kLate;
  bool signature_is_tampered = false;
  bool descriptor_is_malformed = false;
  bool data_is_too_long = false;
  bool data_is_empty = false;

  // The variable as it is; no attributes when it is absent.
  std::u16string stored_name = name;
  std::optional<std::uint32_t> stored_attributes = {};
  base::Bytes stored_data = {9};
  store::SignerDigest stored_signer = {};
  // What else is there.
  bool platform_key = false;
  bool mor_is_locked = false;
  bool ppi_flags_are_locked = false;
  std::size_t ballast_bytes = 0;
  bool backend_fails = false;
};

base::Bytes NameBytes(std::u16string_view name) {
  base::Bytes bytes;
  for (const char16_t unit : name) {
    bytes.push_back(static_cast<std::uint8_t>(unit & 0xFF));
    bytes.push_back(static_cast<std::uint8_t>(unit >> 8));
  }
  return bytes;
}

base::Bytes DataOf(const Situation& situation) {
  if (situation.data_is_empty) {
    return {};
  }
  base::Bytes data = situation.payload;
  if (situation.is_signed) {
    const test::VariableWrite write = {.name = situation.name,
                                       .guid = situation.vendor.bytes,
                                       .attributes = situation.attributes,
                                       .time = situation.time,
                                       .payload = situation.payload};
    base::Bytes signed_bytes = test::SignedBytes(write);
    if (situation.signature_is_tampered) {
      signed_bytes.back() ^= 1;
    }
    data = test::WithDescriptor(situation.time, test::Sign(signed_bytes, *situation.signer),
                                situation.payload);
  }
  if (situation.descriptor_is_malformed) {
    constexpr std::size_t kCertificateType = 22;
    data[kCertificateType] ^= 1;
  }
  if (situation.data_is_too_long) {
    data.resize(store::kMaxDataBytes + 1);
  }
  return data;
}

store::Entry EntryOf(base::ByteSpan name, const efi::Guid& vendor, std::uint32_t attributes,
                     base::Bytes data, const store::SignerDigest& signer = {}) {
  return store::MakeEntry({.name = base::ToString(name),
                           .vendor = vendor,
                           .attributes = attributes,
                           .data = std::move(data),
                           .timestamp = {.year = 2024, .month = 2, .day = 1},
                           .signer = signer});
}

/// What the last boot has left behind.
FailingBackend::Entries EntriesOf(const Situation& situation) {
  FailingBackend::Entries entries;
  if (situation.platform_key) {
    entries.push_back(
        EntryOf(base::ToBytes(efi::kPk.name), efi::kPk.vendor, 0x27, CertificateList(Pk())));
  }
  if (situation.stored_attributes) {
    entries.push_back(EntryOf(NameBytes(situation.stored_name), situation.vendor,
                              *situation.stored_attributes, situation.stored_data,
                              situation.stored_signer));
  }
  std::size_t left = situation.ballast_bytes;
  for (std::uint8_t number = 0; left != 0; ++number) {
    const base::Bytes name = {'b', 0, number, 1};
    const std::size_t used = std::min(left, name.size() + store::kMaxDataBytes);
    entries.push_back(EntryOf(name, kVendor, 0x07, base::Bytes(used - name.size())));
    left -= used;
  }
  return entries;
}

/// How the engine answers.
Reason Outcome(const Situation& situation) {
  FailingBackend backend(EntriesOf(situation));
  CollectingLog log;
  VariableServices services({.secure_boot = true}, backend, log);
  if (!services.Boot({})) {
    ADD_FAILURE() << "no boot";
  }
  const auto set = [&services](const efi::WellKnownVariable& variable, const base::Bytes& data) {
    const base::Bytes name = base::ToBytes(variable.name);
    EXPECT_EQ(services
                  .SetVariable(
                      {.name = name, .vendor = variable.vendor, .attributes = 0x07, .data = data})
                  .reason,
              Reason::kSuccess);
  };
  if (situation.mor_is_locked) {
    set(efi::kMorLock, {1});
  }
  if (situation.ppi_flags_are_locked) {
    set(efi::kPpiFlagsLock, {1});
  }
  if (situation.backend_fails) {
    backend.FailNextCommit();
  }
  base::Bytes name = NameBytes(situation.name);
  if (situation.name_has_odd_byte) {
    name.push_back('x');
  }
  const base::Bytes data = DataOf(situation);
  return services
      .SetVariable({.name = name,
                    .vendor = situation.vendor,
                    .attributes = situation.attributes,
                    .data = data,
                    .at_runtime = situation.at_runtime})
      .reason;
}

/// What of a situation a fault is about. Two faults about the same cannot be had at once.
enum Aspect : unsigned {
  kNothing = 0,
  kName = 1U << 0,
  kLength = 1U << 1,    // how long the data is
  kEnhanced = 1U << 2,  // bits 0x20 and 0x80
  kAccess = 1U << 3,    // bits 0x01, 0x02, 0x04
  kStoredRuntime = 1U << 4,
  kStoredNonVolatile = 1U << 5,
  kForm = 1U << 6,  // of the descriptor
  kTime = 1U << 7,
  kSignature = 1U << 8,
  kContent = 1U << 9,  // the payload
  kAppending = 1U << 10,
  kCommit = 1U << 11,
};

/// Something that is wrong with a call.
struct Fault {
  std::string name;
  Reason reason;
  unsigned aspects;
  std::function<void(Situation&)> apply;
};

/// A variable, and what can be wrong with a call that sets it, in the order of the checks.
struct Table {
  std::string name;
  Situation base;
  std::vector<Fault> faults;
};

std::ostream& operator<<(std::ostream& out, const Table& table) { return out << table.name; }

// A fault of the situation that cannot be mended: it is there whatever else is.
Fault Inherent(std::string name, Reason reason) { return {std::move(name), reason, kNothing, {}}; }

// Rows 1 and 2, which come before anything is known about the variable.
std::vector<Fault> FormAndAttributes() {
  return {
      {"an empty name", Reason::kNameEmpty, kName, [](Situation& s) { s.name.clear(); }},
      {"a name of 4098 bytes", Reason::kNameTooLong, kName,
       [](Situation& s) { s.name.assign(2049, u'x'); }},
      {"57345 bytes of data", Reason::kDataTooLong, kLength,
       [](Situation& s) { s.data_is_too_long = true; }},
      {"a name of odd length", Reason::kNameMalformed, kName,
       [](Situation& s) { s.name_has_odd_byte = true; }},
      {"a name with a NUL inside", Reason::kNameMalformed, kName,
       [](Situation& s) { s.name[1] = u'\0'; }},
      {"bit 0x08", Reason::kHardwareErrorRecord, kNothing,
       [](Situation& s) { s.attributes |= 0x08; }},
      {"bit 0x10", Reason::kAuthenticatedWriteDeprecated, kNothing,
       [](Situation& s) { s.attributes |= 0x10; }},
      {"bits 0x20 and 0x80", Reason::kTimeBasedWithEnhanced, kEnhanced,
       [](Situation& s) { s.attributes |= 0xA0; }},
      {"bit 0x80 without 0x20", Reason::kEnhancedAuthenticated, kEnhanced,
       [](Situation& s) { s.attributes = (s.attributes & ~0x20U) | 0x80; }},
      {"an unknown bit", Reason::kUnknownAttributes, kNothing,
       [](Situation& s) { s.attributes |= 0x8000'0000; }},
      {"runtime without boot-service access", Reason::kRuntimeWithoutBootService, kAccess,
       [](Situation& s) { s.attributes = (s.attributes & ~0x02U) | 0x04; }},
  };
}

// The start of row 4. Another name is another variable, so these are about the name too.
std::vector<Fault> ExistingAtRuntime() {
  return {
      {"at runtime, without runtime access", Reason::kBootServiceVariableAtRuntime,
       kName | kStoredRuntime,
       [](Situation& s) {
         *s.stored_attributes &= ~0x04U;
         s.at_runtime = true;
       }},
      {"at runtime, volatile", Reason::kVolatileVariableAtRuntime, kName | kStoredNonVolatile,
       [](Situation& s) {
         *s.stored_attributes &= ~0x01U;
         s.at_runtime = true;
       }},
  };
}

// Row 5.
std::vector<Fault> Absent() {
  return {
      {"no data", Reason::kNothingToDelete, kLength, [](Situation& s) { s.data_is_empty = true; }},
      {"no access bit", Reason::kNothingToDelete, kAccess,
       [](Situation& s) { s.attributes &= ~0x06U; }},
      {"volatile at runtime", Reason::kNewVariableAtRuntime, kAccess,
       [](Situation& s) {
         s.attributes &= ~0x01U;
         s.at_runtime = true;
       }},
      {"without runtime access at runtime", Reason::kNewVariableAtRuntime, kAccess,
       [](Situation& s) {
         s.attributes &= ~0x04U;
         s.at_runtime = true;
       }},
  };
}

Fault OtherAttributes() {
  return {"other attributes than stored", Reason::kAttributesDiffer, kName | kAccess,
          [](Situation& s) { s.attributes &= ~0x01U; }};
}

// These end the call too, and well.
std::vector<Fault> NothingToWrite() {
  return {
      {"no access bit: a deletion", Reason::kSuccess, kName | kAccess | kCommit,
       [](Situation& s) { s.attributes &= ~0x06U; }},
      OtherAttributes(),
      {"an append of nothing", Reason::kUnchanged, kName | kLength | kAppending,
       [](Situation& s) {
         s.attributes |= 0x40;
         s.data_is_empty = true;
       }},
      {"no data: a deletion", Reason::kSuccess, kName | kLength | kAppending | kCommit,
       [](Situation& s) { s.data_is_empty = true; }},
  };
}

Fault NoDescriptor() {
  return {"no data, not even a descriptor", Reason::kDescriptorMalformed,
          kName | kForm | kLength | kAppending, [](Situation& s) { s.data_is_empty = true; }};
}

Fault MalformedDescriptor() {
  return {"a malformed descriptor", Reason::kDescriptorMalformed, kForm | kLength,
          [](Situation& s) { s.descriptor_is_malformed = true; }};
}

Fault OldTime() {
  return {"an old time", Reason::kTimestampNotLater, kName | kTime | kAppending,
          [](Situation& s) { s.time = kEarly; }};
}

Fault Tampered() {
  return {"a signature of something else", Reason::kSignatureWrong, kSignature,
          [](Situation& s) { s.signature_is_tampered = true; }};
}

Fault OtherSigner(Reason reason) {
  return {"a signature of somebody else", reason, kName | kSignature,
          [](Situation& s) { s.signer = &Stranger(); }};
}

Fault MalformedList() {
  return {"a malformed list", Reason::kSignatureListMalformed, kName | kContent,
          [](Situation& s) { s.payload.pop_back(); }};
}

Fault FullStore() {
  return {"a full store", Reason::kStoreFull, kNothing,
          [](Situation& s) { s.ballast_bytes = std::size_t{128} * 1024; }};
}

Fault FailingCommit() {
  return {"a backend that fails", Reason::kBackendFailed, kCommit,
          [](Situation& s) { s.backend_fails = true; }};
}

std::vector<Fault> Join(const std::vector<std::vector<Fault>>& parts) {
  std::vector<Fault> all;
  for (const auto& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

Situation Plain(std::u16string name, const efi::Guid& vendor) {
  Situation situation;
  situation.stored_name = name;
  situation.name = std::move(name);
  situation.vendor = vendor;
  return situation;
}

Situation Signed(std::u16string name, const efi::Guid& vendor, base::Bytes payload) {
  Situation situation = Plain(std::move(name), vendor);
  situation.attributes = 0x27;
  situation.is_signed = true;
  situation.payload = std::move(payload);
  situation.platform_key = true;
  return situation;
}

Table PlainThatIsThere() {
  Situation base;
  base.stored_attributes = 0x07;
  return {"PlainThatIsThere", base,
          Join({FormAndAttributes(),
                ExistingAtRuntime(),
                NothingToWrite(),
                {FullStore(), FailingCommit()}})};
}

Table PlainThatIsAbsent() {
  return {"PlainThatIsAbsent", Situation{},
          Join({FormAndAttributes(), Absent(), {FullStore(), FailingCommit()}})};
}

Table DatabaseThatIsThere() {
  Situation base = Signed(u"db", efi::kDb.vendor, HashList(1, 2));
  base.stored_attributes = 0x27;
  base.stored_data = HashList(9);
  return {"DatabaseThatIsThere", base,
          Join({FormAndAttributes(),
                ExistingAtRuntime(),
                {OtherAttributes(), NoDescriptor(), MalformedDescriptor(), OldTime(), Tampered(),
                 OtherSigner(Reason::kSignerNotTrusted), MalformedList(), FullStore(),
                 FailingCommit()}})};
}

Table DatabaseThatIsAbsent() {
  const Fault attributes = {"a key without authentication", Reason::kSecureBootAttributes,
                            kName | kEnhanced, [](Situation& s) { s.attributes &= ~0x20U; }};
  return {
      "DatabaseThatIsAbsent", Signed(u"dbt", efi::kDbt.vendor, HashList(1)),
      Join({FormAndAttributes(),
            Absent(),
            {attributes, MalformedDescriptor(), Tampered(), OtherSigner(Reason::kSignerNotTrusted),
             MalformedList(), FullStore(), FailingCommit()}})};
}

Table PlatformKey() {
  static const test::Identity longer =
      test::Identity::Make({.subject = test::CommonName(std::string(200, 'x'))});
  Situation base = Signed(u"PK", efi::kPk.vendor, CertificateList(longer));
  base.platform_key = false;
  base.stored_attributes = 0x27;
  base.stored_data = CertificateList(Pk());
  const Fault append = {"an append", Reason::kPkAppend, kName | kAppending,
                        [](Situation& s) { s.attributes |= 0x40; }};
  return {"PlatformKey", base,
          Join({FormAndAttributes(),
                ExistingAtRuntime(),
                {OtherAttributes(), NoDescriptor(), MalformedDescriptor(), OldTime(), Tampered(),
                 OtherSigner(Reason::kSignerNotTrusted), MalformedList(), append, FullStore(),
                 FailingCommit()}})};
}

store::SignerDigest DigestOf(const test::Identity& signer) {
  const auto certificate = crypto::Certificate::Parse(signer.certificate());
  return *crypto::Sha256({base::ToBytes("Test"), certificate->tbs_der()});
}

Table PrivateThatIsThere() {
  static const test::Identity nameless = test::Identity::Make({.subject = {{"O", "No name"}}});
  Situation base = Signed(u"Private", kVendor, {1, 2, 3});
  base.stored_attributes = 0x27;
  base.stored_signer = DigestOf(Pk());
  const Fault no_name = {"a signer without a common name", Reason::kSignerWithoutCommonName,
                         kSignature, [](Situation& s) { s.signer = &nameless; }};
  return {"PrivateThatIsThere", base,
          Join({FormAndAttributes(),
                ExistingAtRuntime(),
                {OtherAttributes(), NoDescriptor(), MalformedDescriptor(), OldTime(), Tampered(),
                 no_name, OtherSigner(Reason::kSignerDiffers), FullStore(), FailingCommit()}})};
}

Table MorControl() {
  Situation base = Plain(u"MemoryOverwriteRequestControl", efi::kMorControlGuid);
  base.payload = {0x11};
  return {"MorControl", base,
          Join({FormAndAttributes(),
                {{"other attributes", Reason::kMorControlMalformed, kName | kAccess,
                  [](Situation& s) { s.attributes &= ~0x01U; }},
                 {"an append", Reason::kMorControlMalformed, kName | kAppending,
                  [](Situation& s) { s.attributes |= 0x40; }},
                 {"two bytes", Reason::kMorControlMalformed, kName | kContent,
                  [](Situation& s) {
                    s.payload = {1, 1};
                  }},
                 {"an unknown bit of the control", Reason::kMorControlMalformed, kName | kContent,
                  [](Situation& s) { s.payload = {2}; }},
                 {"locked", Reason::kMorLocked, kName,
                  [](Situation& s) { s.mor_is_locked = true; }}}})};
}

Table MorLock() {
  Situation base = Plain(u"MemoryOverwriteRequestControlLock", efi::kMorLockGuid);
  base.payload = {1};
  return {"MorLock", base,
          Join({FormAndAttributes(),
                {{"no data", Reason::kMorLockDeletion, kName | kLength | kContent,
                  [](Situation& s) { s.data_is_empty = true; }},
                 {"other attributes", Reason::kMorLockMalformed, kName | kAccess,
                  [](Situation& s) { s.attributes &= ~0x01U; }},
                 {"an append", Reason::kMorLockMalformed, kName | kAppending,
                  [](Situation& s) { s.attributes |= 0x40; }},
                 {"two bytes", Reason::kMorLockMalformed, kName | kContent,
                  [](Situation& s) {
                    s.payload = {1, 1};
                  }},
                 {"locked", Reason::kMorLocked, kName,
                  [](Situation& s) { s.mor_is_locked = true; }}}})};
}

Table ReadOnly() {
  Situation base = Plain(u"SetupMode", efi::kGlobalVariableGuid);
  base.attributes = 0x06;
  const Fault runtime = {"at runtime, volatile", Reason::kVolatileVariableAtRuntime, kName,
                         [](Situation& s) { s.at_runtime = true; }};
  return {"ReadOnly", base,
          Join({FormAndAttributes(),
                {runtime, Inherent("read-only", Reason::kReadOnly)},
                NothingToWrite(),
                {FullStore(), FailingCommit()}})};
}

Table PpiBuffer() {
  return {"PpiBuffer", Plain(u"PPIBuffer", efi::kTcg2PhysicalPresenceGuid),
          Join({FormAndAttributes(),
                {Inherent("read-only", Reason::kPpiBufferReadOnly)},
                NothingToWrite(),
                {FullStore(), FailingCommit()}})};
}

Table PpiFlags() {
  Situation base = Plain(u"Tcg2PhysicalPresenceFlags", efi::kTcg2PhysicalPresenceGuid);
  base.stored_attributes = 0x07;
  const Fault locked = {"locked", Reason::kPpiFlagsLocked, kName,
                        [](Situation& s) { s.ppi_flags_are_locked = true; }};
  return {"PpiFlags", base,
          Join({FormAndAttributes(),
                ExistingAtRuntime(),
                {locked},
                NothingToWrite(),
                {FullStore(), FailingCommit()}})};
}

Table PpiFlagsThatAreAbsent() {
  Situation base = Plain(u"Tcg2PhysicalPresenceFlags", efi::kTcg2PhysicalPresenceGuid);
  base.ppi_flags_are_locked = true;
  return {"PpiFlagsThatAreAbsent", base,
          Join({FormAndAttributes(),
                {Inherent("locked", Reason::kPpiFlagsLocked)},
                Absent(),
                {FullStore(), FailingCommit()}})};
}

Table PpiFlagsLock() {
  Situation base = Plain(u"Tcg2PhysicalPresenceFlagsLock", efi::kTcg2PhysicalPresenceGuid);
  base.payload = {1};
  return {"PpiFlagsLock", base,
          Join({FormAndAttributes(),
                {{"other attributes", Reason::kPpiFlagsLockMalformed, kName | kAccess,
                  [](Situation& s) { s.attributes &= ~0x01U; }},
                 {"an append", Reason::kPpiFlagsLockMalformed, kName | kAppending,
                  [](Situation& s) { s.attributes |= 0x40; }},
                 {"another value", Reason::kPpiFlagsLockMalformed, kName | kContent,
                  [](Situation& s) { s.payload = {0}; }},
                 {"no data", Reason::kPpiFlagsLockMalformed, kName | kLength,
                  [](Situation& s) { s.data_is_empty = true; }},
                 FailingCommit()}})};
}

class OrderOfChecks : public testing::TestWithParam<Table> {
 protected:
  /// The answer to a call that has the faults at `places` of the table, and why it is the right
  /// one.
  static void Expect(const std::vector<std::size_t>& places) {
    Situation situation = GetParam().base;
    std::string what = "a call with";
    Reason expected = Reason::kSuccess;
    for (std::size_t place = GetParam().faults.size(); place-- != 0;) {
      const Fault& fault = GetParam().faults[place];
      const bool is_asked_for = std::ranges::count(places, place) != 0;
      if (is_asked_for) {
        what += " <" + fault.name + ">";
        fault.apply(situation);
      }
      if (is_asked_for || !fault.apply) {
        expected = fault.reason;
      }
    }
    EXPECT_EQ(ReasonText(Outcome(situation)), ReasonText(expected)) << what;
  }
};

TEST_P(OrderOfChecks, EachFaultIsFound) {
  Expect({});
  for (std::size_t place = 0; place < GetParam().faults.size(); ++place) {
    if (GetParam().faults[place].apply) {
      Expect({place});
    }
  }
}

TEST_P(OrderOfChecks, OfTwoFaultsTheEarlierIsTheAnswer) {
  const std::vector<Fault>& faults = GetParam().faults;
  for (std::size_t later = 0; later < faults.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      if (faults[earlier].apply && faults[later].apply &&
          (faults[earlier].aspects & faults[later].aspects) == 0) {
        Expect({earlier, later});
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(SetVariable, OrderOfChecks,
                         testing::Values(PlainThatIsThere(), PlainThatIsAbsent(),
                                         DatabaseThatIsThere(), DatabaseThatIsAbsent(),
                                         PlatformKey(), PrivateThatIsThere(), MorControl(),
                                         MorLock(), ReadOnly(), PpiBuffer(), PpiFlags(),
                                         PpiFlagsThatAreAbsent(), PpiFlagsLock()),
                         [](const auto& table) { return table.param.name; });

}  // namespace
}  // namespace varstored::engine
