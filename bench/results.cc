#include "results.h"

#include <iomanip>
#include <iostream>

namespace varstored::bench {

void Record(const Subject& subject, const std::string& measure,
            const std::vector<double>& samples) {
  std::cout << subject.table << '\t' << subject.build << '\t' << subject.what << '\t'
            << subject.backend << '\t' << subject.at << '\t' << measure << '\t';
  const char* separator = "";
  for (const double sample : samples) {
    std::cout << separator << std::setprecision(5) << sample;
    separator = " ";
  }
  std::cout << std::endl;
}

void Say(const std::string& text) { std::cerr << "       " << text << std::endl; }

}  // namespace varstored::bench
