// Prints the list of system calls as it was compiled (sandbox::ListOfCalls), for used_calls.py.

#include <iostream>

#include "varstored/sandbox/sandbox.h"

int main() { std::cout << varstored::sandbox::ListOfCalls(); }
