#include "varstored/sandbox/helper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varstored/base/file.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/sandbox/sandbox.h"

namespace varstored::sandbox {
namespace {

using Clock = std::chrono::steady_clock;

/// The helper's only descriptor beside standard input, output and error, which lead nowhere.
constexpr int kSocket = Helper::kFirstFile - 1;
constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kMaxRequestBytes = std::size_t{16} << 20;
/// No tool takes a second of an honest file's; this is in whole seconds.
constexpr rlim_t kMaxSeconds = 2;
constexpr int kCannotConfine = 99;
/// For the last words of a conversation, such as the end of a session.
constexpr std::chrono::milliseconds kFarewell(400);

bool SendAll(int socket, base::ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) {
      return false;
    }
    bytes = bytes.subspan(count < 0 ? 0 : static_cast<std::size_t>(count));
  }
  return true;
}

bool SendFramed(int socket, base::ByteSpan bytes) {
  base::Writer length;
  length.WriteU32(static_cast<std::uint32_t>(bytes.size()));
  return SendAll(socket, length.Take()) && SendAll(socket, bytes);
}

std::uint32_t LengthIn(base::ByteSpan bytes) {
  base::Reader reader(bytes);
  std::uint32_t length = 0;
  return reader.ReadU32(length) ? length : 0;
}

void WriteText(base::Writer& writer, std::string_view text) {
  writer.WriteU32(static_cast<std::uint32_t>(text.size()));
  writer.WriteBytes(base::ToBytes(text));
}

bool ReadText(base::Reader& reader, base::ByteSpan& text) {
  std::uint32_t size = 0;
  return reader.ReadU32(size) && reader.ReadBytes(size, text);
}

// ---- in the helper ----

/// Lines that wait for the answer.
class Lines final : public base::Log {
 public:
  [[nodiscard]] base::Bytes Take() {
    base::Writer all;
    all.WriteU32(std::exchange(count_, 0));
    all.WriteBytes(lines_.Take());
    return all.Take();
  }

 private:
  void Put(base::LogLevel level, std::string_view /*name*/, std::string_view text) override {
    ++count_;
    lines_.WriteU8(static_cast<std::uint8_t>(level));
    WriteText(lines_, text);
  }

  std::uint32_t count_ = 0;
  base::Writer lines_;
};

/// No descriptor is left but `socket`, as kSocket, and `files`, from kFirstFile on.
bool LeaveDescriptors(int socket, const std::vector<int>& files) {
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
#ifdef VARSTORED_INSTRUMENTED
  constexpr int kLastStandard = STDOUT_FILENO;  // a sanitizer says on standard error what it found
#else
  constexpr int kLastStandard = STDERR_FILENO;
#endif
  for (int fd = STDIN_FILENO; fd <= kLastStandard; ++fd) {
    // In another root folder there may be no /dev/null.
    if (nowhere >= 0) {
      ::dup2(nowhere, fd);
    } else {
      ::close(fd);
    }
  }
  // First out of the way, so that none takes the place of another one.
  constexpr int kOutOfTheWay = 64;
  std::vector<int> kept = {socket};
  kept.insert(kept.end(), files.begin(), files.end());
  for (int& fd : kept) {
    fd = ::fcntl(fd, F_DUPFD_CLOEXEC, kOutOfTheWay);
  }
  int last = kSocket;
  for (const int fd : kept) {
    if (fd < 0 || ::dup2(fd, last) != last) {
      return false;
    }
    ++last;
  }
  constexpr int kMostOfOlderKernels = 1024;
  if (::syscall(SYS_close_range, static_cast<unsigned>(last), ~0U, 0) != 0) {
    for (int fd = last; fd < kMostOfOlderKernels; ++fd) {
      ::close(fd);
    }
  }
  return true;
}

base::Result<void> LimitTime([[maybe_unused]] rlim_t seconds) {
#ifndef VARSTORED_INSTRUMENTED
  const rlimit limit = {.rlim_cur = seconds, .rlim_max = seconds};
  if (::setrlimit(RLIMIT_CPU, &limit) != 0) {
    return base::Fail("cannot limit processor time: " + base::ErrnoText());
  }
#endif
  return {};
}

/// The only order that works: each step takes away the right to do an earlier one.
base::Result<void> GiveUpEverything(const Helper::Options& options) {
  constexpr uid_t kNobody = 65534;
  const bool connects = options.keeps == HelperKeeps::kConnecting;
  if (!connects && ::geteuid() == 0) {
    if (auto changed = ChangeIds(kNobody, kNobody); !changed) {
      return changed;
    }
  }
  auto nothing = Confinement::Prepare({});
  if (!nothing) {
    return nothing.failure();
  }
  for (const auto& step : std::array<std::function<base::Result<void>()>, 6>{
           DropCapabilities, [&options] { return LimitFileSize(options.max_file_bytes); },
           [&options] { return LimitResources(options.memory_bytes); },
           [connects] { return connects ? base::Result<void>() : LimitTime(kMaxSeconds); },
           ForbidNewPrivileges, [&nothing] { return nothing->Enter(); }}) {
    if (auto done = step(); !done) {
      return done;
    }
  }
  std::vector<std::string_view> sections = {"looking"};
  if (options.keeps != HelperKeeps::kNothing) {
    sections.emplace_back(connects ? "xapidb" : "sqlite");
  }
  return AllowOnlyListedCalls(sections, OnViolation::kKill);
}

bool ReceiveAll(int socket, std::size_t size, base::Bytes& bytes) {
  bytes.resize(size);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::recv(socket, bytes.data() + done, size - done, 0);
    if (count == 0 || (count < 0 && errno != EINTR)) {
      return false;
    }
    done += count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  return true;
}

base::Result<base::Bytes> Do(const Helper::Work& work, base::ByteSpan request) {
  try {
    return work(request);
  } catch (const std::bad_alloc&) {
    return base::Fail("out of memory");
  }
}

void Serve(const Helper::Begin& begin) {
  Lines lines;
  const Helper::Work work = begin(kSocket, lines);
  base::Bytes bytes;
  while (ReceiveAll(kSocket, kLengthBytes, bytes) &&
         ReceiveAll(kSocket, std::min<std::size_t>(LengthIn(bytes), kMaxRequestBytes), bytes)) {
    const auto done = Do(work, bytes);
    base::Writer answer;
    answer.WriteBytes(lines.Take());
    answer.WriteU8(done ? 1 : 0);
    answer.WriteBytes(done ? *done : base::ToBytes(done.error().message));
    if (!SendFramed(kSocket, answer.Take())) {
      return;
    }
  }
}

[[noreturn]] void RunHelper(int socket, const Helper::Options& options,
                            const Helper::Begin& begin) {
  int exit_code = kCannotConfine;
  try {
    if (LeaveDescriptors(socket, options.files) && GiveUpEverything(options)) {
      Serve(begin);
      exit_code = 0;
    }
  } catch (const std::bad_alloc&) {
    exit_code = 1;
  }
  ::_exit(exit_code);
}

base::Result<base::Bytes> Open(base::ByteSpan answer, base::Log& log) {
  base::Reader reader(answer);
  std::uint32_t count = 0;
  if (!reader.ReadU32(count)) {
    return BrokenAnswer();
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint8_t level = 0;
    base::ByteSpan text;
    if (!reader.ReadU8(level) || !ReadText(reader, text) ||
        level > static_cast<std::uint8_t>(base::LogLevel::kDebug)) {
      return BrokenAnswer();
    }
    log.Write(static_cast<base::LogLevel>(level), {}, base::ToString(text));
  }
  std::uint8_t is_done = 0;
  if (!reader.ReadU8(is_done)) {
    return BrokenAnswer();
  }
  const base::ByteSpan rest = reader.ReadRest();
  return is_done != 0 ? base::Result<base::Bytes>(base::ToBytes(rest))
                      : base::Fail(base::ToString(rest));
}

}  // namespace

base::Result<Helper> Helper::Start(const Options& options, const Begin& begin) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return base::Fail("cannot start a helper process: " + base::ErrnoText());
  }
  base::UniqueFd ours(pair[0]);
  const base::UniqueFd theirs(pair[1]);
  const pid_t process = ::fork();
  if (process == 0) {
    RunHelper(theirs.get(), options, begin);
  }
  if (process < 0) {
    return base::Fail("cannot start a helper process: " + base::ErrnoText());
  }
  return Helper(options, process, std::move(ours));
}

Helper::Helper(Options options, pid_t process, base::UniqueFd socket)
    : options_(std::move(options)), process_(process), socket_(std::move(socket)) {}

Helper::Helper(Helper&& other) noexcept
    : options_(std::move(other.options_)),
      process_(std::exchange(other.process_, -1)),
      socket_(std::move(other.socket_)) {}

Helper::~Helper() {
  if (process_ < 0) {
    return;
  }
  if (options_.stop != nullptr && options_.stop->since && socket_.valid()) {
    // It ends its side when it has said its last word.
    ::shutdown(socket_.get(), SHUT_WR);
    pollfd end = {socket_.get(), POLLIN, 0};
    if (::poll(&end, 1, static_cast<int>(kFarewell.count())) == 0) {
      ::kill(process_, SIGKILL);
    }
  }
  socket_.Reset();
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Helper::MayRead() {
  constexpr int kPatienceMilliseconds = 2000;
  Stop* stop = options_.stop;
  bool is_cut = false;
  for (;;) {
    int wait = -1;
    if (stop != nullptr && stop->since) {
      const auto end = *stop->since + stop->grace + (is_cut ? kFarewell : Clock::duration::zero());
      wait = static_cast<int>(std::max<std::int64_t>(
          0, std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count()));
    } else if (options_.on_wait) {
      wait = kPatienceMilliseconds;
    }
    std::array<pollfd, 2> waited = {
        pollfd{socket_.get(), POLLIN, 0},
        pollfd{stop != nullptr && !stop->since ? stop->fd : -1, POLLIN, 0}};
    const int ready = ::poll(waited.data(), waited.size(), wait);
    if (ready > 0 && waited[0].revents != 0) {
      return true;
    }
    if (ready > 0 && stop != nullptr) {
      stop->since = Clock::now();
    } else if (ready == 0 && options_.on_wait && (stop == nullptr || !stop->since)) {
      std::exchange(options_.on_wait, {})();
    } else if (ready == 0 && !std::exchange(is_cut, true)) {
      ::shutdown(socket_.get(), SHUT_WR);  // which it can read as the end
    } else if (ready == 0) {
      ::kill(process_, SIGKILL);
      return false;
    }
  }
}

bool Helper::Receive(std::size_t size, base::Bytes& bytes) {
  bytes.resize(size);
  std::size_t done = 0;
  while (done < size) {
    if (!MayRead()) {
      return false;
    }
    const ssize_t count = ::recv(socket_.get(), bytes.data() + done, size - done, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) {
      return false;
    }
    done += count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  return true;
}

base::Failure<base::Error> Helper::Ended() {
  socket_.Reset();
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  const std::string who = "the helper process that looks at foreign bytes ";
  if (options_.stop != nullptr && options_.stop->since) {
    return base::Fail("interrupted");
  }
  if (!WIFSIGNALED(status)) {
    return base::Fail(WEXITSTATUS(status) == kCannotConfine
                          ? who + "could not give up its rights, and has looked at nothing"
                          : who + "has ended early");
  }
  switch (WTERMSIG(status)) {
    case SIGXCPU:
    case SIGKILL:
      return base::Fail(who + "was ended: it took more processor time than any honest file needs");
    case SIGSYS:
      return base::Fail(
          who +
          "was ended: it made a system call that is not allowed. What it looked at may be "
          "an attack; nothing was changed");
    default:
      return base::Fail(who + "was ended by signal " + std::to_string(WTERMSIG(status)) +
                        ". What it looked at may be an attack; nothing was changed");
  }
}

base::Result<base::Bytes> Helper::Ask(base::ByteSpan request, base::Log& log) {
  if (process_ < 0) {
    return base::Fail("the helper process has ended");
  }
  base::Bytes answer;
  if (request.size() > kMaxRequestBytes || !SendFramed(socket_.get(), request) ||
      !Receive(kLengthBytes, answer)) {
    return Ended();
  }
  const std::uint32_t length = LengthIn(answer);
  if (length > options_.max_answer_bytes) {
    ::kill(process_, SIGKILL);
    return base::Fail("the helper process answers with more than there can be");
  }
  return Receive(length, answer) ? Open(answer, log) : Ended();
}

base::Failure<base::Error> BrokenAnswer() {
  return base::Fail("the answer of the helper process is broken");
}

base::Result<base::Bytes> InHelper(
    const std::function<base::Result<base::Bytes>(base::Log& log)>& work, base::Log& log,
    const Helper::Options& options) {
  auto helper = Helper::Start(options, [&work](int /*stop_fd*/, base::Log& lines) -> Helper::Work {
    return [&work, &lines](base::ByteSpan /*request*/) { return work(lines); };
  });
  return helper ? helper->Ask({}, log) : helper.failure();
}

base::Result<std::string> TextInHelper(
    const std::function<base::Result<std::string>(base::Log& log)>& work, base::Log& log) {
  const auto answer = InHelper(
      [&work](base::Log& lines) -> base::Result<base::Bytes> {
        const auto text = work(lines);
        return text ? base::Result<base::Bytes>(base::ToBytes(*text)) : text.failure();
      },
      log);
  return answer ? base::Result<std::string>(base::ToString(*answer)) : answer.failure();
}

}  // namespace varstored::sandbox
