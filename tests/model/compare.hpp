// SPDX-License-Identifier: Apache-2.0
// What the programs left in their maps against what the model expects, in words; empty: the same.
#pragma once

#include "tests/model/kernel.hpp"
#include "tests/model/model.hpp"

namespace postern::model {

// Times that both sides read from a clock of their own need only be this close.
inline constexpr std::uint64_t tolerance_ns = 1'500'000'000;

struct Counted {
  std::vector<gate_counter> reasons, tallies;
};
Counted counted(const Kernel& kernel);

std::string compare(const Kernel& kernel, const Counted& before, Model& model);
std::string compare(const gate_explain& program, const Answer& model);

}  // namespace postern::model
