#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "property/model.h"
#include "varstored/backend/memory.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/file.h"
#include "varstored/engine/variable_services.h"
#include "varstored/store/backend.h"

/// A VM beside its model (model.h), and calls that somebody chooses: a generator of random numbers
/// in property_test.cc, a fuzzer in fuzz/model_fuzzer.cc.
namespace varstored::test {

class Silence final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/,
           std::string_view /*text*/) override {}
};

/// Fails when it is told to, without asking what is behind it.
class FailingBackend final : public store::Backend {
 public:
  explicit FailingBackend(std::unique_ptr<store::Backend> real) : real_(std::move(real)) {}

  void SetWorks(bool works) { works_ = works; }
  [[nodiscard]] base::Result<std::optional<std::vector<store::Entry>>> Load() override {
    return real_->Load();
  }
  [[nodiscard]] base::Result<void> Commit(const store::StagedStore& staged) override {
    return works_ ? real_->Commit(staged) : base::Fail("told to fail");
  }
  [[nodiscard]] base::Result<void> ReportSecureBootFailure() override {
    return real_->ReportSecureBootFailure();
  }

 private:
  std::unique_ptr<store::Backend> real_;
  bool works_ = true;
};

/// Where the state of a VM is between its boots.
class Place {
 public:
  virtual ~Place() = default;
  [[nodiscard]] virtual std::unique_ptr<store::Backend> Open() = 0;
  /// The VM ends. `saved` is its whole state, which not every place has a use for.
  virtual void End(base::ByteSpan saved) = 0;
};

/// A `VARS` blob.
class BlobPlace final : public Place {
 public:
  explicit BlobPlace(const std::string& folder) : path_(folder + "/blob") {}

  [[nodiscard]] std::unique_ptr<store::Backend> Open() override {
    return std::make_unique<backend::MemoryBackend>(
        std::filesystem::exists(path_) ? std::optional(path_) : std::nullopt, log_);
  }
  void End(base::ByteSpan saved) override {
    ASSERT_TRUE(base::WriteFileInPlace(path_, saved).ok());
  }

 private:
  std::string path_;
  Silence log_;
};

class SqlitePlace final : public Place {
 public:
  explicit SqlitePlace(const std::string& folder) : path_(folder + "/vm.db") {}

  [[nodiscard]] std::unique_ptr<store::Backend> Open() override {
    auto opened = backend::SqliteBackend::Open(path_, log_);
    if (!opened) {
      throw std::runtime_error(opened.error().message);
    }
    return *std::move(opened);
  }
  void End(base::ByteSpan /*saved*/) override {}

 private:
  std::string path_;
  Silence log_;
};

/// Calls, as somebody chooses them.
class Caller {
 public:
  /// A choice of one of the numbers below `end`, which is not 0.
  using Choose = std::function<std::uint32_t(std::uint32_t end)>;

  explicit Caller(Choose choose) : choose_(std::move(choose)) {}

  [[nodiscard]] std::uint32_t Below(std::uint32_t end) { return choose_(end); }
  [[nodiscard]] bool OneIn(std::uint32_t count) { return Below(count) == 0; }

  [[nodiscard]] std::string Name() {
    if (OneIn(20)) {
      const std::vector<std::string> odd = {std::string(),
                                            "odd",
                                            std::string("a\0\0\0", 4),
                                            std::string(4096, 'n'),
                                            std::string(4097, 'n'),
                                            std::string(4098, 'n')};
      return odd.at(Below(static_cast<std::uint32_t>(odd.size())));
    }
    const char letter = static_cast<char>('A' + Below(12));
    return {letter, '\0'};
  }

  [[nodiscard]] std::uint32_t Attributes() {
    constexpr std::array<std::uint32_t, 6> kUsual = {7, 7, 7, 6, 3, 2};
    std::uint32_t attributes = kUsual.at(Below(kUsual.size()));
    if (OneIn(5)) {
      attributes |= 0x40;
    }
    if (OneIn(10)) {
      attributes ^= 1U << Below(10);
    }
    return OneIn(10) ? attributes & ~6U : attributes;
  }

  [[nodiscard]] base::Bytes Data() {
    constexpr std::array<std::uint32_t, 10> kEnds = {1,   3,    3,    40,    300,
                                                     300, 3000, 3000, 30000, 57344 + 2};
    return base::Bytes(Below(kEnds.at(Below(kEnds.size()))), static_cast<std::uint8_t>(Below(3)));
  }

 private:
  Choose choose_;
};

/// A VM and its model.
class Machine {
 public:
  explicit Machine(Place& place) : place_(place), model_(0) {
    Start();
    model_ = Model(services_->store().used_bytes());
  }

  void Set(const Write& write) {
    const base::Bytes name = base::ToBytes(write.name);
    const engine::SetVariableRequest request = {.name = name,
                                                .vendor = kVendor,
                                                .attributes = write.attributes,
                                                .data = write.data,
                                                .at_runtime = write.at_runtime};
    const auto reply = services_->SetVariable(request);
    EXPECT_EQ(StatusText(engine::StatusOf(reply.reason)),
              StatusText(model_.Set(write, backend_works_)))
        << engine::ReasonText(reply.reason);
  }

  /// A write that brings the store exactly to a limit, or one byte over it.
  void SetAtStoreLimit(Write write, std::size_t limit_bytes, bool over) {
    const Model::Variable* old = model_.Find(write.name);
    const std::size_t others =
        model_.used_bytes() - (old == nullptr ? 0 : old->used_bytes()) + write.name.size() + 128;
    if (others < limit_bytes && limit_bytes - others < 57344) {
      write.data.assign(limit_bytes - others + (over ? 1 : 0), 0xEE);
      Set(write);
    }
  }

  /// The same with an append, and the limit of one variable.
  void AppendAtVariableLimit(Write write, bool over) {
    if (const Model::Variable* old = model_.Find(write.name); old != nullptr) {
      write.attributes = old->attributes | 0x40;
      write.data.assign(57344 - old->data.size() + (over ? 1 : 0), 0xEE);
      Set(write);
    }
  }

  void Get(const std::string& name, std::size_t room, bool at_runtime) {
    const base::Bytes bytes = base::ToBytes(name);
    const auto reply = services_->GetVariable(
        {.name = bytes, .vendor = kVendor, .data_size = room, .at_runtime = at_runtime});
    EXPECT_EQ(StatusText(engine::StatusOf(reply.reason)),
              StatusText(model_.Get(name, room, at_runtime)));
  }

  void WritePpi(std::uint32_t index, std::uint32_t offset, std::uint32_t size,
                std::uint32_t value) {
    services_->WritePpiIndex(index);
    services_->WritePpiData(offset, size, value);
    model_.WritePpi(index, offset, size, value, backend_works_);
  }

  void SetBackendWorks(bool works) {
    backend_works_ = works;
    backend_->SetWorks(works);
  }

  /// Another process goes on with what this one saved.
  void SaveAndResume() {
    const base::Bytes saved = services_->Save();
    Open();
    ASSERT_TRUE(services_->Resume(saved).ok());
    EXPECT_TRUE(services_->Save() == saved);
  }

  void Reboot() {
    place_.End(services_->Save());
    Start();
    model_.Reboot();
  }

  void Check() {
    const store::Store& store = services_->store();
    std::vector<Model::Variable> found;
    std::size_t used_bytes = 0;
    std::size_t count = 0;
    for (const store::Entry* entry = store.First(); entry != nullptr; entry = store.After(*entry)) {
      used_bytes += entry->name().size() + entry->data().size() + 128;
      ++count;
      if (entry->vendor() == kVendor) {
        found.push_back({std::string(entry->name()), entry->raw_attributes(), entry->data()});
      }
    }
    EXPECT_EQ(store.used_bytes(), used_bytes);
    EXPECT_EQ(store.used_bytes(), model_.used_bytes());
    EXPECT_LE(store.used_bytes(), engine::kStoreBytes);
    EXPECT_EQ(store.size(), count);
    EXPECT_TRUE(std::equal(found.begin(), found.end(), model_.variables().begin(),
                           model_.variables().end()));
    EXPECT_EQ(Ppi(), model_.ppi());
  }

 private:
  static constexpr engine::Policy kPolicy = {};
  static constexpr efi::Guid kVendor = {{1, 2, 3}};

  /// A new process.
  void Open() {
    services_.reset();
    backend_.reset();
    backend_ = std::make_unique<FailingBackend>(place_.Open());
    backend_->SetWorks(backend_works_);
    services_ = std::make_unique<engine::VariableServices>(kPolicy, *backend_, log_);
  }

  void Start() {
    Open();
    const auto booted = services_->Boot({});
    ASSERT_TRUE(booted.ok()) << booted.error().message;
  }

  [[nodiscard]] std::array<std::uint8_t, 0x130> Ppi() {
    std::array<std::uint8_t, 0x130> bytes{};
    for (std::uint32_t i = 0; i < bytes.size(); ++i) {
      services_->WritePpiIndex(i);
      bytes.at(i) = static_cast<std::uint8_t>(services_->ReadPpiData(0, 1));
    }
    return bytes;
  }

  Place& place_;
  Silence log_;
  std::unique_ptr<FailingBackend> backend_;
  std::unique_ptr<engine::VariableServices> services_;
  Model model_;
  bool backend_works_ = true;
};

/// One thing that happens to the VM. Afterwards it is as the model says; otherwise the test fails.
inline void Step(Machine& machine, Caller& caller) {
  const bool at_runtime = caller.OneIn(60);
  switch (caller.Below(40)) {
    case 0:
      machine.SaveAndResume();
      break;
    case 1:
      machine.Reboot();
      break;
    case 2:
    case 3:
      machine.SetBackendWorks(!caller.OneIn(3));
      break;
    case 4:
    case 5:
      machine.WritePpi(caller.OneIn(10) ? 0xFFFFFFFF : caller.Below(0x140), caller.Below(5),
                       caller.Below(5), caller.Below(0xFFFFFFFF));
      break;
    case 6:
    case 7:
      machine.Get(caller.Name(), caller.Below(2000), at_runtime);
      break;
    case 8:
    case 9:
      machine.SetAtStoreLimit({caller.Name(), caller.Attributes(), {}, at_runtime},
                              caller.OneIn(2) ? 131072 : 98304, caller.OneIn(2));
      break;
    case 10:
      machine.AppendAtVariableLimit({caller.Name(), 0, {}, at_runtime}, caller.OneIn(2));
      break;
    default:
      machine.Set({caller.Name(), caller.Attributes(), caller.Data(), at_runtime});
  }
  machine.Check();
}

}  // namespace varstored::test
