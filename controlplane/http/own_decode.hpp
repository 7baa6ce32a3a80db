// SPDX-License-Identifier: Apache-2.0
// Bodies and query parameters of our own API (docs/api.md) as the core's drafts. Strict: exact names, a member or
// value that is not known is a fault with its place.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controlplane/core/access.hpp"
#include "controlplane/http/message.hpp"
#include "controlplane/http/target.hpp"

namespace postern::http {

core::MachineDraft decode_machine(std::string_view body, std::string_view name);  // the path decides the name
core::InventoryDraft decode_inventory(std::string_view body);
core::EnableDraft decode_enabling(std::string_view body);
core::DisableDraft decode_disabling(std::string_view body);
core::Result<core::MachineFilter> decode_machine_filter(const Target& target);
core::SwitchDraft decode_switch(std::string_view body);
core::AccessDraft decode_request(std::string_view body);
core::DenialDraft decode_denial(std::string_view body);
std::uint64_t decode_request_id(std::string_view text);  // 0, which no request has, for what is no number
core::Result<core::RequestFilter> decode_request_filter(const Target& target);
core::TokenDraft decode_token(std::string_view body);
core::Result<core::GrantFilter> decode_grant_filter(const Target& target);
core::Result<core::ProbeDraft> decode_probe(const Target& target);
// json: one document, of at most 1000 records; the others: all there are, unless a limit is given.
enum class AuditFormat { json, csv, json_lines };
struct AuditAsked {
  core::AuditQuery query;
  AuditFormat format = AuditFormat::json;
};
core::Result<AuditAsked> decode_audit_query(const Target& target, std::string_view accept);
struct FlowsAsked {
  core::FlowQuery query;
  AuditFormat format = AuditFormat::json;
};
core::Result<FlowsAsked> decode_flow_query(const Target& target, std::string_view accept);
struct ReviewAsked {
  std::optional<core::UtcTime> from, to;
  bool csv = false;
};
core::Result<ReviewAsked> decode_review_query(const Target& target, std::string_view accept);
core::Result<std::vector<std::string>> decode_heads(std::string_view body);
core::Result<core::EventQuery> decode_event_query(const Target& target);

// Where a stream of events begins: Last-Event-ID ("EPOCH.SEQUENCE"), else the parameter `after`, else with what happens next.
struct StreamBegin {
  std::optional<std::uint64_t> after;
  bool anew = false;  // the id is of another epoch: the daemon has started since, and what it knows comes from the beginning
};
core::Result<StreamBegin> decode_stream_begin(const Target& target, const HttpRequest& request, std::string_view epoch);
// The serial of the path, and what the body says; a serial that is no number is 0 and a fault of the draft.
std::pair<std::uint64_t, core::RevocationDraft> decode_revocation(std::string_view serial, std::string_view body);
std::pair<std::uint64_t, core::ExtensionDraft> decode_extension(std::string_view serial, std::string_view body);

// The core places faults as in the Azure-compatible body; the same place in the body of POST /v1/requests.
core::Error with_own_places(core::Error error);

}  // namespace postern::http
