// SPDX-License-Identifier: Apache-2.0
// Break-glass over our own API. What is done with it the log shouts, beside the audit: somebody may be watching.
#include <spdlog/spdlog.h>

#include "controlplane/http/break_glass_bodies.hpp"
#include "controlplane/http/handlers.hpp"
#include "controlplane/http/own_encode.hpp"
#include "controlplane/http/request_id.hpp"

namespace postern::http::own {
namespace {

HttpResponse fail(const core::Error& error) {
  return error_response(error, Dialect::own);
}

HttpResponse answer(int status, const Json& json) {
  return {.status = status, .body = to_text(json), .headers = {}};
}

}  // namespace

void shout_break_glass(const Call& call, const core::RequestView& view) {
  spdlog::critical("BREAK-GLASS was used. who={} from={} request={} policy={} justification=\"{}\"", one_line(call.caller.principal.name),
                   call.caller.address ? core::to_string(*call.caller.address) : "unix", view.request.id,
                   one_line(view.request.policy.path()), one_line(view.request.justification));
}

HttpResponse arm_break_glass(Call& call) {
  const auto armed = call.gatekeeper.arm(call.caller, decode_arming(call.body));
  if (!armed) return fail(armed.error());
  const auto& arming = armed->arming;
  spdlog::warn("Break-glass is armed. id={} who={} scope={} until={} by={}", arming.id, one_line(arming.principal),
               one_line(arming.scope), core::format_time(arming.end), one_line(arming.armed_by));
  return answer(201, encode_arming(*armed));
}

HttpResponse list_break_glass(Call& call) {
  const auto views = call.gatekeeper.list_break_glass(call.caller);
  if (!views) return fail(views.error());
  Json json{{"breakGlass", Json::array()}};
  for (const auto& view : *views) json["breakGlass"].push_back(encode_arming(view));
  return answer(200, json);
}

HttpResponse disarm_break_glass(Call& call) {
  const auto id = decode_number(call.parameter("id"));
  const auto cut = decode_cut(call.target);
  if (!cut) return fail(cut.error());
  const auto disarmed = call.gatekeeper.disarm(call.caller, id, *cut);
  if (!disarmed) return fail(disarmed.error());
  spdlog::warn("Break-glass is disarmed. id={} who={} by={} cut={}", id, one_line(disarmed->arming.principal),
               one_line(call.caller.principal.name), *cut);
  return answer(200, encode_arming(*disarmed));
}

HttpResponse review_break_glass(Call& call) {
  const auto use = call.gatekeeper.review_break_glass(call.caller, decode_number(call.parameter("request")), decode_review(call.body));
  return use ? answer(200, encode_use(*use)) : fail(use.error());
}

}  // namespace postern::http::own
