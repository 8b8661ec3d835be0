// The body of an answer of the toolstack's. Input: that body.

#include "support.h"
#include "xml_rpc.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const auto answer = backend::DecodeAnswer(base::ToString(base::ByteSpan(data, size)));
  if (!answer) {
    fuzz::Require(!answer.error().message.empty(), "every error has a text");
    return 0;
  }
  if (*answer) {
    const backend::XmlRpcValue& value = **answer;
    fuzz::Require(value.kind != backend::XmlRpcValue::Kind::kStruct ||
                      value.names.size() == value.items.size(),
                  "every member has a name");
    static_cast<void>(value.Member("Value"));
  } else {
    const backend::MethodFailure& failure = answer->error();
    fuzz::Require(failure.Text().size() < 1000, "the text of a failure fits a line");
    fuzz::Require(failure.description.empty() || failure.Mentions(failure.code()),
                  "a failure mentions its own code");
  }
  return 0;
}
