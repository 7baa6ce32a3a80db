// SPDX-License-Identifier: Apache-2.0
// What our own API answers (docs/api.md), in camelCase; members without a value are left out.
#pragma once

#include "controlplane/core/access.hpp"
#include "controlplane/http/json_body.hpp"

namespace postern::http {

Json encode_machine(const core::MachineView& view);
Json encode_request(const core::RequestView& view);
Json encode_grant(const core::Grant& grant, const core::Request& request);
Json encode_standing(const core::StandingRule& standing);
Json encode_explanation(const core::Explanation& told);
Json encode_grant(const core::GrantView& view);  // with its use, as far as that is known
Json encode_revoked(const core::GrantView& view);  // with what was cut
Json encode_service_count(const core::ServiceCount& count);
Json encode_event(const core::EventView& view);
Json encode_events(const core::EventPage& page);
Json encode_token(const core::Token& token);  // without its hash
Json encode_role(const core::RoleView& view);
Json encode_status(const core::GateStatus& status);
Json encode_record(const core::AuditRecord& record);

}  // namespace postern::http
