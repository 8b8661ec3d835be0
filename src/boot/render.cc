#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "varstored/base/hex.h"
#include "varstored/boot/image.h"
#include "varstored/boot/loaders.h"
#include "varstored/efi/variable_name.h"
#include "varstored/health/json.h"
#include "varstored/health/text.h"

namespace varstored::boot {
namespace {

using health::ForTerminal;
using health::Json;

std::string Quoted(const std::string& name) { return "\"" + name + "\""; }

/// The signer that nobody knows: of the first signature that has one.
std::string UnknownSigner(const Verdict& verdict) {
  for (const SignatureInfo& one : verdict.signatures) {
    if (!one.signer.empty()) {
      return Quoted(one.signer) +
             (one.issuer.empty() || one.issuer == one.signer ? "" : " of " + Quoted(one.issuer));
    }
  }
  return "not named";
}

/// Lines of a screen.
class Lines {
 public:
  void Add(std::size_t indent, const std::string& text) {
    text_ += std::string(indent, ' ') + ForTerminal(text) + "\n";
  }
  [[nodiscard]] std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

void ShowNext(Lines& lines, const NextStage& next, const std::string& update) {
  if (!next.is_found) {
    lines.Add(
        6, "behind it: " + next.file + (next.error.empty() ? " is not there" : ": " + next.error));
    return;
  }
  lines.Add(6, "behind it: " + next.file + ", by shim's rules");
  lines.Add(8, WordsOn(next.now));
  if (next.after) {
    lines.Add(8, "with " + update + ": " + WordsOn(*next.after));
  }
}

/// The version inside of Windows' boot manager, and what dbx wants of it.
void ShowVersion(Lines& lines, const Loader& loader, const BootReport& report) {
  if (!loader.version) {
    return;
  }
  lines.Add(8, "it is Windows' boot manager, version " + ToText(*loader.version) +
                   (report.minimum ? "; dbx wants " + ToText(*report.minimum) : ""));
  if (const std::string why = WhyTooOld(report, loader, false); !why.empty()) {
    lines.Add(8, why);
  }
  const std::string then = WhyTooOld(report, loader, true);
  if (loader.after && !then.empty()) {
    lines.Add(8, "with " + report.update + ": " + then);
  }
}

void Show(Lines& lines, const Loader& loader, const BootReport& report) {
  const Candidate& candidate = loader.candidate;
  lines.Add(2, (candidate.option.empty() ? "(any disk)" : candidate.option) + "  " +
                   candidate.file + (candidate.label.empty() ? "" : "  " + candidate.label) +
                   (candidate.is_next ? "  (the next start alone)" : ""));
  if (!loader.is_found) {
    lines.Add(6, loader.error.empty() ? "is not there" : "cannot be read: " + loader.error);
    return;
  }
  lines.Add(6, report.secure_boot == false
                   ? "starts, since Secure Boot is off. Were it on: " + WordsOn(loader.now)
                   : WordsOn(loader.now));
  if (loader.after) {
    lines.Add(6, "with " + report.update + ": " + WordsOn(*loader.after));
  }
  if (loader.is_for_other_machine) {
    lines.Add(8, "it is a program for " + MachineName(loader.now.machine) +
                     ", which the firmware of this VM does not load");
  }
  ShowVersion(lines, loader, report);
  for (const SignatureInfo& one : loader.now.signatures) {
    lines.Add(
        8, "signature: " + (one.signer.empty() ? "of a form that firmware passes over"
                                               : Quoted(one.signer) + " of " + Quoted(one.issuer)));
  }
  if (!loader.now.sha256.empty()) {
    lines.Add(8, "SHA-256 (Authenticode): " + base::ToHex(loader.now.sha256));
  }
  if (!loader.level_date.empty()) {
    lines.Add(8, "it is shim; SBAT level " + loader.level_date + ", from " + loader.level_source);
  }
  for (const std::string& old : loader.too_old) {
    lines.Add(8, "shim ends itself: " + old);
  }
  if (!loader.sbat_not_known.empty()) {
    lines.Add(8, "not known whether shim ends itself: " + loader.sbat_not_known);
  }
  if (loader.has_mok_list_x) {
    lines.Add(8, "MokListX may forbid more; it is not looked at");
  }
  if (loader.next) {
    ShowNext(lines, *loader.next, report.update);
  }
}

Json JsonOf(const Verdict& verdict) {
  Json json = Json::Object();
  const Outcome outcome = OutcomeOf(verdict.reason);
  json.Add("outcome", outcome == Outcome::kStarts    ? "starts"
                      : outcome == Outcome::kRefused ? "refused"
                                                     : "not-known")
      .Add("reason", NameOf(verdict.reason))
      .Add("detail", verdict.detail)
      .Add("sha256", base::ToHex(verdict.sha256));
  Json signatures = Json::Array();
  for (const SignatureInfo& one : verdict.signatures) {
    Json signature = Json::Object();
    signature.Add("signer", one.signer).Add("issuer", one.issuer);
    if (one.reason) {
      signature.Add("reason", NameOf(*one.reason));
    } else {
      signature.AddNull("reason");
    }
    signatures.Append(signature);
  }
  json.Add("signatures", signatures);
  if (verdict.authority) {
    Json authority = Json::Object();
    authority.Add("variable", efi::NameToUtf8(verdict.authority->variable.name))
        .Add("vendor", efi::ToText(verdict.authority->variable.vendor))
        .Add("signature_data", base::ToHex(verdict.authority->signature_data));
    json.Add("authority", authority);
  } else {
    json.AddNull("authority");
  }
  return json;
}

void AddVerdicts(Json& json, const Verdict& now, const std::optional<Verdict>& after) {
  json.Add("now", JsonOf(now));
  if (after) {
    json.Add("after", JsonOf(*after));
  } else {
    json.AddNull("after");
  }
}

void AddText(Json& json, std::string_view name, const std::optional<Version>& version) {
  if (version) {
    json.Add(name, ToText(*version));
  } else {
    json.AddNull(name);
  }
}

Json JsonOf(const Loader& loader) {
  const Candidate& candidate = loader.candidate;
  Json json = Json::Object();
  json.Add("option", candidate.option)
      .Add("is_next", candidate.is_next)
      .Add("label", candidate.label)
      .Add("file", candidate.file)
      .Add("is_found", loader.is_found)
      .Add("error", loader.error)
      .Add("machine", MachineName(loader.now.machine))
      .Add("is_for_other_machine", loader.is_for_other_machine);
  AddText(json, "version", loader.version);
  AddVerdicts(json, loader.now, loader.after);
  if (loader.next) {
    Json too_old = Json::Array();
    for (const std::string& old : loader.too_old) {
      Json one = Json::Object();
      one.Add("component", old);
      too_old.Append(one);
    }
    Json shim = Json::Object();
    shim.Add("sbat_level", loader.level_date)
        .Add("sbat_level_from", loader.level_source)
        .Add("too_old", too_old)
        .Add("sbat_not_known", loader.sbat_not_known)
        .Add("file", loader.next->file)
        .Add("is_found", loader.next->is_found)
        .Add("error", loader.next->error);
    AddVerdicts(shim, loader.next->now, loader.next->after);
    json.Add("shim", shim);
  } else {
    json.AddNull("shim");
  }
  return json;
}

Json JsonOf(const std::vector<health::Finding>& findings) {
  Json json = Json::Array();
  for (const health::Finding& finding : findings) {
    Json one = Json::Object();
    one.Add("name", health::TypeOf(finding.kind).name)
        .Add("severity", health::ToText(finding.severity))
        .Add("explanation", finding.explanation);
    json.Append(one);
  }
  return json;
}

}  // namespace

std::string ToText(const Version& version) {
  return std::to_string(version.major) + "." + std::to_string(version.minor);
}

std::string MachineName(std::uint16_t machine) {
  // PE Format, "Machine Types", by the names of UEFI 2.10, 3.5.1.1.
  constexpr std::uint16_t kIa32 = 0x14C;
  switch (machine) {
    case 0:
      return "";
    case kIa32:
      return "ia32";
    case kMachineX64:
      return "x64";
    case kMachineAarch64:
      return "aarch64";
    default:
      return std::to_string(machine);
  }
}

std::string WordsOn(const Verdict& verdict) {
  switch (verdict.reason) {
    case Reason::kSignerInDb:
      return "starts: its signature chains to " + Quoted(verdict.detail) + " in db";
    case Reason::kHashInDb:
      return "starts: its digest is in db";
    case Reason::kSignerInShim:
      return "starts: its signature chains to " + Quoted(verdict.detail) +
             ", which shim has in it or in MokList";
    case Reason::kHashInShim:
      return "starts: shim has its digest in it or in MokList";
    case Reason::kNoImage:
      return "refused: " + verdict.detail;
    case Reason::kTableBroken:
      return "refused: its table of signatures breaks its form";
    case Reason::kNotSigned:
      return "refused: it is not signed, and its digest is not in db";
    case Reason::kSignerNotInDb:
      return "refused: its signer is " + UnknownSigner(verdict) + ", and db has neither of them";
    case Reason::kSignatureBad:
      return "refused: no signature is one over this file as it is; it was changed after it was "
             "signed, or the signature is of a form that firmware does not know";
    case Reason::kSignerRevoked:
      return "refused: its signature chains to " + Quoted(verdict.detail) + ", which is in dbx";
    case Reason::kSignerHashRevoked:
      return "refused: dbx has the hash of its signer " + Quoted(verdict.detail);
    case Reason::kAnchorHashRevoked:
      return "refused: dbx has the hash of " + Quoted(verdict.detail) +
             ", which would let it start";
    case Reason::kHashRevoked:
      return "refused: its digest is in dbx";
    case Reason::kSbatRevoked:
      return "refused: by SBAT: " + verdict.detail;
    case Reason::kTooManySignatures:
    case Reason::kSbatNotKnown:
      return "not known: " + verdict.detail;
    case Reason::kTimeNotKnown:
      break;
  }
  return "not known: " + Quoted(verdict.detail) +
         " is revoked from a day on, and dbt may prove that the signature is older";
}

std::string RenderScreen(const BootReport& report, const health::ScreenOptions& options) {
  Lines lines;
  lines.Add(0, "boot loaders of " + report.target);
  lines.Add(2, !report.secure_boot   ? "Secure Boot: not known; judged as if it were on"
               : *report.secure_boot ? "Secure Boot: on"
                                     : "Secure Boot: off: every program starts");
  for (const Loader& loader : report.loaders) {
    // Firmware has a file for its own machine on a disk: that the other one is missing says
    // nothing.
    if (loader.is_found || !loader.candidate.option.empty()) {
      Show(lines, loader, report);
    }
  }
  for (const std::string& option : report.elsewhere) {
    lines.Add(2, option + "  leads to no file of a disk; it is not looked at");
  }
  if (report.has_minimum_versions) {
    lines.Add(
        2, "dbx has minimum versions of Windows' loaders, which Windows itself sees to. That of");
    lines.Add(2, "its boot manager is compared here, where the boot manager says its own.");
  }
  std::string text = lines.Take();
  text += health::RenderFindings(report.findings, options);
  if (!report.update.empty()) {
    text += "\nWith " + ForTerminal(report.update) + ":\n";
    text += report.findings_after.empty() ? "  nothing is wrong with the boot loaders\n"
                                          : health::RenderFindings(report.findings_after, options);
  }
  return text;
}

Json JsonOf(const BootReport& report) {
  Json json = Json::Object();
  json.Add("format", 1).Add("target", report.target).Add("secure_boot", report.secure_boot);
  Json loaders = Json::Array();
  for (const Loader& loader : report.loaders) {
    loaders.Append(JsonOf(loader));
  }
  Json elsewhere = Json::Array();
  for (const std::string& option : report.elsewhere) {
    Json one = Json::Object();
    one.Add("option", option);
    elsewhere.Append(one);
  }
  json.Add("loaders", loaders)
      .Add("elsewhere", elsewhere)
      .Add("has_minimum_versions", report.has_minimum_versions);
  AddText(json, "boot_manager_minimum", report.minimum);
  AddText(json, "boot_manager_minimum_after", report.minimum_after);
  json.Add("machine", MachineName(report.machine))
      .Add("findings", JsonOf(report.findings))
      .Add("update", report.update)
      .Add("findings_after", JsonOf(report.findings_after));
  return json;
}

std::string RenderJson(const BootReport& report) { return JsonOf(report).Text() + "\n"; }

}  // namespace varstored::boot
