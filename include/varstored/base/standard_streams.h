#pragma once

namespace varstored::base {

/// Opens /dev/null for each of standard input, output and error that the caller has closed. For a
/// program to begin with: the next file that is opened would get that number, and have written into
/// it what is meant for people. In a database that is its first bytes.
void OpenStandardStreams();

}  // namespace varstored::base
