// SPDX-License-Identifier: Apache-2.0
// A random story: tables as posternd and loader may leave them, then packets of a few connections and of nobody's, and
// changes of the tables between them. The same seed makes the same story.
#pragma once

#include "tests/model/story.hpp"

namespace postern::model {

// Idle times of the stories, all two seconds off the multiples of `age_unit` that entries grow older by.
inline constexpr std::uint64_t second = 1'000'000'000;
inline constexpr std::uint64_t age_unit = 4 * second;

// Deadlines lie far in the past or in the future; explain looks at these moments.
inline constexpr std::uint64_t long_ago = 1000;
inline constexpr std::uint64_t far_away = 1ULL << 62;

Story generate(std::uint64_t seed);

}  // namespace postern::model
