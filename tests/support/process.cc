#include "support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace varstored::test {
namespace {

constexpr int kPatienceMs = 60000;

[[noreturn]] void ThrowErrno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

base::UniqueFd Checked(int fd, const std::string& what) {
  if (fd < 0) {
    ThrowErrno(what);
  }
  return base::UniqueFd(fd);
}

std::string Content(const base::UniqueFd& file) {
  std::string content(static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)), '\0');
  const ssize_t count = ::pread(file.get(), content.data(), content.size(), 0);
  content.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return content;
}

pid_t Spawn(const std::vector<std::string>& arguments, int output, int errors) {
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  pointers.reserve(copies.size() + 1);
  for (std::string& copy : copies) {
    pointers.push_back(copy.data());
  }
  pointers.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  pid_t pid = -1;
  errno = ::posix_spawn(&pid, pointers[0], &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (errno != 0) {
    ThrowErrno(arguments[0]);
  }
  return pid;
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments)
    : output_(Checked(::memfd_create("output", MFD_CLOEXEC), "memfd_create")),
      errors_(Checked(::memfd_create("errors", MFD_CLOEXEC), "memfd_create")) {
  // Several writers append to one place.
  ::fcntl(output_.get(), F_SETFL, O_APPEND);
  ::fcntl(errors_.get(), F_SETFL, O_APPEND);
  pid_ = Spawn(arguments, output_.get(), errors_.get());
  pid_fd_ = Checked(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)), "pidfd_open");
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pid_fd_(std::move(other.pid_fd_)),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)) {}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

bool Process::IsRunning() const {
  pollfd waited = {pid_fd_.get(), POLLIN, 0};
  return pid_ > 0 && ::poll(&waited, 1, 0) == 0;
}

std::string Process::Errors() const { return Content(errors_); }

void Process::Signal(int number) const {
  if (::kill(pid_, number) != 0) {
    ThrowErrno("kill");
  }
}

Ended Process::Wait() {
  pollfd waited = {pid_fd_.get(), POLLIN, 0};
  if (::poll(&waited, 1, kPatienceMs) != 1) {
    throw std::runtime_error("the program does not end: " + Errors());
  }
  int status = 0;
  if (::waitpid(std::exchange(pid_, -1), &status, 0) < 0) {
    ThrowErrno("waitpid");
  }
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .output = Content(output_),
          .errors = Content(errors_)};
}

Ended Process::Stop(int number) {
  Signal(number);
  return Wait();
}

void Process::WaitFor(const std::string& path, const std::function<bool()>& is_done) const {
  const base::UniqueFd watcher =
      Checked(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1");
  const auto folder = std::filesystem::absolute(path).parent_path();
  if (::inotify_add_watch(watcher.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE) <
      0) {
    ThrowErrno(folder);
  }
  // The watch is older than the question, so nothing is missed in between.
  while (!is_done()) {
    std::array<pollfd, 2> waited = {{{watcher.get(), POLLIN, 0}, {pid_fd_.get(), POLLIN, 0}}};
    if (::poll(waited.data(), waited.size(), kPatienceMs) <= 0 || waited[1].revents != 0) {
      throw std::runtime_error("the program did not get ready: " + Errors());
    }
    std::array<char, 4096> events{};
    while (::read(watcher.get(), events.data(), events.size()) > 0) {
    }
  }
}

Ended RunProgram(const std::vector<std::string>& arguments) { return Process(arguments).Wait(); }

}  // namespace varstored::test
