#include <exception>
#include <iostream>
#include <string>

#include "support/loopback_client.h"
#include "support/signing.h"
#include "varstored/base/file.h"

// Keys for a demonstration: an owner of the platform (PK), one who may change db (KEK), what db
// holds, and changes of db that the story tries. New ones at each run.

namespace {

using namespace varstored;

constexpr test::Guid kOwner = {0x76, 0x61, 0x72, 0x73, 0x74, 0x6f, 0x72, 0x65,
                               0x64, 0x2d, 0x64, 0x65, 0x6d, 0x6f, 0x00, 0x01};
/// EFI_CERT_X509_GUID, a5c059a1-94e4-4aa7-87b5-ab155c2bf072.
constexpr test::Guid kX509 = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                              0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};

test::Identity Someone(const std::string& name) {
  return test::Identity::Make(
      {.subject = test::CommonName(name), .key_type = test::KeyType::kRsa2048});
}

base::Bytes List(const test::Identity& identity) {
  return test::SignatureListOf(kX509, kOwner, {identity.certificate()});
}

void Write(const std::string& path, base::ByteSpan bytes) {
  if (const auto written = base::WriteFileInPlace(path, bytes); !written) {
    throw std::runtime_error(written.error().message);
  }
}

void WriteAll(const std::string& folder) {
  const test::Identity platform_owner = Someone("Demo platform key");
  const test::Identity exchange_owner = Someone("Demo key exchange key");
  const test::Identity loader_vendor = Someone("Demo boot loader vendor");
  const test::Identity next_vendor = Someone("Demo second vendor");
  const test::Identity stranger = Someone("Nobody in particular");

  const auto write = [](const std::u16string& name, const test::Guid& guid,
                        std::uint32_t attributes, const test::Identity& content) {
    return test::VariableWrite{
        .name = name, .guid = guid, .attributes = attributes, .payload = List(content)};
  };
  const auto pk = write(u"PK", test::kGlobalGuid, 0x27, platform_owner);
  const auto kek = write(u"KEK", test::kGlobalGuid, 0x27, exchange_owner);
  const auto db = write(u"db", test::kSecurityDatabaseGuid, 0x27, loader_vendor);
  Write(folder + "/PK.auth", test::AuthPayload(pk, platform_owner));
  Write(folder + "/KEK.auth", test::AuthPayload(kek, platform_owner));
  Write(folder + "/db.auth", test::AuthPayload(db, platform_owner));

  const auto more = write(u"db", test::kSecurityDatabaseGuid, 0x67, next_vendor);
  Write(folder + "/db-unsigned", test::WithDescriptor(more.time, {}, more.payload));
  Write(folder + "/db-by-a-stranger", test::AuthPayload(more, stranger));
  Write(folder + "/db-by-kek", test::AuthPayload(more, exchange_owner));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: varstored-demo-keys FOLDER\n";
    return 2;
  }
  try {
    WriteAll(argv[1]);
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << '\n';
    return 1;
  }
}
