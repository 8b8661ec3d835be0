// create-auth beside other makers and readers of the same files: efitools, sbsigntool, openssl.

#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "workshop.h"

namespace varstored::signer {
namespace {

using base::Bytes;

// The same time for those that want seconds and those that want a date, and an owner.
const std::string kSetTime =
    "time=1704164645; date='2024-01-02 03:04:05'; export TZ=UTC\n"
    "owner=77fa9abd-0359-4d32-bd60-28f4e78f784b\n";
// hash-to-efi-sig-list knows no other.
const std::string kShim = "605dab50-e046-4300-abb6-3dd810dd8b23";

class Efitools : public Workshop {};

TEST_F(Efitools, SignEfiSigListWritesTheSameBytes) {
  // RSA with the padding of PKCS #1 v1.5 has no random part, so the signature is the same too.
  Do(kSetTime + R"(
     cert-to-efi-sig-list -g $owner $keys/PK.pem list.esl
     for arguments in PK KEK "-a KEK" db "-a db" dbx "-a dbx"; do
       name=${arguments#-a } append=${arguments%$name}
       sign-efi-sig-list $append -t "$date" -k $keys/PK.key -c $keys/PK.pem $name list.esl theirs
       $create_auth $append -t $time -g $owner -k $keys/PK.key -c $keys/PK.pem $name ours $keys/PK.pem
       cmp ours theirs
       sign-efi-sig-list $append -o -t "$date" $name list.esl theirs
       $create_auth $append -o -t $time -g $owner $name ours $keys/PK.pem
       cmp ours theirs
     done)");
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
     cert-to-efi-sig-list -g $owner $keys/vendor.pem list.esl
     sign-efi-sig-list -t "$date" -k $keys/KEK.key -c $keys/KEK.pem db list.esl theirs
     $create_auth -g $owner -o -t $time db db.blob $keys/vendor.pem
     openssl smime -sign -binary -noattr -md sha256 -signer $keys/KEK.pem -inkey $keys/KEK.key \
       -in db.blob -outform PEM -out db.sig
     $create_auth -g $owner -s db.sig -t $time db ours $keys/vendor.pem
     cmp ours theirs)");
}

class FirstBootFiles : public Workshop {
 protected:
  /// A VM's first boot with the files in the test's folder, and then an append to db, which KEK has
  /// signed.
  void ExpectTaken() const {
    const std::string socket = folder().File("socket");
    const auto daemon = test::StartLoopback(
        socket,
        {"--backend", "memory", "--platform", "secureboot=true", "--auth-dir", folder().path()});
    test::LoopbackClient guest(socket);
    for (const auto& [name, guid, file] : {std::tuple{u"PK", test::kGlobalGuid, "PK.auth"},
                                           {u"KEK", test::kGlobalGuid, "KEK.auth"},
                                           {u"db", test::kSecurityDatabaseGuid, "db.auth"},
                                           {u"dbx", test::kSecurityDatabaseGuid, "dbx.auth"}}) {
      EXPECT_EQ(guest.GetVariable(name, guid).data, TakeApart(File(file)).payload) << file;
    }
    EXPECT_EQ(guest.GetVariable(u"SecureBoot", test::kGlobalGuid).data, Bytes{1});
    EXPECT_EQ(guest.GetVariable(u"SetupMode", test::kGlobalGuid).data, Bytes{0});
    EXPECT_EQ(guest.SetVariable(u"db", test::kSecurityDatabaseGuid, 0x67, File("db-append")),
              test::kEfiSuccess);
  }
};

TEST_F(FirstBootFiles, OfOursAreTakenByOurDaemon) {
  Do(R"(make() {
          $create_auth -k $keys/PK.key -c $keys/PK.pem $1 $1.auth $keys/$2.pem
        }
        make PK PK; make KEK KEK; make db vendor; make dbx small
        $create_auth -a -k $keys/KEK.key -c $keys/KEK.pem db db-append $keys/ec.pem)");
  ExpectTaken();
}

TEST_F(FirstBootFiles, OfEfitoolsAreTakenByOurDaemon) {
  Do(kSetTime + R"(
     make() {
       cert-to-efi-sig-list -g $owner $keys/$2.pem list.esl
       sign-efi-sig-list -t "$date" -k $keys/PK.key -c $keys/PK.pem $1 list.esl $1.auth
     }
     make PK PK; make KEK KEK; make db vendor; make dbx small
     cert-to-efi-sig-list $keys/ec.pem list.esl
     sign-efi-sig-list -a -t "$date" -k $keys/KEK.key -c $keys/KEK.pem db list.esl db-append)");
  ExpectTaken();
}

TEST_F(FirstBootFiles, OfMakeAuthsTestKeysAreTakenByOurDaemon) {
  Do(R"(CREATE_AUTH=$create_auth $tree/tools/make_auth.sh . >said
        $create_auth -a -k test-keys/KEK.key -c test-keys/KEK.pem db db-append $keys/ec.pem)");
  ExpectTaken();
}

class Sbsigntool : public Workshop {};

TEST_F(Sbsigntool, SbsiglistWritesTheSameLists) {
  Do(kSetTime + R"(
     printf '%064d' 7 >hash.txt
     printf '0000000000000000000000000000000\007' >hash.bin
     sbsiglist --owner $owner --type x509 --output certificate.esl $keys/PK.der
     sbsiglist --owner $owner --type sha256 --output hash.esl hash.bin
     $create_auth -g $owner db certificate.auth $keys/PK.der
     od -An -v -tx1 hash.bin | tr -d ' \n' >hash.txt
     $create_auth db hash.auth hash.txt)");
  EXPECT_EQ(TakeApart(File("certificate.auth")).payload, File("certificate.esl"));
  EXPECT_EQ(TakeApart(File("hash.auth")).payload, File("hash.esl"));
}

TEST_F(Sbsigntool, AnUpdateOfSbvarsignIsTakenForTheAttributesThatItWasSignedWith) {
  Do(kSetTime + R"(
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
  Do(R"($create_auth -o -t 99 PK PK.blob $keys/PK.pem
        for program in cms smime; do
          for form in DER PEM; do
            openssl $program -sign -binary -noattr -md sha256 -signer $keys/PK.pem \
              -inkey $keys/PK-locked.key -passin pass:secret -in PK.blob -outform $form -out PK.sig
            $create_auth -s PK.sig -c $keys/PK.pem -t 99 PK PK-$program-$form.auth $keys/PK.pem
          done
        done
        cmp PK-cms-DER.auth PK-cms-PEM.auth
        cmp PK-smime-DER.auth PK-smime-PEM.auth
        mkdir cms smime
        mv PK-cms-DER.auth cms/PK.auth
        mv PK-smime-DER.auth smime/PK.auth)");
  for (const char* name : {"cms", "smime"}) {
    const std::string socket = folder().File("socket");
    const auto daemon =
        test::StartLoopback(socket, {"--backend", "memory", "--auth-dir", folder().File(name)});
    test::LoopbackClient guest(socket);
    EXPECT_EQ(guest.GetVariable(u"SetupMode", test::kGlobalGuid).data, Bytes{0}) << name;
  }
}

}  // namespace
}  // namespace varstored::signer
