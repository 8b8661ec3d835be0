#include "varstored/convert/hyperv_json.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "varstored/base/base64.h"
#include "varstored/convert/qemu_json.h"
#include "varstored/efi/attributes.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"
#include "varstored/efi/well_known_names.h"

// The form is that of OpenVMM (github.com/microsoft/openvmm):
// vm/devices/firmware/hyperv_uefi_custom_vars_json/src/lib.rs; what becomes of it is in
// firmware_uefi/src/service/nvram/mod.rs beside it.

namespace varstored::convert {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kType = "Microsoft.Compute/disks";
/// The owner of all signatures in such templates: MSFT_SECURE_BOOT_PRODUCTION_GUID.
constexpr efi::Guid kOwner = *efi::ParseGuid("77fa9abd-0359-4d32-bd60-28f4e78f784b");
constexpr std::uint32_t kKept = efi::kNonVolatile | efi::kBootServiceAccess | efi::kRuntimeAccess;
constexpr std::uint32_t kAuthenticated = kKept | efi::kTimeBasedAuthenticatedWriteAccess;
constexpr std::size_t kSha256Bytes = 32;

struct Database {
  std::string_view name;
  efi::Guid vendor;
  std::uint32_t attributes;
  bool is_required;
};

constexpr std::array<Database, 6> kDatabases = {{
    {"PK", efi::kGlobalVariableGuid, kAuthenticated, true},
    {"KEK", efi::kGlobalVariableGuid, kAuthenticated, true},
    {"db", efi::kImageSecurityDatabaseGuid, kAuthenticated, true},
    {"dbx", efi::kImageSecurityDatabaseGuid, kAuthenticated, true},
    {"MokList", efi::kShimLockGuid, kKept, false},
    {"MokListX", efi::kShimLockGuid, kKept, false},
}};

/// The member of an object; null when `value` is no object or does not have it.
const Json* Member(const Json& value, const std::string& name) {
  const auto found = value.find(name);
  return found != value.end() ? &*found : nullptr;
}

std::optional<std::string> TextOf(const Json& value, const std::string& name) {
  const Json* member = Member(value, name);
  return member != nullptr && member->is_string() ? std::optional(member->get<std::string>())
                                                  : std::nullopt;
}

base::Failure<base::Error> Wrong(const std::string& where, const std::string& what) {
  return base::Fail(where + ": " + what);
}

/// Bytes in base64.
base::Result<base::Bytes> BytesOf(const Json& value, const std::string& where) {
  if (!value.is_string()) {
    return Wrong(where, "it is no text");
  }
  auto bytes = base::DecodeBase64(value.get<std::string>());
  return bytes ? std::move(bytes) : Wrong(where, bytes.error().message);
}

void LoseOthers(const Json& object, std::initializer_list<std::string_view> known,
                const std::string& where, ContentBuilder& builder) {
  for (const auto& item : object.items()) {
    if (std::find(known.begin(), known.end(), item.key()) == known.end()) {
      builder.Lose("the unknown key '" + where + item.key() + "'");
    }
  }
}

/// Adds the lists of one {type, value} to `data`: of certificates one list each, of hashes one of
/// all.
base::Result<void> AddSignatures(const Json& signatures, const std::string& where,
                                 ContentBuilder& builder, base::Bytes& data) {
  const auto type = TextOf(signatures, "type");
  if (type == "Default") {
    return Wrong(where,
                 "\"Default\" stands for what is in a template of the host's, which this one "
                 "changes and which is not here");
  }
  const Json* values = Member(signatures, "value");
  if ((type != "x509" && type != "sha256") || values == nullptr || !values->is_array()) {
    return Wrong(where, "it has no type x509 or sha256, or no list of values");
  }
  LoseOthers(signatures, {"type", "value"}, where + ".", builder);
  std::vector<base::Bytes> decoded;
  for (const Json& value : *values) {
    auto bytes = BytesOf(value, where + ", value " + std::to_string(decoded.size()));
    if (!bytes) {
      return bytes.failure();
    }
    if (type == "sha256" ? bytes->size() != kSha256Bytes : bytes->empty()) {
      return Wrong(where, "a value has " + std::to_string(bytes->size()) + " bytes");
    }
    decoded.push_back(*std::move(bytes));
  }
  const efi::SignatureKind kind =
      type == "x509" ? efi::SignatureKind::kX509 : efi::SignatureKind::kSha256;
  std::vector<efi::SignatureList> lists;
  for (const base::Bytes& bytes : decoded) {
    if (lists.empty() || kind == efi::SignatureKind::kX509) {
      const auto entry_bytes = static_cast<std::uint32_t>(kOwner.bytes.size() + bytes.size());
      lists.push_back({kind, entry_bytes, {}});
    }
    lists.back().entries.push_back({kOwner, bytes});
  }
  const base::Bytes encoded = efi::EncodeSignatureLists(lists);
  data.insert(data.end(), encoded.begin(), encoded.end());
  return {};
}

base::Result<void> AddDatabase(const Database& database, const Json& signatures,
                               ContentBuilder& builder) {
  const std::string where = "signatures." + std::string(database.name);
  const Json* value = Member(signatures, std::string(database.name));
  if (value == nullptr) {
    return database.is_required ? base::Result<void>(Wrong(where, "it is missing"))
                                : base::Result<void>();
  }
  base::Bytes data;
  if (database.name == "PK") {  // one, and so no list
    if (auto added = AddSignatures(*value, where, builder, data); !added) {
      return added;
    }
  } else if (!value->is_array()) {
    return Wrong(where, "it is no list");
  } else {
    for (const Json& each : *value) {
      if (auto added = AddSignatures(each, where, builder, data); !added) {
        return added;
      }
    }
  }
  if (!data.empty()) {
    builder.Add({efi::NameFromUtf8(database.name)->bytes(), database.vendor, database.attributes,
                 std::move(data)});
  }
  return {};
}

base::Result<void> AddVariable(const std::string& name, const Json& variable,
                               ContentBuilder& builder) {
  constexpr std::size_t kMaxAttributeBytes = 4;
  const std::string where = "uefiSettings." + name;
  store::LegacyRecord record;
  const auto utf16 = efi::NameFromUtf8(name);
  if (!utf16) {
    return Wrong(where, "its name cannot be one");
  }
  record.name = utf16->bytes();
  std::array<base::Bytes, 3> parts;
  constexpr std::array<const char*, 3> kNames = {"guid", "attributes", "value"};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Json* part = Member(variable, kNames[i]);
    auto bytes =
        part != nullptr
            ? BytesOf(*part, where + "." + kNames[i])
            : base::Result<base::Bytes>(Wrong(where, "one of guid, attributes, value is missing"));
    if (!bytes) {
      return bytes.failure();
    }
    parts[i] = *std::move(bytes);
  }
  if (parts[0].size() != record.vendor.bytes.size() || parts[1].empty() ||
      parts[1].size() > kMaxAttributeBytes) {
    return Wrong(where, "its guid is not 16 bytes, or its attributes are not 1 to 4");
  }
  LoseOthers(variable, {"guid", "attributes", "value"}, where + ".", builder);
  std::copy(parts[0].begin(), parts[0].end(), record.vendor.bytes.begin());
  for (std::size_t i = 0; i < parts[1].size(); ++i) {
    record.attributes |= std::uint32_t{parts[1][i]} << 8 * i;
  }
  record.data = std::move(parts[2]);
  builder.Add(std::move(record));
  return {};
}

base::Result<void> AddSettings(const Json& settings, ContentBuilder& builder) {
  const auto mode = TextOf(settings, "signatureMode");
  const Json* signatures = Member(settings, "signatures");
  if (mode == "Append") {
    return base::Fail(
        "it only adds to a template of the host's (signatureMode Append), which is not here");
  }
  if (mode != "Replace" || signatures == nullptr || !signatures->is_object()) {
    return base::Fail("there are no signatures, or no signatureMode");
  }
  for (const Database& database : kDatabases) {
    if (auto added = AddDatabase(database, *signatures, builder); !added) {
      return added;
    }
  }
  LoseOthers(*signatures, {"PK", "KEK", "db", "dbx", "MokList", "MokListX"}, "signatures.",
             builder);
  for (const auto& item : settings.items()) {
    if (item.key() != "signatureMode" && item.key() != "signatures") {
      if (auto added = AddVariable(item.key(), item.value(), builder); !added) {
        return added;
      }
    }
  }
  return {};
}

/// Sees that no object has a key twice.
class KeysOnce {
 public:
  [[nodiscard]] const std::optional<std::string>& repeated() const { return repeated_; }

  bool See(Json::parse_event_t event, const Json& value) {
    if (event == Json::parse_event_t::object_start) {
      open_.emplace_back();
    } else if (event == Json::parse_event_t::object_end && !open_.empty()) {
      open_.pop_back();
    } else if (event == Json::parse_event_t::key && !open_.empty() &&
               !open_.back().insert(value.get<std::string>()).second && !repeated_) {
      repeated_ = value.get<std::string>();
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> open_;
  std::optional<std::string> repeated_;
};

base::Result<Content> Read(base::ByteSpan text) {
  KeysOnce keys;
  // Errors are a value, not an exception; and no depth of the text makes the parser call itself.
  const Json json = Json::parse(
      text.begin(), text.end(),
      [&keys](int /*depth*/, Json::parse_event_t event, Json& value) {
        return keys.See(event, value);
      },
      false);
  if (json.is_discarded()) {
    return base::Fail("it is no JSON, or it ends too early");
  }
  if (keys.repeated()) {
    return base::Fail("'" + *keys.repeated() + "' is there twice");
  }
  if (TextOf(json, "type") != kType) {
    return base::Fail("its type is not " + std::string(kType));
  }
  const Json* properties = Member(json, "properties");
  const Json* settings = properties == nullptr ? nullptr : Member(*properties, "uefiSettings");
  if (settings == nullptr || !settings->is_object()) {
    return base::Fail("there are no properties.uefiSettings");
  }
  ContentBuilder builder;
  LoseOthers(json, {"type", "properties"}, "", builder);
  LoseOthers(*properties, {"uefiSettings"}, "properties.", builder);
  if (auto added = AddSettings(*settings, builder); !added) {
    return added.failure();
  }
  return builder.Take();
}

}  // namespace

bool IsHyperVJson(std::string_view text) {
  // The first member decides: what stands in values can be a guest's.
  const auto skip_blanks = [&text] {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  };
  skip_blanks();
  if (!text.starts_with('{')) {
    return false;
  }
  text.remove_prefix(1);
  skip_blanks();
  return !text.starts_with("\"version\"") && !text.starts_with("\"variables\"") &&
         text.find("\"uefiSettings\"") != std::string_view::npos;
}

base::Result<Content> ReadHyperVJson(base::ByteSpan text) {
  if (text.size() > kMaxJsonBytes) {
    return base::Fail("JSON: " + std::to_string(text.size()) + " bytes, the limit is " +
                      std::to_string(kMaxJsonBytes));
  }
  auto content = Read(text);
  return content ? std::move(content) : base::Fail("Hyper-V's JSON: " + content.error().message);
}

}  // namespace varstored::convert
