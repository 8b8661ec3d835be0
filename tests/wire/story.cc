#include "wire/story.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include <gtest/gtest.h>

#include "wire/expressions.h"

namespace varstored::test {
namespace {

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what); }

struct StatusName {
  std::string_view name;
  std::uint64_t status;
};

constexpr std::array<StatusName, 10> kStatuses = {{
    {"SUCCESS", kEfiSuccess},
    {"INVALID_PARAMETER", kEfiInvalidParameter},
    {"UNSUPPORTED", kEfiUnsupported},
    {"BUFFER_TOO_SMALL", kEfiBufferTooSmall},
    {"DEVICE_ERROR", kEfiDeviceError},
    {"WRITE_PROTECTED", kEfiWriteProtected},
    {"OUT_OF_RESOURCES", kEfiOutOfResources},
    {"NOT_FOUND", kEfiNotFound},
    {"ACCESS_DENIED", kEfiAccessDenied},
    {"SECURITY_VIOLATION", kEfiSecurityViolation},
}};

std::string StatusWord(std::uint64_t status) {
  const auto* found = std::ranges::find(kStatuses, status, &StatusName::status);
  return found != kStatuses.end() ? std::string(found->name) : std::to_string(status);
}

std::string HexWord(std::uint64_t number) {
  std::string digits;
  do {
    digits.insert(digits.begin(), "0123456789abcdef"[number % 16]);
    number /= 16;
  } while (number != 0 || digits.size() % 2 != 0);
  return "0x" + digits;
}

std::string BytesWord(ByteSpan bytes) {
  std::string digits;
  for (const std::uint8_t byte : bytes) {
    digits += HexWord(byte).substr(2);
  }
  return digits;
}

std::string NameWord(const std::u16string& name) {
  std::string word;
  for (const char16_t unit : name) {
    word += unit < 0x80 ? static_cast<char>(unit) : '?';
  }
  return word;
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

template <class Value, std::size_t N>
Value ValueOf(std::string_view word,
              const std::array<std::pair<std::string_view, Value>, N>& rows) {
  for (const auto& [name, value] : rows) {
    if (name == word) {
      return value;
    }
  }
  Fail("unknown word '" + std::string(word) + "'");
}

constexpr std::array<std::pair<std::string_view, Digest>, 6> kDigests = {{
    {"md5", Digest::kMd5},
    {"sha1", Digest::kSha1},
    {"sha224", Digest::kSha224},
    {"sha256", Digest::kSha256},
    {"sha384", Digest::kSha384},
    {"sha512", Digest::kSha512},
}};

constexpr std::array<std::pair<std::string_view, LengthForm>, 6> kLengthForms = {{
    {"minimal", LengthForm::kMinimal},
    {"long1", LengthForm::kLong1},
    {"long2", LengthForm::kLong2},
    {"long3", LengthForm::kLong3},
    {"long4", LengthForm::kLong4},
    {"indefinite", LengthForm::kIndefinite},
}};

/// Where the fields of EFI_VARIABLE_AUTHENTICATION_2 stand.
struct DescriptorField {
  std::string_view name;
  std::size_t offset;
  std::size_t size_bytes;
};

constexpr std::array<DescriptorField, 10> kDescriptorFields = {{
    {"pad1", 7, 1},
    {"nanosecond", 8, 4},
    {"timezone", 12, 2},
    {"daylight", 14, 1},
    {"pad2", 15, 1},
    {"length", 16, 4},
    {"revision", 20, 2},
    {"type", 22, 2},
    {"guid", 24, 8},  // its start
    {"month", 2, 1},
}};

void PutField(Bytes& data, const DescriptorField& field, std::uint64_t value) {
  for (std::size_t i = 0; i < field.size_bytes; ++i) {
    data.at(field.offset + i) = static_cast<std::uint8_t>(value >> (8 * i));
  }
}

/// The answer's bytes as the vector expects them, when they are these; else their digits.
std::string DataWord(ByteSpan data, const std::vector<std::string>& expected, std::size_t place,
                     KeyRing& keys) {
  if (expected.size() > place && std::ranges::equal(ParseBytes(expected[place], keys), data)) {
    return expected[place];
  }
  return "hex(" + BytesWord(data) + ")";
}

/// Numbers are written in several ways.
std::string NumberWord(std::uint64_t number, const std::vector<std::string>& expected,
                       std::size_t place) {
  if (expected.size() > place &&
      (expected[place] == "*" || ParseNumber(expected[place]) == number)) {
    return expected[place];
  }
  return std::to_string(number);
}

}  // namespace

const std::string& Story::Step::At(std::size_t place) const {
  if (arguments.size() <= place) {
    Fail("the step is too short");
  }
  return arguments[place];
}

std::optional<std::string> Story::Step::Find(std::string_view key) const {
  for (const std::string& argument : arguments) {
    if (argument.starts_with(std::string(key) + "=")) {
      return argument.substr(key.size() + 1);
    }
  }
  return std::nullopt;
}

std::string Story::Step::Get(std::string_view key, std::string_view otherwise) const {
  return Find(key).value_or(std::string(otherwise));
}

bool Story::Step::Has(std::string_view word) const {
  return std::ranges::find(arguments, word) != arguments.end();
}

Story::Step Story::ParseStep(const std::string& text) {
  constexpr std::string_view kArrow = "->";
  Step step;
  const std::vector<std::string> words = SplitWords(text);
  const auto arrow = std::ranges::find(words, kArrow);
  step.arguments.assign(words.begin(), arrow);
  if (arrow != words.end()) {
    step.expected.assign(arrow + 1, words.end());
  }
  return step;
}

void Story::Tell(const Stanza& stanza) {
  for (const Stanza::Line& line : stanza.lines) {
    if (line.key == "test" || line.key == "what") {
      continue;
    }
    try {
      if (!machine_ && Prepare(line.key, line.value)) {
        continue;
      }
      const Step step = ParseStep(line.value);
      const Outcome outcome = Take(line.key, step);
      if (outcome != step.expected) {
        ADD_FAILURE_AT(stanza.path.c_str(), static_cast<int>(line.number))
            << line.key << ": " << Join(step.arguments) << "\n  expected: " << Join(step.expected)
            << "\n  answer:   " << Join(outcome);
      }
    } catch (const std::exception& error) {
      throw std::runtime_error(stanza.Where(line) + ": " + error.what());
    }
  }
}

bool Story::Prepare(const std::string& key, const std::string& value) {
  if (key == "platform") {
    options_.platform = SplitWords(value);
    return true;
  }
  if (key == "kept") {
    const Step step = ParseStep(value);
    const Time time = ParseTime(step.Get("time", "T1"));
    store::LegacyRecord record = RecordOf(ParseVariableName(step.At(0)), GuidOf(step),
                                          static_cast<std::uint32_t>(ParseNumber(step.At(1))),
                                          ParseBytes(step.Get("data", "hex(01)"), keys_));
    record.timestamp = {.year = time.year, .month = time.month, .day = time.day};
    records_.push_back(std::move(record));
    options_.kept = BlobOf(records_);
    return true;
  }
  if (key == "enrolled") {
    for (const std::string& word : SplitWords(value)) {
      const std::size_t equals = word.find('=');
      Enroll(word.substr(0, equals), word.substr(equals + 1));
    }
    return true;
  }
  return false;
}

void Story::Enroll(const std::string& name, const std::string& keys) {
  Bytes lists;
  for (const std::string& key : SplitWords(keys, ',')) {
    const Bytes list = ParseBytes("x509(" + key + ")", keys_);
    lists.insert(lists.end(), list.begin(), list.end());
  }
  VariableWrite write = {.name = ParseVariableName(name),
                         .guid = DefaultGuid(name),
                         .time = {.year = 2023},
                         .payload = lists};
  // Only PK has to be signed while there is none, and by itself.
  write.payload = name == "PK" ? AuthPayload(write, keys_[keys])
                               : WithDescriptor(write.time, {}, write.payload);
  if (const auto status = machine().guest().SetVariable(write); status != kEfiSuccess) {
    Fail(name + " cannot be enrolled: " + StatusWord(status));
  }
}

Machine& Story::machine() {
  if (!machine_) {
    machine_.emplace(options_);
  }
  return *machine_;
}

Story::Outcome Story::Take(const std::string& verb, const Step& step) {
  if (verb == "set") {
    return Set(step);
  }
  if (verb == "again") {
    return Send(last_.value());
  }
  if (verb == "get") {
    return Get(step);
  }
  if (verb == "next") {
    return Next(step);
  }
  if (verb == "walk") {
    return Walk(step);
  }
  if (verb == "query") {
    return Query(step);
  }
  if (verb == "notify") {
    return {StatusWord(machine().guest().NotifySecureBootFailure())};
  }
  const auto number = [&step](std::size_t place) {
    return static_cast<std::uint32_t>(ParseNumber(step.At(place)));
  };
  if (verb == "out") {
    machine().guest().WritePort(number(0), number(1), number(2));
    return {};
  }
  if (verb == "in") {
    return {NumberWord(machine().guest().ReadPort(number(0), number(1)), step.expected, 0)};
  }
  if (verb == "boot" || verb == "resume" || verb == "takeover") {
    return Restart(verb, step);
  }
  Fail("unknown word '" + verb + "'");
}

Story::Outcome Story::Set(const Step& step) {
  VariableWrite write = {
      .name = ParseVariableName(step.At(0)),
      .guid = GuidOf(step),
      .attributes = static_cast<std::uint32_t>(ParseNumber(step.At(1))),
      .time = ParseTime(step.Get("time", "T1")),
      .payload = ParseBytes(step.Find("data").value_or(step.Get("payload", "empty")), keys_)};
  if (!step.Find("data")) {
    write.payload = DataOf(write, step);
  }
  last_ = Request{std::move(write), step.Has("runtime")};
  return Send(*last_);
}

Story::Outcome Story::Send(const Request& request) {
  return {StatusWord(machine().guest().SetVariable(request.write, request.at_runtime))};
}

Guid Story::GuidOf(const Step& step) {
  const auto guid = step.Find("guid");
  return guid ? ParseGuidWord(*guid) : DefaultGuid(step.At(0));
}

Bytes Story::DataOf(const VariableWrite& write, const Step& step) {
  VariableWrite covered = write;
  if (const auto name = step.Find("signed.name")) {
    covered.name = ParseVariableName(*name);
  }
  if (const auto guid = step.Find("signed.guid")) {
    covered.guid = ParseGuidWord(*guid);
  }
  if (const auto attributes = step.Find("signed.attributes")) {
    covered.attributes = static_cast<std::uint32_t>(ParseNumber(*attributes));
  }
  if (const auto time = step.Find("signed.time")) {
    covered.time = ParseTime(*time);
  }
  if (const auto payload = step.Find("signed.payload")) {
    covered.payload = ParseBytes(*payload, keys_);
  }
  const std::string signer = step.Get("signer", "none");
  Bytes data = WithDescriptor(
      write.time,
      signer == "none" ? Bytes() : Sign(SignedBytes(covered), keys_[signer], SignOptionsOf(step)),
      write.payload);
  for (const DescriptorField& field : kDescriptorFields) {
    if (const auto value = step.Find("descriptor." + std::string(field.name))) {
      PutField(data, field, ParseNumber(*value));
    }
  }
  if (const auto size = step.Find("cut")) {
    data.resize(ParseNumber(*size));
  }
  return data;
}

SignOptions Story::SignOptionsOf(const Step& step) {
  const auto certificates = [&](std::string_view key) {
    std::vector<Bytes> all;
    for (const std::string& name : SplitWords(step.Get(key, ""), ',')) {
      all.push_back(keys_[name].certificate());
    }
    return all;
  };
  SignOptions options;
  options.digest = ValueOf(step.Get("digest", "sha256"), kDigests);
  options.length_form = ValueOf(step.Get("form", "minimal"), kLengthForms);
  options.wrapped = step.Has("wrapped");
  options.certificates_before = certificates("before");
  options.certificates_after = certificates("after");
  options.signer_certificate = !step.Has("no-certificate");
  options.signer_info = !step.Has("no-signer-info");
  options.signed_attributes = step.Has("signed-attributes");
  if (const auto second = step.Find("second-signer")) {
    options.second_signer = &keys_[*second];
  }
  return options;
}

Story::Outcome Story::Get(const Step& step) {
  const std::uint64_t room = ParseNumber(step.Get("room", std::to_string(kPagesBytes - 20)));
  const auto reply = machine().guest().GetVariable(ParseVariableName(step.At(0)), GuidOf(step),
                                                   room, step.Has("runtime"));
  Outcome outcome = {StatusWord(reply.status)};
  if (reply.status == kEfiSuccess) {
    outcome.push_back(NumberWord(reply.attributes, step.expected, 1));
    outcome.push_back(DataWord(reply.data, step.expected, 2, keys_));
  } else if (reply.status == kEfiBufferTooSmall) {
    outcome.push_back(NumberWord(reply.needed_size, step.expected, 1));
  }
  return outcome;
}

Story::Outcome Story::Next(const Step& step) {
  const bool is_start = step.At(0) == "start";
  const auto reply = machine().guest().GetNextVariableName(
      is_start ? std::u16string() : ParseVariableName(step.At(0)), GuidOf(step),
      ParseNumber(step.Get("room", "4098")), step.Has("runtime"));
  Outcome outcome = {StatusWord(reply.status)};
  if (reply.status == kEfiSuccess) {
    outcome.push_back(NameWord(reply.name));
  } else if (reply.status == kEfiBufferTooSmall) {
    outcome.push_back(NumberWord(reply.needed_size, step.expected, 1));
  }
  return outcome;
}

Story::Outcome Story::Walk(const Step& step) {
  std::vector<std::string> names;
  for (const auto& [name, guid] : machine().guest().Walk(step.Has("runtime"))) {
    names.push_back(NameWord(name));
  }
  Outcome outcome;
  for (const std::string& expected : step.expected) {
    const auto count = std::ranges::count(names, expected.substr(1));
    outcome.push_back((count == 1   ? "+"
                       : count == 0 ? "-"
                                    : "several times ") +
                      expected.substr(1));
  }
  return outcome;
}

Story::Outcome Story::Query(const Step& step) {
  const auto reply =
      machine().guest().QueryVariableInfo(static_cast<std::uint32_t>(ParseNumber(step.At(0))));
  Outcome outcome = {StatusWord(reply.status)};
  if (reply.status == kEfiSuccess) {
    outcome.push_back(NumberWord(reply.maximum_storage, step.expected, 1));
    outcome.push_back(NumberWord(reply.remaining_storage, step.expected, 2));
    outcome.push_back(NumberWord(reply.maximum_variable, step.expected, 3));
  }
  return outcome;
}

Story::Outcome Story::Restart(const std::string& verb, const Step& step) {
  // Keys of the platform may be other ones from now on.
  if (!step.arguments.empty()) {
    options_.platform = step.arguments;
  }
  options_.saved.reset();
  options_.arguments.clear();
  if (verb == "resume") {
    options_.saved = machine().Save();
  } else {
    options_.kept = machine().ShutDown();
  }
  if (verb == "takeover") {
    options_.arguments = {"--resume"};
  }
  machine_.emplace(options_);
  return {};
}

}  // namespace varstored::test
