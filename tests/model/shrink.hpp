// SPDX-License-Identifier: Apache-2.0
// Makes a story that fails as short as it can: fewer packets, fewer table entries, fewer bytes.
#pragma once

#include <functional>

#include "tests/model/story.hpp"

namespace postern::model {

Story shrink(Story story, const std::function<bool(const Story&)>& fails);

}  // namespace postern::model
