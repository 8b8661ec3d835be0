#include "xml_rpc.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <libxml/xmlreader.h>

namespace varstored::backend {
namespace {

constexpr int kMaxValueDepth = 16;
/// An honest answer has a few dozen.
constexpr int kMaxValues = 10000;
/// What of a description fits into a line of the log.
constexpr std::size_t kMaxFailureText = 400;

std::string Escape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      default:
        escaped.push_back(c);
    }
  }
  return escaped;
}

struct FreeReader {
  void operator()(xmlTextReader* reader) const { xmlFreeTextReader(reader); }
};

/// Walks over the document with a cursor that stands on one node. Every function that reads an
/// element starts on its start tag and ends on its end tag, and returns nothing when the document
/// is not what it should be.
class AnswerReader {
 public:
  explicit AnswerReader(std::string_view xml)
      : reader_(xmlReaderForMemory(xml.data(), static_cast<int>(xml.size()), nullptr, "UTF-8",
                                   XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)) {}

  /// The value of <methodResponse>, and whether it is the one of a <fault>.
  struct Response {
    XmlRpcValue value;
    bool is_fault = false;
  };

  std::optional<Response> Read() {
    Response response;
    if (reader_ == nullptr || !Advance() || !IsStart("methodResponse") || !Descend()) {
      return std::nullopt;
    }
    response.is_fault = IsStart("fault");
    const bool entered = response.is_fault
                             ? Descend()
                             : IsStart("params") && Descend() && IsStart("param") && Descend();
    if (!entered || !IsStart("value")) {
      return std::nullopt;
    }
    auto value = ReadValue(0);
    if (!value) {
      return std::nullopt;
    }
    response.value = *std::move(value);
    // All that follows is end tags: a document that is cut short is no answer.
    while (Advance()) {
      if (type_ != XML_READER_TYPE_END_ELEMENT) {
        return std::nullopt;
      }
    }
    return is_over_ ? std::optional(std::move(response)) : std::nullopt;
  }

 private:
  /// To the next node that means something.
  bool Advance() {
    do {
      const int result = xmlTextReaderRead(reader_.get());
      if (result != 1) {
        is_over_ = result == 0;
        return false;
      }
      type_ = xmlTextReaderNodeType(reader_.get());
    } while (type_ == XML_READER_TYPE_COMMENT || type_ == XML_READER_TYPE_WHITESPACE ||
             type_ == XML_READER_TYPE_SIGNIFICANT_WHITESPACE ||
             type_ == XML_READER_TYPE_PROCESSING_INSTRUCTION ||
             type_ == XML_READER_TYPE_XML_DECLARATION);
    return type_ == XML_READER_TYPE_ELEMENT || type_ == XML_READER_TYPE_END_ELEMENT ||
           type_ == XML_READER_TYPE_TEXT || type_ == XML_READER_TYPE_CDATA;
  }

  /// From a start tag to the first node inside; false when there is none.
  bool Descend() {
    return xmlTextReaderIsEmptyElement(reader_.get()) != 1 && Advance() &&
           type_ != XML_READER_TYPE_END_ELEMENT;
  }

  [[nodiscard]] std::string_view Name() const {
    return View(xmlTextReaderConstName(reader_.get()));
  }
  [[nodiscard]] static std::string_view View(const xmlChar* text) {
    const void* untyped = text;
    return text == nullptr ? std::string_view() : static_cast<const char*>(untyped);
  }
  [[nodiscard]] bool IsStart(std::string_view name) const {
    return type_ == XML_READER_TYPE_ELEMENT && Name() == name;
  }
  [[nodiscard]] bool IsText() const {
    return type_ == XML_READER_TYPE_TEXT || type_ == XML_READER_TYPE_CDATA;
  }

  /// An element that holds nothing but text.
  std::optional<std::string> ReadText() {
    std::string text;
    if (xmlTextReaderIsEmptyElement(reader_.get()) == 1) {
      return text;
    }
    while (Advance()) {
      if (type_ == XML_READER_TYPE_END_ELEMENT) {
        return text;
      }
      if (!IsText()) {
        return std::nullopt;
      }
      text += View(xmlTextReaderConstValue(reader_.get()));
    }
    return std::nullopt;
  }

  std::optional<XmlRpcValue> ReadValue(int depth) {
    if (depth == kMaxValueDepth || ++values_ > kMaxValues) {
      return std::nullopt;
    }
    XmlRpcValue value;
    if (xmlTextReaderIsEmptyElement(reader_.get()) == 1) {
      return value;
    }
    bool is_typed = false;
    while (Advance()) {
      if (type_ == XML_READER_TYPE_END_ELEMENT) {
        return value;
      }
      if (is_typed) {
        return std::nullopt;
      }
      if (IsText()) {
        value.text += View(xmlTextReaderConstValue(reader_.get()));
        continue;
      }
      if (!value.text.empty()) {
        return std::nullopt;
      }
      is_typed = true;
      auto typed = ReadTyped(depth);
      if (!typed) {
        return std::nullopt;
      }
      value = *std::move(typed);
    }
    return std::nullopt;
  }

  std::optional<XmlRpcValue> ReadTyped(int depth) {
    if (Name() == "struct") {
      return ReadStruct(depth);
    }
    if (Name() == "array") {
      return ReadArray(depth);
    }
    auto text = ReadText();
    if (!text) {
      return std::nullopt;
    }
    XmlRpcValue value;
    value.text = *std::move(text);
    return value;
  }

  std::optional<XmlRpcValue> ReadStruct(int depth) {
    XmlRpcValue value;
    value.kind = XmlRpcValue::Kind::kStruct;
    if (xmlTextReaderIsEmptyElement(reader_.get()) == 1) {
      return value;
    }
    while (Advance()) {
      if (type_ == XML_READER_TYPE_END_ELEMENT) {
        return value;
      }
      if (!IsStart("member") || !Descend() || !IsStart("name")) {
        return std::nullopt;
      }
      auto name = ReadText();
      if (!name || !Advance() || !IsStart("value")) {
        return std::nullopt;
      }
      auto member = ReadValue(depth + 1);
      if (!member || !Advance() || type_ != XML_READER_TYPE_END_ELEMENT) {
        return std::nullopt;
      }
      value.names.push_back(*std::move(name));
      value.items.push_back(*std::move(member));
    }
    return std::nullopt;
  }

  std::optional<XmlRpcValue> ReadArray(int depth) {
    XmlRpcValue value;
    value.kind = XmlRpcValue::Kind::kArray;
    if (!Descend() || !IsStart("data")) {
      return std::nullopt;
    }
    if (xmlTextReaderIsEmptyElement(reader_.get()) != 1) {
      while (Advance() && type_ != XML_READER_TYPE_END_ELEMENT) {
        if (!IsStart("value")) {
          return std::nullopt;
        }
        auto item = ReadValue(depth + 1);
        if (!item) {
          return std::nullopt;
        }
        value.items.push_back(*std::move(item));
      }
    }
    return Advance() && type_ == XML_READER_TYPE_END_ELEMENT ? std::optional(std::move(value))
                                                             : std::nullopt;
  }

  std::unique_ptr<xmlTextReader, FreeReader> reader_;
  int type_ = XML_READER_TYPE_NONE;
  int values_ = 0;
  bool is_over_ = false;
};

/// All strings of a description, which may be a bare one, a list, or lists in lists.
void CollectText(const XmlRpcValue& value, std::vector<std::string>& texts) {
  if (!value.text.empty()) {
    texts.push_back(value.text);
  }
  for (const XmlRpcValue& item : value.items) {
    CollectText(item, texts);
  }
}

MethodFailure FailureOf(const XmlRpcValue* description) {
  MethodFailure failure;
  if (description != nullptr) {
    CollectText(*description, failure.description);
  }
  return failure;
}

}  // namespace

MethodCall::MethodCall(std::string_view method) : method_(method) {}

MethodCall& MethodCall::Add(std::string_view text) {
  parameters_ += "<param><value><string>" + Escape(text) + "</string></value></param>";
  return *this;
}

MethodCall& MethodCall::Add(int number) {
  parameters_ += "<param><value><int>" + std::to_string(number) + "</int></value></param>";
  return *this;
}

std::string MethodCall::Encode() const {
  return "<?xml version='1.0'?><methodCall><methodName>" + Escape(method_) +
         "</methodName><params>" + parameters_ + "</params></methodCall>";
}

const XmlRpcValue* XmlRpcValue::Member(std::string_view name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? nullptr : &items[static_cast<std::size_t>(found - names.begin())];
}

std::string_view MethodFailure::code() const {
  return description.empty() ? std::string_view() : description.front();
}

bool MethodFailure::Mentions(std::string_view word) const {
  return std::any_of(description.begin(), description.end(), [word](const std::string& part) {
    return part.find(word) != std::string::npos;
  });
}

std::string MethodFailure::Text() const {
  std::string text;
  for (const std::string& part : description) {
    text += (text.empty() ? "" : ", ") + part;
  }
  if (text.size() > kMaxFailureText) {
    text.resize(kMaxFailureText);
    text += "...";
  }
  return text.empty() ? "no reason was given" : text;
}

base::Result<MethodAnswer> DecodeAnswer(std::string_view xml) {
  // Nobody needs a document type, so libxml2's code for it is not reached.
  if (xml.find("<!DOCTYPE") != std::string_view::npos) {
    return base::Fail("the answer has a document type");
  }
  auto response = AnswerReader(xml).Read();
  if (!response) {
    return base::Fail("the answer is no XML-RPC");
  }
  if (response->is_fault) {
    return MethodAnswer(base::Failure<MethodFailure>{FailureOf(&response->value)});
  }
  const XmlRpcValue* status = response->value.Member("Status");
  if (status == nullptr) {
    return base::Fail("the answer has no Status");
  }
  if (status->text != "Success") {
    return MethodAnswer(
        base::Failure<MethodFailure>{FailureOf(response->value.Member("ErrorDescription"))});
  }
  const XmlRpcValue* value = response->value.Member("Value");
  return MethodAnswer(value == nullptr ? XmlRpcValue() : *value);
}

}  // namespace varstored::backend
