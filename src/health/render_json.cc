#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dates.h"
#include "rows.h"
#include "varstored/base/hex.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"
#include "varstored/health/boot.h"
#include "varstored/health/json.h"
#include "varstored/health/key_content.h"
#include "varstored/health/render.h"
#include "varstored/health/text.h"

namespace varstored::health {
namespace {

Json KeyJson(const KeyVariable& key) {
  Json certificates = Json::Array();
  for (const CertificateInfo& certificate : key.certificates) {
    Json one = Json::Object();
    one.Add("name", certificate.name)
        .Add("owner", efi::ToText(certificate.owner))
        .Add("is_microsofts", certificate.microsoft_year != 0)
        .Add("has_expired", certificate.has_expired)
        .Add("sha256", base::ToHex(certificate.sha256))
        .Add("sha1", base::ToHex(certificate.sha1))
        .Add("is_secret", certificate.not_secret.empty());
    one.AddText("revoked_by", RevokedByText(certificate.revoked_by));
    one.AddText("revoked_since", certificate.revoked_since);
    if (certificate.not_after) {
      one.Add("not_after", DateText(*certificate.not_after));
    } else {
      one.AddNull("not_after");
    }
    certificates.Append(one);
  }
  Json others = Json::Array();
  for (const EntryCount& count : key.others) {
    others.Append(Json::Object().Add("kind", count.kind).Add("count", count.count));
  }
  Json versions = Json::Array();
  for (const MinimumVersion& version : key.versions) {
    Json one = Json::Object();
    one.AddText("program", version.program);
    versions.Append(one.Add("major", version.major)
                        .Add("minor", version.minor)
                        .Add("is_superseded", version.is_superseded));
  }
  return Json::Object()
      .Add("name", key.name)
      .Add("is_present", key.is_present)
      .Add("is_readable", key.is_readable)
      .Add("is_managed_by_host", key.is_managed_by_host)
      .Add("certificates", certificates)
      .Add("others", others)
      .Add("versions", versions);
}

Json SuccessionJson(const SuccessionInfo& row) {
  Json json = Json::Object();
  json.Add("variable", row.variable);
  json.AddText("old", row.old_name);
  return json.Add("has_old", row.has_old)
      .Add("is_old_revoked", row.is_old_revoked)
      .Add("new", row.new_name)
      .Add("has_new", row.has_new)
      .Add("is_new_revoked", row.is_new_revoked);
}

Json RevocationsJson(const Revocations& revocations) {
  Json json = Json::Object();
  json.Add("distinct", revocations.distinct);
  json.AddText("newest_seen", revocations.newest_seen);
  json.Add("newest_known", revocations.newest_known)
      .Add("newest_known_count", revocations.newest_known_count)
      .Add("seems_current", revocations.seems_current)
      .Add("unknown_of_microsofts", revocations.unknown_of_microsofts);
  if (revocations.comparison) {
    json.Add("comparison", Json::Object()
                               .Add("total", revocations.comparison->total)
                               .Add("missing", revocations.comparison->missing));
  } else {
    json.AddNull("comparison");
  }
  return json;
}

Json BootJson(const Report& report) {
  Json options = Json::Array();
  for (const BootOption& option : report.boot_options) {
    options.Append(Json::Object()
                       .Add("name", BootOptionName(option.number))
                       .Add("is_ordered", option.is_ordered)
                       .Add("is_present", option.is_present)
                       .Add("is_readable", option.is_readable)
                       .Add("is_active", option.is_active)
                       .Add("is_hidden", option.is_hidden)
                       .Add("description", option.description)
                       .Add("path", option.path));
  }
  Json json = Json::Object();
  if (report.boot_next) {
    json.Add("next", BootOptionName(*report.boot_next));
  } else {
    json.AddNull("next");
  }
  return json.Add("options", options);
}

Json UsageJson(const Usage& usage) {
  Json variables = Json::Array();
  for (const VariableUse& variable : usage.variables) {
    variables.Append(Json::Object()
                         .Add("name", NameOf(variable.id))
                         .Add("vendor", efi::ToText(variable.id.vendor))
                         .Add("data_bytes", variable.data_bytes)
                         .Add("used_bytes", variable.used_bytes)
                         .Add("is_volatile", variable.is_volatile));
  }
  Json families = Json::Array();
  for (const VariableFamily& family : usage.families) {
    families.Append(Json::Object()
                        .Add("title", family.title)
                        .Add("pattern", family.pattern)
                        .Add("vendor", efi::ToText(family.vendor))
                        .Add("count", family.count)
                        .Add("data_bytes", family.data_bytes)
                        .Add("used_bytes", family.used_bytes));
  }
  return Json::Object()
      .Add("used_bytes", usage.used_bytes)
      .Add("limit_bytes", usage.limit_bytes)
      .Add("dbx_room_bytes", usage.dbx_room_bytes)
      .Add("store_room_bytes", usage.store_room_bytes)
      .Add("families", families)
      .Add("variables", variables);
}

Json FindingJson(const Finding& finding) {
  const FindingType& type = TypeOf(finding.kind);
  Json json = Json::Object();
  json.Add("name", type.name).Add("severity", ToText(finding.severity));
  if (finding.variable) {
    json.Add("variable", Json::Object()
                             .Add("name", NameOf(*finding.variable))
                             .Add("vendor", efi::ToText(finding.variable->vendor)));
  } else {
    json.AddNull("variable");
  }
  return json.Add("explanation", finding.explanation)
      .Add("is_fixable", finding.is_fixable)
      .Add("fix", finding.is_fixable ? type.fix : "")
      .Add("command", finding.command);
}

Json RunningJson(const Running& running) {
  const auto& [name, counts] = running;
  Json answers = Json::Array();
  for (const live::AnswerCount& row : counts.answers) {
    answers.Append(Json::Object()
                       .Add("call", row.call)
                       .Add("reason", row.reason)
                       .Add("status", row.status)
                       .Add("count", row.count));
  }
  Json json = Json::Object();
  json.Add("version", counts.version).Add("backend", counts.backend).Add("domain", name.domain);
  if (name.uuid) {
    json.Add("uuid", efi::ToText(*name.uuid));
  } else {
    json.AddNull("uuid");
  }
  json.Add("uptime_us", counts.uptime_us)
      .Add("answers", answers)
      .Add("unmapped", counts.unmapped)
      .Add("ignored_accesses", counts.ignored_accesses)
      .Add("backend_time", Json::Object()
                               .Add("calls", counts.backend_calls)
                               .Add("total_us", counts.backend_us)
                               .Add("longest_us", counts.backend_longest_us));
  if (const auto& error = counts.last_error) {
    Json last = Json::Object();
    last.Add("call", error->call)
        .Add("reason", error->reason)
        .Add("status", error->status)
        .Add("age_us", error->age_us);
    if (error->name.empty()) {
      last.AddNull("variable");
    } else {
      last.Add("variable", Json::Object()
                               .Add("name", efi::EscapeName(error->name))
                               .Add("vendor", efi::ToText(error->vendor)));
    }
    json.Add("last_error", last);
  } else {
    json.AddNull("last_error");
  }
  if (const auto& found = counts.found) {
    json.Add("keys_found", Json::Object()
                               .Add("secure_boot", found->is_secure_boot_on)
                               .Add("PK", found->pk)
                               .Add("KEK", found->kek)
                               .Add("db", found->db)
                               .Add("dbx", found->dbx)
                               .Add("drift", found->drift));
    json.Add("waits_us", found->waits_us);
  } else {
    json.AddNull("keys_found").AddNull("waits_us");
  }
  return json;
}

}  // namespace

Json JsonOf(const Report& report) {
  Json keys = Json::Array();
  for (const KeyVariable& key : report.keys) {
    keys.Append(KeyJson(key));
  }
  Json defaults = Json::Array();
  for (const KeyVariable& key : report.defaults) {
    defaults.Append(KeyJson(key));
  }
  Json successions = Json::Array();
  for (const SuccessionInfo& row : report.successions) {
    successions.Append(SuccessionJson(row));
  }
  Json findings = Json::Array();
  for (const Finding& finding : report.findings) {
    findings.Append(FindingJson(finding));
  }
  Json json = Json::Object();
  json.Add("format", 1)
      .Add("target", report.target)
      .Add("is_first_boot", report.is_first_boot)
      .Add("mode", report.is_user_mode ? "user" : "setup")
      .Add("secure_boot_mode", ModeName(report.mode))
      .Add("is_mode_chosen", report.is_mode_chosen)
      .Add("secure_boot", report.secure_boot)
      .Add("secure_boot_at_last_start", report.secure_boot_at_last_start)
      .Add("keys", keys)
      .Add("defaults", defaults)
      .Add("vendor_keys", report.vendor_keys)
      .Add("successions", successions)
      .Add("revocations", RevocationsJson(report.revocations))
      .Add("boot", BootJson(report))
      .Add("usage", UsageJson(report.usage))
      .Add("findings", findings);
  if (report.running) {
    json.Add("running", RunningJson(*report.running));
  } else {
    json.AddNull("running");
  }
  return json;
}

std::string RenderJson(const Report& report) { return JsonOf(report).Text() + "\n"; }

}  // namespace varstored::health
