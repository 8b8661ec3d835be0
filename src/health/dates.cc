#include "dates.h"

#include <chrono>

#include "varstored/base/ascii.h"

namespace varstored::health {

std::string DateText(std::int64_t seconds) {
  const auto day = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_seconds(std::chrono::seconds(seconds)));
  const std::chrono::year_month_day date(day);
  return base::Padded(int{date.year()}, 4) + "-" + base::Padded(unsigned{date.month()}, 2) + "-" +
         base::Padded(unsigned{date.day()}, 2);
}

}  // namespace varstored::health
