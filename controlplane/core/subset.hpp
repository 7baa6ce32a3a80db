// SPDX-License-Identifier: Apache-2.0
// The subset rule (docs/azure-api.md): what a request may get under its policy, and what a changed policy still
// allows.
#pragma once

#include <vector>

#include "controlplane/core/drafts.hpp"
#include "controlplane/core/model.hpp"

namespace postern::core {

// Clients ask for "now + exactly the maximum" by their own clock.
inline constexpr std::chrono::seconds end_tolerance{60};

const PolicyMachine* find_machine(const Policy& policy, std::string_view machine_id);
// The machine of the policy that this text means: by its id, or by a name that only one of them has.
const PolicyMachine* machine_meant(const Policy& policy, const std::string& text);
const PortRule* find_rule(const Policy& policy, std::string_view machine_id, std::uint16_t port);

// One grant for each port asked for, in order, cut to the rule's maximum; serial, request and boot are left to fill
// in. Or everything that lies outside of the policy (AccessRequestNotSubsetOfPolicy).
Result<std::vector<Grant>> grants_inside(const Policy& policy, const AskedAccess& asked, UtcTime now);

// What a revocation names that the policy does not.
std::optional<Error> ports_outside(const Policy& policy, const AskedAccess& asked);

// Whether any of the ports has a rule that wants approval: then the whole request waits for it.
bool wants_approval(const Policy& policy, const std::vector<Grant>& grants);

bool still_allows(const Policy& policy, const Grant& grant);
// The same of one that is not open yet, or shall be open for longer: nobody gets by a rule that was made stricter meanwhile.
bool lets_wait(const Policy& policy, const Request& request, const Grant& grant);

}  // namespace postern::core
