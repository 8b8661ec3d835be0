#pragma once

#include <string>
#include <vector>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"

/// How a helper process is asked about a VM, and answers.
namespace varstored::pool {

/// Several texts: their number in 4 bytes, and each as tool::WriteText has it. Reading is false
/// where it ends too early.
void WriteTexts(base::Writer& writer, const std::vector<std::string>& texts);
[[nodiscard]] bool ReadTexts(base::Reader& reader, std::vector<std::string>& texts);

/// A byte that is not 0 for true.
void WriteFlag(base::Writer& writer, bool flag);
[[nodiscard]] bool ReadFlag(base::Reader& reader, bool& flag);

}  // namespace varstored::pool
