#include "varstored/pcr/render.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "varstored/base/hex.h"
#include "varstored/base/log.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"

namespace varstored::pcr {
namespace {

using Json = nlohmann::ordered_json;
using Banks = std::span<const crypto::DigestKind>;

constexpr std::size_t kTypeColumns = 31;  // the longest, and two blanks
constexpr std::size_t kNameColumns = 12;

std::string Padded(std::string text, std::size_t columns) {
  text.resize(std::max(text.size(), columns), ' ');
  return text;
}

base::Result<std::string> TextOf(const Prediction& prediction, crypto::DigestKind bank) {
  std::string text;
  const auto add = [&text](std::string_view what, std::string_view name, base::ByteSpan digest) {
    text += "  " + Padded(std::string(what), kTypeColumns) +
            Padded(std::string(name), kNameColumns) + base::ToHex(digest) + "\n";
  };
  for (const Event& event : prediction.events) {
    const auto digest = DigestOf(event, bank);
    if (!digest) {
      return digest.failure();
    }
    add(ToText(event.type), efi::NameToUtf8(event.name), *digest);
  }
  if (prediction.has_value) {
    const auto value = ValueAfter(prediction.events, bank);
    if (!value) {
      return value.failure();
    }
    add("PCR 7", "", *value);
  }
  return text;
}

base::Result<std::string> TextOf(const Prediction& prediction, std::string_view title,
                                 Banks banks) {
  std::string text;
  for (const crypto::DigestKind bank : banks) {
    const auto table = TextOf(prediction, bank);
    if (!table) {
      return table.failure();
    }
    text += std::string(title) + ", Secure Boot " + (prediction.secure_boot ? "on" : "off") + ", " +
            std::string(BankName(bank)) + "\n" + *table;
  }
  if (!prediction.loader.empty()) {
    text += "  boot loader: " + base::Printable(prediction.loader) + "\n";
  }
  if (prediction.is_shim) {
    text += prediction.has_shims_events
                ? "  it is shim, whose events are the last two, as shim 16 measures them\n"
                : "  it is shim, which adds events that are not known here: the guest sees another "
                  "value\n";
  }
  if (!prediction.no_authority.empty()) {
    text += std::string(prediction.has_value ? "  no authority: " : "  no final value: ") +
            base::Printable(prediction.no_authority) + "\n";
  }
  return text;
}

bool IsSame(const Pcr7& pcr7) { return pcr7.before.events == pcr7.after->events; }

base::Result<Json> DigestsOf(const Event& event, Banks banks) {
  Json digests = Json::object();
  for (const crypto::DigestKind bank : banks) {
    const auto digest = DigestOf(event, bank);
    if (!digest) {
      return digest.failure();
    }
    digests[std::string(BankName(bank))] = base::ToHex(*digest);
  }
  return digests;
}

base::Result<Json> JsonOf(const Prediction& prediction, Banks banks) {
  Json events = Json::array();
  for (const Event& event : prediction.events) {
    auto digests = DigestsOf(event, banks);
    if (!digests) {
      return digests.failure();
    }
    const bool has_variable = event.type != EventType::kSeparator;
    events.push_back({{"type", ToText(event.type)},
                      {"variable", has_variable ? Json(efi::NameToUtf8(event.name)) : Json()},
                      {"guid", has_variable ? Json(efi::ToText(event.vendor)) : Json()},
                      {"digests", *std::move(digests)}});
  }
  Json values = Json::object();
  for (const crypto::DigestKind bank : prediction.has_value ? banks : Banks()) {
    const auto value = ValueAfter(prediction.events, bank);
    if (!value) {
      return value.failure();
    }
    values[std::string(BankName(bank))] = base::ToHex(*value);
  }
  return Json{
      {"secure_boot", prediction.secure_boot},
      {"events", std::move(events)},
      {"values", std::move(values)},
      {"loader", prediction.loader.empty() ? Json() : Json(prediction.loader)},
      {"is_shim", prediction.is_shim},
      {"has_shims_events", prediction.has_shims_events},
      {"no_authority", prediction.no_authority.empty() ? Json() : Json(prediction.no_authority)}};
}

std::string Line(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Prediction Predict(std::span<const store::Entry> entries, bool wants_secure_boot) {
  Prediction prediction;
  prediction.events = PcrEvents(entries, wants_secure_boot);
  // SecureBoot is the first of them, and its one byte stands behind the rest.
  prediction.secure_boot = prediction.events.front().data.back() == 1;
  return prediction;
}

base::Result<std::string> RenderText(const Pcr7& pcr7, Banks banks) {
  auto text = TextOf(pcr7.before, pcr7.after ? "before" : "now", banks);
  if (!text || !pcr7.after) {
    return text;
  }
  auto after = TextOf(*pcr7.after, "after", banks);
  if (!after) {
    return after;
  }
  return *text + *after + WordsOnChange(pcr7.before.events, pcr7.after->events) + "\n" +
         (IsSame(pcr7) || !pcr7.before.has_value || !pcr7.after->has_value
              ? ""
              : "What a guest has sealed with the value before meets the value after at "
                "the next start.\n");
}

base::Result<std::string> RenderJson(const std::string& target, const Pcr7& pcr7, Banks banks) {
  auto before = JsonOf(pcr7.before, banks);
  if (!before) {
    return before.failure();
  }
  Json json = {{"format", 1}, {"target", target}, {"before", *std::move(before)}};
  if (pcr7.after) {
    auto after = JsonOf(*pcr7.after, banks);
    if (!after) {
      return after.failure();
    }
    json["after"] = *std::move(after);
    json["changes"] = !IsSame(pcr7);
  }
  return Line(json);
}

base::Result<std::string> RenderPcrLock(std::span<const Event> events, EventType type,
                                        Banks banks) {
  Json records = Json::array();
  for (const Event& event : events) {
    if (event.type != type) {
      continue;
    }
    Json digests = Json::array();
    for (const crypto::DigestKind bank : banks) {
      const auto digest = DigestOf(event, bank);
      if (!digest) {
        return digest.failure();
      }
      digests.push_back({{"hashAlg", BankName(bank)}, {"digest", base::ToHex(*digest)}});
    }
    records.push_back({{"pcr", 7}, {"digests", std::move(digests)}});
  }
  Json component = Json::object();
  component["records"] = std::move(records);
  return Line(component);
}

}  // namespace varstored::pcr
