#pragma once

#include <optional>
#include <vector>

#include "varstored/backend/pool.h"
#include "varstored/base/bytes.h"
#include "varstored/base/held_file.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/health/finding.h"
#include "varstored/health/state.h"
#include "varstored/tool/place.h"

namespace varstored::tools {

/// A VM's variables as bytes that nobody has looked into, and what is known besides.
struct Subject {
  tool::Kept kept;
  /// target, is_vm, is_first_boot, secure_boot, and now.
  health::Context context;
};

/// A VM as the pool has it, now.
[[nodiscard]] Subject SubjectInPool(const backend::PoolVm& vm);

/// A place, open to be read and written, and what it keeps.
struct OpenSubject {
  tool::Place place;
  health::Context context;

  [[nodiscard]] Subject subject() const { return {place.kept(), context}; }
  /// Whether a toolstack has the variables.
  [[nodiscard]] bool is_toolstack() const { return place.kept().form == tool::Kept::Form::kText; }
};

/// Opens what `options` name: a VM's variables in the toolstack, a database, or a file.
[[nodiscard]] base::Result<OpenSubject> OpenKept(const tool::PlaceOptions& options, base::Log& log,
                                                 sandbox::Stop* stop = nullptr);

// For a helper process:

/// What is kept, read as far as it can be.
[[nodiscard]] health::State StateOf(const tool::Kept& kept);

/// The same; of a file of which nothing can be read it is an error.
[[nodiscard]] base::Result<health::State> ReadableStateOf(const Subject& subject);

/// Of a file that can be looked at only, what mends it begins with a copy: the commands of
/// `findings` become the one that makes it.
void BeginWithACopy(const tool::Kept& kept, std::vector<health::Finding>& findings);

/// `state` in the form in which `kept` is.
[[nodiscard]] tool::NewBytes BytesOf(const health::State& state, const tool::Kept& kept);

}  // namespace varstored::tools
