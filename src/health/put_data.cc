#include "put_data.h"

#include <algorithm>
#include <utility>

#include "varstored/health/key_content.h"

namespace varstored::health {

void PutData(State& state, const VariableId& id, std::uint32_t attributes, base::Bytes data) {
  if (data.empty()) {
    std::erase_if(state.entries, [&id](const store::Entry& entry) { return IdOf(entry) == id; });
    return;
  }
  store::LegacyRecord record = {
      .name = id.name, .vendor = id.vendor, .attributes = attributes, .data = std::move(data)};
  const store::Entry* found = FindEntry(state, id.name, id.vendor);
  if (found == nullptr) {
    state.entries.push_back(store::MakeEntry(std::move(record)));
    return;
  }
  record.attributes = found->raw_attributes();
  record.timestamp = found->timestamp();
  record.signer = found->signer();
  const auto place = std::find_if(state.entries.begin(), state.entries.end(),
                                  [found](const store::Entry& entry) { return &entry == found; });
  *place = store::MakeEntry(std::move(record));
}

}  // namespace varstored::health
