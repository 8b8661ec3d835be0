// guest_driver [-q] [-t SECONDS] DOMAIN < SCRIPT
//
// Runs in dom0 and tells the vCPUs of the test guest (guest/guest.c) what to do, through mailboxes
// in the guest's memory. The guest does the port I/O, so that the daemon sees a real one.
//
// A script has a command a line; what stands behind " -> " is the answer that the test expects,
// where * stands for any one word. A line that gets another answer is printed with FAILED, and the
// exit status is 1 in the end. -q prints only those lines. Lines that begin with # are comments.
//
//   get VARIABLE [size=N] [runtime]      -> SUCCESS ATTRIBUTES DATA
//                                         | BUFFER_TOO_SMALL N ATTRIBUTES | STATUS
//   set VARIABLE ATTRIBUTES DATA [runtime] -> STATUS
//   next VARIABLE|- [size=N] [runtime]   -> SUCCESS VARIABLE | BUFFER_TOO_SMALL N | STATUS
//   walk [runtime]                       -> VARIABLE... (all of them, in any order)
//   query ATTRIBUTES                     -> SUCCESS MAXIMUM REMAINING LARGEST | STATUS
//   notify                               -> STATUS      (the firmware refused an image)
//   put HEX                              -> done        (into the shared pages, without a call)
//   peek N                               -> DATA        (the first N bytes of the shared pages)
//   call HEX                             -> HEX         (any request; as long as expected)
//   out PORT WIDTH VALUE                 -> done        (one port write)
//   in PORT WIDTH                        -> VALUE       (hexadecimal)
//   rep-out PORT WIDTH COUNT             -> done        (`rep outs` from the shared pages)
//   rep-in PORT WIDTH COUNT              -> done        (`rep ins` into them)
//   give-back PAGE COUNT                 -> COUNT       (pages of memory, to Xen: a balloon)
//   unmap PAGE COUNT                     -> COUNT       (out of the domain's memory map; they stay
//                                              the domain's)
//   populate PAGE COUNT                  -> COUNT       (new ones in their place)
//   repeat N get|set|next|query|call ... -> as the repeated command; each reply is compared
//   repeat N set VARIABLE ATTRIBUTES DATA changing -> the same, and the last byte of the data is
//                                              another one each time
//   hammer N get|set|next|query|call ... -> well-formed | N malformed
//                                              (replies may differ, but each begins with a status)
//   shutdown REASON                      -> done
//   second start                         -> done        (start the second vCPU)
//   second repeat ...                    -> as above; N=0 goes on until it is stopped
//   second rewrite OFFSET HEX HEX        -> done        (rewrite the first vCPU's pages from
//                                              OFFSET on, back and forth, until stopped)
//   second balloon PAGE                  -> done        (give this page back to Xen and
//                                              get another, again and again, until stopped)
//   second stop                          -> all alike | N different, N malformed | done
//
// VARIABLE is VENDOR:NAME, where VENDOR is a GUID or one of the words in kVendors. ATTRIBUTES is
// hexadecimal. DATA is hex:00ff, text:abc, zeros:N, pattern:N (N bytes that differ), file:PATH, or
// - for none. A request that no one answers gives "unanswered"; a port access that does not end
// within SECONDS (10) gives "timeout". An answer with " and more" at its end changed bytes that do
// not belong to the reply.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
#include <xenforeignmemory.h>
}

#include "notation.h"
#include "protocol.h"
#include "vcpu.h"

namespace guest_driver {
namespace {

constexpr uint32_t kDoorbellPort = 0x100;
constexpr uint8_t kUntouched = 0xa5;  // what the shared pages hold behind the request
constexpr uint64_t kRoom = 60000;     // for data and names, unless size=N says otherwise
constexpr size_t kMostNames = 2000;   // a longer walk goes round in circles
// On average, on a busy machine, with a second vCPU that never rests.
constexpr Clock::duration kSlowestCall = std::chrono::milliseconds(50);

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
    if (verb == "give-back") return ChangeMemory(kActionGiveBack, words);
    if (verb == "unmap") return ChangeMemory(kActionUnmap, words);
    if (verb == "populate") return ChangeMemory(kActionPopulate, words);
    if (verb == "shutdown") {
      first_.mailbox().value = Number(words, 1);
      return first_.Order(kActionShutdown, limit_) ? "done" : "timeout";
    }
    if (verb == "start") return StartSecond();
    if (verb == "rewrite") return Rewrite(words);
    if (verb == "balloon") return Balloon(words);
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
    return kRoom;
  }
  static std::string Shorten(const std::string& text) {
    constexpr size_t kLongest = 300;
    return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
  }

  // None when the verb is not one of the services.
  static std::optional<Request> BuildRequest(const Words& words) {
    const std::string& verb = words[0];
    if (verb == "get") {
      return GetRequest(ParseVariable(Arg(words, 1)), Size(words), AtRuntime(words));
    }
    if (verb == "set") {
      return SetRequest(ParseVariable(Arg(words, 1)), Attributes(words, 2),
                        ParseData(Arg(words, 3)), AtRuntime(words));
    }
    if (verb == "next") {
      return NextRequest(ParseVariable(Arg(words, 1)), Size(words), AtRuntime(words));
    }
    if (verb == "query") return QueryRequest(Attributes(words, 1));
    if (verb == "notify") return Request(kNotify);
    return std::nullopt;
  }

  std::string PortAccess(Action action, const Words& words, uint32_t value, uint32_t count) {
    volatile Mailbox& mailbox = vcpu_->mailbox();
    mailbox.port = Number(words, 1);
    mailbox.width = Number(words, 2);
    mailbox.value = value;
    mailbox.count = count;
    if (!vcpu_->Order(action, limit_)) return "timeout";
    return action == kActionIn ? ShowHexNumber(mailbox.value) : "done";
  }

  std::string ChangeMemory(Action action, const Words& words) {
    volatile Mailbox& mailbox = vcpu_->mailbox();
    mailbox.offset = Number(words, 1);
    mailbox.count = Number(words, 2);
    if (!vcpu_->Order(action, limit_)) return "timeout";
    if (action == kActionPopulate) vcpu_->MapAnew();
    return std::to_string(mailbox.value);
  }

  // The page number of this vCPU's shared pages goes to the doorbell once.
  std::optional<Reply> Ring(const Bytes& request) {
    Bytes pages(kSharedBytes, kUntouched);
    if (request.size() > pages.size()) Die("more than fits into the shared pages");
    std::copy(request.begin(), request.end(), pages.begin());
    vcpu_->Fill(BLOCK_SHARED, pages);
    volatile Mailbox& mailbox = vcpu_->mailbox();
    mailbox.count = 1;
    mailbox.offset = 0;
    mailbox.port = kDoorbellPort;
    mailbox.request_bytes = 0;
    mailbox.reply_bytes = 0;
    if (!vcpu_->Order(kActionRepeat, limit_)) return std::nullopt;
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
    return {ShowHex(reply.Raw(0, bytes)), bytes};
  }

  std::string Walk(const Words& words) {
    std::vector<std::string> names;
    Variable at{Bytes(16), {}};
    for (;;) {
      const Request request = NextRequest(at, kRoom, AtRuntime(words));
      const std::optional<Reply> reply = Ring(request.bytes());
      if (!reply) return "timeout";
      const Answer answer = Understand(request.bytes(), *reply, "next");
      if (answer.text == "NOT_FOUND") break;
      if (!answer.text.starts_with("SUCCESS ")) return answer.text;
      at = NextName(*reply);
      names.push_back(ShowVariable(at));
      if (names.size() > kMostNames) return "endless";
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
    // Behind the data of a SetVariable request there are its attributes and at_runtime.
    mailbox.offset =
        inner.back() == "changing" ? static_cast<uint32_t>(request.size()) - 4 - 1 - 1 : 0;
    mailbox.request_bytes = static_cast<uint32_t>(request.size());
    mailbox.reply_bytes = static_cast<uint32_t>(answer.reply_bytes);
    vcpu_->Begin(kActionRepeat);
    if (count == 0) return answer.text;
    if (!vcpu_->WaitUntilIdle(limit_ + kSlowestCall * count)) return "timeout";
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
    if (!first_.Order(kActionStartVcpu, limit_)) return "timeout";
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

  std::string Balloon(const Words& words) {
    volatile Mailbox& mailbox = vcpu_->mailbox();
    mailbox.offset = Number(words, 1);
    mailbox.count = 0;
    vcpu_->Begin(kActionBalloon);
    return "done";
  }

  std::string Stop() {
    volatile Mailbox& mailbox = vcpu_->mailbox();
    mailbox.stop = 1;
    if (!vcpu_->WaitUntilIdle(limit_)) return "timeout";
    NoteTiming();
    if (mailbox.calls == 0) return "never ran";
    if (mailbox.action == kActionBalloon) first_.MapAnew();
    if (mailbox.action != kActionRepeat) return "done";
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

int Main(int argc, char** argv) {
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

}  // namespace
}  // namespace guest_driver

int main(int argc, char** argv) { return guest_driver::Main(argc, argv); }
