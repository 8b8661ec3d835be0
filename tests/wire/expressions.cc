#include "wire/expressions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "varstored/base/writer.h"
#include "varstored/efi/guid.h"

namespace varstored::test {
namespace {

[[noreturn]] void Fail(std::string_view what, std::string_view text) {
  throw std::runtime_error(std::string(what) + ": '" + std::string(text) + "'");
}

struct GuidName {
  std::string_view name;
  std::string_view text;
};

constexpr std::array<GuidName, 8> kGuids = {{
    {"global", "8be4df61-93ca-11d2-aa0d-00e098032b8c"},
    {"security", "d719b2cb-3d3a-4596-a3bc-dad00e67656f"},
    {"mor", "e20939be-32d4-41be-a150-897f85d49829"},
    {"mor-lock", "bb983ccf-151d-40e1-a07b-4a17be168292"},
    {"ppi", "9d1947eb-09bb-4780-a3cd-bea956e0e056"},
    {"test", "1f5b4a70-0a5d-4f0e-9d55-3c1f0d9a7a11"},
    {"ms", "77fa9abd-0359-4d32-bd60-28f4e78f784b"},
    {"other", "9be025e2-415b-435d-ad61-6b3e094fc28d"},
}};

struct VariablePlace {
  std::string_view name;
  std::string_view guid;
};

constexpr std::array<VariablePlace, 16> kPlaces = {{
    {"PK", "global"},
    {"KEK", "global"},
    {"SetupMode", "global"},
    {"AuditMode", "global"},
    {"DeployedMode", "global"},
    {"SecureBoot", "global"},
    {"SignatureSupport", "global"},
    {"db", "security"},
    {"dbx", "security"},
    {"dbt", "security"},
    {"dbr", "security"},
    {"MemoryOverwriteRequestControl", "mor"},
    {"MemoryOverwriteRequestControlLock", "mor-lock"},
    {"Tcg2PhysicalPresenceFlags", "ppi"},
    {"Tcg2PhysicalPresenceFlagsLock", "ppi"},
    {"PPIBuffer", "ppi"},
}};

// UEFI 2.10, 32.4.1. The sizes are without SignatureOwner.
struct ListType {
  std::string_view name;
  std::string_view guid;
  std::size_t entry_bytes;
};

constexpr std::array<ListType, 15> kListTypes = {{
    {"sha1", "826ca512-cf10-4ac9-b187-be01496631bd", 20},
    {"sha224", "0b6e5233-a65c-44c9-9407-d9ab83bfc8bd", 28},
    {"sha256", "c1c41626-504c-4092-aca9-41f936934328", 32},
    {"sha384", "ff3e5307-9fd0-48c9-85f1-8ad56c701e01", 48},
    {"sha512", "093e0fae-a6c4-4f50-9f1b-d41e2b89c19a", 64},
    {"rsa2048", "3c5766e8-269c-4e34-aa14-ed776e85b3b6", 256},
    {"rsa2048-sha1", "67f8444f-8743-48f1-a328-1eaab8736080", 256},
    {"rsa2048-sha256", "e2b36190-879b-4a3d-ad8d-f2e7bba32784", 256},
    {"x509", "a5c059a1-94e4-4aa7-87b5-ab155c2bf072", 0},
    {"x509-sha256", "3bd2a492-96c0-4079-b420-fcf98ef103ed", 48},
    {"x509-sha384", "7076876e-80c2-4ee6-aad2-28b349a6865b", 64},
    {"x509-sha512", "446dbf63-2502-4cda-bcfa-2465d2b0fe9d", 80},
    {"sm3", "57347f87-7a9b-403a-b93c-dc4afb7a0ebc", 32},
    {"x509-sm3", "60d807e5-10b4-49a9-9331-e40437888d37", 48},
    {"managed", "452e8ced-dfff-4b8c-ae01-5118862e682c", 1},
}};

const ListType* FindListType(std::string_view name) {
  const auto* found = std::ranges::find(kListTypes, name, &ListType::name);
  return found != kListTypes.end() ? found : nullptr;
}

std::uint8_t ParseHexByte(std::string_view text) {
  std::uint8_t byte = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), byte, 16);
  if (error != std::errc() || end != text.end() || text.size() != 2) {
    Fail("not two hexadecimal digits", text);
  }
  return byte;
}

Bytes ParseHex(std::string_view text) {
  Bytes bytes;
  for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(2, text.size()))) {
    bytes.push_back(ParseHexByte(text.substr(0, 2)));
  }
  return bytes;
}

/// "name(value,key=value)".
struct Call {
  std::string name;
  std::vector<std::string> values;
  std::map<std::string, std::string> named;

  [[nodiscard]] const std::string& Only() const {
    if (values.size() != 1) {
      Fail("wants one value", name);
    }
    return values.front();
  }
  [[nodiscard]] std::string Named(const std::string& key, std::string_view otherwise) const {
    const auto found = named.find(key);
    return found != named.end() ? found->second : std::string(otherwise);
  }
};

Call ParseCall(std::string_view text) {
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos) {
    return {std::string(text), {}, {}};
  }
  if (text.back() != ')') {
    Fail("no closing parenthesis", text);
  }
  Call call = {std::string(text.substr(0, open)), {}, {}};
  for (std::string& argument : SplitWords(text.substr(open + 1, text.size() - open - 2), ',')) {
    const std::size_t equals = argument.find('=');
    if (equals != std::string::npos && equals < argument.find('(')) {
      call.named.emplace(argument.substr(0, equals), argument.substr(equals + 1));
    } else {
      call.values.push_back(std::move(argument));
    }
  }
  return call;
}

/// list(TYPE,body=BYTES): one list with sizes that fit, or with others: list=, header=, entry=.
Bytes ParseRawList(const Call& call, KeyRing& keys) {
  const ListType* type = FindListType(call.Only());
  const Guid guid = ParseGuidWord(type != nullptr ? type->guid : call.Only());
  const Bytes body = ParseBytes(call.Named("body", "empty"), keys);
  const auto number = [&call](const std::string& key, std::size_t otherwise) {
    return static_cast<std::uint32_t>(ParseNumber(call.Named(key, std::to_string(otherwise))));
  };
  base::Writer writer;
  writer.WriteBytes(guid);
  writer.WriteU32(number("list", 28 + body.size()));
  writer.WriteU32(number("header", 0));
  writer.WriteU32(number("entry", type != nullptr ? 16 + type->entry_bytes : body.size()));
  writer.WriteBytes(body);
  return writer.Take();
}

/// sha256(11,22): a list of two entries, each one byte again and again; x509(KEK1): a certificate.
Bytes ParseList(const Call& call, const ListType& type, KeyRing& keys) {
  std::vector<Bytes> entries;
  for (const std::string& value : call.values) {
    entries.push_back(type.name == "x509" ? keys[value].certificate()
                                          : Bytes(type.entry_bytes, ParseHexByte(value)));
  }
  return SignatureListOf(ParseGuidWord(type.guid), ParseGuidWord(call.Named("owner", "test")),
                         entries);
}

/// hashes(N): a SHA-256 list of N different entries; first=M begins with another one.
Bytes ParseHashes(const Call& call) {
  const std::uint64_t first = ParseNumber(call.Named("first", "0"));
  std::vector<Bytes> entries;
  for (std::uint64_t i = 0; i < ParseNumber(call.Only()); ++i) {
    base::Writer writer;
    writer.WriteU64(first + i);
    writer.WriteBytes(Bytes(24));
    entries.push_back(writer.Take());
  }
  return SignatureListOf(ParseGuidWord(FindListType("sha256")->guid),
                         ParseGuidWord(call.Named("owner", "test")), entries);
}

/// types(sha1,sha256): the GUIDs of these types, as SignatureSupport has them.
Bytes ParseTypes(const Call& call) {
  base::Writer writer;
  for (const std::string& value : call.values) {
    const ListType* type = FindListType(value);
    if (type == nullptr) {
      Fail("no type of signature lists", value);
    }
    writer.WriteBytes(ParseGuidWord(type->guid));
  }
  return writer.Take();
}

Bytes ParseOneCall(const Call& call, KeyRing& keys) {
  if (const ListType* type = FindListType(call.name)) {
    return ParseList(call, *type, keys);
  }
  if (call.name == "empty") {
    return {};
  }
  if (call.name == "hex") {
    return ParseHex(call.Only());
  }
  if (call.name == "text") {
    return base::ToBytes(call.Only());
  }
  if (call.name == "bytes" && call.values.size() == 2) {
    return Bytes(ParseNumber(call.values[0]), ParseHexByte(call.values[1]));
  }
  if (call.name == "certificate") {
    return keys[call.Only()].certificate();
  }
  if (call.name == "hashes") {
    return ParseHashes(call);
  }
  if (call.name == "types") {
    return ParseTypes(call);
  }
  if (call.name == "list") {
    return ParseRawList(call, keys);
  }
  Fail("unknown bytes", call.name);
}

}  // namespace

std::vector<std::string> SplitWords(std::string_view text, char separator) {
  std::vector<std::string> words;
  std::string word;
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == separator && depth == 0) {
      if (!word.empty()) {
        words.push_back(std::exchange(word, {}));
      }
    } else {
      word += c;
    }
  }
  if (!word.empty()) {
    words.push_back(word);
  }
  if (depth != 0) {
    Fail("parentheses that do not match", text);
  }
  return words;
}

std::uint64_t ParseNumber(std::string_view text) {
  const bool is_hex = text.starts_with("0x");
  const std::string_view digits = is_hex ? text.substr(2) : text;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number, is_hex ? 16 : 10);
  if (error != std::errc() || end != digits.end()) {
    Fail("not a number", text);
  }
  return number;
}

std::u16string ParseVariableName(std::string_view text) {
  if (text == "-") {
    return {};
  }
  if (const std::size_t star = text.find('*'); star == 1) {
    return std::u16string(ParseNumber(text.substr(2)), static_cast<char16_t>(text[0]));
  }
  std::u16string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      name.push_back(ParseHexByte(text.substr(i + 1, 2)));
      i += 2;
    } else {
      name.push_back(static_cast<char16_t>(text[i]));
    }
  }
  return name;
}

Guid ParseGuidWord(std::string_view text) {
  const auto* known = std::ranges::find(kGuids, text, &GuidName::name);
  const std::optional<efi::Guid> guid = efi::ParseGuid(known != kGuids.end() ? known->text : text);
  if (!guid) {
    Fail("not a GUID", text);
  }
  return guid->bytes;
}

Guid DefaultGuid(std::string_view variable_name) {
  const auto* place = std::ranges::find(kPlaces, variable_name, &VariablePlace::name);
  return ParseGuidWord(place != kPlaces.end() ? place->guid : "test");
}

Time ParseTime(std::string_view text) {
  if (text.starts_with("T")) {
    return {.day = static_cast<std::uint8_t>(ParseNumber(text.substr(1)))};
  }
  constexpr std::string_view kForm = "yyyy-mm-ddThh:mm:ss";
  if (text.size() != kForm.size()) {
    Fail("not a time", text);
  }
  const auto number = [text](std::size_t at, std::size_t digits) {
    return ParseNumber(text.substr(at, digits));
  };
  return {.year = static_cast<std::uint16_t>(number(0, 4)),
          .month = static_cast<std::uint8_t>(number(5, 2)),
          .day = static_cast<std::uint8_t>(number(8, 2)),
          .hour = static_cast<std::uint8_t>(number(11, 2)),
          .minute = static_cast<std::uint8_t>(number(14, 2)),
          .second = static_cast<std::uint8_t>(number(17, 2))};
}

Bytes ParseBytes(std::string_view text, KeyRing& keys) {
  Bytes all;
  for (const std::string& term : SplitWords(text, '+')) {
    const Bytes bytes = ParseOneCall(ParseCall(term), keys);
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  return all;
}

}  // namespace varstored::test
