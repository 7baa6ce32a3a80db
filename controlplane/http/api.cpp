// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/api.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <tuple>

#include "controlplane/http/host_guard.hpp"
#include "controlplane/http/oidc.hpp"
#include "controlplane/http/openapi.hpp"
#include "controlplane/http/peer.hpp"
#include "controlplane/http/problem.hpp"
#include "controlplane/http/request_id.hpp"
#include "controlplane/http/target.hpp"

namespace postern::http {

struct Api::Journey {
  const HttpRequest& request;
  const Peer& peer;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  std::string id = new_request_id();
  std::string client_id = {}, who = {};
  bool quiet = false;  // health checks, the description
  std::optional<Call> call = {};  // with its route, unless it was answered before
  const Route* route = nullptr;
  std::optional<HttpResponse> response = {};
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

HttpResponse too_many(std::chrono::seconds wait, const std::string& whose, Dialect dialect) {
  HttpResponse response = error_response(
      {core::ErrorCode::too_many_requests, "Too many requests " + whose + "; try again in " + std::to_string(wait.count()) + " s.", "", {}},
      dialect);
  for (auto& [name, value] : response.headers)
    if (name == "Retry-After") value = std::to_string(wait.count());
  return response;
}

bool is_local_root(const Peer& peer) {
  return peer.local && peer.local->uid == 0;
}

// Does what may break an invariant; then the call is answered with that, and the others go on.
template <class Journey, class Act>
void guarded(Journey& journey, Act act) {
  try {
    act();
  } catch (const std::exception& broken) {
    spdlog::error("A call broke an invariant. id={} what={}", journey.id, one_line(broken.what()));
    const core::Error error{
        core::ErrorCode::internal, "The server made a mistake; its log has more under id " + journey.id + ".", "", {}};
    journey.response = error_response(error, is_azure_path(journey.request.target) ? Dialect::azure : Dialect::own);
  }
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

template <class Journey>
void log(const Journey& journey) {
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - journey.begin;
  const auto& [request, peer] = std::tie(journey.request, journey.peer);
  // Path only: a query might one day hold what no log should.
  spdlog::log(journey.quiet ? spdlog::level::debug : spdlog::level::info,
              "Answered. method={} path={} status={} ms={:.1f} bytes={} who={} from={} id={} client_id={}",
              one_line(request.method), one_line(std::string_view(request.target).substr(0, request.target.find('?'))),
              journey.response->status, took.count(), journey.response->body.size(), one_line(journey.who),
              peer.address ? core::to_string(*peer.address) : "unix", journey.id, one_line(journey.client_id));
}

}  // namespace

HttpResponse Api::handle(const HttpRequest& request, const Peer& peer) {
  return std::move(handle({Arrival{request, peer}}).front());
}

core::Result<core::Principal> Api::identify(const HttpRequest& request, const Peer& peer) const {
  return http::identify(request, peer, options_.identity,
                        [this](std::string_view token) {
                          if (access_tokens_ && looks_like_jwt(token)) return access_tokens_(token);
                          return gatekeeper_.authenticate(token);
                        });
}

std::string Api::source(const HttpRequest& request, const Peer& peer) const {
  return source_name(caller_address(request, peer, options_.identity), peer);
}

// A call that names nobody known. Where too many come from, that is said instead, and the log does not fill with it; a good
// token from the same source is served all the same.
HttpResponse Api::stranger(const core::Error& error, Journey& journey) {
  const Dialect dialect = is_azure_path(journey.request.target) ? Dialect::azure : Dialect::own;
  const auto wait = strangers_.take(source(journey.request, journey.peer), options_.now());
  if (!wait) return error_response(error, dialect);
  ++counts_.limited_sources;
  journey.quiet = true;
  return too_many(*wait, "that name nobody known came from this source", dialect);
}

std::vector<HttpResponse> Api::handle(const std::vector<Arrival>& arrivals) {
  std::vector<Journey> journeys;
  journeys.reserve(arrivals.size());
  for (const Arrival& arrival : arrivals) {
    Journey& journey = journeys.emplace_back(Journey{.request = arrival.request, .peer = arrival.peer});
    journey.client_id = client_request_id(arrival.request);
    guarded(journey, [&] { prepare(journey); });
  }
  admit_together(journeys);
  std::vector<HttpResponse> responses;
  responses.reserve(journeys.size());
  for (Journey& journey : journeys) {
    if (!journey.response) guarded(journey, [&] { journey.response = journey.route->handler(*journey.call); });
    journey.response->identified = !journey.who.empty();
    add_headers(*journey.response, journey.id, journey.client_id, journey.request, journey.peer);
    log(journey);
    responses.push_back(*std::move(journey.response));
  }
  return responses;
}

// If there are several. Where that cannot be, they are left to their handlers, one by one; break-glass always is.
void Api::admit_together(std::vector<Journey>& journeys) {
  const auto asks = [](const Journey& journey) { return !journey.response && journey.route->access; };
  if (std::count_if(journeys.begin(), journeys.end(), asks) < 2) return;
  std::vector<core::AccessCall> calls;
  std::vector<Journey*> asking;
  for (Journey& journey : journeys) {
    if (!asks(journey)) continue;
    guarded(journey, [&] {
      auto call = journey.route->access->asked(*journey.call);
      if (call.draft.break_glass) return;
      calls.push_back(std::move(call));
      asking.push_back(&journey);
    });
  }
  try {
    const auto results = gatekeeper_.admit_together(calls);
    for (std::size_t i = 0; results && i < asking.size(); ++i)
      guarded(*asking[i], [&] { asking[i]->response = asking[i]->route->access->told((*results)[i]); });
  } catch (...) {  // they may be recorded: nobody may ask for them once more
    const auto broken = std::current_exception();
    for (Journey* each : asking) guarded(*each, [&] { std::rethrow_exception(broken); });
  }
}

// As far as the route's handler, or to the answer if there is one before.
void Api::prepare(Journey& journey) {
  const HttpRequest& request = journey.request;
  const Peer& peer = journey.peer;
  const Dialect dialect = is_azure_path(request.target) ? Dialect::azure : Dialect::own;
  const auto answer = [&](HttpResponse response) { journey.response = std::move(response); };
  const auto fail = [&](const core::Error& error) { answer(error_response(error, dialect)); };

  if (const auto host = check_host(request, peer, options_.public_url); !host) return answer(stranger(host.error(), journey));
  auto target = parse_target(request.target);
  if (target) {
    if (auto response = open_to_all(request, *target, gatekeeper_)) {
      journey.quiet = true;
      const auto wait = is_local_root(peer) ? std::nullopt : open_.take(source(request, peer), options_.now());
      if (!wait) return answer(*std::move(response));
      ++counts_.limited_sources;
      return answer(too_many(*wait, "came from this source", dialect));
    }
  }
  auto principal = identify(request, peer);
  if (!principal) {
    ++counts_.failed_logins;
    return answer(stranger(principal.error(), journey));
  }
  journey.who = principal->name;
  // An issuer's users may be many whom nobody here knows, and each refusal leaves a record: as many as of strangers.
  if (principal->assignments.empty()) {
    if (const auto wait = strangers_.take(source(request, peer), options_.now())) {
      ++counts_.limited_sources;
      return answer(too_many(*wait, "of people without a role here came from this source", dialect));
    }
  }
  if (!is_local_root(peer)) {
    if (const auto wait = callers_.take(core::folded(principal->name), options_.now())) {
      ++counts_.limited_callers;
      return answer(too_many(*wait, "were made as '" + principal->name + "'", dialect));
    }
  }
  if (!target) return fail(target.error());
  Match match = match_route(request.method, *target);
  if (!match.route) {
    fail(match.error);
    if (!match.allow.empty()) journey.response->headers.emplace_back("Allow", match.allow);
    return;
  }
  if (match.route->dialect == Dialect::azure) {
    if (const auto version = check_api_version(*target); !version)
      return answer(error_response(version.error(), Dialect::azure));
  }
  const std::string host(request.first("host").value_or("localhost"));
  journey.route = match.route;
  journey.call.emplace(Call{
      .gatekeeper = gatekeeper_,
      .caller = {std::move(*principal), caller_address(request, peer, options_.identity), journey.id, journey.client_id},
      .target = std::move(*target),
      .parameters = std::move(match.parameters),
      .body = request.body,
      .request = request,
      .peer = peer,
      .api = *this,
      .links = {options_.public_url.empty() ? (peer.tls ? "https://" : "http://") + host : options_.public_url,
                options_.page_size},
      .accept = request.first("accept").value_or(""),
      .counts = counts_});
}

}  // namespace postern::http
