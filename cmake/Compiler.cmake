# Warnings and hardening, the same for every target of the tree.

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported()
if(VARSTORED_STATIC)
  set(CMAKE_CXX_LINK_OPTIONS_PIE -static-pie)
  # Of the archives only what is used; relocations in the short form; and no call that needs the
  # host's libraries after all, of which the linker warns (tools/static).
  add_compile_options(-ffunction-sections -fdata-sections)
  add_link_options(-Wl,--gc-sections,-z,pack-relative-relocs,--fatal-warnings
    -Wl,--wrap=dlopen,--wrap=getaddrinfo,--wrap=gethostbyname)
endif()

add_compile_options(
  -Werror
  -Wall -Wextra -Wpedantic
  -Wcast-align -Wcast-qual -Wconversion -Wdouble-promotion -Wformat=2
  -Wimplicit-fallthrough -Wmissing-declarations
  -Wredundant-decls -Wshadow -Wsign-conversion -Wundef -Wvla
  "$<$<COMPILE_LANGUAGE:CXX>:-Wextra-semi;-Wnon-virtual-dtor;-Wold-style-cast;-Woverloaded-virtual>")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wduplicated-branches -Wduplicated-cond -Wlogical-op)
else()
  add_compile_options(-Wreserved-identifier)
endif()

# The tests run with what is shipped: only the sanitizers replace a part of it.
add_compile_options(-fstack-protector-strong -fstack-clash-protection)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options(-fcf-protection)
endif()
add_compile_definitions(_GLIBCXX_ASSERTIONS)
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)
if(VARSTORED_SANITIZE)
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_compile_options(${sanitizers})
  add_link_options(${sanitizers})
  # The same build is fuzzed (fuzz/README.md): libFuzzer wants to see which branches were taken.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
else()
  # Fortified calls need the optimiser.
  add_compile_options("$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>")
endif()

# Which lines the fuzzers reach, for `make fuzz-coverage`. They see every line there: without an
# optimiser no two of them are made one branch.
if(VARSTORED_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping -fsanitize=fuzzer-no-link)
  add_link_options(-fprofile-instr-generate)
endif()
