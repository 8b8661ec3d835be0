#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "varstored/base/log.h"
#include "varstored/engine/variable_services.h"
#include "varstored/guest/dispatcher.h"

namespace varstored::test {

class Storage final : public store::Backend {
 public:
  base::Result<std::optional<std::vector<store::Entry>>> Load() override {
    return std::optional<std::vector<store::Entry>>();
  }
  base::Result<void> Commit(const store::StagedStore& /*staged*/) override { return {}; }
  base::Result<void> ReportSecureBootFailure() override {
    ++reports;
    return {};
  }
  int reports = 0;
};

class Silence final : public base::Log {
 private:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/,
           std::string_view /*text*/) override {}
};

/// What answers the driver on the host. Call services.Boot() first.
struct Host {
  Storage storage;
  Silence log;
  engine::VariableServices services{engine::Policy{}, storage, log};
  guest::Dispatcher dispatcher{services, log};
};

}  // namespace varstored::test
