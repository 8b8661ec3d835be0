// The keys of a first boot, as an administrator may have put them on the host. Input: u8 which of
// PK, KEK, db and dbx are there, and which are required; then each as u16 length and bytes.

#include "engine/failing_backend.h"
#include "support.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/variable_services.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  fuzz::Input input({data, size});
  const std::uint8_t choice = input.U8();
  const auto file = [&](unsigned bit) {
    return (choice & bit) == 0 ? std::optional<base::Bytes>()
                               : std::optional(base::ToBytes(input.Counted()));
  };
  engine::FirstBootKeys keys;
  keys.pk = file(1);
  keys.kek = file(2);
  keys.db = file(4);
  keys.dbx = file(8);
  keys.require_kek = (choice & 16) != 0;
  keys.require_db = (choice & 32) != 0;

  fuzz::Silence log;
  engine::FailingBackend backend;
  engine::VariableServices services({.secure_boot = (choice & 64) != 0}, backend, log);
  const auto booted = services.Boot(keys);
  if (!booted) {
    fuzz::Require(!backend.kept().has_value(), "a first boot that failed is one again");
    return 0;
  }
  const auto* setup_mode = services.store().Find(store::KeyOf(efi::kSetupMode));
  const bool has_pk = services.store().Find(store::KeyOf(efi::kPk)) != nullptr;
  fuzz::Require(
      setup_mode != nullptr && setup_mode->data() == base::Bytes{has_pk ? uint8_t{0} : uint8_t{1}},
      "SetupMode says whether there is a PK");
  return 0;
}
