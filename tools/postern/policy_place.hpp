// SPDX-License-Identifier: Apache-2.0
// Where a policy lives: the Azure-compatible route of its (subscription, group, location, name).
#pragma once

#include <string>

#include "tools/postern/gate_client.hpp"

namespace postern::cli {

struct PolicyPlace {
  std::string subscription, resource_group, location, name;
  std::string target() const;  // with api-version, ready to be called
};

// Subscription, group and location the daemon is configured with, which new policies get; `name` stays empty.
PolicyPlace home_of(const GateClient& gate);

// A policy by name (at home, else the only one of that name) or by its whole resource id. Throws Failure.
PolicyPlace find_policy(const GateClient& gate, const std::string& name_or_id);

// Reads a resource id; throws Failure(usage) if it is none of a policy.
PolicyPlace place_from_id(const std::string& id);

}  // namespace postern::cli
