// fake_device_model ARGUMENTS OF QEMU
//
// Stands in for QEMU when xl makes an HVM domain: the test guest needs no devices, but xl insists
// on a device model that comes up, and asks it to save its state when the domain is saved. This one
// announces itself in xenstore and answers xl's commands on the socket (QMP: a line of JSON each
// way) just as far as xl needs. It emulates nothing and is no IOREQ server.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>

extern "C" {
#include <xenstore.h>
}

namespace {

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

void AnnounceRunning(const std::string& domain) {
  xs_handle* xenstore = xs_open(0);
  if (xenstore == nullptr) Die("xs_open");
  const std::string path = "/local/domain/0/device-model/" + domain + "/state";
  constexpr std::string_view kRunning = "running";
  if (!xs_write(xenstore, XBT_NULL, path.c_str(), kRunning.data(), kRunning.size())) {
    Die("xs_write");
  }
  xs_close(xenstore);
}

// What follows `key` in a list such as "socket,id=libxl-cmd,path=/run/x,server=on".
std::string ValueOf(std::string_view key, const std::string& list) {
  const size_t at = list.find(key);
  if (at == std::string::npos) return {};
  const size_t begin = at + key.size();
  return list.substr(begin, list.find(',', begin) - begin);
}

int Listen(const std::string& socket_option) {
  const std::string path = ValueOf("path=", socket_option);
  if (path.empty()) return std::stoi(ValueOf("fd=", socket_option));  // xl opened it
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  unlink(path.c_str());
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (listener < 0 ||
      bind(listener, static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address) != 0 ||
      listen(listener, 4) != 0) {
    Die(path.c_str());
  }
  return listener;
}

class Connection {
 public:
  explicit Connection(int socket) : socket_(socket) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(socket_); }

  // Serves one client until it goes. False when it asked the device model to quit.
  bool Serve() {
    Send(R"({"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""},)"
         R"( "capabilities": []}})");
    while (Receive()) {
      for (size_t end = 0; (end = pending_.find('\n')) != std::string::npos;) {
        const std::string command = pending_.substr(0, end);
        pending_.erase(0, end + 1);
        if (!Answer(command)) return false;
      }
    }
    return true;
  }

 private:
  static bool Says(const std::string& command, std::string_view word) {
    return command.find('"' + std::string(word) + '"') != std::string::npos;
  }

  bool Answer(const std::string& command) {
    std::string value = "{}";
    if (Says(command, "add-fd")) value = R"({"fdset-id": 1, "fd": 20})";
    if (Says(command, "query-chardev") || Says(command, "query-cpus-fast")) value = "[]";
    if (Says(command, "query-vnc")) value = R"({"enabled": false})";
    if (Says(command, "xen-save-devices-state")) SaveState();
    const size_t id = command.find("\"id\":");
    const int number = id == std::string::npos ? 0 : std::stoi(command.substr(id + 5));
    Send("{\"return\": " + value + ", \"id\": " + std::to_string(number) + "}");
    return !Says(command, "quit");
  }

  // xl passes the file to save into as a descriptor along with `add-fd`.
  void SaveState() {
    constexpr std::string_view kState = "no devices\n";
    if (passed_ < 0) return;
    if (write(passed_, kState.data(), kState.size()) < 0) Die("save");
    close(passed_);
    passed_ = -1;
  }

  bool Receive() {
    std::array<char, 4096> bytes{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec vector = {bytes.data(), bytes.size()};
    msghdr message = {};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = recvmsg(socket_, &message, 0);
    if (got <= 0) return false;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message);
        header != nullptr && header->cmsg_type == SCM_RIGHTS) {
      std::memcpy(&passed_, CMSG_DATA(header), sizeof passed_);
    }
    pending_.append(bytes.data(), static_cast<size_t>(got));
    return true;
  }

  void Send(const std::string& line) const {
    const std::string bytes = line + "\r\n";
    // A client that has gone is noticed when nothing more comes from it.
    (void)!write(socket_, bytes.data(), bytes.size());
  }

  int socket_;
  int passed_ = -1;
  std::string pending_;
};

}  // namespace

int main(int argc, char** argv) {
  (void)std::signal(SIGPIPE, SIG_IGN);
  std::string domain;
  int listener = -1;
  for (int i = 1; i + 1 < argc; ++i) {
    const std::string_view option = argv[i];
    const std::string value = argv[i + 1];
    if (option == "-xen-domid") domain = value;
    if (option == "-chardev" && ValueOf("id=", value) == "libxl-cmd") listener = Listen(value);
  }
  if (domain.empty() || listener < 0) {
    std::cerr << "fake_device_model: -xen-domid or the libxl-cmd socket is missing" << std::endl;
    return 1;
  }
  AnnounceRunning(domain);
  for (;;) {
    const int client = accept(listener, nullptr, nullptr);
    if (client < 0) Die("accept");
    if (!Connection(client).Serve()) return 0;
  }
}
