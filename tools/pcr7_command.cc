#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "authority.h"
#include "commands.h"
#include "esp.h"
#include "kept_state.h"
#include "proposed.h"
#include "varstore-pcr7/page.h"
#include "varstored/base/file.h"
#include "varstored/base/hex.h"
#include "varstored/boot/loaders.h"
#include "varstored/health/report.h"
#include "varstored/health/text.h"
#include "varstored/pcr/render.h"
#include "varstored/sandbox/helper.h"
#include "varstored/signer/content.h"

namespace varstored::tools {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20U;

struct Wishes {
  tool::Rights rights;
  tool::PlaceOptions place;
  std::vector<crypto::DigestKind> banks;
  std::vector<std::string> after;
  /// Digits, or a path.
  std::string authority;
  /// The file of `authority`, where that is one.
  std::optional<base::Bytes> authority_file;
  std::string esp;
  std::optional<bool> secure_boot;
  bool json = false;
  bool pcrlock = false;
};

std::vector<tool::Option> OptionsOf(Wishes& wishes) {
  return {{'\0', "bank", true,
           [&wishes](std::string_view value) -> base::Result<void> {
             const auto bank = pcr::BankOf(value);
             if (!bank) {
               return base::Fail("it is sha1, sha256 or sha384");
             }
             wishes.banks.push_back(*bank);
             return {};
           }},
          tool::Values("after", wishes.after),
          tool::Value('\0', "authority", wishes.authority),
          tool::Value('\0', "esp", wishes.esp),
          {'\0', "secure-boot", true,
           [&wishes](std::string_view value) -> base::Result<void> {
             if (value != "on" && value != "off") {
               return base::Fail("it is on or off");
             }
             wishes.secure_boot = value == "on";
             return {};
           }},
          tool::Flag('\0', "json", wishes.json),
          tool::Flag('\0', "pcrlock", wishes.pcrlock)};
}

bool IsDigits(std::string_view text) {
  return text.size() >= 40 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= ':') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

// From here on it is for the helper process.

/// The digits of what --authority names.
base::Result<std::string> DigitsOf(const Wishes& wishes) {
  if (!wishes.authority_file) {
    return wishes.authority;
  }
  const auto certificates = signer::ParseCertificates(*wishes.authority_file);
  if (!certificates) {
    return base::Fail(wishes.authority + ": " + certificates.error().message);
  }
  if (certificates->size() != 1) {
    return base::Fail(wishes.authority + ": more than one certificate");
  }
  const auto digest = crypto::Sha256({certificates->front().der()});
  return digest ? base::Result<std::string>(base::ToHex(*digest)) : digest.failure();
}

/// Whether Secure Boot is on in a VM that has a PK: as the caller or the host says, else as it was
/// when the VM was saved, else as the host wanted it at the last start, else it is taken for
/// wanted.
bool WantsSecureBoot(const Wishes& wishes, const health::State& state,
                     const health::Context& context) {
  return wishes.secure_boot
             ? *wishes.secure_boot
             : health::MakeReport(state, context)
                   .secure_boot.value_or(context.secure_boot_at_last_start.value_or(true));
}

/// What is measured with each of the two, of which `after` may be null.
base::Result<pcr::Pcr7> Predict(const Wishes& wishes, const Subject& subject,
                                const std::optional<Esp>& esp, const health::State& before,
                                const health::State* after) {
  const bool wants = WantsSecureBoot(wishes, before, subject.context);
  pcr::Pcr7 pcr7 = {pcr::Predict(before.entries, wants)};
  if (after != nullptr) {
    pcr7.after = pcr::Predict(after->entries, wants);
  }
  if (!wishes.authority.empty()) {
    const auto digits = DigitsOf(wishes);
    if (!digits) {
      return digits.failure();
    }
    AddAuthority(pcr::AuthorityInDb(before.entries, *digits), pcr7.before);
    if (after != nullptr) {
      AddAuthority(pcr::AuthorityInDb(after->entries, *digits), *pcr7.after);
    }
  }
  if (esp) {
    const auto read = esp->Reader();
    if (!read) {
      return read.failure();
    }
    const auto report = boot::LookAt(before, after, {}, subject.context, *read);
    AddLoader(report, false, pcr7.before);
    if (after != nullptr) {
      AddLoader(report, true, *pcr7.after);
    }
  }
  return pcr7;
}

base::Result<std::string> Show(const Wishes& wishes, const Subject& subject,
                               const std::optional<Esp>& esp, const std::vector<Proposed>& files) {
  const std::string& target = subject.context.target;
  const auto state = ReadableStateOf(subject);
  if (!state) {
    return state.failure();
  }
  if (!state->damage.empty()) {
    return base::Fail(target + ": not all of it can be read: " +
                      health::ShellCommand("varstore-repair --fix", {target}) +
                      " saves what can be saved");
  }
  const auto changed = WithProposed(*state, subject.kept, files);
  if (!changed) {
    return changed.failure();
  }
  const auto predicted = Predict(wishes, subject, esp, *state, files.empty() ? nullptr : &*changed);
  if (!predicted) {
    return predicted.failure();
  }
  const pcr::Pcr7& pcr7 = *predicted;
  if (wishes.pcrlock) {
    const pcr::Prediction& last = pcr7.after ? *pcr7.after : pcr7.before;
    if (!last.no_authority.empty()) {
      return base::Fail(target + ": " + last.no_authority);
    }
    return pcr::RenderPcrLock(last.events,
                              wishes.authority.empty() && !esp
                                  ? pcr::EventType::kVariableDriverConfig
                                  : pcr::EventType::kVariableAuthority,
                              wishes.banks);
  }
  if (wishes.json) {
    return pcr::RenderJson(target, pcr7, wishes.banks);
  }
  const auto text = pcr::RenderText(pcr7, wishes.banks);
  return text ? base::Result<std::string>(health::ForTerminal(target) + "\n" + *text) : text;
}

// And up to here.

base::Result<std::string> Run(Wishes& wishes, std::vector<std::string> operands, base::Log& log) {
  if (wishes.json && wishes.pcrlock) {
    return tool::Misuse("--json and --pcrlock exclude each other");
  }
  if (!wishes.authority.empty() && !wishes.esp.empty()) {
    return tool::Misuse("--authority and --esp exclude each other");
  }
  wishes.place.only_looks = true;
  if (auto taken = tool::TakePlace(wishes.place, operands, 0); !taken) {
    return taken.failure();
  }
  if (wishes.banks.empty()) {
    wishes.banks.assign(pcr::kBanks.begin(), pcr::kBanks.end());
  }
  const auto files = ReadProposed(wishes.after);
  if (!files) {
    return files.failure();
  }
  if (!wishes.authority.empty() && !IsDigits(wishes.authority)) {
    auto bytes = base::ReadFile(wishes.authority, kMaxFileBytes);
    if (!bytes) {
      return bytes.failure();
    }
    wishes.authority_file = *std::move(bytes);
  }
  if (auto dropped = tool::DropRights(wishes.rights, log); !dropped) {
    return dropped.failure();
  }
  const auto opened = OpenKept(wishes.place, log);
  if (!opened) {
    return opened.failure();
  }
  if (opened->context.is_first_boot) {
    return base::Fail(opened->context.target +
                      ": the VM has never been started, and has no variables yet: it gets the "
                      "host's keys at its first start");
  }
  const Subject subject = opened->subject();
  std::optional<Esp> esp;
  if (!wishes.esp.empty()) {
    auto opened_esp = Esp::Open(
        wishes.esp, [&subject] { return ReadableStateOf(subject); }, log);
    if (!opened_esp) {
      return opened_esp.failure();
    }
    esp = *std::move(opened_esp);
  }
  const auto show = [&] { return Show(wishes, subject, esp, *files); };
  return esp ? esp->TextInHelper(show, log)
             : sandbox::TextInHelper([&show](base::Log& /*lines*/) { return show(); }, log);
}

}  // namespace

int Pcr7Main(int argc, char** argv) {
  Wishes wishes;
  return tool::Main(
      {"varstore pcr7", page::kHelp}, argc, argv,
      tool::Joined(
          {tool::OptionsOf(wishes.rights), tool::OptionsOf(wishes.place), OptionsOf(wishes)}),
      [&](auto operands, auto& log) { return Run(wishes, std::move(operands), log); });
}

}  // namespace varstored::tools
