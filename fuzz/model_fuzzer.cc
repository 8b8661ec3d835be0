// The engine against the model of the property test (tests/property): sequences of calls, boots and
// failures of the storage. Input: the choices, one behind the other, in as many bytes as each
// needs.

#include <gtest/gtest.h>

#include "property/machine.h"
#include "support.h"
#include "support/temporary_folder.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  // An expectation that fails is an exception here, which libFuzzer takes for what it is.
  GTEST_FLAG_SET(throw_on_failure, true);
  static const test::TemporaryFolder folder(test::FastParent());
  test::BlobPlace place(folder.path());
  std::filesystem::remove(folder.File("blob"));
  test::Machine machine(place);
  fuzz::Input input({data, size});
  test::Caller caller([&input](std::uint32_t end) {
    const std::uint32_t choice =
        end <= 0x100 ? input.U8() : (end <= 0x10000 ? input.U16() : input.U32());
    return choice % end;
  });
  while (!input.empty()) {
    test::Step(machine, caller);
  }
  return 0;
}
