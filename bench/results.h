#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace varstored::bench {

/// What was measured. Its fields are the first columns of a line of results.tsv, see bench/page.py.
struct Subject {
  std::string table;    // of docs/performance.md
  std::string build;    // "dynamic" or "static"
  std::string what;     // "GetVariable", "start"
  std::string backend;  // "memory", "sqlite", "xapidb", or what stands in the place of a daemon
  std::size_t at = 0;   // how many variables, bytes, daemons or milliseconds
};

/// Prints a line: the subject, what the numbers are ("requests/s", "us"), and one for each round.
void Record(const Subject& subject, const std::string& measure, const std::vector<double>& samples);

/// What is going on, for whoever waits: to standard error.
void Say(const std::string& text);

}  // namespace varstored::bench
