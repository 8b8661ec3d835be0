#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/process.h"
#include "support/temporary_folder.h"
#include "varstored/base/bytes.h"
#include "varstored/crypto/certificate.h"

namespace varstored::signer {

/// A folder with keys and certificates that the program openssl has made, once for all tests of a
/// process: PK, KEK and vendor (RSA-2048), ec (P-256), small (RSA-1024), each as NAME.key, NAME.pem
/// and NAME.der; PK-locked.key, protected by the passphrase "secret";
/// and old.der, which expired on 2020-06-27. Every test has a folder of
/// its own, where it runs other programs.
class Workshop : public testing::Test {
 protected:
  static void SetUpTestSuite();

  /// Runs a line of shell in the test's folder, with $keys, the folder of keys, and $create_auth.
  [[nodiscard]] test::Ended Shell(const std::string& line) const;
  /// As Shell, for what has to succeed: fails the test with what the program says, else.
  void Do(const std::string& line) const;

  /// The whole file in the test's folder, or with a path in that of the keys ("$keys/PK.pem" as
  /// Key("PK.pem")). Throws when it cannot be read.
  [[nodiscard]] base::Bytes File(const std::string& name) const;
  [[nodiscard]] base::Bytes Key(const std::string& name) const;
  void Write(const std::string& name, base::ByteSpan content) const;
  [[nodiscard]] bool IsThere(const std::string& name) const;

  [[nodiscard]] crypto::Certificate Certificate(const std::string& name) const;

  [[nodiscard]] const test::TemporaryFolder& folder() const { return folder_; }

 private:
  test::TemporaryFolder folder_;
};

/// Descriptor, SignedData and payload of a .auth file, taken apart by its offsets here.
struct AuthParts {
  base::Bytes time;
  base::Bytes signed_data;
  base::Bytes payload;
};
[[nodiscard]] AuthParts TakeApart(base::ByteSpan auth_file);

}  // namespace varstored::signer
