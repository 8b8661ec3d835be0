#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "varstored/health/text.h"

namespace varstored::health {

/// An object or an array of JSON, written as it grows: in ASCII, as JsonString writes texts.
class Json {
 public:
  static Json Object() { return {'{', '}'}; }
  static Json Array() { return {'[', ']'}; }

  Json& Add(std::string_view name, std::string_view text) { return AddRaw(name, JsonString(text)); }
  Json& Add(std::string_view name, const char* text) { return Add(name, std::string_view(text)); }
  template <class Number, std::enable_if_t<std::is_integral_v<Number>, int> = 0>
  Json& Add(std::string_view name, Number value) {
    if constexpr (std::is_same_v<Number, bool>) {
      return AddRaw(name, value ? "true" : "false");
    } else {
      return AddRaw(name, std::to_string(value));
    }
  }
  Json& AddNull(std::string_view name) { return AddRaw(name, "null"); }
  /// Null for nothing.
  template <class Value>
  Json& Add(std::string_view name, const std::optional<Value>& value) {
    return value ? Add(name, *value) : AddNull(name);
  }
  /// Null for an empty text.
  Json& AddText(std::string_view name, std::string_view text) {
    return text.empty() ? AddNull(name) : Add(name, text);
  }
  Json& Add(std::string_view name, const Json& value) {
    AddRaw(name, value.text_).text_ += value.close_;
    return *this;
  }
  Json& Append(const Json& value) {
    Separate();
    text_ += value.text_;
    text_ += value.close_;
    return *this;
  }

  [[nodiscard]] std::string Text() const { return text_ + close_; }

 private:
  Json(char open, char close) : text_(1, open), close_(close) {}

  Json& AddRaw(std::string_view name, const std::string& value) {
    Separate();
    text_ += JsonString(name);
    text_ += ':';
    text_ += value;
    return *this;
  }
  void Separate() { text_ += text_.size() > 1 ? "," : ""; }

  std::string text_;
  char close_;
};

}  // namespace varstored::health
