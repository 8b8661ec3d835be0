#include "varstored/health/fix.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "put_data.h"
#include "varstored/base/writer.h"
#include "varstored/efi/variable_name.h"
#include "varstored/engine/certificate_update.h"
#include "varstored/health/boot.h"
#include "varstored/health/key_content.h"

namespace varstored::health {
namespace {

bool Is(const store::Entry& entry, const VariableId& id) {
  return entry.name() == id.name && entry.vendor() == id.vendor;
}

/// The same record with other data and attributes.
store::Entry With(const store::Entry& entry, base::Bytes data, std::uint32_t attributes) {
  return store::MakeEntry({.name = std::string(entry.name()),
                           .vendor = entry.vendor(),
                           .attributes = attributes,
                           .data = std::move(data),
                           .timestamp = entry.timestamp(),
                           .signer = entry.signer()});
}

/// Gives the record of `id` that counts the data `change` makes of its own. No data: the records
/// go. Nothing: they stay.
template <class Change>
void ChangeData(State& state, const VariableId& id, const Change& change) {
  const store::Entry* found = FindEntry(state, id.name, id.vendor);
  if (found == nullptr) {
    return;
  }
  if (std::optional<base::Bytes> data = change(*found)) {
    PutData(state, id, found->raw_attributes(), *std::move(data));
  }
}

void KeepLastRecord(State& state, const VariableId& id) {
  const store::Entry* last = FindEntry(state, id.name, id.vendor);
  if (last == nullptr) {
    return;
  }
  store::Entry kept = *last;
  bool is_first = true;
  std::erase_if(state.entries, [&](store::Entry& entry) {
    if (!Is(entry, id)) {
      return false;
    }
    if (is_first) {
      is_first = false;
      entry = std::move(kept);
      return false;
    }
    return true;
  });
}

void MendRecords(State& state, const VariableId& id) {
  std::erase_if(state.entries,
                [&id](const store::Entry& entry) { return Is(entry, id) && !HasValidName(entry); });
  for (store::Entry& entry : state.entries) {
    if (Is(entry, id)) {
      entry = With(entry, entry.data(), ValidAttributes(entry));
    }
  }
}

std::optional<base::Bytes> Compacted(const store::Entry& entry) {
  return IsKey(entry) ? WithoutDoubles(entry.data()) : std::nullopt;
}

base::Bytes Encode(const std::vector<std::uint16_t>& numbers) {
  base::Writer writer;
  for (const std::uint16_t number : numbers) {
    writer.WriteU16(number);
  }
  return writer.Take();
}

void FixBootList(State& state, const VariableId& id) {
  const std::set<std::uint16_t> usable = UsableBootOptions(state);
  ChangeData(state, id, [&](const store::Entry& entry) {
    std::vector<std::uint16_t> numbers = NumbersIn(entry.data());
    std::erase_if(numbers, [&](std::uint16_t number) { return !usable.contains(number); });
    return std::optional(Encode(numbers));
  });
}

/// Removes what says the same as another option, and says the other where it was named.
void RemoveRepeatedOptions(State& state) {
  std::map<std::uint16_t, std::uint16_t> instead;
  for (const RepeatedOption& option : RepeatedOptions(state)) {
    for (const std::uint16_t copy : option.copies) {
      instead.emplace(copy, option.number);
    }
  }
  std::set<std::string> gone;
  for (const auto& [copy, number] : instead) {
    gone.insert(BootOptionName(copy));
  }
  std::erase_if(state.entries, [&gone](const store::Entry& entry) {
    return entry.vendor() == efi::kGlobalVariableGuid &&
           gone.contains(efi::NameToUtf8(entry.name()));
  });
  for (const efi::WellKnownVariable& list : {kBootOrder, kBootNext}) {
    ChangeData(state, IdOf(list), [&](const store::Entry& entry) -> std::optional<base::Bytes> {
      std::vector<std::uint16_t> numbers = NumbersIn(entry.data());
      std::set<std::uint16_t> kept(numbers.begin(), numbers.end());
      bool has_changed = false;
      std::erase_if(numbers, [&](std::uint16_t& number) {
        const auto found = instead.find(number);
        if (found == instead.end()) {
          return false;
        }
        has_changed = true;
        number = found->second;
        return !kept.insert(number).second;
      });
      return has_changed ? std::optional(Encode(numbers)) : std::nullopt;
    });
  }
}

void FixVariable(State& state, FindingKind kind, const VariableId& id) {
  switch (kind) {
    case FindingKind::kRecordDuplicate:
      KeepLastRecord(state, id);
      break;
    case FindingKind::kRecordMalformed:
      MendRecords(state, id);
      break;
    case FindingKind::kListsMalformed:
      ChangeData(state, id, [](const store::Entry& entry) {
        return std::optional(WithRightForm(entry.data()));
      });
      break;
    case FindingKind::kVariableOversized:
    case FindingKind::kRevocationsDoubled:
      ChangeData(state, id, Compacted);
      break;
    case FindingKind::kOwnerNotMicrosoft:
      ChangeData(state, id,
                 [](const store::Entry& entry) { return WithOwnerMicrosoft(entry.data()); });
      break;
    case FindingKind::kBootOrderDangling:
      FixBootList(state, id);
      break;
    case FindingKind::kBootOrderRepeats:
      ChangeData(state, id, [](const store::Entry& entry) {
        return std::optional(Encode(WithoutRepeats(entry.data())));
      });
      break;
    case FindingKind::kBlobUnreadable:
    case FindingKind::kOwnerMicrosoftNot:
    case FindingKind::kSecureBootWithoutPk:
    case FindingKind::kSecureBootWithoutDb:
    case FindingKind::kDbAllRevoked:
    case FindingKind::kDbRevokedWithoutSuccessor:
    case FindingKind::kKeyNotSecret:
    case FindingKind::kCertificates2011Only:
    case FindingKind::kKekWithout2011:
    case FindingKind::kRevocationsMissing:
    case FindingKind::kBootOptionsRepeat:
    case FindingKind::kStoreOverfull:
    case FindingKind::kStoreNearlyFull:
    case FindingKind::kKeyUnderWrongGuid:
    case FindingKind::kLoaderMissing:
    case FindingKind::kLoaderNotTrusted:
    case FindingKind::kLoaderRevoked:
    case FindingKind::kLoaderNeeds2023:
    case FindingKind::kLoaderSignedBy2011Only:
      break;
  }
}

}  // namespace

State Fix(State state, const Finding& finding) {
  if (!finding.is_fixable) {
    return state;
  }
  if (finding.kind == FindingKind::kBlobUnreadable) {
    state.damage.clear();
  } else if (finding.kind == FindingKind::kBootOptionsRepeat) {
    RemoveRepeatedOptions(state);
  } else if (finding.variable) {
    FixVariable(state, finding.kind, *finding.variable);
  }
  return state;
}

Repaired FixAll(State state, const Context& context) {
  Repaired repaired;
  repaired.lost_keys = KeysLeftOut(state);
  // A fix may bring another finding to light: a record that had to be found first.
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    repaired.left = FindingsOf(state, context);
    for (const Finding& finding : repaired.left) {
      State fixed = Fix(state, finding);
      if (fixed.entries != state.entries || fixed.damage.size() != state.damage.size()) {
        has_changed = true;
        state = std::move(fixed);
        repaired.fixed.push_back(finding);
      }
    }
  }
  repaired.state = std::move(state);
  return repaired;
}

base::Result<State> WithSuccessors(State state, const Context& context,
                                   const engine::FirstBootKeys& keys) {
  store::Store kept;
  for (const store::Entry& entry : state.entries) {
    kept.Append(entry);
  }
  store::StagedStore staged(kept);
  engine::Policy policy;
  policy.secure_boot = context.secure_boot.value_or(false);
  if (auto done = engine::StageCertificateUpdate(staged, policy, keys); !done) {
    return done.failure();
  }
  for (const efi::WellKnownVariable& variable : {efi::kKek, efi::kDb, efi::kDbx}) {
    const store::Entry* after = staged.Find(store::KeyOf(variable));
    if (after == nullptr || after == kept.Find(store::KeyOf(variable))) {
      continue;
    }
    const auto last =
        std::find_if(state.entries.rbegin(), state.entries.rend(),
                     [&variable](const store::Entry& entry) { return Is(entry, IdOf(variable)); });
    if (last == state.entries.rend()) {
      state.entries.push_back(*after);
    } else {
      *last = *after;
    }
  }
  return state;
}

}  // namespace varstored::health
