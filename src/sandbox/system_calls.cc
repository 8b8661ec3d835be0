#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <vector>

#include "varstored/base/file.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::sandbox {

#if defined(__x86_64__) && !defined(__ILP32__) && !defined(VARSTORED_INSTRUMENTED)

namespace {

// The kernel's header for these (xen/privcmd.h) includes one that is not installed.
constexpr unsigned long kPrivcmdMmapBatchV2 = _IOC(_IOC_NONE, 'P', 4, 32);
constexpr unsigned long kPrivcmdDmOp = _IOC(_IOC_NONE, 'P', 5, 16);
constexpr unsigned long kEvtchnNotify = _IOC(_IOC_NONE, 'E', 4, 4);

enum class Test : std::uint8_t { kNone, kEqual, kOnlyBits, kSelf };

/// What has to be true of one argument.
struct Condition {
  std::uint8_t argument = 0;
  Test test = Test::kNone;
  std::uint32_t bits = 0;
};

/// One line of system_calls.txt.
struct Rule {
  std::string_view section;
  std::string_view name;
  std::uint32_t call;
  std::array<Condition, 3> conditions;
  int line;
};

template <class Number>
constexpr std::uint32_t Bits(Number number) {
  return static_cast<std::uint32_t>(number);
}

constexpr std::array kRules = {
#include "rules.inc"
};

using Program = std::vector<sock_filter>;

void Load(Program& program, std::size_t offset) {
  program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
}

void Return(Program& program, std::uint32_t action) {
  program.push_back(BPF_STMT(BPF_RET | BPF_K, action));
}

constexpr std::size_t OffsetOfLowHalf(std::uint8_t argument) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  return offsetof(seccomp_data, args) + sizeof(std::uint64_t) * argument;
}

/// Allows what fits the rule; all else goes on behind it.
void Add(Program& program, const Rule& rule) {
  Load(program, offsetof(seccomp_data, nr));
  std::vector<std::size_t> jumps = {program.size()};
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rule.call, 0, 0));
  for (const Condition& condition : rule.conditions) {
    if (condition.test == Test::kNone) {
      break;
    }
    Load(program, OffsetOfLowHalf(condition.argument));
    std::uint32_t wanted = condition.bits;
    if (condition.test == Test::kOnlyBits) {
      program.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~condition.bits));
      wanted = 0;
    } else if (condition.test == Test::kSelf) {
      wanted = static_cast<std::uint32_t>(::getpid());
    }
    jumps.push_back(program.size());
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 0));
  }
  Return(program, SECCOMP_RET_ALLOW);
  for (const std::size_t jump : jumps) {
    program[jump].jf = static_cast<std::uint8_t>(program.size() - jump - 1);
  }
}

Program Compile(std::span<const std::string_view> sections, std::uint32_t otherwise) {
  Program program;
  // The same number is another call in the kernel's table for 32-bit programs. Those of the x32
  // table pass this, but have a bit that no number of the list has.
  Load(program, offsetof(seccomp_data, arch));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
  Return(program, otherwise);
  for (const Rule& rule : kRules) {
    if (std::ranges::find(sections, rule.section) != sections.end()) {
      Add(program, rule);
    }
  }
  Return(program, otherwise);
  return program;
}

/// Only calls that the list allows, and that may be made in a handler.
void SayAndExit(int /*number*/, siginfo_t* info, void* /*context*/) {
  constexpr std::string_view kBegin = "system call ";
  constexpr std::string_view kEnd = " is not in src/sandbox/system_calls.txt\n";
  std::array<char, 80> text{};
  char* at = std::ranges::copy(kBegin, text.data()).out;
  at = std::to_chars(at, at + 12, info->si_syscall).ptr;
  at = std::ranges::copy(kEnd, at).out;
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, text.data(), static_cast<std::size_t>(at - text.data()));
  ::_exit(128 + SIGSYS);
}

}  // namespace

base::Result<void> AllowOnlyListedCalls(std::span<const std::string_view> sections,
                                        OnViolation on_violation) {
  std::uint32_t otherwise = SECCOMP_RET_KILL_PROCESS;
  if (on_violation == OnViolation::kSayAndExit) {
    struct sigaction action = {};
    action.sa_sigaction = SayAndExit;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGSYS, &action, nullptr);
    otherwise = SECCOMP_RET_TRAP;
  } else if (on_violation == OnViolation::kRefuse) {
    otherwise = SECCOMP_RET_ERRNO | ENOSYS;
  }
  Program program = Compile(sections, otherwise);
  const sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    return base::Fail("cannot allow only some system calls: " + base::ErrnoText());
  }
  return {};
}

bool HasListOfCalls() { return true; }

std::string ListOfCalls() {
  std::string text;
  for (const Rule& rule : kRules) {
    text +=
        std::to_string(rule.line) + " " + std::string(rule.section) + " " + std::string(rule.name);
    for (const Condition& condition : rule.conditions) {
      if (condition.test != Test::kNone) {
        constexpr std::array kSigns = {"", "=", "&~", "=self"};
        text += " " + std::to_string(condition.argument) +
                kSigns.at(static_cast<std::size_t>(condition.test)) +
                std::to_string(condition.bits);
      }
    }
    text += "\n";
  }
  return text;
}

#else

base::Result<void> AllowOnlyListedCalls(std::span<const std::string_view> /*sections*/,
                                        OnViolation /*on_violation*/) {
  return {};
}

bool HasListOfCalls() { return false; }

std::string ListOfCalls() { return {}; }

#endif

}  // namespace varstored::sandbox
