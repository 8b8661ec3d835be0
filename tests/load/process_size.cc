#include "load/process_size.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace varstored::test {
namespace {

/// The sum of the values, in kB, of the lines "KEY: VALUE kB".
std::size_t Sum(const std::string& path, std::initializer_list<std::string> keys) {
  std::ifstream file(path);
  std::size_t sum = 0;
  std::size_t found = 0;
  for (std::string key; file >> key;) {
    for (const std::string& wanted : keys) {
      if (key == wanted + ":") {
        std::size_t value = 0;
        file >> value;
        sum += value;
        ++found;
      }
    }
  }
  if (found != keys.size()) {
    throw std::runtime_error(path + ": there is no such process any more");
  }
  return sum;
}

}  // namespace

ProcessSize SizeOf(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  ProcessSize size;
  size.resident_kb = Sum(folder + "/smaps_rollup", {"Rss"});
  size.private_kb = Sum(folder + "/smaps_rollup", {"Private_Clean", "Private_Dirty"});
  size.virtual_kb = Sum(folder + "/status", {"VmSize"});
  const std::filesystem::directory_iterator files(folder + "/fd");
  size.descriptors = static_cast<std::size_t>(std::distance(begin(files), end(files)));
  return size;
}

}  // namespace varstored::test
