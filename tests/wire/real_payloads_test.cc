// Updates as Microsoft and the makers of computers published them (microsoft/secureboot_objects),
// sent to a VM that trusts whom it should.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "support/loopback_client.h"
#include "support/real_data.h"
#include "support/signing.h"
#include "varstored/base/reader.h"
#include "wire/expressions.h"
#include "wire/machine.h"

namespace varstored::test {
namespace {

constexpr std::uint32_t kAppend = 0x67;
constexpr char kKek2011[] = "MicCorKEKCA2011_2011-06-24.der";
constexpr char kKek2023[] = "microsoft_corporation_kek_2k_ca_2023.der";
constexpr char kMicrosoft[] = "77fa9abd-0359-4d32-bd60-28f4e78f784b";

template <auto kFree>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

/// The parts of a file that is EFI_VARIABLE_AUTHENTICATION_2 and a payload.
struct Update {
  Bytes file;
  Bytes signed_data;
  Bytes payload;
};

Update ParseUpdate(Bytes file) {
  constexpr std::uint32_t kCertificateHeaderBytes = 24;
  base::Reader reader(file);
  ByteSpan time;
  ByteSpan header;
  ByteSpan signed_data;
  std::uint32_t length = 0;
  if (!reader.ReadBytes(16, time) || !reader.ReadU32(length) ||
      !reader.ReadBytes(kCertificateHeaderBytes - 4, header) ||
      !reader.ReadBytes(length - kCertificateHeaderBytes, signed_data)) {
    throw std::runtime_error("not a signed update");
  }
  Update update = {{}, base::ToBytes(signed_data), base::ToBytes(reader.ReadRest())};
  update.file = std::move(file);
  return update;
}

/// The certificate that the only signer of a message names, whether its signature is good or not.
/// The published messages are bare SignedData.
Bytes SignerCertificate(ByteSpan signed_data) {
  const unsigned char* in = signed_data.data();
  const std::unique_ptr<PKCS7_SIGNED, Deleter<PKCS7_SIGNED_free>> message(
      d2i_PKCS7_SIGNED(nullptr, &in, static_cast<long>(signed_data.size())));
  if (message == nullptr || sk_PKCS7_SIGNER_INFO_num(message->signer_info) != 1) {
    throw std::runtime_error("not a SignedData of one signer");
  }
  const PKCS7_ISSUER_AND_SERIAL* name =
      sk_PKCS7_SIGNER_INFO_value(message->signer_info, 0)->issuer_and_serial;
  X509* certificate = X509_find_by_issuer_and_serial(message->cert, name->issuer, name->serial);
  const int size = i2d_X509(certificate, nullptr);
  if (certificate == nullptr || size <= 0) {
    throw std::runtime_error("the signer's certificate is not in the message");
  }
  Bytes der(static_cast<std::size_t>(size));
  unsigned char* out = der.data();
  i2d_X509(certificate, &out);
  return der;
}

Bytes CertificateList(const Bytes& certificate) {
  return SignatureListOf(ParseGuidWord("a5c059a1-94e4-4aa7-87b5-ab155c2bf072"),
                         ParseGuidWord(kMicrosoft), {certificate});
}

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

class RealPayloads : public RealDataTest {
 protected:
  [[nodiscard]] Bytes Certificate(const std::string& name) const {
    return Read("secureboot_objects/certificates/" + name);
  }
  [[nodiscard]] Update ReadUpdate(const std::string& path) const { return ParseUpdate(Read(path)); }

  /// A VM whose last boot has left these behind.
  static Machine VmWith(const Bytes& pk, const Bytes& kek, const Bytes& db = {}) {
    std::vector<store::LegacyRecord> records;
    records.push_back(RecordOf(u"PK", kGlobalGuid, 0x27, CertificateList(pk)));
    if (!kek.empty()) {
      records.push_back(RecordOf(u"KEK", kGlobalGuid, 0x27, kek));
    }
    if (!db.empty()) {
      records.push_back(RecordOf(u"db", kSecurityDatabaseGuid, 0x27, db));
    }
    return Machine({.platform = {"secureboot=true"}, .kept = BlobOf(records)});
  }
  [[nodiscard]] Machine VmWithKek(const std::vector<std::string>& certificates) const {
    Bytes kek;
    for (const std::string& name : certificates) {
      kek = kek + CertificateList(Certificate(name));
    }
    return VmWith(Certificate("WindowsOEMDevicesPK.der"), kek);
  }
};

/// Both kinds of updates that Microsoft signs, with the variable of each.
struct MicrosoftUpdate {
  std::string path;
  std::u16string variable;
};

const std::vector<MicrosoftUpdate>& MicrosoftUpdates() {
  static const std::vector<MicrosoftUpdate> updates = {
      {"secureboot_objects/dbx/DBXUpdate_amd64.bin", u"dbx"},
      {"secureboot_objects/dbx/DBXUpdate_x86.bin", u"dbx"},
      {"secureboot_objects/db/DBUpdate2024.bin", u"db"},
      {"secureboot_objects/db/DBUpdate3P2023.bin", u"db"},
  };
  return updates;
}

TEST_F(RealPayloads, AllUpdatesOfTheFolderAreTested) {
  EXPECT_EQ(Find("secureboot_objects/dbx", "DBXUpdate").size() +
                Find("secureboot_objects/db", "DBUpdate").size(),
            MicrosoftUpdates().size());
}

TEST_F(RealPayloads, MicrosoftsUpdatesAreTakenUnderTheKekOf2011) {
  for (const MicrosoftUpdate& update : MicrosoftUpdates()) {
    SCOPED_TRACE(update.path);
    Machine machine = VmWithKek({kKek2011});
    const Update parsed = ReadUpdate(update.path);
    EXPECT_EQ(
        machine.guest().SetVariable(update.variable, kSecurityDatabaseGuid, kAppend, parsed.file),
        kEfiSuccess);
    const auto now = machine.guest().GetVariable(update.variable, kSecurityDatabaseGuid);
    EXPECT_EQ(now.attributes, 0x27U);
    EXPECT_TRUE(now.data == parsed.payload);
  }
}

TEST_F(RealPayloads, MicrosoftsUpdatesAreTakenWithBothKeks) {
  for (const MicrosoftUpdate& update : MicrosoftUpdates()) {
    SCOPED_TRACE(update.path);
    Machine machine = VmWithKek({kKek2023, kKek2011});
    EXPECT_EQ(machine.guest().SetVariable(update.variable, kSecurityDatabaseGuid, kAppend,
                                          ReadUpdate(update.path).file),
              kEfiSuccess);
  }
}

TEST_F(RealPayloads, MicrosoftsUpdatesAreRefusedUnderTheKekOf2023Alone) {
  for (const MicrosoftUpdate& update : MicrosoftUpdates()) {
    SCOPED_TRACE(update.path);
    Machine machine = VmWithKek({kKek2023});
    EXPECT_EQ(machine.guest().SetVariable(update.variable, kSecurityDatabaseGuid, kAppend,
                                          ReadUpdate(update.path).file),
              kEfiSecurityViolation);
    EXPECT_EQ(machine.guest().GetVariable(update.variable, kSecurityDatabaseGuid).status,
              kEfiNotFound);
  }
}

TEST_F(RealPayloads, MicrosoftsUpdatesAreForOneVariableAndOneWayOfWriting) {
  for (const MicrosoftUpdate& update : MicrosoftUpdates()) {
    SCOPED_TRACE(update.path);
    Machine machine = VmWithKek({kKek2011});
    const Bytes file = ReadUpdate(update.path).file;
    const std::u16string other = update.variable == u"db" ? u"dbx" : u"db";
    EXPECT_EQ(machine.guest().SetVariable(other, kSecurityDatabaseGuid, kAppend, file),
              kEfiSecurityViolation);
    EXPECT_EQ(machine.guest().SetVariable(update.variable, kSecurityDatabaseGuid, 0x27, file),
              kEfiSecurityViolation);
    Bytes tampered = file;
    tampered.back() ^= 1;
    EXPECT_EQ(
        machine.guest().SetVariable(update.variable, kSecurityDatabaseGuid, kAppend, tampered),
        kEfiSecurityViolation);
  }
}

TEST_F(RealPayloads, AVendorsKekUpdateIsTakenUnderItsPlatformKey) {
  int taken = 0;
  for (const std::string& path : Find("secureboot_objects/kek", "KEKUpdate_")) {
    SCOPED_TRACE(path);
    const Update update = ReadUpdate(path);
    const Bytes kek = CertificateList(Certificate("WindowsOEMDevicesPK.der"));
    Machine machine = VmWith(SignerCertificate(update.signed_data), kek);
    const bool is_good = !path.ends_with("ECS_PK1.bin");
    EXPECT_EQ(machine.guest().SetVariable(u"KEK", kGlobalGuid, kAppend, update.file),
              is_good ? kEfiSuccess : kEfiSecurityViolation);
    EXPECT_TRUE(machine.guest().GetVariable(u"KEK", kGlobalGuid).data ==
                (is_good ? kek + update.payload : kek));
    // Repeated on each boot, it does not grow the store.
    EXPECT_EQ(machine.guest().SetVariable(u"KEK", kGlobalGuid, kAppend, update.file),
              is_good ? kEfiSuccess : kEfiSecurityViolation);
    EXPECT_TRUE(machine.guest().GetVariable(u"KEK", kGlobalGuid).data ==
                (is_good ? kek + update.payload : kek));
    taken += is_good ? 1 : 0;
  }
  EXPECT_EQ(taken, 9);
}

// What an update needs of the list of keys that are decoded (docs/engine.md).
TEST_F(RealPayloads, EachVendorsUpdateIsSignedByAnRsaKeyOfAKnownSize) {
  const std::map<std::string, int> bits_of = {{"db/DBUpdate2024.bin", 2048},
                                              {"db/DBUpdate3P2023.bin", 2048},
                                              {"dbx/DBXUpdate_amd64.bin", 2048},
                                              {"dbx/DBXUpdate_x86.bin", 2048},
                                              {"kek/KEKUpdate_ASUS_PKB3840DFC.bin", 4096},
                                              {"kek/KEKUpdate_Acer_PK1.bin", 2048},
                                              {"kek/KEKUpdate_Dell_PK1.bin", 2048},
                                              {"kek/KEKUpdate_Dynabook_PK2.bin", 2048},
                                              {"kek/KEKUpdate_ECS_PK1.bin", 2048},
                                              {"kek/KEKUpdate_Gigabyte_PK1.bin", 2048},
                                              {"kek/KEKUpdate_HP_PK1.bin", 2048},
                                              {"kek/KEKUpdate_HP_PK4.bin", 2048},
                                              {"kek/KEKUpdate_Intel_PK2.bin", 2048},
                                              {"kek/KEKUpdate_XiaoMi_PK1.bin", 2048}};
  EXPECT_EQ(Find("secureboot_objects/dbx", "DBXUpdate").size() +
                Find("secureboot_objects/db", "DBUpdate").size() +
                Find("secureboot_objects/kek", "KEKUpdate_").size(),
            bits_of.size());
  for (const auto& [name, bits] : bits_of) {
    SCOPED_TRACE(name);
    const Bytes der = SignerCertificate(ReadUpdate("secureboot_objects/" + name).signed_data);
    const unsigned char* in = der.data();
    const std::unique_ptr<X509, Deleter<X509_free>> certificate(
        d2i_X509(nullptr, &in, static_cast<long>(der.size())));
    const EVP_PKEY* key = X509_get0_pubkey(certificate.get());
    ASSERT_NE(key, nullptr);
    EXPECT_EQ(EVP_PKEY_get_base_id(key), EVP_PKEY_RSA);
    EXPECT_EQ(EVP_PKEY_get_bits(key), bits);
  }
}

TEST_F(RealPayloads, AVendorsKekUpdateIsRefusedUnderAnotherPlatformKey) {
  for (const std::string& path : Find("secureboot_objects/kek", "KEKUpdate_")) {
    SCOPED_TRACE(path);
    const Update update = ReadUpdate(path);
    // Not even in KEK its signer counts for anything.
    Machine machine = VmWith(Certificate("WindowsOEMDevicesPK.der"),
                             CertificateList(SignerCertificate(update.signed_data)));
    EXPECT_EQ(machine.guest().SetVariable(u"KEK", kGlobalGuid, kAppend, update.file),
              kEfiSecurityViolation);
  }
}

TEST_F(RealPayloads, EveryPublishedCertificateCanBeEnrolled) {
  Bytes lists;
  for (const std::string& path : Find("secureboot_objects/certificates", "")) {
    if (path.ends_with(".der")) {
      lists = lists + CertificateList(Read(path));
    }
  }
  Machine machine;
  EXPECT_EQ(machine.guest().SetVariable(u"db", kSecurityDatabaseGuid, 0x27,
                                        WithDescriptor({}, {}, lists)),
            kEfiSuccess);
  EXPECT_TRUE(machine.guest().GetVariable(u"db", kSecurityDatabaseGuid).data == lists);
}

// What happens to a VM that was made with the keys of 2011.
TEST_F(RealPayloads, TheStoryOfAVm) {
  const Update kek_update = ReadUpdate("secureboot_objects/kek/KEKUpdate_HP_PK4.bin");
  const Update dbx_amd64 = ReadUpdate("secureboot_objects/dbx/DBXUpdate_amd64.bin");
  const Update dbx_x86 = ReadUpdate("secureboot_objects/dbx/DBXUpdate_x86.bin");
  const Identity owner = Identity::Make({.subject = CommonName("The VM's owner")});
  const Bytes kek = CertificateList(Certificate(kKek2011)) + CertificateList(owner.certificate());
  const Bytes db = CertificateList(Certificate("MicWinProPCA2011_2011-10-19.der")) +
                   CertificateList(Certificate("MicCorUEFCA2011_2011-06-27.der"));
  Machine machine = VmWith(SignerCertificate(kek_update.signed_data), kek, db);
  LoopbackClient* guest = &machine.guest();
  const auto update = [&](const std::u16string& name, ByteSpan file) {
    return guest->SetVariable(name, name == u"KEK" ? kGlobalGuid : kSecurityDatabaseGuid, kAppend,
                              file, true);
  };
  const auto data = [&](const std::u16string& name) {
    return guest->GetVariable(name, name == u"KEK" ? kGlobalGuid : kSecurityDatabaseGuid).data;
  };

  // The certificates of 2023 arrive in db, as often as the operating system likes.
  Bytes db_then = db;
  for (const char* path : {"DBUpdate2024.bin", "DBUpdate3P2023.bin"}) {
    const Update db_update = ReadUpdate("secureboot_objects/db/" + std::string(path));
    EXPECT_EQ(update(u"db", db_update.file), kEfiSuccess);
    EXPECT_EQ(update(u"db", db_update.file), kEfiSuccess);
    db_then = db_then + db_update.payload;
  }
  EXPECT_TRUE(data(u"db") == db_then);

  // Then the new KEK, signed by the vendor's platform key.
  EXPECT_EQ(update(u"KEK", kek_update.file), kEfiSuccess);
  EXPECT_TRUE(data(u"KEK") == kek + kek_update.payload);

  // Revocations: both lists, again and again.
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(update(u"dbx", dbx_x86.file), kEfiSuccess);
    EXPECT_EQ(update(u"dbx", dbx_amd64.file), kEfiSuccess);
  }
  const std::size_t published_bytes = data(u"dbx").size();
  EXPECT_LE(published_bytes, dbx_x86.payload.size() + dbx_amd64.payload.size());

  // The same list under other owners, as other publishers do it. It fits one more time at most.
  Time time;
  const auto append_as = [&](const std::string& publisher, ByteSpan list) {
    Bytes payload = base::ToBytes(list);
    constexpr std::size_t kListHeaderBytes = 28;
    constexpr std::size_t kEntryBytes = 48;
    const Guid guid = ParseGuidWord(publisher);
    for (std::size_t at = kListHeaderBytes; at < payload.size(); at += kEntryBytes) {
      std::copy(guid.begin(), guid.end(), payload.begin() + static_cast<std::ptrdiff_t>(at));
    }
    ++time.minute;
    return update(u"dbx", AuthPayload({.name = u"dbx",
                                       .guid = kSecurityDatabaseGuid,
                                       .attributes = kAppend,
                                       .time = time,
                                       .payload = payload},
                                      owner));
  };
  EXPECT_EQ(append_as("other", dbx_amd64.payload), kEfiSuccess);
  const std::size_t twice_bytes = data(u"dbx").size();
  EXPECT_GT(twice_bytes, published_bytes);
  EXPECT_EQ(append_as("test", dbx_amd64.payload), kEfiSuccess);
  EXPECT_EQ(append_as("mor", dbx_amd64.payload), kEfiSuccess);
  EXPECT_EQ(data(u"dbx").size(), twice_bytes);

  // New revocations until nothing fits any more.
  KeyRing keys({});
  int first = 0;
  for (int count = 100; count > 0;) {
    const Bytes list = ParseBytes(
        "hashes(" + std::to_string(count) + ",first=" + std::to_string(first) + ")", keys);
    const std::uint64_t status = append_as("other", list);
    if (status == kEfiSuccess) {
      first += count;
    } else {
      EXPECT_EQ(status, kEfiOutOfResources);
      count /= 2;
    }
  }
  EXPECT_GT(first, 0);
  EXPECT_GT(data(u"dbx").size(), 57344U - 28 - 48);

  // A full dbx takes what it holds already, and the VM boots, with everything still there.
  EXPECT_EQ(update(u"dbx", dbx_amd64.file), kEfiSuccess);
  const Bytes dbx_then = data(u"dbx");
  Machine next({.platform = {"secureboot=true"}, .kept = machine.ShutDown()});
  guest = &next.guest();
  EXPECT_TRUE(data(u"dbx") == dbx_then);
  EXPECT_TRUE(data(u"db") == db_then);
  EXPECT_TRUE(data(u"KEK") == kek + kek_update.payload);
  EXPECT_EQ(guest->GetVariable(u"SecureBoot", kGlobalGuid).data, Bytes{1});
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(
        guest->SetVariable({u'B', static_cast<char16_t>(u'0' + i)}, kGlobalGuid, 0x07, Bytes(60)),
        kEfiSuccess);
  }
}

}  // namespace
}  // namespace varstored::test
