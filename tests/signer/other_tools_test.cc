// create-auth beside other makers and readers of the same files: efitools, sbsigntool, openssl.

#include <sys/stat.h>

#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "workshop.h"

namespace varstored::signer {
namespace {

using base::Bytes;
using base::ToBytes;

// The same time for those that want seconds and those that want a date.
const std::string kSetTime = "time=1704164645; date='2024-01-02 03:04:05'; export TZ=UTC\n";
const std::string kMicrosoft = "77fa9abd-0359-4d32-bd60-28f4e78f784b";
const std::string kShim = "605dab50-e046-4300-abb6-3dd810dd8b23";

class Efitools : public Workshop {
 protected:
  void ExpectSame(const std::string& ours, const std::string& theirs) const {
    EXPECT_EQ(File(ours), File(theirs)) << ours << " differs from " << theirs;
  }
};

TEST_F(Efitools, SignEfiSigListWritesTheSameBytes) {
  for (const std::string name : {"PK", "KEK", "db", "dbx"}) {
    for (const std::string append : {"", "-a "}) {
      if (name == "PK" && !append.empty()) {
        continue;
      }
      SCOPED_TRACE(name + append);
      // RSA with the padding of PKCS #1 v1.5 has no random part, so the signature is the same too.
      Do(kSetTime + "owner=" + kMicrosoft + R"(
         cert-to-efi-sig-list -g $owner $keys/PK.pem list.esl
         sign-efi-sig-list )" +
         append + R"(-t "$date" -k $keys/PK.key -c $keys/PK.pem )" + name + R"( list.esl theirs.auth
         sign-efi-sig-list )" +
         append + R"(-o -t "$date" )" + name + R"( list.esl theirs.blob
         $create_auth )" +
         append + "-t $time -g $owner -k $keys/PK.key -c $keys/PK.pem " + name +
         R"( ours.auth $keys/PK.pem
         $create_auth )" +
         append + "-o -t $time -g $owner " + name + " ours.blob $keys/PK.pem");
      ExpectSame("ours.auth", "theirs.auth");
      ExpectSame("ours.blob", "theirs.blob");
    }
  }
}

TEST_F(Efitools, ListsOfTheirsAreTakenAsTheyAre) {
  Do("cert-to-efi-sig-list -g " + kShim + R"( $keys/PK.pem one.esl
     hash-to-efi-sig-list /usr/lib/efitools/*/HelloWorld.efi two.esl
     cat one.esl two.esl >both.esl
     $create_auth db db.auth both.esl
     $create_auth db same.auth one.esl two.esl)");
  EXPECT_EQ(TakeApart(File("db.auth")).payload, File("both.esl"));
  EXPECT_EQ(TakeApart(File("same.auth")).payload, File("both.esl"));
}

TEST_F(Efitools, TheSameHashGivesTheSameList) {
  Do(R"(hash-to-efi-sig-list /usr/lib/efitools/*/HelloWorld.efi theirs.esl >said
        sed -n 's/HASH IS //p' said >hashes.txt
        test -s hashes.txt
        $create_auth -g )" +
     kShim + " dbx ours.auth hashes.txt");
  EXPECT_EQ(TakeApart(File("ours.auth")).payload, File("theirs.esl"));
}

TEST_F(Efitools, SigListToCertsReadsOurCertificates) {
  Do("$create_auth db ours.auth $keys/PK.pem $keys/KEK.der $keys/vendor.pem");
  Write("ours.esl", TakeApart(File("ours.auth")).payload);
  Do("sig-list-to-certs ours.esl out");
  EXPECT_EQ(File("out-0.der"), Key("PK.der"));
  EXPECT_EQ(File("out-1.der"), Key("KEK.der"));
  EXPECT_EQ(File("out-2.der"), Key("vendor.der"));
}

TEST_F(Efitools, ADetachedSignatureIsJoinedToTheSameBytes) {
  Do(kSetTime + R"(
     cert-to-efi-sig-list -g )" +
     kMicrosoft + R"( $keys/vendor.pem list.esl
     sign-efi-sig-list -t "$date" -k $keys/KEK.key -c $keys/KEK.pem db list.esl theirs.auth
     $create_auth -o -t $time db db.blob $keys/vendor.pem
     openssl smime -sign -binary -noattr -md sha256 -signer $keys/KEK.pem -inkey $keys/KEK.key \
       -in db.blob -outform PEM -out db.sig
     $create_auth -s db.sig -t $time db ours.auth $keys/vendor.pem)");
  ExpectSame("ours.auth", "theirs.auth");
}

TEST_F(Efitools, OurDaemonTakesTheirFilesAndOurs) {
  for (const std::string maker : {"theirs", "ours"}) {
    SCOPED_TRACE(maker);
    Do("mkdir " + maker + "\n" + kSetTime +
       (maker == "ours" ? R"(
       make() {
         $create_auth -k $keys/PK.key -c $keys/PK.pem $1 ours/$1.auth $keys/$2.pem
       }
       $create_auth -a -k $keys/KEK.key -c $keys/KEK.pem db ours/append $keys/ec.pem
       )"
                        : R"(
       make() {
         cert-to-efi-sig-list -g )" +
                              kMicrosoft + R"( $keys/$2.pem list.esl
         sign-efi-sig-list -t "$date" -k $keys/PK.key -c $keys/PK.pem $1 list.esl theirs/$1.auth
       }
       cert-to-efi-sig-list $keys/ec.pem list.esl
       sign-efi-sig-list -a -t "$date" -k $keys/KEK.key -c $keys/KEK.pem db list.esl theirs/append
       )") +
       "make PK PK; make KEK KEK; make db vendor; make dbx small");

    const std::string socket = folder().File(maker + ".socket");
    const auto daemon =
        test::StartLoopback(socket, {"--backend", "memory", "--platform", "secureboot=true",
                                     "--auth-dir", folder().File(maker)});
    test::LoopbackClient guest(socket);
    for (const auto& [name, guid, file] : {std::tuple{u"PK", test::kGlobalGuid, "PK"},
                                           {u"KEK", test::kGlobalGuid, "KEK"},
                                           {u"db", test::kSecurityDatabaseGuid, "db"},
                                           {u"dbx", test::kSecurityDatabaseGuid, "dbx"}}) {
      EXPECT_EQ(guest.GetVariable(name, guid).data,
                TakeApart(File(maker + "/" + file + ".auth")).payload);
    }
    EXPECT_EQ(guest.GetVariable(u"SecureBoot", test::kGlobalGuid).data, Bytes{1});
    EXPECT_EQ(guest.GetVariable(u"SetupMode", test::kGlobalGuid).data, Bytes{0});
    // The update of db is in user mode, and signed by KEK.
    EXPECT_EQ(guest.SetVariable(u"db", test::kSecurityDatabaseGuid, 0x67, File(maker + "/append")),
              test::kEfiSuccess);
  }
}

class Sbsigntool : public Workshop {};

TEST_F(Sbsigntool, SbsiglistWritesTheSameLists) {
  Do("owner=" + kMicrosoft + R"(
     printf '%064d' 7 >hash.txt
     printf '0000000000000000000000000000000\007' >hash.bin
     sbsiglist --owner $owner --type x509 --output certificate.esl $keys/PK.der
     sbsiglist --owner $owner --type sha256 --output hash.esl hash.bin
     $create_auth db certificate.auth $keys/PK.der
     od -An -v -tx1 hash.bin | tr -d ' \n' >hash.txt
     $create_auth db hash.auth hash.txt)");
  EXPECT_EQ(TakeApart(File("certificate.auth")).payload, File("certificate.esl"));
  EXPECT_EQ(TakeApart(File("hash.auth")).payload, File("hash.esl"));
}

TEST_F(Sbsigntool, AnUpdateOfSbvarsignIsTakenForTheAttributesThatItWasSignedWith) {
  Do("owner=" + kMicrosoft + R"(
     mkdir keys
     $create_auth -k $keys/PK.key -c $keys/PK.pem PK keys/PK.auth $keys/PK.pem
     sbsiglist --owner $owner --type x509 --output db.esl $keys/PK.der
     attr=NON_VOLATILE,BOOTSERVICE_ACCESS,RUNTIME_ACCESS,TIME_BASED_AUTHENTICATED_WRITE_ACCESS
     sbvarsign --key $keys/PK.key --cert $keys/PK.pem --attr $attr --output set.auth db db.esl
     sbvarsign --key $keys/PK.key --cert $keys/PK.pem --output append.auth db db.esl)");
  const std::string socket = folder().File("socket");
  const auto daemon =
      test::StartLoopback(socket, {"--backend", "memory", "--auth-dir", folder().File("keys")});
  test::LoopbackClient guest(socket);
  const auto write = [&](std::uint32_t attributes, const std::string& file) {
    return guest.SetVariable(u"db", test::kSecurityDatabaseGuid, attributes, File(file));
  };
  // Without --attr it signs for an append.
  EXPECT_EQ(write(0x27, "append.auth"), test::kEfiSecurityViolation);
  EXPECT_EQ(write(0x67, "set.auth"), test::kEfiSecurityViolation);
  EXPECT_EQ(guest.GetVariable(u"db", test::kSecurityDatabaseGuid).status, test::kEfiNotFound);
  EXPECT_EQ(write(0x27, "set.auth"), test::kEfiSuccess);
  EXPECT_EQ(write(0x67, "append.auth"), test::kEfiSuccess);
  EXPECT_EQ(guest.GetVariable(u"db", test::kSecurityDatabaseGuid).data, File("db.esl"));
}

class OpenSsl : public Workshop {
 protected:
  /// The SignedData of an update in the ContentInfo that openssl wants around it.
  static Bytes Wrapped(const Bytes& signed_data) {
    constexpr std::uint8_t kConstructedContext0 = 0xA0;
    constexpr std::uint8_t kSequence = 0x30;
    const auto with_header = [](std::uint8_t tag, const Bytes& content) {
      Bytes bytes = {tag, 0x82, static_cast<std::uint8_t>(content.size() >> 8U),
                     static_cast<std::uint8_t>(content.size())};
      bytes.insert(bytes.end(), content.begin(), content.end());
      return bytes;
    };
    // 1.2.840.113549.1.7.2, signedData
    Bytes inside = {0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02};
    const Bytes content = with_header(kConstructedContext0, signed_data);
    inside.insert(inside.end(), content.begin(), content.end());
    return with_header(kSequence, inside);
  }
};

TEST_F(OpenSsl, ReadsAndVerifiesOurSignature) {
  Do(R"($create_auth -t 1 -o db db.blob $keys/vendor.pem
        $create_auth -t 1 -k $keys/PK.key -c $keys/PK.pem db db.auth $keys/vendor.pem)");
  const Bytes signed_data = TakeApart(File("db.auth")).signed_data;
  Write("db.p7", Wrapped(signed_data));
  Do(R"(openssl cms -verify -binary -inform DER -in db.p7 -content db.blob -CAfile $keys/PK.pem \
          -purpose any -out verified
        cmp verified db.blob
        openssl smime -verify -binary -inform DER -in db.p7 -content db.blob -CAfile $keys/PK.pem \
          -purpose any -out verified-again
        openssl asn1parse -inform DER -in db.p7 >parsed)");
  // Not over other bytes.
  const auto other = Shell(
      "echo x >>db.blob; openssl cms -verify -binary -inform DER -in db.p7 -content db.blob "
      "-CAfile $keys/PK.pem -purpose any -out verified");
  EXPECT_NE(other.exit_code, 0);
}

TEST_F(OpenSsl, ASignatureMadeElsewhereIsJoined) {
  for (const std::string program : {"cms", "smime"}) {
    for (const std::string form : {"DER", "PEM"}) {
      SCOPED_TRACE(program + " " + form);
      Do("$create_auth -o -t 99 PK PK.blob $keys/PK.pem\n"
         "openssl " +
         program +
         " -sign -binary -noattr -md sha256 -signer $keys/PK.pem "
         "-inkey $keys/PK-locked.key -passin pass:secret -in PK.blob -outform " +
         form +
         " -out PK.sig\n"
         "$create_auth -s PK.sig -c $keys/PK.pem -t 99 PK PK.auth $keys/PK.pem");
      ::mkdir(folder().File("keys").c_str(), 0700);
      Do("cp PK.auth keys");
      const std::string socket = folder().File("socket");
      const auto daemon =
          test::StartLoopback(socket, {"--backend", "memory", "--auth-dir", folder().File("keys")});
      test::LoopbackClient guest(socket);
      EXPECT_EQ(guest.GetVariable(u"SetupMode", test::kGlobalGuid).data, Bytes{0});
    }
  }
}

}  // namespace
}  // namespace varstored::signer
