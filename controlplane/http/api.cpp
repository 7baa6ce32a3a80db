// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/api.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "controlplane/http/host_guard.hpp"
#include "controlplane/http/openapi.hpp"
#include "controlplane/http/problem.hpp"
#include "controlplane/http/request_id.hpp"
#include "controlplane/http/routes.hpp"
#include "controlplane/http/target.hpp"

namespace postern::http {

struct Api::Told {
  std::string id, client_id, who;
  bool quiet = false;  // health checks, the description
};

namespace {

// The id under which a client repeats a call; one that could disturb a log or a header counts as not sent.
std::string client_request_id(const HttpRequest& request) {
  const auto sent = request.first("x-ms-client-request-id").value_or("");
  const auto plain = [](char c) { return c > 0x20 && c < 0x7f; };
  return sent.size() <= 128 && std::all_of(sent.begin(), sent.end(), plain) ? std::string(sent) : "";
}

core::Result<void> check_api_version(const Target& target) {
  const auto version = target.parameter("api-version");
  if (!version || version->empty())
    return core::Error{core::ErrorCode::missing_api_version,
                       "The api-version query parameter (?api-version=) is required.",
                       "api-version",
                       {}};
  const std::string folded = core::folded(*version);
  if (folded == "2020-01-01" || folded == "2015-06-01-preview") return {};
  return core::Error{core::ErrorCode::invalid_api_version,
                     "The api-version '" + *version + "' is not supported; use '2020-01-01' or '2015-06-01-preview'.",
                     "api-version",
                     {}};
}

// What nobody need log in for.
std::optional<HttpResponse> open_to_all(const HttpRequest& request, const Target& target, core::Gatekeeper& gatekeeper) {
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  if (target.segments.size() == 2 && target.segments[0] == "v1" && target.segments[1] == "openapi.json")
    return HttpResponse{.body = std::string(openapi_document), .headers = {}};
  if (target.segments.size() != 1) return std::nullopt;
  if (target.segments[0] == "healthz") return HttpResponse{.body = R"({"status":"ok"})", .headers = {}};
  if (target.segments[0] != "readyz") return std::nullopt;
  if (const auto ready = gatekeeper.ready(); !ready) {
    HttpResponse response = error_response(ready.error(), Dialect::own);
    response.status = 503;
    return response;
  }
  return HttpResponse{.body = R"({"ready":true})", .headers = {}};
}

void add_headers(HttpResponse& response, const std::string& id, const std::string& client_id,
                 const HttpRequest& request, const Peer& peer) {
  auto& headers = response.headers;
  headers.emplace_back("Cache-Control", "no-cache");
  headers.emplace_back("Pragma", "no-cache");
  headers.emplace_back("Expires", "-1");
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  if (peer.tls) headers.emplace_back("Strict-Transport-Security", "max-age=31536000");
  headers.emplace_back("x-ms-request-id", id);
  if (!client_id.empty()) headers.emplace_back("x-ms-client-request-id", client_id);
  const auto correlation = request.first("x-ms-correlation-request-id").value_or("");
  const auto plain = [](char c) { return c > 0x20 && c < 0x7f; };
  const bool usable =
      !correlation.empty() && correlation.size() <= 128 && std::all_of(correlation.begin(), correlation.end(), plain);
  headers.emplace_back("x-ms-correlation-request-id", usable ? std::string(correlation) : id);
}

}  // namespace

HttpResponse Api::handle(const HttpRequest& request, const Peer& peer) {
  const auto begin = std::chrono::steady_clock::now();
  Told told{.id = new_request_id(), .client_id = client_request_id(request), .who = ""};
  HttpResponse response;
  try {
    response = answer(request, peer, told);
  } catch (const std::exception& broken) {
    spdlog::error("A call broke an invariant. id={} what={}", told.id, one_line(broken.what()));
    const core::Error error{
        core::ErrorCode::internal, "The server made a mistake; its log has more under id " + told.id + ".", "", {}};
    response = error_response(error, is_azure_path(request.target) ? Dialect::azure : Dialect::own);
  }
  response.identified = !told.who.empty();
  add_headers(response, told.id, told.client_id, request, peer);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  // Path only: a query might one day hold what no log should.
  spdlog::log(told.quiet ? spdlog::level::debug : spdlog::level::info,
              "Answered. method={} path={} status={} ms={:.1f} bytes={} who={} from={} id={} client_id={}",
              one_line(request.method), one_line(std::string_view(request.target).substr(0, request.target.find('?'))),
              response.status, took.count(), response.body.size(), one_line(told.who),
              peer.address ? core::to_string(*peer.address) : "unix", told.id, one_line(told.client_id));
  return response;
}

core::Result<core::Principal> Api::identify(const HttpRequest& request, const Peer& peer) const {
  return http::identify(request, peer, options_.identity,
                        [this](std::string_view token) { return gatekeeper_.authenticate(token); });
}

HttpResponse Api::answer(const HttpRequest& request, const Peer& peer, Told& told) {
  const Dialect dialect = is_azure_path(request.target) ? Dialect::azure : Dialect::own;
  const auto fail = [dialect](const core::Error& error) { return error_response(error, dialect); };

  if (const auto host = check_host(request, peer, options_.public_url); !host) return fail(host.error());
  auto target = parse_target(request.target);
  if (target) {
    if (auto response = open_to_all(request, *target, gatekeeper_)) {
      told.quiet = true;
      return *std::move(response);
    }
  }
  auto principal = identify(request, peer);
  if (!principal) return fail(principal.error());
  told.who = principal->name;
  if (!target) return fail(target.error());
  Match match = match_route(request.method, *target);
  if (!match.route) {
    HttpResponse response = fail(match.error);
    if (!match.allow.empty()) response.headers.emplace_back("Allow", match.allow);
    return response;
  }
  if (match.route->dialect == Dialect::azure) {
    if (const auto version = check_api_version(*target); !version)
      return error_response(version.error(), Dialect::azure);
  }
  const std::string host(request.first("host").value_or("localhost"));
  Call call{
      .gatekeeper = gatekeeper_,
      .caller = {std::move(*principal), caller_address(request, peer, options_.identity), told.id, told.client_id},
      .target = std::move(*target),
      .parameters = std::move(match.parameters),
      .body = request.body,
      .request = request,
      .peer = peer,
      .api = *this,
      .links = {options_.public_url.empty() ? (peer.tls ? "https://" : "http://") + host : options_.public_url,
                options_.page_size},
      .accept = request.first("accept").value_or("")};
  return match.route->handler(call);
}

}  // namespace postern::http
