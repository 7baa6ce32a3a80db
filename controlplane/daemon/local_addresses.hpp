// SPDX-License-Identifier: Apache-2.0
// The addresses of this host's interfaces but for 127.0.0.0/8 and ::1, which nobody outside reaches.
#pragma once

#include <vector>

#include "controlplane/core/address.hpp"
#include "controlplane/core/result.hpp"

namespace postern::daemon {

core::Result<std::vector<core::Address>> local_addresses();  // sorted, each once

}  // namespace postern::daemon
