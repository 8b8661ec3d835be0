#pragma once

#include "varstored/base/log.h"

namespace varstored::base {

/// Keeps nothing: for a trial of which only the result counts.
class NoLog final : public Log {
 public:
  void Put(LogLevel /*level*/, std::string_view /*name*/, std::string_view /*text*/) override {}
};

}  // namespace varstored::base
