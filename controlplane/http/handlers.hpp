// SPDX-License-Identifier: Apache-2.0
// The handlers that the route table names. Each is decode → gatekeeper → encode; none decides anything.
#pragma once

#include "controlplane/http/routes.hpp"

namespace postern::http::azure {

HttpResponse list_policies(Call& call);
HttpResponse get_policy(Call& call);
HttpResponse put_policy(Call& call);
HttpResponse delete_policy(Call& call);
HttpResponse initiate(Call& call);
core::AccessCall asked(const Call& call);
HttpResponse told(const core::Result<core::RequestView>& request);
HttpResponse revoke(Call& call);

}  // namespace postern::http::azure

namespace postern::http::own {

HttpResponse list_machines(Call& call);
HttpResponse get_machine(Call& call);
HttpResponse put_machine(Call& call);
HttpResponse post_machines(Call& call);
HttpResponse delete_machine(Call& call);
HttpResponse get_connection(Call& call);
HttpResponse enable_machines(Call& call);
HttpResponse disable_machines(Call& call);
HttpResponse list_exposure(Call& call);
HttpResponse list_switches(Call& call);
HttpResponse put_switch(Call& call);
HttpResponse list_policies(Call& call);
HttpResponse post_request(Call& call);
HttpResponse list_requests(Call& call);
HttpResponse get_request(Call& call);
HttpResponse approve_request(Call& call);
HttpResponse deny_request(Call& call);
core::AccessCall asked(const Call& call);
HttpResponse told(const core::Result<core::RequestView>& request);
HttpResponse list_grants(Call& call);
HttpResponse revoke_grant(Call& call);
HttpResponse extend_grant(Call& call);
HttpResponse get_status(Call& call);
HttpResponse get_metrics(Call& call);
HttpResponse explain(Call& call);
HttpResponse list_service_counts(Call& call);
HttpResponse list_events(Call& call);
HttpResponse stream_events(Call& call);
HttpResponse list_tokens(Call& call);
HttpResponse post_token(Call& call);
HttpResponse delete_token(Call& call);
HttpResponse list_roles(Call& call);
HttpResponse arm_break_glass(Call& call);
HttpResponse list_break_glass(Call& call);
HttpResponse disarm_break_glass(Call& call);
HttpResponse review_break_glass(Call& call);
void shout_break_glass(const Call& call, const core::RequestView& view);
HttpResponse list_audit(Call& call);
HttpResponse list_flows(Call& call);
HttpResponse review(Call& call);
HttpResponse verify_audit(Call& call);
HttpResponse verify_heads(Call& call);

}  // namespace postern::http::own
