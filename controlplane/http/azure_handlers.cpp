// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/azure_decode.hpp"
#include "controlplane/http/azure_encode.hpp"
#include "controlplane/http/handlers.hpp"
#include "controlplane/http/paging.hpp"

namespace postern::http::azure {
namespace {

HttpResponse fail(const core::Error& error) {
  return error_response(error, Dialect::azure);
}

HttpResponse answer(int status, const Json& json) {
  return {.status = status, .body = to_text(json), .headers = {}};
}

}  // namespace

HttpResponse list_policies(Call& call) {
  const core::PolicyFilter filter{call.parameter("sub"), call.parameter("rg"), call.parameter("loc")};
  auto policies = call.gatekeeper.list_policies(call.caller, filter);
  if (!policies) return fail(policies.error());
  const auto page = page_of(std::move(*policies), filter, call.target, call.links);
  if (!page) return fail(page.error());
  Json json{{"value", Json::array()}};
  for (const core::PolicyView& policy : page->policies) json["value"].push_back(encode_policy(policy));
  if (!page->next_link.empty()) json["nextLink"] = page->next_link;
  return answer(200, json);
}

HttpResponse get_policy(Call& call) {
  const auto policy = call.gatekeeper.get_policy(call.caller, call.policy_id());
  return policy ? answer(200, encode_policy(*policy)) : fail(policy.error());
}

// 200 also when it creates: a 201 breaks every SDK.
HttpResponse put_policy(Call& call) {
  const auto policy = call.gatekeeper.put_policy(call.caller, call.policy_id(), decode_policy(call.body));
  return policy ? answer(200, encode_policy(*policy)) : fail(policy.error());
}

HttpResponse delete_policy(Call& call) {
  const auto existed = call.gatekeeper.erase_policy(call.caller, call.policy_id());
  if (!existed) return fail(existed.error());
  return {.status = *existed ? 200 : 204, .body = "", .headers = {}};
}

HttpResponse initiate(Call& call) {
  return told(call.gatekeeper.initiate(call.caller, call.policy_id(), decode_access(call.body)));
}

core::AccessCall asked(const Call& call) {
  return {call.caller, call.policy_id(), decode_access(call.body)};
}

HttpResponse told(const core::Result<core::RequestView>& request) {
  return request ? answer(202, encode_accepted(*request)) : fail(request.error());
}

HttpResponse revoke(Call& call) {
  const auto grants = call.gatekeeper.revoke_ports(call.caller, call.policy_id(), decode_access(call.body));
  return grants ? answer(202, encode_revoked(*grants)) : fail(grants.error());
}

}  // namespace postern::http::azure
