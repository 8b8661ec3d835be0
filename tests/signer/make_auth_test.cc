// make auth (tools/make_auth.sh), and docs/keys.md as it is written.

#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "support/loopback_client.h"
#include "support/real_data.h"
#include "support/temporary_folder.h"
#include "varstored/base/file.h"
#include "workshop.h"

namespace varstored::signer {
namespace {

using base::Bytes;

class MakeAuth : public Workshop {
 protected:
  /// Runs it on the folder `certificates`, with the manifest given.
  [[nodiscard]] test::Ended Make(const std::string& manifest) const {
    Write("certificates/manifest.txt", base::ToBytes(manifest));
    return Shell("CREATE_AUTH=$create_auth $tree/tools/make_auth.sh out certificates");
  }
  void SetUp() override {
    Do("mkdir certificates; cp $keys/PK.pem $keys/PK.key $keys/KEK.der $keys/vendor.pem "
       "certificates");
  }
};

constexpr const char* kPkRow = "PK required - PK.pem\n";

TEST_F(MakeAuth, ASha256FindsAFileOfAnyName) {
  const auto digest = Shell("sha256sum $keys/KEK.der | cut -d ' ' -f 1");
  const std::string hex = digest.output.substr(0, 64);
  const auto made = Make(kPkRow + ("KEK required " + hex) + " another_name.crt\n");
  EXPECT_EQ(made.exit_code, 0) << made.errors;
  EXPECT_TRUE(IsThere("out/PK.auth"));
  Do("$create_auth KEK same $keys/KEK.der");
  EXPECT_EQ(TakeApart(File("out/KEK.auth")).payload, TakeApart(File("same")).payload);
  EXPECT_FALSE(IsThere("out/db.auth"));
  EXPECT_FALSE(IsThere("out/dbx.auth"));
}

TEST_F(MakeAuth, EverythingThatIsMissingOrWrongIsNamedAndNothingIsMade) {
  const std::string zeros(64, '0');
  const auto made = Make(kPkRow + ("KEK required " + zeros) + " nowhere.der\ndb required " + zeros +
                         " vendor.pem\ndb required - absent.pem\ndbx optional - list.json\n");
  EXPECT_EQ(made.exit_code, 1);
  const auto says = [&made](const std::string& what) {
    return made.errors.find(what) != std::string::npos;
  };
  EXPECT_TRUE(says("certificates/nowhere.der is missing, for KEK (SHA-256 " + zeros + ")"));
  EXPECT_TRUE(says("certificates/vendor.pem: wrong SHA-256, it has to be " + zeros));
  EXPECT_TRUE(says("certificates/absent.pem is missing, for db\n"));
  EXPECT_FALSE(says("list.json")) << made.errors;
  EXPECT_EQ(Shell("ls out").output, "");
}

TEST_F(MakeAuth, AMalformedManifestIsRefused) {
  for (const std::string row :
       {"MOK required - x", "db perhaps - x", "db required -", "db required - x and more"}) {
    const auto made = Make(row + "\n");
    EXPECT_EQ(made.exit_code, 1) << row;
    EXPECT_NE(made.errors.find("manifest.txt: "), std::string::npos) << made.errors;
  }
}

TEST_F(MakeAuth, APkThatAnHsmHasSignedIsTakenAsItIs) {
  Do("$create_auth -k $keys/PK.key -c $keys/PK.pem PK certificates/PK.auth $keys/PK.pem\n"
     "rm certificates/PK.key certificates/PK.pem");
  const auto made = Make(std::string(kPkRow) + "db required - vendor.pem\n");
  EXPECT_EQ(made.exit_code, 0) << made.errors;
  EXPECT_EQ(File("out/PK.auth"), File("certificates/PK.auth"));
  EXPECT_TRUE(TakeApart(File("out/db.auth")).signed_data.empty());
}

TEST_F(MakeAuth, APkWithoutItsKeyIsRefused) {
  Do("rm certificates/PK.key");
  const auto made = Make(kPkRow);
  EXPECT_EQ(made.exit_code, 1);
  EXPECT_NE(made.errors.find("neither PK.key nor PK.auth"), std::string::npos) << made.errors;
}

TEST_F(MakeAuth, WhatIsNoLongerWantedGoes) {
  EXPECT_EQ(Make(std::string(kPkRow) + "db required - vendor.pem\n").exit_code, 0);
  EXPECT_TRUE(IsThere("out/db.auth"));
  EXPECT_EQ(Make(kPkRow).exit_code, 0);
  EXPECT_FALSE(IsThere("out/db.auth"));
}

TEST_F(MakeAuth, ASetThatCannotBeMadeLeavesTheOneBefore) {
  EXPECT_EQ(Make(std::string(kPkRow) + "db required - vendor.pem\n").exit_code, 0);
  const auto before = File("out/PK.auth");
  Do("echo nothing >certificates/vendor.pem");
  EXPECT_EQ(Make(std::string(kPkRow) + "db required - vendor.pem\n").exit_code, 1);
  EXPECT_EQ(File("out/PK.auth"), before);
  EXPECT_EQ(Shell("ls out").output, "PK.auth\ndb.auth\n");
}

TEST_F(MakeAuth, TheLastRowNeedsNoLineEnd) {
  EXPECT_EQ(Make(std::string(kPkRow) + "db required - vendor.pem").exit_code, 0);
  EXPECT_TRUE(IsThere("out/db.auth"));
}

TEST_F(MakeAuth, WhatSomebodyHasSignedElsewhereIsNotReplaced) {
  Write("certificates/manifest.txt", base::ToBytes(std::string(kPkRow)));
  Write("certificates/PK.auth", base::ToBytes(std::string("signed elsewhere")));
  const auto made =
      Shell("CREATE_AUTH=$create_auth $tree/tools/make_auth.sh certificates certificates");
  EXPECT_EQ(made.exit_code, 1);
  EXPECT_NE(made.errors.find("the same folder"), std::string::npos) << made.errors;
  EXPECT_EQ(base::ToString(File("certificates/PK.auth")), "signed elsewhere");
}

/// With what the manifest in the tree names.
class RealManifest : public test::RealDataTest {};

TEST_F(RealManifest, MakesTheKeysOfAVmThatStartsWindowsAndLinux) {
  const test::TemporaryFolder folder;
  const auto made = test::RunProgram({"/bin/sh", "-euc", "cd '" + folder.path() + "'\n" + R"(
        mkdir certificates
        cp "$VARSTORED_TEST_DATA"/secureboot_objects/certificates/*.der certificates
        cp "$VARSTORED_TEST_DATA"/secureboot_objects/dbx/*.json certificates
        openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=PK" -keyout certificates/PK.key \
          -out certificates/PK.pem 2>log
        CREATE_AUTH=')" CREATE_AUTH "' '" SOURCE_FOLDER "/tools/make_auth.sh' auth certificates"});
  ASSERT_EQ(made.exit_code, 0) << made.errors;
  const std::string socket = folder.File("socket");
  const auto daemon = test::StartLoopback(
      socket,
      {"--backend", "memory", "--platform", "secureboot=true", "--auth-dir", folder.File("auth")});
  test::LoopbackClient guest(socket);
  EXPECT_EQ(guest.GetVariable(u"SecureBoot", test::kGlobalGuid).data, Bytes{1});
  // Microsoft's own update brings nothing that is not there yet.
  const Bytes before = guest.GetVariable(u"dbx", test::kSecurityDatabaseGuid).data;
  EXPECT_EQ(guest.SetVariable(u"dbx", test::kSecurityDatabaseGuid, 0x67,
                              Read("secureboot_objects/dbx/DBXUpdate_amd64.bin")),
            test::kEfiSuccess);
  EXPECT_EQ(guest.GetVariable(u"dbx", test::kSecurityDatabaseGuid).data, before);
  EXPECT_EQ(guest.SetVariable(u"db", test::kSecurityDatabaseGuid, 0x67,
                              Read("secureboot_objects/db/DBUpdate2024.bin")),
            test::kEfiSuccess);
}

class Keys : public Workshop {};

TEST_F(Keys, TheStepsOfAnHsmAreTrueAsWritten) {
  // The blocks of commands of one section, in their order.
  const auto page = base::ReadFile(SOURCE_FOLDER "/docs/keys.md", 1000000);
  ASSERT_TRUE(page);
  const std::string text = base::ToString(*page);
  const std::size_t begin = text.find("## With an HSM");
  const std::string section = text.substr(begin, text.find("\n## ", begin) - begin);
  std::string commands;
  const std::regex command("\n        (.*)");
  for (std::sregex_iterator found(section.begin(), section.end(), command), end; found != end;
       ++found) {
    commands += (*found)[1].str();
    commands += '\n';
  }
  EXPECT_NE(commands.find("create-auth -s PK.sig"), std::string::npos) << commands;
  Do("mkdir bin auth; ln -s $create_auth bin/create-auth; PATH=$PWD/bin:$PATH\n"
     "cp $keys/PK.pem $keys/PK.key .\n"
     "cp $keys/KEK.der MicCorKEKCA2011_2011-06-24.der\n"
     "cp $keys/vendor.der microsoft_corporation_kek_2k_ca_2023.der\n" +
     commands + "cp PK.auth KEK.auth auth");
  const std::string socket = folder().File("socket");
  const auto daemon =
      test::StartLoopback(socket, {"--backend", "memory", "--auth-dir", folder().File("auth")});
  test::LoopbackClient guest(socket);
  EXPECT_EQ(guest.GetVariable(u"SetupMode", test::kGlobalGuid).data, Bytes{0});
  EXPECT_EQ(guest.GetVariable(u"KEK", test::kGlobalGuid).data, TakeApart(File("KEK.auth")).payload);
}

}  // namespace
}  // namespace varstored::signer
