#include "varstored/convert/qemu_json.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "varstored/base/hex.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/time.h"
#include "varstored/efi/variable_name.h"

// The form is that of QEMU 10.0: hw/uefi/var-service-json.c and qapi/uefi.json.

namespace varstored::convert {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kVersion = 2;

std::optional<base::Bytes> FromHex(std::string_view digits) {
  constexpr auto kValue = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  if (digits.size() % 2 != 0) {
    return std::nullopt;
  }
  base::Bytes bytes;
  bytes.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = kValue(digits[i]);
    const int low = kValue(digits[i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

/// A variable's values as they stand in the file.
struct Fields {
  std::map<std::string, std::string, std::less<>> texts;
  std::optional<std::uint64_t> attributes;

  [[nodiscard]] const std::string* Find(std::string_view key) const {
    const auto found = texts.find(key);
    return found == texts.end() ? nullptr : &found->second;
  }
};

/// Takes the store apart while it is parsed, so that nothing but what it may hold is ever in
/// memory.
class StoreHandler final : public nlohmann::json_sax<Json> {
 public:
  explicit StoreHandler(ContentBuilder& builder) : builder_(builder) {}

  [[nodiscard]] const std::string& failure() const { return failure_; }
  /// To be asked when all is parsed.
  [[nodiscard]] bool IsComplete() {
    return (has_version_ || Fail("there is no version")) &&
           (has_variables_ || Fail("there are no variables"));
  }

  bool null() override { return Value(); }
  bool boolean(bool /*value*/) override { return Value(); }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return Value(); }
  bool binary(Json::binary_t& /*value*/) override { return Value(); }
  bool number_integer(std::int64_t /*value*/) override { return Value(); }  // below 0

  bool number_unsigned(std::uint64_t value) override {
    if (skipped_ == 0 && place_ == Place::kStore && key_ == "version") {
      has_version_ = true;
      return value == kVersion || Fail("version " + std::to_string(value) +
                                       " is not known; this program reads version 2");
    }
    if (skipped_ == 0 && place_ == Place::kVariable && key_ == "attr") {
      fields_.attributes = value;
      return true;
    }
    return Value();
  }

  bool string(std::string& value) override {
    if (skipped_ == 0 && place_ == Place::kVariable && IsText(key_)) {
      fields_.texts.insert_or_assign(key_, std::move(value));
      return true;
    }
    return Value();
  }

  bool start_object(std::size_t /*size*/) override {
    if (skipped_ > 0) {
      return Skip();
    }
    if (place_ == Place::kFile || place_ == Place::kVariables) {
      place_ = place_ == Place::kFile ? Place::kStore : Place::kVariable;
      fields_ = {};
      keys_.clear();
      return true;
    }
    return Value() && Skip();
  }

  bool end_object() override {
    if (skipped_ > 0) {
      --skipped_;
      return true;
    }
    if (place_ == Place::kVariable) {
      place_ = Place::kVariables;
      ++number_;
      return AddVariable();
    }
    place_ = Place::kFile;
    return true;
  }

  bool start_array(std::size_t /*size*/) override {
    if (skipped_ > 0) {
      return Skip();
    }
    if (place_ == Place::kStore && key_ == "variables") {
      store_keys_ = std::move(keys_);
      place_ = Place::kVariables;
      has_variables_ = true;
      return true;
    }
    return Value() && Skip();
  }

  bool end_array() override {
    if (skipped_ > 0) {
      --skipped_;
    } else {
      place_ = Place::kStore;
      keys_ = std::move(store_keys_);
    }
    return true;
  }

  bool key(std::string& name) override {
    if (skipped_ > 0) {
      return true;
    }
    key_ = std::move(name);
    return keys_.emplace(key_).second || Fail(Where() + "'" + key_ + "' is there twice");
  }

  bool parse_error(std::size_t position, const std::string& /*last_token*/,
                   const Json::exception& /*why*/) override {
    return Fail("no JSON from byte " + std::to_string(position) + " on");
  }

 private:
  enum class Place { kFile, kStore, kVariables, kVariable };

  static bool IsText(std::string_view key) {
    constexpr std::array<std::string_view, 5> kTexts = {"guid", "name", "data", "time", "digest"};
    return std::find(kTexts.begin(), kTexts.end(), key) != kTexts.end();
  }

  bool Fail(std::string why) {
    if (failure_.empty()) {
      failure_ = std::move(why);
    }
    return false;
  }

  [[nodiscard]] std::string Where() const {
    return place_ == Place::kVariable ? "variable " + std::to_string(number_) + ": " : "";
  }

  bool Skip() {
    ++skipped_;
    return true;
  }

  /// A value that is none of those above: unknown, or of the wrong type.
  bool Value() {
    if (skipped_ > 0) {
      return true;
    }
    if (place_ == Place::kFile) {
      return Fail("it is no object");
    }
    if (place_ == Place::kVariables) {
      return Fail("variable " + std::to_string(number_) + " is no object");
    }
    const bool known = place_ == Place::kStore ? key_ == "version" || key_ == "variables"
                                               : key_ == "attr" || IsText(key_);
    if (known) {
      return Fail(Where() + "'" + key_ + "' has a wrong type or value");
    }
    builder_.Lose(Where() + "the unknown key '" + key_ + "'");
    return true;
  }

  bool AddVariable() {
    const std::string where = "variable " + std::to_string(number_ - 1) + ": ";
    const std::string* guid = fields_.Find("guid");
    const std::string* name = fields_.Find("name");
    const std::string* data = fields_.Find("data");
    if (guid == nullptr || name == nullptr || data == nullptr || !fields_.attributes) {
      return Fail(where + "one of guid, name, attr, data is missing");
    }
    store::LegacyRecord record;
    const auto vendor = efi::ParseGuid(*guid);
    const auto utf16 = efi::NameFromUtf8(*name);
    auto bytes = FromHex(*data);
    if (!vendor || !utf16 || !bytes ||
        *fields_.attributes > std::numeric_limits<std::uint32_t>::max()) {
      return Fail(where + (!vendor  ? "its guid is none"
                           : !utf16 ? "its name cannot be one"
                           : !bytes ? "its data is not in pairs of hexadecimal digits"
                                    : "its attr has more than 32 bits"));
    }
    record.vendor = *vendor;
    record.name = utf16->bytes();
    record.data = *std::move(bytes);
    record.attributes = static_cast<std::uint32_t>(*fields_.attributes);
    if (const std::string* time = fields_.Find("time")) {
      const auto raw = FromHex(*time);
      base::Reader reader(raw ? base::ByteSpan(*raw) : base::ByteSpan());
      if (!efi::ReadTime(reader, record.timestamp) || !reader.empty()) {
        return Fail(where + "its time is not 16 bytes in hexadecimal digits");
      }
    }
    if (const std::string* digest = fields_.Find("digest")) {
      const auto raw = FromHex(*digest);
      base::Reader reader(raw ? base::ByteSpan(*raw) : base::ByteSpan());
      if (!reader.ReadArray(record.signer) || !reader.empty()) {
        return Fail(where + "its digest is not 32 bytes in hexadecimal digits");
      }
    }
    builder_.Add(std::move(record));
    return true;
  }

  ContentBuilder& builder_;
  Place place_ = Place::kFile;
  std::size_t skipped_ = 0;  // how deep inside of an unknown value
  std::size_t number_ = 0;   // of the variable
  std::string key_;
  std::set<std::string> keys_;  // of this object, so far
  std::set<std::string> store_keys_;
  Fields fields_;
  bool has_version_ = false;
  bool has_variables_ = false;
  std::string failure_;
};

/// The name as QEMU reads and writes it, nothing when it has characters outside of ASCII.
std::optional<std::string> AsciiName(const store::Entry& entry) {
  if (!efi::VariableName::FromBytes(base::ToBytes(entry.name()))) {
    return std::nullopt;
  }
  std::string text = efi::NameToUtf8(entry.name());
  const bool is_ascii = std::all_of(text.begin(), text.end(), [](char character) {
    return static_cast<unsigned char>(character) < 0x80;
  });
  return is_ascii ? std::optional(std::move(text)) : std::nullopt;
}

}  // namespace

base::Result<Content> ReadQemuJson(base::ByteSpan text) {
  ContentBuilder builder;
  StoreHandler handler(builder);
  if (text.size() > kMaxJsonBytes) {
    return base::Fail("JSON: " + std::to_string(text.size()) + " bytes, the limit is " +
                      std::to_string(kMaxJsonBytes));
  }
  if (!Json::sax_parse(text.begin(), text.end(), &handler) || !handler.IsComplete()) {
    return base::Fail("JSON: " + handler.failure());
  }
  auto content = builder.Take();
  return content ? std::move(content)
                 : base::Result<Content>(base::Fail("JSON: " + content.error().message));
}

Written WriteQemuJson(const Content& content) {
  Written written;
  Json variables = Json::array();
  for (const store::Entry* entry : KeptEntries(content, written.lost)) {
    const auto name = AsciiName(*entry);
    if (!name) {
      written.lost.push_back(Describe(*entry) +
                             ": QEMU reads no name that is not plain ASCII characters");
      continue;
    }
    Json variable = {{"guid", efi::ToText(entry->vendor())},
                     {"name", *name},
                     {"attr", entry->raw_attributes()},
                     {"data", base::ToHex(entry->data())}};
    if (entry->Has(efi::kTimeBasedAuthenticatedWriteAccess)) {
      base::Writer time;
      efi::WriteTime(time, entry->timestamp());
      variable["time"] = base::ToHex(time.Take());
      if (entry->signer() != store::SignerDigest{}) {
        variable["digest"] = base::ToHex(entry->signer());
      }
    } else if (entry->timestamp() != efi::Time{} || entry->signer() != store::SignerDigest{}) {
      written.lost.push_back(Describe(*entry) +
                             ": its time and signer, which QEMU keeps of authenticated variables");
    }
    variables.push_back(std::move(variable));
  }
  const Json store = {{"version", kVersion}, {"variables", std::move(variables)}};
  written.bytes = base::ToBytes(store.dump(4) + "\n");
  return written;
}

}  // namespace varstored::convert
