// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/problem.hpp"

#include <spdlog/spdlog.h>

#include <array>

#include "controlplane/http/azure_encode.hpp"
#include "controlplane/http/request_id.hpp"
#include "controlplane/http/target.hpp"

namespace postern::http {
namespace {

using core::ErrorCode;

struct CodeStatus {
  ErrorCode code;
  int status;
};

// In the order of the enumeration. Never 5xx for a client's mistake: the SDKs would repeat it three times.
constexpr std::array statuses{
    CodeStatus{ErrorCode::authentication_failed, 401},
    CodeStatus{ErrorCode::invalid_token, 401},
    CodeStatus{ErrorCode::expired_token, 401},
    CodeStatus{ErrorCode::invalid_resource_type, 404},
    CodeStatus{ErrorCode::method_not_allowed, 405},
    CodeStatus{ErrorCode::missing_api_version, 400},
    CodeStatus{ErrorCode::invalid_api_version, 400},
    CodeStatus{ErrorCode::authorization_failed, 403},
    CodeStatus{ErrorCode::invalid_request_content, 400},
    CodeStatus{ErrorCode::invalid_policy_input, 400},
    CodeStatus{ErrorCode::invalid_initiate_input, 400},
    CodeStatus{ErrorCode::invalid_machine_input, 400},
    CodeStatus{ErrorCode::invalid_input, 400},
    CodeStatus{ErrorCode::policy_not_found, 404},
    CodeStatus{ErrorCode::machine_not_found, 404},
    CodeStatus{ErrorCode::grant_not_found, 404},
    CodeStatus{ErrorCode::token_not_found, 404},
    CodeStatus{ErrorCode::request_not_found, 404},
    CodeStatus{ErrorCode::break_glass_not_found, 404},
    CodeStatus{ErrorCode::not_subset_of_policy, 400},
    CodeStatus{ErrorCode::conflict, 409},
    CodeStatus{ErrorCode::entity_too_large, 413},
    CodeStatus{ErrorCode::too_many_requests, 429},
    CodeStatus{ErrorCode::capacity_exhausted, 503},
    CodeStatus{ErrorCode::store_failed, 503},
    CodeStatus{ErrorCode::gate_failed, 503},
    CodeStatus{ErrorCode::service_unavailable, 503},
    CodeStatus{ErrorCode::internal, 500},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < statuses.size(); ++i)
    if (static_cast<std::size_t>(statuses[i].code) != i) return false;
  return statuses.size() == static_cast<std::size_t>(ErrorCode::internal) + 1;
}
static_assert(in_order(), "each ErrorCode has its status, in the enumeration's order");

Json encode_problem(int status, std::string_view code, const core::Error& error) {
  Json json;
  json["type"] = "about:blank";
  json["title"] = status_text(status);
  json["status"] = status;
  json["code"] = code;
  json["detail"] = error.message;
  if (!error.target.empty()) json["target"] = error.target;
  if (!error.faults.empty()) {
    Json& errors = json["errors"] = Json::array();
    for (const core::Fault& fault : error.faults) {
      Json& entry = errors.emplace_back();
      entry["detail"] = fault.message;
      if (!fault.target.empty()) entry["target"] = fault.target;
    }
  }
  return json;
}

}  // namespace

int status_of(ErrorCode code) {
  return statuses[static_cast<std::size_t>(code)].status;
}

std::string_view status_text(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

HttpResponse error_response(const core::Error& error, Dialect dialect) {
  HttpResponse response;
  response.status = status_of(error.code);
  if (dialect == Dialect::azure) {
    response.body = to_text(encode_azure_error(error));
  } else {
    response.body = to_text(encode_problem(response.status, core::wire_name(error.code), error));
    response.content_type = "application/problem+json";
  }
  // No claims= parameter: the SDKs would take it for a challenge and ask for another token.
  if (response.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"postern\"");
  if (response.status == 429) response.headers.emplace_back("Retry-After", "10");
  return response;
}

HttpResponse refusal(int status, std::string_view code, const std::string& message, std::string_view target) {
  HttpResponse response;
  response.status = status;
  response.close = true;
  const std::string id = new_request_id();
  response.headers.emplace_back("x-ms-request-id", id);
  spdlog::info("Refused unread. path={} status={} code={} id={}", one_line(target.substr(0, target.find('?'))), status,
               code, id);
  if (is_azure_path(target)) {
    response.body = to_text(Json{{"error", Json{{"code", code}, {"message", message}}}});
  } else {
    core::Error error;
    error.message = message;
    response.body = to_text(encode_problem(status, code, error));
    response.content_type = "application/problem+json";
  }
  return response;
}

}  // namespace postern::http
