// SPDX-License-Identifier: Apache-2.0
// What is kept for the auditor, as CSV or JSON lines, newest first, in parts: each reads a bounded stretch of it, so that an
// export of any length holds little and keeps nobody waiting.
#pragma once

#include "controlplane/core/access.hpp"
#include "controlplane/http/json_body.hpp"
#include "controlplane/http/message.hpp"
#include "controlplane/http/own_decode.hpp"

namespace postern::http {

// `gatekeeper` must outlive the answer. What is recorded meanwhile is not in it.
core::Result<HttpResponse> export_audit(core::Gatekeeper& gatekeeper, const core::Caller& caller,
                                        const AuditAsked& asked);
core::Result<HttpResponse> export_flows(core::Gatekeeper& gatekeeper, const core::Caller& caller,
                                        const FlowsAsked& asked);

Json encode_flow(const core::FlowRecord& record);

}  // namespace postern::http
