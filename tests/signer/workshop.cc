#include "workshop.h"

#include <filesystem>
#include <stdexcept>

#include "support/signing.h"
#include "varstored/base/file.h"
#include "varstored/base/reader.h"

namespace varstored::signer {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 20U;

base::Bytes ReadOrThrow(const std::string& path) {
  auto bytes = base::ReadFile(path, kMaxBytes);
  if (!bytes) {
    throw std::runtime_error(bytes.error().message);
  }
  return *std::move(bytes);
}

test::Ended ShellIn(const std::string& folder, const std::string& keys, const std::string& line) {
  return test::RunProgram({"/bin/sh", "-euc",
                           "cd '" + folder + "'; keys='" + keys +
                               "'; create_auth='" CREATE_AUTH "'; tree='" SOURCE_FOLDER "'\n" +
                               line});
}

const test::TemporaryFolder& Keys() {
  static const test::TemporaryFolder folder;
  return folder;
}

}  // namespace

void Workshop::SetUpTestSuite() {
  if (std::filesystem::exists(Keys().File("PK-locked.key"))) {
    return;
  }
  const auto old =
      test::Identity::Make({.subject = test::CommonName("Old"), .not_after = "20200627000000Z"});
  if (const auto written = base::WriteFileInPlace(Keys().File("old.der"), old.certificate());
      !written) {
    throw std::runtime_error(written.error().message);
  }
  const auto copied = ShellIn(Keys().path(), MADE_KEYS, "cp -- \"$keys\"/* .");
  if (copied.exit_code != 0) {
    throw std::runtime_error("keys: " + copied.errors);
  }
}

test::Ended Workshop::Shell(const std::string& line) const {
  return ShellIn(folder_.path(), Keys().path(), line);
}

void Workshop::Do(const std::string& line) const {
  const auto ended = Shell(line);
  ASSERT_EQ(ended.exit_code, 0) << line << '\n' << ended.output << ended.errors;
}

base::Bytes Workshop::File(const std::string& name) const {
  return ReadOrThrow(folder_.File(name));
}

base::Bytes Workshop::Key(const std::string& name) const { return ReadOrThrow(Keys().File(name)); }

void Workshop::Write(const std::string& name, base::ByteSpan content) const {
  ASSERT_TRUE(base::WriteFileInPlace(folder_.File(name), content).ok());
}

bool Workshop::IsThere(const std::string& name) const {
  return std::filesystem::exists(folder_.File(name));
}

crypto::Certificate Workshop::Certificate(const std::string& name) const {
  auto certificate = crypto::Certificate::Parse(Key(name + ".der"));
  if (!certificate) {
    throw std::runtime_error(certificate.error().message);
  }
  return *std::move(certificate);
}

AuthParts TakeApart(base::ByteSpan auth_file) {
  constexpr std::size_t kTimeBytes = 16;
  constexpr std::size_t kHeaderBytes = 24;
  base::Reader reader(auth_file.subspan(kTimeBytes));
  std::uint32_t length = 0;
  if (!reader.ReadU32(length) || length < kHeaderBytes) {
    throw std::runtime_error("no descriptor");
  }
  return {.time = base::ToBytes(auth_file.first(kTimeBytes)),
          .signed_data =
              base::ToBytes(auth_file.subspan(kTimeBytes + kHeaderBytes, length - kHeaderBytes)),
          .payload = base::ToBytes(auth_file.subspan(kTimeBytes + length))};
}

}  // namespace varstored::signer
