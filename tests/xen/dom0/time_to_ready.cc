// time_to_ready DOMAIN PROGRAM [ARGUMENT...]
//
// Starts a daemon for the domain, and prints how many milliseconds after its exec it says in
// xenstore that it is ready, and its process id. The daemon goes on.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

extern "C" {
#include <xenstore.h>
}

namespace {

void Require(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  Require(argc >= 3, "usage: time_to_ready DOMAIN PROGRAM [ARGUMENT...]");
  const std::string key = std::string("/local/domain/") + argv[1] + "/varstored-pid";
  xs_handle* store = xs_open(0);
  Require(store != nullptr, "open xenstore");
  xs_rm(store, XBT_NULL, key.c_str());
  Require(xs_watch(store, key.c_str(), "ready"), "watch xenstore");

  const auto begin = std::chrono::steady_clock::now();
  const pid_t daemon = fork();
  Require(daemon >= 0, "fork");
  if (daemon == 0) {
    execv(argv[2], argv + 2);
    std::perror(argv[2]);
    _exit(1);
  }
  for (void* value = nullptr; value == nullptr;) {
    // One event comes just because a watch was set.
    unsigned int count = 0;
    char** event = xs_read_watch(store, &count);
    Require(event != nullptr, "read a watch");
    std::free(event);
    value = xs_read(store, XBT_NULL, key.c_str(), &count);
  }
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - begin;
  std::printf("%.1f %d\n", elapsed.count(), static_cast<int>(daemon));
  return 0;
}
