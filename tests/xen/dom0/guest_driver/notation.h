// How scripts and answers are written: numbers, data, variables. The notation is explained at the
// head of main.cc. What cannot be read ends the program with a message.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace guest_driver {

using Bytes = std::vector<uint8_t>;
using Words = std::vector<std::string>;

// Ends the program with exit status 2.
[[noreturn]] void Die(const std::string& why);

// `base` as std::stoull has it; 0 takes 0x for hexadecimal.
uint64_t ParseNumber(const std::string& text, int base);
std::string ShowHexNumber(uint64_t value);

Bytes ParseHex(std::string_view text);
std::string ShowHex(std::span<const uint8_t> bytes);

// hex:..., text:..., zeros:N, pattern:N, file:PATH, or - for none. Long data is shown by its length
// and a checksum.
Bytes ParseData(const std::string& word);
std::string ShowData(std::span<const uint8_t> bytes);

struct Variable {
  Bytes vendor;  // 16 bytes, as a GUID is stored
  Bytes name;    // UTF-16, without a terminator
};

// VENDOR:NAME, or - for no variable. Characters that are not printable are shown as ?.
Variable ParseVariable(const std::string& word);
std::string ShowVariable(const Variable& variable);

// The word in the form that answers have.
std::string Canonical(const std::string& word);

Words Split(const std::string& line);

// Whether an answer is the expected one; * is for any one word.
bool Matches(const Words& expected, const Words& got);
bool MatchesInAnyOrder(Words expected, Words got);

}  // namespace guest_driver
