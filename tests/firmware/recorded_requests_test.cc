// What the firmware's marshalling writes has the form that real firmware was recorded with.

#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "firmware/wire_pages.h"
#include "support/real_data.h"
#include "varstored/base/reader.h"
#include "varstored/guest/protocol.h"

namespace varstored::test {
namespace {

using base::Bytes;
using base::ByteSpan;

std::vector<Bytes> RequestsOf(ByteSpan trace) {
  std::vector<Bytes> requests;
  base::Reader reader(trace);
  while (!reader.empty()) {
    for (const bool is_request : {true, false}) {
      std::uint32_t size = 0;
      ByteSpan bytes;
      if (!reader.ReadU32(size) || !reader.ReadBytes(size, bytes)) {
        ADD_FAILURE() << "the recording is cut";
        return requests;
      }
      if (is_request) {
        requests.push_back(base::ToBytes(bytes));
      }
    }
  }
  return requests;
}

std::u16string NameOf(ByteSpan bytes) {
  std::u16string name;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    name.push_back(static_cast<char16_t>(bytes[i] | bytes[i + 1] << 8));
  }
  return name;
}

EFI_GUID GuidOf(const efi::Guid& vendor) {
  EFI_GUID guid = {};
  std::copy(vendor.bytes.begin(), vendor.bytes.end(), std::begin(guid.Bytes));
  return guid;
}

/// The same call once more, by the firmware's marshalling.
struct Caller {
  EFI_STATUS operator()(const engine::GetVariableRequest& call) const {
    const EFI_GUID vendor = GuidOf(call.vendor);
    return WirePutGetVariable(pages.data(), NameOf(call.name).c_str(), &vendor, call.data_size,
                              call.at_runtime ? 1 : 0);
  }
  EFI_STATUS operator()(const engine::SetVariableRequest& call) const {
    const EFI_GUID vendor = GuidOf(call.vendor);
    return WirePutSetVariable(pages.data(), NameOf(call.name).c_str(), &vendor, call.attributes,
                              call.data.size(), call.data.data(), call.at_runtime ? 1 : 0);
  }
  EFI_STATUS operator()(const engine::GetNextVariableNameRequest& call) const {
    const EFI_GUID vendor = GuidOf(call.vendor);
    return WirePutGetNextVariableName(pages.data(), call.name_size, NameOf(call.name).c_str(),
                                      &vendor, call.at_runtime ? 1 : 0);
  }
  EFI_STATUS operator()(const engine::QueryVariableInfoRequest& call) const {
    WirePutQueryVariableInfo(pages.data(), call.attributes);
    return EFI_SUCCESS;
  }
  EFI_STATUS operator()(const guest::NotifySecureBootFailureRequest& /*call*/) const {
    WirePutNotifySecureBootFailure(pages.data());
    return EFI_SUCCESS;
  }

  WirePages& pages;
};

class RecordedRequests : public RealDataTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(RecordedRequests, AreWrittenByteForByte) {
  const std::vector<Bytes> requests = RequestsOf(Read(std::string("boots/") + GetParam()));
  EXPECT_GT(requests.size(), 500U);
  for (const Bytes& recorded : requests) {
    const auto call = guest::DecodeRequest(recorded);
    ASSERT_TRUE(call);
    WirePages pages;
    ASSERT_EQ(std::visit(Caller{pages}, *call), EFI_SUCCESS);
    ASSERT_EQ(base::ToBytes(pages.bytes().first(recorded.size())), recorded);
  }
}

INSTANTIATE_TEST_SUITE_P(Boots, RecordedRequests,
                         ::testing::Values("boot-1.trace", "boot-2.trace", "linux-1.trace",
                                           "linux-2.trace"),
                         [](const auto& boot) {
                           std::string name = boot.param;
                           name.resize(name.find('.'));
                           name[name.find('-')] = '_';
                           return name;
                         });

}  // namespace
}  // namespace varstored::test
