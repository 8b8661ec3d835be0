// A static program loads nothing of its host's. The C library's archive has the functions below
// too, but they look for shared libraries of that same C library, on a host that has another one:
// the linker warns of each use, and code of the host's would run in the daemon. OpenSSL (an engine
// that a configuration names, names of hosts) and SQLite (extensions) refer to them, and are never
// asked for that here. So the linker gives them these instead (--wrap, cmake/Compiler.cmake), which
// find nothing.

#include <netdb.h>

extern "C" {

void* NoLibrary(const char* file, int mode) __asm__("__wrap_dlopen");
int NoAddress(const char* node, const char* service, const addrinfo* hints,
              addrinfo** result) __asm__("__wrap_getaddrinfo");
hostent* NoHost(const char* name) __asm__("__wrap_gethostbyname");

void* NoLibrary(const char* /*file*/, int /*mode*/) { return nullptr; }

int NoAddress(const char* /*node*/, const char* /*service*/, const addrinfo* /*hints*/,
              addrinfo** /*result*/) {
  return EAI_FAIL;
}

hostent* NoHost(const char* /*name*/) { return nullptr; }

}  // extern "C"
