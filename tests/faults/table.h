#pragma once

#include <set>
#include <string>
#include <vector>

namespace varstored::test {

/// What comes of one operation when something goes wrong in it, at any place: all that was seen.
struct Outcome {
  std::set<std::string> told;   // what the guest is told, or how the program ends
  std::set<std::string> kept;   // what is found if the program is killed then
  std::set<std::string> after;  // what the next request without a fault finds; usually "works"

  void Add(const Outcome& other);
  [[nodiscard]] bool operator==(const Outcome&) const = default;
};

/// A row of docs/faults.md: while `operation` is carried out, `fault` happens.
struct Row {
  std::string operation;
  std::string fault;
  Outcome outcome;
};

using Rows = std::vector<Row>;

/// Memory that is missing, at every allocation of an operation.
[[nodiscard]] Rows MemoryFaults();
/// System calls that fail, at every call of an operation on the database or the save file.
[[nodiscard]] Rows CallFaults();
/// Signals, at every system call of start, request and end.
[[nodiscard]] Rows SignalFaults();

/// To be called before anything else: from here on libraries take their memory as the tests'
/// operator new does.
void UseFailingAllocators();

}  // namespace varstored::test
