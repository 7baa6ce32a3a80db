// SPDX-License-Identifier: Apache-2.0
// What the auditor reads: decisions, connections, the chain.
#include "controlplane/http/audit_export.hpp"
#include "controlplane/http/csv.hpp"
#include "controlplane/http/handlers.hpp"
#include "controlplane/http/own_decode.hpp"
#include "controlplane/http/own_encode.hpp"
#include "controlplane/http/review_encode.hpp"

namespace postern::http::own {
namespace {

HttpResponse fail(const core::Error& error) {
  return error_response(error, Dialect::own);
}

HttpResponse ok(const Json& json) {
  return {.status = 200, .body = to_text(json), .headers = {}};
}

}  // namespace

HttpResponse list_audit(Call& call) {
  const auto asked = decode_audit_query(call.target, call.accept);
  if (!asked) return fail(asked.error());
  if (asked->format != AuditFormat::json) {
    auto exported = export_audit(call.gatekeeper, call.caller, *asked);
    return exported ? *std::move(exported) : fail(exported.error());
  }
  const auto records = call.gatekeeper.audit(call.caller, asked->query);
  if (!records) return fail(records.error());
  Json json{{"records", Json::array()}};
  for (const core::AuditRecord& record : *records) json["records"].push_back(encode_record(record));
  return ok(json);
}

HttpResponse list_flows(Call& call) {
  const auto asked = decode_flow_query(call.target, call.accept);
  if (!asked) return fail(asked.error());
  if (asked->format != AuditFormat::json) {
    auto exported = export_flows(call.gatekeeper, call.caller, *asked);
    return exported ? *std::move(exported) : fail(exported.error());
  }
  const auto records = call.gatekeeper.flows(call.caller, asked->query);
  if (!records) return fail(records.error());
  Json json{{"flows", Json::array()}};
  for (const core::FlowRecord& record : *records) json["flows"].push_back(encode_flow(record));
  return ok(json);
}

HttpResponse review(Call& call) {
  const auto asked = decode_review_query(call.target, call.accept);
  if (!asked) return fail(asked.error());
  const auto review = call.gatekeeper.review(call.caller, asked->from, asked->to);
  if (!review) return fail(review.error());
  if (!asked->csv) return ok(encode_review(*review));
  return {.body = review_csv(*review),
          .content_type = std::string(csv_content_type),
          .headers = {{"Content-Disposition", "attachment; filename=\"postern-review.csv\""}}};
}

HttpResponse verify_audit(Call& call) {
  const auto check = call.gatekeeper.verify_audit(call.caller);
  if (!check) return fail(check.error());
  Json json{{"verified", check->records}, {"heads", check->heads}};
  if (check->checkpoint != 0) json["checkpoint"] = check->checkpoint;
  return ok(json);
}

HttpResponse verify_heads(Call& call) {
  const auto lines = decode_heads(call.body);
  if (!lines) return fail(lines.error());
  const auto check = call.gatekeeper.verify_audit(call.caller, *lines);
  if (!check) return fail(check.error());
  Json json{{"verified", check->records}, {"heads", check->heads}};
  if (check->checkpoint != 0) json["checkpoint"] = check->checkpoint;
  json["lines"] = check->lines;
  json["linesTooOld"] = check->lines_too_old;
  return ok(json);
}

}  // namespace postern::http::own
