#include "varstored/base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

namespace varstored::base {

void OpenStandardStreams() {
  // The lowest number that is free is the one that open gives.
  int fd = STDIN_FILENO;
  while (fd >= STDIN_FILENO && fd <= STDERR_FILENO) {
    fd = ::open("/dev/null", O_RDWR);
  }
  if (fd > STDERR_FILENO) {
    ::close(fd);
  }
}

}  // namespace varstored::base
