#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "varstored/base/result.h"

namespace varstored::backend {

/// A call of XAPI's XML-RPC dialect (docs/toolstack.md, "XML-RPC"): positional parameters.
class MethodCall {
 public:
  explicit MethodCall(std::string_view method);

  MethodCall& Add(std::string_view text);
  MethodCall& Add(int number);
  MethodCall& AddFlag(bool flag);

  [[nodiscard]] const std::string& method() const { return method_; }
  /// The request's body.
  [[nodiscard]] std::string Encode() const;

 private:
  std::string method_;
  std::string parameters_;
};

/// A value of an answer. Scalars of every type are text: XAPI sends integers as bare text too.
struct XmlRpcValue {
  enum class Kind { kScalar, kArray, kStruct };

  Kind kind = Kind::kScalar;
  std::string text;                // of a scalar; empty for nil
  std::vector<XmlRpcValue> items;  // of an array; the members' values of a struct
  std::vector<std::string> names;  // of a struct, as many as items

  /// The member of that name, or null; their order means nothing.
  [[nodiscard]] const XmlRpcValue* Member(std::string_view name) const;
};

/// Why the other side refused: its ErrorDescription, the code first, however deep its strings are
/// nested; or a fault.
struct MethodFailure {
  std::vector<std::string> description;

  /// The first word; empty when there is none.
  [[nodiscard]] std::string_view code() const;
  /// Whether some part of the description contains `word`. The same failure has one shape when xapi
  /// says it and another when a guard in between wraps it.
  [[nodiscard]] bool Mentions(std::string_view word) const;
  /// The description in one line of at most a few hundred bytes, without what may be variables.
  [[nodiscard]] std::string Text() const;
};

/// What came back: Value of a success, or the failure.
using MethodAnswer = base::Result<XmlRpcValue, MethodFailure>;

/// Reads an answer. Fails when it is no XML-RPC answer of XAPI's form; a document type, an entity
/// that XML does not define, more than 16 levels of values and more than 32768 values are none.
[[nodiscard]] base::Result<MethodAnswer> DecodeAnswer(std::string_view xml);

}  // namespace varstored::backend
