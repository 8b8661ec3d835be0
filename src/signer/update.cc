#include "varstored/signer/update.h"

#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "varstored/base/log.h"
#include "varstored/base/no_log.h"
#include "varstored/base/writer.h"
#include "varstored/crypto/signed_data.h"
#include "varstored/efi/authentication_descriptor.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/variable_name.h"
#include "varstored/engine/reason.h"
#include "varstored/engine/variable_services.h"
#include "varstored/store/backend.h"

namespace varstored::signer {
namespace {

/// EFI_VARIABLE_AUTHENTICATION_2.AuthInfo without its CertData, and what it says
/// (UEFI 2.10, 8.2.2).
constexpr std::uint32_t kCertificateHeaderBytes = 24;
constexpr std::uint16_t kRevision = 0x0200;
constexpr std::uint16_t kWinCertTypeEfiGuid = 0x0EF1;

/// A VM that was here before, and of which nothing is kept.
class TrialBackend final : public store::Backend {
 public:
  explicit TrialBackend(std::vector<store::Entry> kept) : kept_(std::move(kept)) {}

  base::Result<std::optional<std::vector<store::Entry>>> Load() override {
    return std::optional(kept_);
  }
  base::Result<void> Commit(const store::StagedStore& /*staged*/) override { return {}; }
  base::Result<void> ReportSecureBootFailure() override { return {}; }

 private:
  std::vector<store::Entry> kept_;
};

constexpr std::array kVariables = {efi::kPk, efi::kKek, efi::kDb, efi::kDbx, efi::kDbt, efi::kDbr};

std::vector<store::Entry> WithPlatformKey(const std::optional<crypto::Certificate>& platform_key) {
  if (!platform_key) {
    return {};
  }
  const base::ByteSpan der = platform_key->der();
  const efi::SignatureList list{efi::SignatureKind::kX509,
                                static_cast<std::uint32_t>(sizeof(efi::Guid) + der.size()),
                                {{efi::kGlobalVariableGuid, der}}};
  return {store::Variable{.name = efi::NameFromAscii("PK"),
                          .vendor = efi::kGlobalVariableGuid,
                          .attributes = kReplace,
                          .data = efi::EncodeSignatureLists({list})}};
}

}  // namespace

std::optional<efi::WellKnownVariable> SecureBootVariable(std::string_view name) {
  for (const efi::WellKnownVariable& variable : kVariables) {
    if (efi::NameToUtf8(variable.name) == name) {
      return variable;
    }
  }
  return std::nullopt;
}

std::optional<efi::Time> TimeOf(std::int64_t seconds_since_1970) {
  using std::chrono::days;
  using std::chrono::seconds;
  constexpr std::int64_t kEndOfYear9999 = 253402300799;
  if (seconds_since_1970 < 0 || seconds_since_1970 > kEndOfYear9999) {
    return std::nullopt;
  }
  const std::chrono::sys_seconds time{seconds(seconds_since_1970)};
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return efi::Time{.year = static_cast<std::uint16_t>(static_cast<int>(date.year())),
                   .month = static_cast<std::uint8_t>(static_cast<unsigned>(date.month())),
                   .day = static_cast<std::uint8_t>(static_cast<unsigned>(date.day())),
                   .hour = static_cast<std::uint8_t>(clock.hours().count()),
                   .minute = static_cast<std::uint8_t>(clock.minutes().count()),
                   .second = static_cast<std::uint8_t>(clock.seconds().count())};
}

base::Bytes SignableBytes(const Update& update) {
  base::Writer writer;
  writer.WriteBytes(base::ToBytes(update.variable.name));
  writer.WriteBytes(update.variable.vendor.bytes);
  writer.WriteU32(update.attributes.raw());
  efi::WriteTime(writer, update.time);
  writer.WriteBytes(update.payload);
  return writer.Take();
}

base::Bytes EncodeAuthFile(const Update& update, base::ByteSpan signed_data) {
  base::Writer writer;
  efi::WriteTime(writer, update.time);
  writer.WriteU32(kCertificateHeaderBytes + static_cast<std::uint32_t>(signed_data.size()));
  writer.WriteU16(kRevision);
  writer.WriteU16(kWinCertTypeEfiGuid);
  writer.WriteBytes(efi::kCertTypePkcs7Guid.bytes);
  writer.WriteBytes(signed_data);
  writer.WriteBytes(update.payload);
  return writer.Take();
}

std::optional<Update> SignedFor(base::ByteSpan auth_file) {
  const auto descriptor = efi::ParseAuthenticationDescriptor(auth_file);
  if (!descriptor) {
    return std::nullopt;
  }
  Update update = {
      .variable = {}, .time = descriptor->timestamp, .payload = base::ToBytes(descriptor->payload)};
  for (const efi::WellKnownVariable& variable : kVariables) {
    for (const efi::Attributes attributes : {kReplace, kAppend}) {
      update.variable = variable;
      update.attributes = attributes;
      if (crypto::VerifyDetached(descriptor->signed_data, {SignableBytes(update)},
                                 {.any_signer = true})) {
        return update;
      }
    }
  }
  return std::nullopt;
}

namespace {

base::Result<void> Try(const Update& update, base::ByteSpan auth_file, const engine::Policy& policy,
                       std::vector<store::Entry> kept) {
  TrialBackend backend(std::move(kept));
  base::NoLog log;
  engine::VariableServices services(policy, backend, log);
  if (auto booted = services.Boot({}); !booted) {
    return booted;
  }
  const base::Bytes name = base::ToBytes(update.variable.name);
  const auto reply = services.SetVariable({.name = name,
                                           .vendor = update.variable.vendor,
                                           .attributes = update.attributes.raw(),
                                           .data = auth_file});
  if (engine::StatusOf(reply.reason) != efi::Status::kSuccess) {
    return base::Fail(std::string(engine::ReasonText(reply.reason)));
  }
  return {};
}

}  // namespace

base::Result<void> TryAuthFile(const Update& update, base::ByteSpan auth_file,
                               const std::optional<crypto::Certificate>& platform_key) {
  return Try(update, auth_file, {}, WithPlatformKey(platform_key));
}

base::Result<void> TryAsHost(const Update& update, base::ByteSpan auth_file) {
  return Try(update, auth_file, {.enforce = false}, {});
}

}  // namespace varstored::signer
