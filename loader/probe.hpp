// SPDX-License-Identifier: Apache-2.0
// What this kernel can do, found out by trying it, never by its version.
#pragma once

#include <string>
#include <vector>

#include "loader/error.hpp"

namespace postern::loader {

struct Feature {
  std::string name;  // "map type LRU hash"
  bool present = false;
  bool needed = true;       // else: something is done in another way
  std::string consequence;  // a sentence, if it is missing
};

// Every feature, in the order of a report.
std::vector<Feature> probe_features();
LoaderResult<void> check_root();
// The needed ones; the error lists all that are missing.
LoaderResult<void> check_needed_features();
// Loads a program and puts another in the place of one of its functions, as libxdp's dispatcher does. `why` is filled
// if it is refused.
bool freplace_works(std::string* why = nullptr);

}  // namespace postern::loader
