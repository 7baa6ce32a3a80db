// SPDX-License-Identifier: Apache-2.0
// The options that give rights: roles besides the built-in ones, and who has which role where.
#pragma once

#include "controlplane/daemon/options.hpp"

namespace postern::daemon {

// {"night-shift": {"actions": ["…/read", "…"], "notActions": ["…"]}, …}
core::Result<void> read_roles(const Json& value, Config& config);

// {"alice": {"role": "requester"}, "1001": [{"role": …, "scope": …}, …]}; scope may be left out.
core::Result<void> read_users(const Json& value, Config& config);

// {"role": "requester", "scope": "/"}, to a role that there is; scope may be left out. `whose`: "User 'alice'", for the
// sentence; `more`: a further member that may stand there.
core::Result<core::Assignment> read_assignment(const Json& value, const std::string& whose, const Config& config,
                                               std::string_view more = {});

}  // namespace postern::daemon
