// SPDX-License-Identifier: Apache-2.0
// The egress program as a tc filter: clsact qdisc, first priority, a handle of our own. Several filters may share the
// qdisc; we touch none but ours, and remove the qdisc only if we made it and nothing is left in it.
#pragma once

#include <cstdint>
#include <optional>

#include "loader/error.hpp"
#include "loader/interface.hpp"
#include "loader/tc_hook.hpp"

namespace postern::loader {

struct EgressAttachment {
  bool clsact_made = false;
  std::optional<std::uint32_t> program;  // id of the one in our place
};

// Puts the program in our place, atomically if another stands there already.
LoaderResult<EgressAttachment> attach_egress(const Interface& interface, int program_fd);
// Takes our filter away, and the qdisc if `clsact_ours` and it is empty then. Fine if nothing is there.
LoaderResult<void> detach_egress(const Interface& interface, bool clsact_ours);

}  // namespace postern::loader
