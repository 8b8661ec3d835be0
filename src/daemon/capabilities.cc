#include "capabilities.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "varstored/backend/kinds.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/variable_name.h"
#include "varstored/engine/variable_services.h"
#include "varstored/guest/protocol.h"
#include "varstored/live/snapshot.h"
#include "varstored/sandbox/sandbox.h"
#include "varstored/store/variable.h"
#include "varstored/store/vars_blob.h"
#include "varstored/version.h"

namespace varstored::daemon {
namespace {

// All words are the program's own: none needs an escape.
std::string Quoted(std::string_view word) { return '"' + std::string(word) + '"'; }
std::string Word(bool value) { return value ? "true" : "false"; }

using Members = std::vector<std::pair<std::string_view, std::string>>;

std::string Object(const Members& members) {
  std::string text;
  for (const auto& [name, value] : members) {
    text += (text.empty() ? "" : ",") + Quoted(name) + ":" + value;
  }
  return "{" + text + "}";
}

std::string Array(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) {
    text += (text.empty() ? "" : ",") + value;
  }
  return "[" + text + "]";
}

std::string Backends() {
  std::vector<std::string> all;
  for (const backend::BackendKind& kind : backend::BackendKinds()) {
    std::vector<std::string> arguments;
    for (const backend::BackendArgument& argument : kind.arguments) {
      arguments.push_back(
          Object({{"name", Quoted(argument.name)}, {"is_required", Word(argument.is_required)}}));
    }
    all.push_back(Object({{"name", Quoted(kind.name)},
                          {"is_lasting", Word(kind.is_lasting)},
                          {"arguments", Array(arguments)}}));
  }
  return Array(all);
}

std::string SignatureTypes() {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < efi::kSignatureKinds; ++i) {
    all.push_back(Quoted(efi::ToText(efi::TypeOf(static_cast<efi::SignatureKind>(i)).guid)));
  }
  return Array(all);
}

std::string Additions() {
  std::vector<std::string> all;
  all.reserve(guest::kProtocolAdditions.size());
  for (const std::string_view addition : guest::kProtocolAdditions) {
    all.push_back(Quoted(addition));
  }
  return Array(all);
}

std::string Limits() {
  const auto number = [](std::size_t value) { return std::to_string(value); };
  return Object({{"name_bytes", number(efi::kMaxNameBytes)},
                 {"data_bytes", number(store::kMaxDataBytes)},
                 {"variables", number(store::kMaxVariables)},
                 {"store_bytes", number(engine::kStoreBytes)},
                 {"runtime_bytes", number(engine::kRuntimeBytes)},
                 {"runtime_key_bytes", number(engine::kRuntimeSecureBootBytes)},
                 {"blob_bytes", number(store::kMaxBlobBytes)}});
}

}  // namespace

std::string CapabilitiesText(std::string_view program) {
  return Object(
      {{"format", "1"},
       {"program", Quoted(program)},
       {"version", Quoted(kVersion)},
       {"backends", Backends()},
       {"formats", Object({{"vars_blob_read", Array({"1", "2"})},
                           {"vars_blob_written", "2"},
                           {"snapshot", "1"}})},
       {"signature_types", SignatureTypes()},
       {"digests", Array({Quoted("sha256"), Quoted("sha384"), Quoted("sha512")})},
       {"limits", Limits()},
       {"protocol", Object({{"version", "1"}, {"additions", Additions()}})},
       {"sandbox", Object({{"landlock_version", std::to_string(sandbox::LandlockVersion())},
                           {"has_call_filter", Word(sandbox::CanFilterCalls())},
                           {"has_list_of_calls", Word(sandbox::HasListOfCalls())}})}});
}

}  // namespace varstored::daemon
