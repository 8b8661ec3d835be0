#pragma once

// The firmware's marshalling, which is C.
extern "C" {
#include "Wire.h"
}
