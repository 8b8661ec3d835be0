#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <string_view>

#include "support/loopback_client.h"
#include "varstored/base/file.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/status.h"
#include "varstored/efi/variable_name.h"

// One call of a guest's, for people: what a variable service answers over the socket of
// varstored-loopback.

namespace {

using namespace varstored;

constexpr std::string_view kUsage =
    "usage: varstored-loopback-call SOCKET list\n"
    "       varstored-loopback-call SOCKET get GUID NAME             data to standard output\n"
    "       varstored-loopback-call SOCKET set GUID NAME ATTRIBUTES FILE\n"
    "Exit code: 0 EFI_SUCCESS, 1 another status (its name is on standard error), 2 misuse.\n";

int Misuse(std::string_view what) {
  std::cerr << what << '\n' << kUsage;
  return 2;
}

/// The exit code for a status.
int Tell(std::uint64_t status) {
  if (status == test::kEfiSuccess) {
    return 0;
  }
  std::cerr << efi::StatusText(efi::Status{status}) << '\n';
  return 1;
}

int List(test::LoopbackClient& guest) {
  for (const auto& [name, guid] : guest.Walk()) {
    std::cout << efi::ToText({guid}) << ' '
              << efi::NameToUtf8(base::ToString(test::NameBytes(name))) << '\n';
  }
  return 0;
}

int Get(test::LoopbackClient& guest, const test::Guid& guid, const std::u16string& name) {
  const auto reply = guest.GetVariable(name, guid);
  std::cout << base::ToString(reply.data) << std::flush;
  return Tell(reply.status);
}

int Set(test::LoopbackClient& guest, const test::Guid& guid, const std::u16string& name,
        std::string_view attributes_text, const std::string& path) {
  std::uint32_t attributes = 0;
  const auto hex = attributes_text.substr(attributes_text.starts_with("0x") ? 2 : 0);
  const auto parsed = std::from_chars(hex.data(), hex.data() + hex.size(), attributes, 16);
  if (parsed.ec != std::errc() || parsed.ptr != hex.data() + hex.size()) {
    return Misuse("the attributes are no hexadecimal number");
  }
  const auto data = base::ReadFile(path, test::kPagesBytes);
  if (!data) {
    return Misuse(data.error().message);
  }
  return Tell(guest.SetVariable(name, guid, attributes, *data));
}

int Run(std::span<const std::string_view> words) {
  if (words.size() < 2) {
    return Misuse("too few words");
  }
  test::LoopbackClient guest{std::string(words[0])};
  const std::string_view call = words[1];
  if (call == "list" && words.size() == 2) {
    return List(guest);
  }
  if (!(call == "get" && words.size() == 4) && !(call == "set" && words.size() == 6)) {
    return Misuse("no such call");
  }
  const auto guid = efi::ParseGuid(words[2]);
  if (!guid || !std::ranges::all_of(words[3], [](char c) { return c > ' ' && c <= '~'; })) {
    return Misuse("not a GUID and a name of ASCII characters");
  }
  const std::u16string name(words[3].begin(), words[3].end());
  return call == "get" ? Get(guest, guid->bytes, name)
                       : Set(guest, guid->bytes, name, words[4], std::string(words[5]));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::span<char*> all(argv, static_cast<std::size_t>(argc));
    const std::vector<std::string_view> words(all.begin() + 1, all.end());
    return Run(words);
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << '\n';
    return 2;
  }
}
