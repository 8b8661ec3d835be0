// guest_driver [-q] [-t SECONDS] DOMAIN < SCRIPT
//
// Runs in dom0 and tells the vCPUs of the test guest (guest/guest.c) what to do, through mailboxes
// in the guest's memory. The guest does the port I/O, so that the daemon sees a real one.
//
// A script has a command a line; what stands behind " -> " is the answer that the test expects,
// where * stands for any one word. A line that gets another answer is printed with FAILED, and the
// exit status is 1 in the end. -q prints only those lines. Lines that begin with # are comments.
//
//   get VARIABLE [size=N] [runtime]         -> SUCCESS ATTRIBUTES DATA | BUFFER_TOO_SMALL N |
//   STATUS set VARIABLE ATTRIBUTES DATA [runtime]  -> STATUS next VARIABLE|- [size=N] [runtime] ->
//   SUCCESS VARIABLE | BUFFER_TOO_SMALL N | STATUS walk [runtime]                          ->
//   VARIABLE... (all of them, in any order) query ATTRIBUTES                        -> SUCCESS
//   MAXIMUM REMAINING LARGEST | STATUS notify                                  -> STATUS (the
//   firmware refused an image) call HEX                                -> HEX               (any
//   request; as long as expected) out PORT WIDTH VALUE                    -> done              (one
//   port write) in PORT WIDTH                           -> VALUE             (hexadecimal) rep-out
//   PORT WIDTH COUNT                -> done              (`rep outs` from the shared pages) rep-in
//   PORT WIDTH COUNT                 -> done              (`rep ins` into them) repeat N
//   get|set|next|query|call ...    -> as the repeated command; each reply is compared hammer N
//   get|set|next|query|call ...    -> well-formed | N malformed (the replies may differ,
//                                              but each must begin with an EFI_STATUS)
//   shutdown REASON                         -> done
//   second start                            -> done              (start the second vCPU)
//   second repeat ...                       -> as above; N=0 goes on until it is stopped
//   second rewrite OFFSET HEX HEX           -> done              (rewrite the first vCPU's pages
//                                              from OFFSET on, back and forth, until stopped)
//   second stop                             -> all alike | N different, N malformed | done
//
// VARIABLE is VENDOR:NAME, where VENDOR is a GUID or one of the words in kVendors. ATTRIBUTES is
// hexadecimal. DATA is hex:00ff, text:abc, zeros:N, pattern:N (N bytes that differ), file:PATH, or
// - for none. A request that no one answers gives "unanswered"; a port access that does not end
// within SECONDS (10) gives "timeout". An answer with " and more" at its end changed bytes that do
// not belong to the reply.

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

extern "C" {
#include <xenforeignmemory.h>
}

#include "../guest/mailbox.h"

namespace {

using Bytes = std::vector<uint8_t>;
using Words = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kDoorbellPort = 0x100;
constexpr uint8_t kUntouched = 0xa5;  // what the shared pages hold behind the request
constexpr size_t kLongestPrinted = 40;

[[noreturn]] void Die(const std::string& why) {
  std::cerr << "guest_driver: " << why << std::endl;
  std::exit(2);
}

// ---- notation ----

struct NamedVendor {
  std::string_view word;
  std::string_view guid;
};
constexpr NamedVendor kVendors[] = {
    {"global", "8be4df61-93ca-11d2-aa0d-00e098032b8c"},
    {"security", "d719b2cb-3d3a-4596-a3bc-dad00e67656f"},
    {"mor", "e20939be-32d4-41be-a150-897f85d49829"},
    {"morlock", "bb983ccf-151d-40e1-a07b-4a17be168292"},
    {"ppi", "9d1947eb-09bb-4780-a3cd-bea956e0e056"},
    {"test", "11223344-5566-7788-99aa-bbccddeeff01"},
};

struct NamedStatus {
  uint64_t value;
  std::string_view word;
};
constexpr uint64_t kError = 0x8000000000000000;
constexpr NamedStatus kStatuses[] = {
    {0, "SUCCESS"},
    {kError | 2, "INVALID_PARAMETER"},
    {kError | 3, "UNSUPPORTED"},
    {kError | 5, "BUFFER_TOO_SMALL"},
    {kError | 7, "DEVICE_ERROR"},
    {kError | 8, "WRITE_PROTECTED"},
    {kError | 9, "OUT_OF_RESOURCES"},
    {kError | 14, "NOT_FOUND"},
    {kError | 15, "ACCESS_DENIED"},
    {kError | 26, "SECURITY_VIOLATION"},
};
constexpr uint64_t kSuccess = 0;
constexpr uint64_t kBufferTooSmall = kError | 5;

uint64_t ParseNumber(const std::string& text, int base) {
  size_t used = 0;
  uint64_t value = 0;
  try {
    value = std::stoull(text, &used, base);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || used != text.size()) Die("not a number: " + text);
  return value;
}

Bytes ParseHex(std::string_view text) {
  if (text.size() % 2 != 0) Die("odd number of hexadecimal digits");
  Bytes bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(ParseNumber(std::string(text.substr(i, 2)), 16)));
  }
  return bytes;
}

std::string Hex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool IsData(std::string_view word) {
  constexpr std::array<std::string_view, 5> kKinds = {
      "hex:", "text:", "zeros:", "pattern:", "file:"};
  return std::any_of(kKinds.begin(), kKinds.end(),
                     [&](std::string_view kind) { return word.starts_with(kind); });
}

Bytes ParseData(const std::string& word) {
  if (word == "-") return {};
  if (!IsData(word)) Die("not data: " + word);
  const size_t colon = word.find(':');
  const std::string kind = word.substr(0, colon);
  const std::string value = word.substr(colon + 1);
  if (kind == "hex") return ParseHex(value);
  if (kind == "text") return Bytes(value.begin(), value.end());
  if (kind == "zeros") return Bytes(ParseNumber(value, 10), 0);
  if (kind == "pattern") {
    Bytes bytes(ParseNumber(value, 10));
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 256);
    return bytes;
  }
  std::ifstream file(value, std::ios::binary);
  if (!file) Die("cannot read " + value);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::string ShowHexNumber(uint64_t value) {
  std::ostringstream text;
  text << std::hex << value;
  return text.str();
}

// Long data is shown, and compared, by its length and a checksum (FNV-1a).
std::string ShowData(std::span<const uint8_t> bytes) {
  if (bytes.size() <= kLongestPrinted) return "hex:" + Hex(bytes);
  uint32_t sum = 0x811c9dc5;
  for (uint8_t byte : bytes) sum = (sum ^ byte) * 0x01000193;
  return "long:" + std::to_string(bytes.size()) + ':' + ShowHexNumber(sum);
}

// The first three fields of a GUID are stored little endian, the rest as it is written.
constexpr std::array<size_t, 16> kGuidOrder = {3, 2, 1,  0,  5,  4,  7,  6,
                                               8, 9, 10, 11, 12, 13, 14, 15};

Bytes ParseGuid(std::string_view text) {
  std::string digits(text);
  std::erase(digits, '-');
  const Bytes written = ParseHex(digits);
  if (written.size() != 16) Die("not a GUID: " + std::string(text));
  Bytes guid(16);
  for (size_t i = 0; i < 16; ++i) guid[i] = written[kGuidOrder[i]];
  return guid;
}

std::string ShowGuid(std::span<const uint8_t> guid) {
  std::string text;
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += Hex(guid.subspan(kGuidOrder[i], 1));
  }
  return text;
}

struct Variable {
  Bytes vendor;
  Bytes name;  // UTF-16, without a terminator
};

Variable ParseVariable(const std::string& word) {
  if (word == "-") return {Bytes(16), {}};
  const size_t colon = word.find(':');
  if (colon == std::string::npos) Die("not VENDOR:NAME: " + word);
  std::string_view vendor = std::string_view(word).substr(0, colon);
  for (const NamedVendor& known : kVendors) {
    if (vendor == known.word) vendor = known.guid;
  }
  Variable variable{ParseGuid(vendor), {}};
  for (char c : word.substr(colon + 1)) {
    variable.name.push_back(static_cast<uint8_t>(c));
    variable.name.push_back(0);
  }
  return variable;
}

std::string ShowVariable(const Variable& variable) {
  std::string text = ShowGuid(variable.vendor);
  for (const NamedVendor& known : kVendors) {
    if (text == known.guid) text = known.word;
  }
  text += ':';
  for (size_t i = 0; i + 1 < variable.name.size(); i += 2) {
    const bool printable =
        variable.name[i + 1] == 0 && variable.name[i] > ' ' && variable.name[i] < 0x7f;
    text += printable ? static_cast<char>(variable.name[i]) : '?';
  }
  return text;
}

bool IsGuid(std::string_view text) {
  return text.size() == 36 && std::count(text.begin(), text.end(), '-') == 4;
}

// Words are compared in the form that answers have.
std::string Canonical(const std::string& word) {
  if (IsData(word)) return ShowData(ParseData(word));
  if (IsGuid(word.substr(0, word.find(':')))) return ShowVariable(ParseVariable(word));
  return word;
}

Words Split(const std::string& line) {
  Words words;
  size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string::npos) {
    const size_t end = std::min(line.find_first_of(" \t", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

bool Matches(const Words& expected, const Words& got) {
  return std::equal(
      expected.begin(), expected.end(), got.begin(), got.end(),
      [](const std::string& e, const std::string& g) { return e == "*" || Canonical(e) == g; });
}

bool MatchesInAnyOrder(Words expected, Words got) {
  std::transform(expected.begin(), expected.end(), expected.begin(), Canonical);
  std::sort(expected.begin(), expected.end());
  std::sort(got.begin(), got.end());
  return expected == got;
}

// ---- requests and replies (docs/guest-protocol.md) ----

class Request {
 public:
  explicit Request(uint32_t command) {
    U32(1);  // version
    U32(command);
  }
  void U8(uint8_t value) { bytes_.push_back(value); }
  void U32(uint32_t value) { Little(value, 4); }
  void U64(uint64_t value) { Little(value, 8); }
  void Raw(const Bytes& bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void Counted(const Bytes& bytes) {
    U64(bytes.size());
    Raw(bytes);
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  void Little(uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes_.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  Bytes bytes_;
};

enum Command : uint32_t { kGet = 0, kSet = 1, kNext = 2, kQuery = 3, kNotify = 4 };

// The shared pages after a call, read field by field; what is out of bounds reads as 0.
class Reply {
 public:
  explicit Reply(Bytes pages) : pages_(std::move(pages)) {}
  uint64_t Little(size_t offset, size_t width) const {
    uint64_t value = 0;
    for (size_t i = 0; i < width && offset + i < pages_.size(); ++i) {
      value |= static_cast<uint64_t>(pages_[offset + i]) << (8 * i);
    }
    return value;
  }
  Bytes Raw(size_t offset, uint64_t bytes) const {
    const size_t begin = std::min(offset, pages_.size());
    const size_t end = begin + std::min<uint64_t>(bytes, pages_.size() - begin);
    return {pages_.begin() + static_cast<ptrdiff_t>(begin),
            pages_.begin() + static_cast<ptrdiff_t>(end)};
  }
  uint64_t status() const { return Little(0, 8); }
  const Bytes& pages() const { return pages_; }

 private:
  Bytes pages_;
};

// An answer in the script's notation, and how many bytes of the pages it took.
struct Answer {
  std::string text;
  size_t reply_bytes = 8;
};

std::string ShowStatus(uint64_t status) {
  for (const NamedStatus& known : kStatuses) {
    if (status == known.value) return std::string(known.word);
  }
  return "status:" + ShowHexNumber(status);
}

Variable NextName(const Reply& reply) {
  const uint64_t name_bytes = reply.Little(8, 8);
  return {reply.Raw(16 + std::min<uint64_t>(name_bytes, SHARED_BYTES), 16),
          reply.Raw(16, name_bytes)};
}

Answer Decode(uint32_t command, const Reply& reply) {
  Answer answer{ShowStatus(reply.status())};
  const bool sized = command == kGet || command == kNext;
  if (reply.status() == kBufferTooSmall && sized) {
    answer.text += ' ' + std::to_string(reply.Little(8, 8));
    answer.reply_bytes = 16;
  }
  if (reply.status() != kSuccess) return answer;
  if (command == kGet) {
    const uint64_t data_bytes = reply.Little(12, 8);
    answer.text +=
        ' ' + ShowHexNumber(reply.Little(8, 4)) + ' ' + ShowData(reply.Raw(20, data_bytes));
    answer.reply_bytes = 20 + std::min<uint64_t>(data_bytes, SHARED_BYTES);
  } else if (command == kNext) {
    const Variable next = NextName(reply);
    if (next.vendor.size() != 16) return {"malformed"};
    answer.text += ' ' + ShowVariable(next);
    answer.reply_bytes = 32 + next.name.size();
  } else if (command == kQuery) {
    for (size_t offset : {8UL, 16UL, 24UL})
      answer.text += ' ' + std::to_string(reply.Little(offset, 8));
    answer.reply_bytes = 32;
  }
  return answer;
}

// ---- the guest ----

struct Timing {
  uint32_t calls = 0;
  uint64_t microseconds = 0;
};

// One vCPU of the guest: its block of guest memory, mapped here.
class Vcpu {
 public:
  Vcpu(xenforeignmemory_handle* memory, uint32_t domain, uint32_t index) {
    std::array<xen_pfn_t, BLOCK_BYTES / kPageBytes> frames{};
    for (size_t i = 0; i < frames.size(); ++i) {
      frames[i] = (BLOCK_BASE + index * BLOCK_BYTES) / kPageBytes + i;
    }
    void* mapped = xenforeignmemory_map(memory, domain, PROT_READ | PROT_WRITE, frames.size(),
                                        frames.data(), nullptr);
    if (mapped == nullptr) Die(std::string("cannot map the guest's memory: ") + strerror(errno));
    block_ = static_cast<uint8_t*>(mapped);
    mailbox_ = static_cast<volatile Mailbox*>(mapped);
  }

  volatile Mailbox& mailbox() { return *mailbox_; }
  Bytes Pages() const { return {block_ + BLOCK_SHARED, block_ + BLOCK_SHARED + SHARED_BYTES}; }

  void Fill(uint32_t block_offset, const Bytes& bytes) {
    if (bytes.size() > SHARED_BYTES) Die("more than fits into the shared pages");
    std::memcpy(block_ + block_offset, bytes.data(), bytes.size());
  }

  bool WaitUntilReady(Clock::duration limit) {
    return Wait(limit, [&] { return mailbox_->ready == MAILBOX_READY; });
  }
  // False when the vCPU is busy with an earlier order for longer than `limit`.
  bool WaitUntilIdle(Clock::duration limit) {
    return Wait(limit, [&] {
      return __atomic_load_n(&mailbox_->done, __ATOMIC_ACQUIRE) == mailbox_->ordered;
    });
  }
  void Begin(Action action) {
    mailbox_->action = action;
    mailbox_->stop = 0;
    __atomic_store_n(&mailbox_->ordered, mailbox_->ordered + 1, __ATOMIC_RELEASE);
  }
  Timing LastTiming() const {
    const uint64_t cycles =
        static_cast<uint64_t>(mailbox_->cycles_high) << 32 | mailbox_->cycles_low;
    const uint32_t cycles_per_ms = mailbox_->cycles_per_ms;
    return {mailbox_->calls, cycles_per_ms == 0 ? 0 : cycles * 1000 / cycles_per_ms};
  }

 private:
  static constexpr size_t kPageBytes = 4096;

  template <typename Condition>
  static bool Wait(Clock::duration limit, Condition condition) {
    const Clock::time_point end = Clock::now() + limit;
    for (int turn = 0; !condition(); ++turn) {
      if (Clock::now() > end) return false;
      // The guest answers within a fraction of a millisecond: give way first, sleep later.
      if (turn < 50) {
        sched_yield();
      } else {
        usleep(turn < 2000 ? 50 : 1000);
      }
    }
    return true;
  }

  uint8_t* block_ = nullptr;
  volatile Mailbox* mailbox_ = nullptr;
};

// ---- commands ----

class Script {
 public:
  Script(xenforeignmemory_handle* memory, uint32_t domain, Clock::duration limit, bool quiet)
      : first_(memory, domain, 0), second_(memory, domain, 1), limit_(limit), quiet_(quiet) {}

  // Gives the process's exit status.
  int Run(std::istream& script) {
    if (!first_.WaitUntilReady(limit_)) Die("the guest does not wait for orders");
    std::string line;
    while (std::getline(script, line)) {
      const size_t begin = line.find_first_not_of(" \t");
      if (begin != std::string::npos && line[begin] != '#') RunLine(line.substr(begin));
    }
    if (quiet_) std::cout << lines_ << " lines, " << failures_ << " failed" << std::endl;
    return failures_ == 0 ? 0 : 1;
  }

 private:
  void RunLine(const std::string& line) {
    constexpr std::string_view kArrow = " -> ";
    const size_t arrow = line.find(kArrow);
    Words words = Split(line.substr(0, arrow));
    expected_.reset();
    if (arrow != std::string::npos) expected_ = Split(line.substr(arrow + kArrow.size()));
    note_.clear();

    vcpu_ = &first_;
    if (words.front() == "second") {
      vcpu_ = &second_;
      words.erase(words.begin());
    }
    const std::string got = Execute(words);
    const bool good = !expected_ || Agrees(words.front(), Split(got));
    ++lines_;
    if (!good) ++failures_;
    if (good && quiet_) return;
    std::cout << (good ? "  ok   " : "FAILED ") << Shorten(line.substr(0, arrow)) << " -> "
              << Shorten(got);
    if (!note_.empty()) std::cout << "   (" << note_ << ")";
    if (!good) {
      std::cout << "\n       expected";
      for (const std::string& word : *expected_) std::cout << ' ' << Shorten(Canonical(word));
    }
    std::cout << std::endl;
  }

  bool Agrees(const std::string& verb, const Words& got) const {
    return verb == "walk" ? MatchesInAnyOrder(*expected_, got) : Matches(*expected_, got);
  }

  std::string Execute(const Words& words) {
    if (words.empty()) Die("a line without a command");
    const std::string& verb = words[0];
    if (verb == "stop") return Stop();
    if (!vcpu_->WaitUntilIdle(limit_)) return "timeout";
    if (const std::optional<Request> request = BuildRequest(words)) {
      return Call(request->bytes(), verb);
    }
    if (verb == "call") return Call(ParseHex(Arg(words, 1)), verb);
    if (verb == "put") {
      vcpu_->Fill(BLOCK_SHARED, ParseHex(Arg(words, 1)));
      return "done";
    }
    if (verb == "peek") return ShowData(Reply(vcpu_->Pages()).Raw(0, Number(words, 1)));
    if (verb == "walk") return Walk(words);
    if (verb == "repeat" || verb == "hammer") return Repeat(words);
    if (verb == "out") return PortAccess(kActionOut, words, Number(words, 3), 0);
    if (verb == "in") return PortAccess(kActionIn, words, 0, 0);
    if (verb == "rep-out") return PortAccess(kActionRepOut, words, 0, Number(words, 3));
    if (verb == "rep-in") return PortAccess(kActionRepIn, words, 0, Number(words, 3));
    if (verb == "shutdown") {
      first_.mailbox().value = Number(words, 1);
      return Order(first_, kActionShutdown) ? "done" : "timeout";
    }
    if (verb == "start") return StartSecond();
    if (verb == "rewrite") return Rewrite(words);
    Die("unknown command: " + verb);
  }

  static const std::string& Arg(const Words& words, size_t index) {
    if (index >= words.size()) Die("too few words after " + words[0]);
    return words[index];
  }
  static uint32_t Number(const Words& words, size_t index) {
    return static_cast<uint32_t>(ParseNumber(Arg(words, index), 0));
  }
  static uint32_t Attributes(const Words& words, size_t index) {
    return static_cast<uint32_t>(ParseNumber(Arg(words, index), 16));
  }
  static bool AtRuntime(const Words& words) {
    return std::find(words.begin(), words.end(), "runtime") != words.end();
  }
  static uint64_t Size(const Words& words) {
    for (const std::string& word : words) {
      if (word.starts_with("size=")) return ParseNumber(word.substr(5), 0);
    }
    return 60000;
  }
  static std::string Shorten(const std::string& text) {
    constexpr size_t kLongest = 300;
    return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
  }

  static Request NextRequest(const Variable& after, uint64_t size, bool at_runtime) {
    Request request(kNext);
    request.U64(size);
    request.Counted(after.name);
    request.Raw(after.vendor);
    request.U8(at_runtime);
    return request;
  }

  // None when the verb is not one of the services.
  static std::optional<Request> BuildRequest(const Words& words) {
    const std::string& verb = words[0];
    if (verb == "get") {
      const Variable variable = ParseVariable(Arg(words, 1));
      Request request(kGet);
      request.Counted(variable.name);
      request.Raw(variable.vendor);
      request.U64(Size(words));
      request.U8(AtRuntime(words));
      return request;
    }
    if (verb == "set") {
      const Variable variable = ParseVariable(Arg(words, 1));
      Request request(kSet);
      request.Counted(variable.name);
      request.Raw(variable.vendor);
      request.Counted(ParseData(Arg(words, 3)));
      request.U32(Attributes(words, 2));
      request.U8(AtRuntime(words));
      return request;
    }
    if (verb == "next") {
      return NextRequest(ParseVariable(Arg(words, 1)), Size(words), AtRuntime(words));
    }
    if (verb == "query") {
      Request request(kQuery);
      request.U32(Attributes(words, 1));
      return request;
    }
    if (verb == "notify") return Request(kNotify);
    return std::nullopt;
  }

  bool Order(Vcpu& vcpu, Action action) {
    vcpu.Begin(action);
    return vcpu.WaitUntilIdle(limit_);
  }

  std::string PortAccess(Action action, const Words& words, uint32_t value, uint32_t count) {
    volatile Mailbox& mailbox = vcpu_->mailbox();
    mailbox.port = Number(words, 1);
    mailbox.width = Number(words, 2);
    mailbox.value = value;
    mailbox.count = count;
    if (!Order(*vcpu_, action)) return "timeout";
    return action == kActionIn ? ShowHexNumber(mailbox.value) : "done";
  }

  // The page number of this vCPU's shared pages goes to the doorbell once.
  std::optional<Reply> Ring(const Bytes& request) {
    Bytes pages(SHARED_BYTES, kUntouched);
    if (request.size() > pages.size()) Die("more than fits into the shared pages");
    std::copy(request.begin(), request.end(), pages.begin());
    vcpu_->Fill(BLOCK_SHARED, pages);
    volatile Mailbox& mailbox = vcpu_->mailbox();
    mailbox.count = 1;
    mailbox.port = kDoorbellPort;
    mailbox.request_bytes = 0;
    mailbox.reply_bytes = 0;
    if (!Order(*vcpu_, kActionRepeat)) return std::nullopt;
    return Reply(vcpu_->Pages());
  }

  // Whether the bytes behind the reply are what they were before the call.
  static bool RestIsUntouched(const Bytes& request, const Bytes& pages, size_t reply_bytes) {
    for (size_t i = reply_bytes; i < pages.size(); ++i) {
      if (pages[i] != (i < request.size() ? request[i] : kUntouched)) return false;
    }
    return true;
  }

  std::string Call(const Bytes& request, const std::string& verb) {
    const std::optional<Reply> reply = Ring(request);
    if (!reply) return "timeout";
    const Answer answer = Understand(request, *reply, verb);
    const bool clean =
        answer.text == "unanswered" || RestIsUntouched(request, reply->pages(), answer.reply_bytes);
    return clean ? answer.text : answer.text + " and more";
  }

  Answer Understand(const Bytes& request, const Reply& reply, const std::string& verb) const {
    const ptrdiff_t status_bytes = std::min<ptrdiff_t>(8, std::ssize(request));
    if (std::equal(request.begin(), request.begin() + status_bytes, reply.pages().begin())) {
      return {"unanswered"};
    }
    if (verb != "call") return Decode(static_cast<uint32_t>(request[4]), reply);
    const size_t bytes = expected_ && !expected_->empty() ? expected_->front().size() / 2 : 8;
    return {Hex(reply.Raw(0, bytes)), bytes};
  }

  std::string Walk(const Words& words) {
    std::vector<std::string> names;
    Variable at{Bytes(16), {}};
    for (;;) {
      const Request request = NextRequest(at, 60000, AtRuntime(words));
      const std::optional<Reply> reply = Ring(request.bytes());
      if (!reply) return "timeout";
      const Answer answer = Understand(request.bytes(), *reply, "next");
      if (answer.text == "NOT_FOUND") break;
      if (!answer.text.starts_with("SUCCESS ")) return answer.text;
      at = NextName(*reply);
      names.push_back(ShowVariable(at));
      if (names.size() > 2000) return "endless";
    }
    note_ = std::to_string(names.size()) + " variables";
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
    return text;
  }

  // The first call shows what the reply is; the guest compares the others with it.
  std::string Repeat(const Words& words) {
    const uint32_t count = Number(words, 1);
    const Words inner(words.begin() + 2, words.end());
    if (inner.empty()) Die("repeat needs a command");
    const std::optional<Request> built = BuildRequest(inner);
    if (!built && inner[0] != "call") Die("cannot repeat " + inner[0]);
    const Bytes request = built ? built->bytes() : ParseHex(Arg(inner, 1));

    const std::optional<Reply> reply = Ring(request);
    if (!reply) return "timeout";
    const Answer answer = Understand(request, *reply, inner[0]);
    vcpu_->Fill(BLOCK_FIRST_COPY, request);
    vcpu_->Fill(BLOCK_SECOND_COPY, reply->Raw(0, answer.reply_bytes));
    volatile Mailbox& mailbox = vcpu_->mailbox();
    mailbox.port = kDoorbellPort;
    mailbox.count = count;
    mailbox.request_bytes = static_cast<uint32_t>(request.size());
    mailbox.reply_bytes = static_cast<uint32_t>(answer.reply_bytes);
    vcpu_->Begin(kActionRepeat);
    if (count == 0) return answer.text;
    if (!vcpu_->WaitUntilIdle(limit_ + std::chrono::milliseconds(10) * count)) return "timeout";
    NoteTiming();
    if (words[0] == "hammer") {
      note_ += ", " + Differences();
      return mailbox.malformed == 0 ? "well-formed"
                                    : std::to_string(mailbox.malformed) + " malformed";
    }
    return mailbox.different == 0 ? answer.text : answer.text + " but " + Differences();
  }

  std::string Differences() {
    return std::to_string(vcpu_->mailbox().different) + " different, " +
           std::to_string(vcpu_->mailbox().malformed) + " malformed";
  }

  void NoteTiming() {
    const Timing timing = vcpu_->LastTiming();
    note_ =
        std::to_string(timing.calls) + " calls in " + std::to_string(timing.microseconds) + " us";
  }

  std::string StartSecond() {
    if (!Order(first_, kActionStartVcpu)) return "timeout";
    if (first_.mailbox().value != 0) return "refused";
    return second_.WaitUntilReady(limit_) ? "done" : "timeout";
  }

  std::string Rewrite(const Words& words) {
    const Bytes one = ParseHex(Arg(words, 2));
    const Bytes other = ParseHex(Arg(words, 3));
    if (one.size() != other.size()) Die("rewrite needs two contents of one length");
    vcpu_->Fill(BLOCK_FIRST_COPY, one);
    vcpu_->Fill(BLOCK_SECOND_COPY, other);
    volatile Mailbox& mailbox = vcpu_->mailbox();
    mailbox.offset = Number(words, 1);
    mailbox.request_bytes = static_cast<uint32_t>(one.size());
    mailbox.count = 0;
    vcpu_->Begin(kActionRewrite);
    return "done";
  }

  std::string Stop() {
    volatile Mailbox& mailbox = vcpu_->mailbox();
    mailbox.stop = 1;
    if (!vcpu_->WaitUntilIdle(limit_)) return "timeout";
    NoteTiming();
    if (mailbox.calls == 0) return "never ran";
    if (mailbox.action == kActionRewrite) return "done";
    return mailbox.different == 0 ? "all alike" : Differences();
  }

  Vcpu first_;
  Vcpu second_;
  Clock::duration limit_;
  bool quiet_;
  Vcpu* vcpu_ = nullptr;  // the one that the current line is about
  std::optional<Words> expected_;
  std::string note_;
  int lines_ = 0;
  int failures_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  uint64_t seconds = 10;
  bool quiet = false;
  int option = 0;
  while ((option = getopt(argc, argv, "qt:")) != -1) {
    if (option == 'q') {
      quiet = true;
    } else if (option == 't') {
      seconds = ParseNumber(optarg, 10);
    } else {
      return 2;
    }
  }
  if (optind + 1 != argc) Die("usage: guest_driver [-q] [-t SECONDS] DOMAIN < SCRIPT");

  xenforeignmemory_handle* memory = xenforeignmemory_open(nullptr, 0);
  if (memory == nullptr) Die("cannot open foreign memory");
  const auto domain = static_cast<uint32_t>(ParseNumber(argv[optind], 10));
  return Script(memory, domain, std::chrono::seconds(seconds), quiet).Run(std::cin);
}
