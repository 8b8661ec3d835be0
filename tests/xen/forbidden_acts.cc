// forbidden_acts DOMAIN OTHER FOLDER
//
// What somebody would do on a real host who has taken over the daemon of DOMAIN: each act is tried
// in a process that holds what the daemon holds, locked in as the daemon is, with FOLDER as its
// root folder. Prints a line for each, and exits with 0 when every one came out as it should.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>

#include "rights.h"
#include "varstored/base/log.h"
#include "varstored/guest_xen/xen_door.h"

namespace {

using namespace varstored;

constexpr int kSuccess = 0;
constexpr int kKilled = 128 + SIGSYS;
constexpr int kLastDescriptor = 32;

// The kernel's interface (linux/xen/privcmd.h), as an attacker would know it.
struct MapBatch {
  unsigned int count;
  std::uint16_t domain;
  std::uint64_t address;
  const std::uint64_t* pages;
  int* errors;
};
struct DeviceModelOperation {
  std::uint16_t domain;
  std::uint16_t count;
  const void* buffers;
};

/// Tries a request with every descriptor that there is. Gives 0 when it worked with one, or the
/// errno that says most.
template <class Function>
int WithEveryDescriptor(const Function& request) {
  int result = ENOTTY;
  for (int fd = 3; fd < kLastDescriptor; ++fd) {
    errno = 0;
    if (request(fd) == 0) {
      return kSuccess;
    }
    if (errno == EPERM) {
      result = EPERM;
    }
  }
  return result;
}

int MapPageOf(std::uint16_t domain) {
  return WithEveryDescriptor([domain](int fd) {
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
      return -1;
    }
    const std::uint64_t number = 0x100;
    int error = 0;
    MapBatch batch = {1, domain, 0, &number, &error};
    std::memcpy(&batch.address, &page, sizeof page);
    return ::ioctl(fd, _IOC(_IOC_NONE, 'P', 4, sizeof batch), &batch) == 0 && error == 0 ? 0 : -1;
  });
}

int TellXenAbout(std::uint16_t domain) {
  return WithEveryDescriptor([domain](int fd) {
    DeviceModelOperation operation = {domain, 0, nullptr};
    return ::ioctl(fd, _IOC(_IOC_NONE, 'P', 5, sizeof operation), &operation) == 0 ? 0 : -1;
  });
}

int Hypercall() {
  return WithEveryDescriptor([](int fd) {
    std::array<std::uint64_t, 6> call{};
    return ::ioctl(fd, _IOC(_IOC_NONE, 'P', 0, sizeof call), call.data()) >= 0 ? 0 : -1;
  });
}

int BindAnEventOf(std::uint16_t domain) {
  return WithEveryDescriptor([domain](int fd) {
    std::array<unsigned int, 2> bind = {domain, 1};
    return ::ioctl(fd, _IOC(_IOC_NONE, 'E', 1, sizeof bind), bind.data()) >= 0 ? 0 : -1;
  });
}

int ConnectTo(std::string_view path) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(std::begin(address.sun_path), path.size());
  const void* untyped = &address;
  return ::connect(socket, static_cast<const sockaddr*>(untyped), sizeof address) == 0 ? kSuccess
                                                                                       : errno;
}

int ConnectToXenstore() { return ConnectTo("/run/xenstored/socket"); }
int LookIntoAnotherVm() { return ConnectTo("/run/varstored/live/1"); }

int MakeASocketThatListens() {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return ::listen(socket, 1) == 0 ? kSuccess : errno;
}

int Open(const char* path, int flags) {
  return ::open(path, flags | O_CLOEXEC) >= 0 ? kSuccess : errno;
}

struct Setting {
  std::uint16_t domain;
  std::uint16_t other;
  std::string folder;
};

/// How `act` ended in a process of its own, behind DropRights.
template <class Function>
int Inside(const Setting& setting, const char* backend, const Function& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    daemon::Program program = {};
    program.door = daemon::Program::Door::kXen;
    daemon::Options options;
    options.backend = backend;
    options.depriv = true;
    options.chroot_path = setting.folder;
    options.uid = options.gid = 65536U + setting.domain;
    base::SystemLog log("", base::LogLevel::kInfo);
    ::_exit(daemon::DropRights(options, log) && daemon::LockIn(program, options, true, log) ? act()
                                                                                            : 99);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: forbidden_acts DOMAIN OTHER FOLDER\n";
    return 2;
  }
  const Setting setting = {static_cast<std::uint16_t>(std::strtol(argv[1], nullptr, 10)),
                           static_cast<std::uint16_t>(std::strtol(argv[2], nullptr, 10)), argv[3]};
  base::SystemLog log("", base::LogLevel::kInfo);
  const auto door = guest_xen::MakeXenDoor(setting.domain, log);
  if (const auto prepared = door->Prepare(); !prepared) {
    std::cerr << prepared.error().message << "\n";
    return 1;
  }

  bool is_good = true;
  const auto expect = [&](const char* what, const char* backend, int expected, const auto& act) {
    const int result = Inside(setting, backend, act);
    std::cout << (result == expected ? "as it should: " : "WRONG: ") << what << ", " << backend
              << ": " << result << std::endl;
    is_good = is_good && result == expected;
  };
  for (const char* backend : {"xapidb", "sqlite"}) {
    // This one shows that the others could succeed.
    expect("map memory of the domain", backend, kSuccess,
           [&] { return MapPageOf(setting.domain); });
    expect("map memory of another domain", backend, EPERM,
           [&] { return MapPageOf(setting.other); });
    expect("map memory of dom0", backend, EPERM, [] { return MapPageOf(0); });
    expect("ask Xen about another domain", backend, EPERM,
           [&] { return TellXenAbout(setting.other); });
    expect("make any hypercall", backend, kKilled, Hypercall);
    expect("bind an event of another domain", backend, kKilled,
           [&] { return BindAnEventOf(setting.other); });
    expect("open the hypervisor's device for reading", backend, ENOENT,
           [] { return Open("/dev/xen/privcmd", O_RDONLY); });
  }
  expect("look into another VM", "xapidb", ENOENT, LookIntoAnotherVm);
  expect("look into another VM", "sqlite", kKilled, LookIntoAnotherVm);
  expect("make a socket that listens", "xapidb", kKilled, MakeASocketThatListens);
  // No path leads out of the root folder, where there is neither a socket nor a device.
  expect("connect to xenstore", "xapidb", ENOENT, ConnectToXenstore);
  expect("connect to xenstore", "sqlite", kKilled, ConnectToXenstore);
  // And nothing is opened for writing.
  for (const char* backend : {"xapidb", "sqlite"}) {
    expect("open xenstore's device", backend, kKilled,
           [] { return Open("/dev/xen/xenbus", O_RDWR); });
  }
  door->Withdraw();
  return is_good ? 0 : 1;
}
