// What the firmware's driver makes of any answer, and what it writes for any call. Input: the kind
// of call, the caller's arguments, and the answer. Buffers are as long as the caller says, so that
// a byte outside is seen.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "firmware/wire_pages.h"
#include "support.h"
#include "varstored/guest/protocol.h"

namespace varstored::fuzz {
namespace {

using base::Bytes;
using base::ByteSpan;
using test::WirePages;

constexpr std::uint8_t kFill = 0xA5;

/// The firmware's C file holds what it holds for every caller: this is one.
class Caller {
 public:
  explicit Caller(Input& input)
      : kind_(input.U8()), at_runtime_((kind_ & 8U) != 0), room_(input.U16()) {
    for (std::uint8_t& byte : vendor_.Bytes) {
      byte = input.U8();
    }
    const ByteSpan name = input.Some(input.U8());
    for (std::size_t i = 0; i + 1 < name.size(); i += 2) {
      name_.push_back(static_cast<char16_t>(name[i] | name[i + 1] << 8));
    }
    // Up to its first terminator, as every caller's.
    name_ = name_.c_str();
    attributes_ = input.U32();
  }

  void Call(Input& input) {
    switch (kind_ % 5) {
      case 0:
        return Get(input);
      case 1:
        return Set(input);
      case 2:
        return Next(input);
      case 3:
        return Query(input);
      default:
        return Notify(input);
    }
  }

 private:
  template <class Request>
  Request Sent() {
    const auto request = guest::DecodeRequest(pages_.bytes());
    Require(request && std::holds_alternative<Request>(*request), "the host reads the request");
    return std::get<Request>(*request);
  }
  void RequireName(ByteSpan bytes) const {
    Require(bytes.size() == 2 * name_.size(), "the name has its length");
    for (std::size_t i = 0; i < name_.size(); ++i) {
      Require((bytes[2 * i] | bytes[2 * i + 1] << 8) == name_[i], "the name is the caller's");
    }
  }
  void RequireVendor(const efi::Guid& vendor) const {
    Require(std::ranges::equal(vendor.bytes, vendor_.Bytes), "the vendor is the caller's");
  }
  static void RequireStatus(EFI_STATUS status) {
    Require(status == EFI_SUCCESS || (status >> 56U) == 0x80, "a status is success or an error");
  }

  void Get(Input& input) {
    Require(WirePutGetVariable(pages_.data(), name_.c_str(), &vendor_, room_,
                               at_runtime_ ? 1 : 0) == EFI_SUCCESS,
            "a short name fits");
    const auto sent = Sent<engine::GetVariableRequest>();
    RequireName(sent.name);
    RequireVendor(sent.vendor);
    Require(sent.data_size == room_ && sent.at_runtime == at_runtime_, "the rest is the caller's");

    pages_.Answer(input.Rest());
    Bytes data(room_, kFill);
    std::uint64_t size = room_;
    std::uint32_t attributes = attributes_;
    const EFI_STATUS status = WireTakeGetVariable(pages_.data(), &attributes, &size, data.data());
    RequireStatus(status);
    if (status == EFI_SUCCESS) {
      Require(size > 0 && size <= room_, "data has the size of its room at most");
      Require(std::equal(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(size),
                         pages_.data() + 20),
              "data is the answer's");
    } else if (status == EFI_BUFFER_TOO_SMALL) {
      Require(size > room_, "too small means that more would do");
    } else {
      Require(size == room_ && attributes == attributes_, "an error changes nothing");
    }
    const auto from = status == EFI_SUCCESS ? static_cast<std::ptrdiff_t>(size) : 0;
    Require(std::all_of(data.begin() + from, data.end(), [](auto byte) { return byte == kFill; }),
            "no byte more is written");
  }

  void Set(Input& input) {
    const ByteSpan data = input.Counted();
    const EFI_STATUS put = WirePutSetVariable(pages_.data(), name_.c_str(), &vendor_, attributes_,
                                              data.size(), data.data(), at_runtime_ ? 1 : 0);
    const bool fits = 45 + 2 * name_.size() + data.size() <= WIRE_BYTES;
    Require(put == (fits ? EFI_SUCCESS : EFI_INVALID_PARAMETER), "what fits is sent");
    // The driver has no call without a name.
    if (fits && data.size() <= 57344 && !name_.empty()) {
      const auto sent = Sent<engine::SetVariableRequest>();
      RequireName(sent.name);
      RequireVendor(sent.vendor);
      Require(std::ranges::equal(sent.data, data), "the data is the caller's");
      Require(sent.attributes == attributes_ && sent.at_runtime == at_runtime_,
              "the rest is the caller's");
    }
    TakeStatus(input);
  }

  void Next(Input& input) {
    // Room for a name of any length, with a terminator wherever one is.
    std::vector<char16_t> name(room_ / 2, u'\xA5A5');
    std::copy_n(name_.begin(), std::min(name_.size(), name.size()), name.begin());
    const bool is_terminated = name_.size() < name.size();
    if (is_terminated) {
      name[name_.size()] = 0;
    }
    const std::vector<char16_t> before = name;
    const EFI_STATUS put = WirePutGetNextVariableName(pages_.data(), room_, name.data(), &vendor_,
                                                      at_runtime_ ? 1 : 0);
    Require(put == (is_terminated ? EFI_SUCCESS : EFI_INVALID_PARAMETER),
            "a name ends within its size");
    if (is_terminated) {
      const auto sent = Sent<engine::GetNextVariableNameRequest>();
      RequireName(sent.name);
      RequireVendor(sent.vendor);
      Require(sent.name_size == room_ && sent.at_runtime == at_runtime_,
              "the rest is the caller's");
    }

    pages_.Answer(input.Rest());
    std::uint64_t size = room_;
    EFI_GUID vendor = vendor_;
    const EFI_STATUS status =
        WireTakeGetNextVariableName(pages_.data(), &size, name.data(), &vendor);
    RequireStatus(status);
    if (status == EFI_SUCCESS) {
      Require(size >= 4 && size % 2 == 0 && size <= room_,
              "a name has the size of its room at most");
      Require(std::u16string(name.data()).size() == size / 2 - 1, "a name ends where it says");
      std::copy_n(before.begin(), size / 2, name.begin());
    } else {
      Require(std::ranges::equal(vendor.Bytes, vendor_.Bytes), "an error changes no vendor");
      Require(status == EFI_BUFFER_TOO_SMALL ? size > room_ && size % 2 == 0 : size == room_,
              "too small means that more would do, and another error nothing");
    }
    Require(name == before, "no character more is written");
  }

  void Query(Input& input) {
    WirePutQueryVariableInfo(pages_.data(), attributes_);
    Require(Sent<engine::QueryVariableInfoRequest>().attributes == attributes_,
            "the attributes are the caller's");
    pages_.Answer(input.Rest());
    std::uint64_t storage = 1;
    std::uint64_t remaining = 2;
    std::uint64_t variable = 3;
    const EFI_STATUS status =
        WireTakeQueryVariableInfo(pages_.data(), &storage, &remaining, &variable);
    RequireStatus(status);
    Require(status == EFI_SUCCESS || (storage == 1 && remaining == 2 && variable == 3),
            "an error changes nothing");
  }

  void Notify(Input& input) {
    WirePutNotifySecureBootFailure(pages_.data());
    Sent<guest::NotifySecureBootFailureRequest>();
    TakeStatus(input);
  }

  void TakeStatus(Input& input) {
    pages_.Answer(input.Rest());
    const EFI_STATUS status = WireTakeStatus(pages_.data());
    RequireStatus(status);
    Require(status != EFI_BUFFER_TOO_SMALL, "there is no buffer that could be too small");
  }

  std::uint8_t kind_;
  bool at_runtime_;
  std::uint16_t room_;
  EFI_GUID vendor_ = {};
  std::u16string name_;
  std::uint32_t attributes_ = 0;
  WirePages pages_{kFill};
};

}  // namespace
}  // namespace varstored::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  varstored::fuzz::Input input({data, size});
  varstored::fuzz::Caller(input).Call(input);
  return 0;
}
