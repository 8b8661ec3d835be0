#include "sqlite_session.h"

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <utility>

#include "varstored/efi/attributes.h"
#include "varstored/efi/well_known.h"

namespace varstored::test {
namespace {

template <class T>
T Expect(base::Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message);
  }
  return *std::move(result);
}

}  // namespace

store::Entry MakeVariable(std::string_view name, std::size_t data_bytes, std::uint8_t fill,
                          std::uint32_t attributes) {
  store::LegacyRecord record;
  for (const char c : name) {
    record.name.push_back(c);
    record.name.push_back('\0');
  }
  record.vendor = efi::kGlobalVariableGuid;
  record.attributes = attributes;
  record.data.assign(data_bytes, fill);
  return store::MakeEntry(std::move(record));
}

std::string OpenError(const std::string& path) {
  Lines log;
  const auto opened = backend::SqliteBackend::Open(path, log);
  return opened ? std::string() : opened.error().message;
}

std::vector<store::Entry> Reopen(const std::string& path) { return Session(path).Kept(); }

Session::Session(const std::string& path)
    : backend_(Expect(backend::SqliteBackend::Open(path, *log_))) {
  auto kept = Expect(backend_->Load());
  is_first_boot_ = !kept.has_value();
  for (store::Entry& entry : kept.value_or(std::vector<store::Entry>())) {
    store_.Append(std::move(entry));
  }
}

base::Result<void> Session::Commit(const Staging& stage) {
  store::StagedStore staged(store_);
  stage(staged);
  auto kept = backend_->Commit(staged);
  if (kept) {
    store_.Apply(std::move(staged));
  }
  return kept;
}

base::Result<void> Session::Put(const store::Entry& entry) {
  return Commit([&entry](store::StagedStore& staged) { staged.Put(entry); });
}

base::Result<void> Session::Erase(const store::Entry& entry) {
  return Commit([&entry](store::StagedStore& staged) { staged.Erase(store::KeyOf(entry)); });
}

std::vector<store::Entry> Session::Kept() const {
  std::vector<store::Entry> kept;
  for (const store::Entry* entry = store_.First(); entry != nullptr; entry = store_.After(*entry)) {
    if (entry->Has(efi::kNonVolatile)) {
      kept.push_back(*entry);
    }
  }
  return kept;
}

}  // namespace varstored::test
