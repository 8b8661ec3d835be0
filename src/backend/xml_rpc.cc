#include "xml_rpc.h"

#include <expat.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <utility>

namespace varstored::backend {
namespace {

constexpr int kMaxValueDepth = 16;
/// An honest answer has a few dozen, but for the list of all VMs in a pool: of their references not
/// many more fit into an answer.
constexpr int kMaxValues = 32768;
/// More than so many bare values need, which are an element and a text each.
constexpr std::size_t kMaxTokens = std::size_t{6} * kMaxValues;
/// What of a description fits into a line of the log.
constexpr std::size_t kMaxFailureText = 400;
/// More characters of base64 in a row are no name, uuid or reference, but may be variables: a
/// toolstack can say with which parameters it was called.
constexpr std::size_t kMaxBase64Run = 47;

bool IsBase64(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/' || c == '=';
}

std::string WithoutData(std::string_view text) {
  std::string kept;
  while (!text.empty()) {
    const auto run =
        static_cast<std::size_t>(std::ranges::find_if_not(text, IsBase64) - text.begin());
    kept += run > kMaxBase64Run ? "(data)" : text.substr(0, run);
    const std::size_t taken = std::min(run + 1, text.size());
    kept += text.substr(run, taken - run);
    text.remove_prefix(taken);
  }
  return kept;
}

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

/// A piece of a document. Comments, processing instructions and white space between elements are
/// none, and CDATA is text.
struct Token {
  enum class Kind : std::uint8_t { kStart, kText, kEnd };

  Kind kind = Kind::kStart;
  std::string text;  // the element's name, or its text; of an end nothing
};

/// Takes a document apart.
class Tokenizer {
 public:
  /// Nothing when it is not well-formed, or larger than an answer can be.
  static std::optional<std::vector<Token>> Read(std::string_view xml) {
    const std::unique_ptr<XML_ParserStruct, FreeParser> parser(XML_ParserCreate("UTF-8"));
    if (parser == nullptr) {
      throw std::bad_alloc();
    }
    Tokenizer tokenizer(parser.get());
    XML_SetUserData(parser.get(), &tokenizer);
    XML_SetElementHandler(parser.get(), OnStart, OnEnd);
    XML_SetCharacterDataHandler(parser.get(), OnText);
    const bool is_whole = XML_Parse(parser.get(), xml.data(), static_cast<int>(xml.size()),
                                    XML_TRUE) == XML_STATUS_OK;
    if (tokenizer.is_out_of_memory_ || XML_GetErrorCode(parser.get()) == XML_ERROR_NO_MEMORY) {
      throw std::bad_alloc();
    }
    return is_whole ? std::optional(std::move(tokenizer.tokens_)) : std::nullopt;
  }

 private:
  struct FreeParser {
    void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
  };

  explicit Tokenizer(XML_Parser parser) : parser_(parser) {}

  static void OnStart(void* self, const XML_Char* name, const XML_Char** /*attributes*/) {
    static_cast<Tokenizer*>(self)->Add(Token::Kind::kStart, name);
  }
  static void OnEnd(void* self, const XML_Char* /*name*/) {
    static_cast<Tokenizer*>(self)->Add(Token::Kind::kEnd, {});
  }
  static void OnText(void* self, const XML_Char* text, int size) {
    static_cast<Tokenizer*>(self)->Add(Token::Kind::kText, {text, static_cast<std::size_t>(size)});
  }

  /// Called by C code, which no exception may pass.
  void Add(Token::Kind kind, std::string_view text) noexcept {
    try {
      const bool goes_on = kind == Token::Kind::kText && !tokens_.empty() &&
                           tokens_.back().kind == Token::Kind::kText;
      if (goes_on) {
        tokens_.back().text += text;
        return;
      }
      if (!tokens_.empty() && tokens_.back().kind == Token::Kind::kText && IsBlank()) {
        tokens_.pop_back();
      }
      if (tokens_.size() == kMaxTokens) {
        Stop();
        return;
      }
      tokens_.push_back({kind, std::string(text)});
    } catch (const std::bad_alloc&) {
      is_out_of_memory_ = true;
      Stop();
    }
  }

  [[nodiscard]] bool IsBlank() const {
    return tokens_.back().text.find_first_not_of(" \t\r\n") == std::string::npos;
  }
  void Stop() { static_cast<void>(XML_StopParser(parser_, XML_FALSE)); }

  XML_Parser parser_;
  std::vector<Token> tokens_;
  bool is_out_of_memory_ = false;
};

/// Walks over the document with a cursor that stands on one token. Every function that reads an
/// element starts on its start and ends on its end, and returns nothing when the document is not
/// what it should be.
class AnswerReader {
 public:
  explicit AnswerReader(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  /// The value of <methodResponse>, and whether it is the one of a <fault>.
  struct Response {
    XmlRpcValue value;
    bool is_fault = false;
  };

  std::optional<Response> Read() {
    Response response;
    if (!Advance() || !IsStart("methodResponse") || !Advance()) {
      return std::nullopt;
    }
    response.is_fault = IsStart("fault");
    const bool entered = response.is_fault
                             ? Advance()
                             : IsStart("params") && Advance() && IsStart("param") && Advance();
    if (!entered || !IsStart("value")) {
      return std::nullopt;
    }
    auto value = ReadValue(0);
    if (!value) {
      return std::nullopt;
    }
    response.value = *std::move(value);
    // All that follows is ends.
    while (Advance()) {
      if (!IsEnd()) {
        return std::nullopt;
      }
    }
    return response;
  }

 private:
  bool Advance() {
    if (next_ == tokens_.size()) {
      return false;
    }
    token_ = &tokens_[next_++];
    return true;
  }

  [[nodiscard]] bool IsStart(std::string_view name) const {
    return token_->kind == Token::Kind::kStart && token_->text == name;
  }
  [[nodiscard]] bool IsText() const { return token_->kind == Token::Kind::kText; }
  [[nodiscard]] bool IsEnd() const { return token_->kind == Token::Kind::kEnd; }

  /// An element that holds nothing but text.
  std::optional<std::string> ReadText() {
    std::string text;
    while (Advance()) {
      if (IsEnd()) {
        return text;
      }
      if (!IsText()) {
        return std::nullopt;
      }
      text = std::move(token_->text);
    }
    return std::nullopt;
  }

  std::optional<XmlRpcValue> ReadValue(int depth) {
    if (depth == kMaxValueDepth || ++values_ > kMaxValues) {
      return std::nullopt;
    }
    XmlRpcValue value;
    bool is_typed = false;
    while (Advance()) {
      if (IsEnd()) {
        return value;
      }
      if (is_typed) {
        return std::nullopt;
      }
      if (IsText()) {
        value.text = std::move(token_->text);
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
    if (IsStart("struct")) {
      return ReadStruct(depth);
    }
    if (IsStart("array")) {
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
    while (Advance()) {
      if (IsEnd()) {
        return value;
      }
      if (!IsStart("member") || !Advance() || !IsStart("name")) {
        return std::nullopt;
      }
      auto name = ReadText();
      if (!name || !Advance() || !IsStart("value")) {
        return std::nullopt;
      }
      auto member = ReadValue(depth + 1);
      if (!member || !Advance() || !IsEnd()) {
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
    if (!Advance() || !IsStart("data")) {
      return std::nullopt;
    }
    while (Advance() && !IsEnd()) {
      if (!IsStart("value")) {
        return std::nullopt;
      }
      auto item = ReadValue(depth + 1);
      if (!item) {
        return std::nullopt;
      }
      value.items.push_back(*std::move(item));
    }
    return Advance() && IsEnd() ? std::optional(std::move(value)) : std::nullopt;
  }

  std::vector<Token> tokens_;
  std::size_t next_ = 0;
  Token* token_ = nullptr;
  int values_ = 0;
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

MethodCall& MethodCall::AddFlag(bool flag) {
  parameters_ +=
      std::string("<param><value><boolean>") + (flag ? "1" : "0") + "</boolean></value></param>";
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
    text += (text.empty() ? "" : ", ") + WithoutData(part);
  }
  if (text.size() > kMaxFailureText) {
    text.resize(kMaxFailureText);
    text += "...";
  }
  return text.empty() ? "no reason was given" : text;
}

base::Result<MethodAnswer> DecodeAnswer(std::string_view xml) {
  // Nobody needs a document type, so expat's code for it is not reached.
  if (xml.find("<!DOCTYPE") != std::string_view::npos) {
    return base::Fail("the answer has a document type");
  }
  auto tokens = Tokenizer::Read(xml);
  auto response = tokens ? AnswerReader(*std::move(tokens)).Read() : std::nullopt;
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
