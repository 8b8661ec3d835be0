#include "tasks.h"

#include <string>
#include <utility>
#include <vector>

#include "daemon.h"
#include "support/signing.h"

namespace varstored::bench {
namespace {

using test::Bytes;
using test::Guid;
using test::LoopbackClient;

constexpr Guid kSha256 = {0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
                          0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28};
constexpr Guid kX509 = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                        0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};

class QueryTask final : public Task {
 public:
  [[nodiscard]] std::size_t Round(LoopbackClient& guest) override {
    static_cast<void>(guest.QueryVariableInfo(7));
    return 1;
  }
};

class GetTask final : public Task {
 public:
  explicit GetTask(std::u16string name, std::size_t data_bytes = 0)
      : name_(std::move(name)), data_bytes_(data_bytes) {}

  void Prepare(LoopbackClient& guest) override {
    Require(data_bytes_ == 0 ||
                guest.SetVariable(name_, kVendor, 7, Bytes(data_bytes_, 1)) == test::kEfiSuccess,
            "SetVariable");
  }
  [[nodiscard]] std::size_t Round(LoopbackClient& guest) override {
    Require(guest.GetVariable(name_, kVendor).status == test::kEfiSuccess, "GetVariable");
    return 1;
  }

 private:
  std::u16string name_;
  std::size_t data_bytes_;
};

class WalkTask final : public Task {
 public:
  [[nodiscard]] std::size_t Round(LoopbackClient& guest) override {
    return guest.Walk().size() + 1;
  }
};

class SetTask final : public Task {
 public:
  SetTask(std::u16string name, std::uint32_t attributes, std::size_t data_bytes)
      : name_(std::move(name)), attributes_(attributes), data_bytes_(data_bytes) {}

  [[nodiscard]] std::size_t Round(LoopbackClient& guest) override {
    const Bytes data(data_bytes_, ++fill_);
    Require(guest.SetVariable(name_, kVendor, attributes_, data) == test::kEfiSuccess,
            "SetVariable");
    return 1;
  }

 private:
  std::u16string name_;
  std::uint32_t attributes_;
  std::size_t data_bytes_;
  std::uint8_t fill_ = 0;
};

class SignedAppendTask final : public Task {
 public:
  SignedAppendTask()
      : pk_(test::Identity::Make({.key_type = test::KeyType::kRsa2048})),
        kek_(test::Identity::Make({.key_type = test::KeyType::kRsa2048})) {
    for (std::size_t number = 0; number < kSignedAppends; ++number) {
      test::VariableWrite write = {
          .name = u"db", .guid = test::kSecurityDatabaseGuid, .attributes = 0x67};
      Bytes hash(32, 0);
      hash[0] = static_cast<std::uint8_t>(number);
      hash[1] = static_cast<std::uint8_t>(number >> 8U);
      write.payload = test::SignatureListOf(kSha256, kVendor, {hash});
      write.payload = test::AuthPayload(write, kek_);
      writes_.push_back(std::move(write));
    }
  }

  void Prepare(LoopbackClient& guest) override {
    Enroll(guest, u"KEK", kek_);
    Enroll(guest, u"PK", pk_);
  }

  [[nodiscard]] std::size_t Round(LoopbackClient& guest) override {
    Require(guest.SetVariable(writes_.at(next_++)) == test::kEfiSuccess, "append to db");
    return 1;
  }

 private:
  void Enroll(LoopbackClient& guest, std::u16string name, const test::Identity& identity) const {
    test::VariableWrite write = {.name = std::move(name), .guid = test::kGlobalGuid};
    write.payload = test::SignatureListOf(kX509, kVendor, {identity.certificate()});
    write.payload = test::AuthPayload(write, pk_);
    Require(guest.SetVariable(write) == test::kEfiSuccess, "enroll");
  }

  test::Identity pk_;
  test::Identity kek_;
  std::vector<test::VariableWrite> writes_;
  std::size_t next_ = 0;
};

template <class T, class... Arguments>
MakeTask Make(Arguments... arguments) {
  return [arguments...] { return std::make_unique<T>(arguments...); };
}

}  // namespace

MakeTask Query() { return Make<QueryTask>(); }
MakeTask Get(std::size_t number) { return Make<GetTask>(NameOfVariable(number)); }
MakeTask GetOfSize(std::size_t data_bytes) {
  return Make<GetTask>(std::u16string(u"Sized"), data_bytes);
}
MakeTask Walk() { return Make<WalkTask>(); }
MakeTask Set(std::uint32_t attributes, std::size_t data_bytes, std::u16string name) {
  return Make<SetTask>(std::move(name), attributes, data_bytes);
}
MakeTask SignedAppend() { return Make<SignedAppendTask>(); }

}  // namespace varstored::bench
