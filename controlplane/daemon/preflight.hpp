// SPDX-License-Identifier: Apache-2.0
// What only a start would find of a configuration that is well formed: files, folders, addresses. Looks, and changes nothing;
// touches neither gate nor database. What another posternd holds (a port, the database) is no fault: it may be the very one
// whose file this is.
#pragma once

#include <vector>

#include "controlplane/daemon/options.hpp"

namespace postern::daemon {

std::vector<core::Fault> preflight(const Config& config, const Given& given);

}  // namespace postern::daemon
