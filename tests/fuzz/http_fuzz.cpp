// SPDX-License-Identifier: Apache-2.0
// What the network sends, up to the core's values, under libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer: the head as
// the session reads it (in one piece and in many), target, Host, forwarded addresses, and the body by every decoder of both
// APIs and every reader of drafts. Nothing throws but what is caught, and how it was cut into pieces changes nothing.
#include <spdlog/spdlog.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "controlplane/core/drafts.hpp"
#include "controlplane/http/azure_decode.hpp"
#include "controlplane/http/break_glass_bodies.hpp"
#include "controlplane/http/host_guard.hpp"
#include "controlplane/http/identity.hpp"
#include "controlplane/http/json_body.hpp"
#include "controlplane/http/own_decode.hpp"
#include "controlplane/http/target.hpp"
#include "controlplane/http/wire_request.hpp"

using namespace postern;

namespace {

constexpr core::UtcTime now{std::chrono::seconds(1893553445)};

void must(bool holds, const char* rule) {
  if (holds) return;
  std::fprintf(stderr, "http_fuzz: broken rule: %s\n", rule);
  std::abort();
}

struct Read {
  std::optional<http::HttpRequest> request;
  std::optional<http::HttpResponse> refusal;
};

// As the session: bytes come in pieces, and what the parser did not take is kept in front of the next.
Read read(const std::string& bytes, std::size_t piece) {
  const http::ServerLimits limits;
  http::WireParser parser;
  http::set_limits(parser, limits);
  std::string held;
  for (std::size_t at = 0; at < bytes.size() && !parser.is_done();) {
    const std::size_t size = std::min(piece, bytes.size() - at);
    held.append(bytes, at, size);
    at += size;
    boost::system::error_code error;
    while (!held.empty() && !parser.is_done()) {
      const std::size_t taken = parser.put(boost::asio::buffer(held), error);
      held.erase(0, taken);
      if (error || taken == 0) break;
    }
    if (error && error != boost::beast::http::error::need_more) return {std::nullopt, http::refusal_of(error, parser, limits)};
  }
  if (!parser.is_done()) return {};
  return {http::taken(parser), std::nullopt};
}

void check_body(const std::string& body) {
  const auto json = http::parse_json(body);
  if (json) {
    const auto again = http::parse_json(http::to_text(*json));
    must(again && *again == *json, "JSON that is written is read as itself");
  } else {
    must(!json.error().message.empty(), "a refusal is a sentence");
  }
  const core::Settings settings;
  const core::PolicyId id{"11111111-2222-3333-4444-555555555555", "lab", "westeurope", "default"};
  const core::Address client{core::Family::ipv4, {203, 0, 113, 7}};
  (void)core::read_machine(http::decode_machine(body, "vm1"), settings);
  for (const auto& machine : http::decode_inventory(body).machines) (void)core::read_machine(machine, settings);
  for (const auto& draft : {http::decode_request(body), http::decode_access(body)}) {
    (void)core::read_access(draft, client, now);
    (void)core::read_revocation(draft);
  }
  (void)core::read_policy(id, http::decode_policy(body));
  (void)core::read_token(http::decode_token(body), now, {});
  (void)core::read_revocation(http::decode_revocation("1", body).second);
  (void)core::read_extension(http::decode_extension("1", body).second, now);
  (void)core::read_denial(http::decode_denial(body));
  (void)core::read_arming(http::decode_arming(body), now);
  (void)core::read_review(http::decode_review(body));
  (void)http::decode_enabling(body);
  (void)http::decode_disabling(body);
  (void)http::decode_switch(body);
  (void)http::decode_heads(body);
}

void check_request(const http::HttpRequest& request) {
  http::Peer peer;
  peer.address = core::Address{core::Family::ipv4, {127, 0, 0, 1}};
  peer.server_port = 7822;
  (void)http::check_host(request, peer, "https://gate.example");
  const http::IdentityRules rules{.users = {}, .admin_group = std::nullopt, .trusted_proxies = {core::Prefix{*peer.address, 32}}};
  (void)http::caller_address(request, peer, rules);
  (void)http::identify(request, peer, rules, [](std::string_view) { return core::Result<core::Principal>(core::Principal{"somebody", {}}); });
  (void)http::is_azure_path(request.target);
  if (const auto target = http::parse_target(request.target)) {
    for (const auto& segment : target->segments) must(http::is_utf8(segment), "segments are UTF-8");
    (void)http::decode_grant_filter(*target);
    if (const auto probe = http::decode_probe(*target)) (void)core::read_probe(*probe, peer.address);
    const std::string_view accept = request.first("accept").value_or("");
    (void)http::decode_audit_query(*target, accept);
    (void)http::decode_flow_query(*target, accept);
    (void)http::decode_review_query(*target, accept);
    (void)http::decode_machine_filter(*target);
    (void)http::decode_request_filter(*target);
    (void)http::decode_cut(*target);
    (void)http::decode_event_query(*target);
  }
  check_body(request.body);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spdlog::set_level(spdlog::level::off);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const Read whole = read(bytes, std::max<std::size_t>(size, 1));
  const Read pieces = read(bytes, size == 0 ? 1 : 1 + data[size - 1] % 37U);
  must(whole.request.has_value() == pieces.request.has_value(), "a request is one in one piece and in many");
  if (whole.request) {
    must(whole.request->target == pieces.request->target && whole.request->headers == pieces.request->headers &&
             whole.request->body == pieces.request->body,
         "a request is the same in one piece and in many");
    check_request(*whole.request);
  } else {
    check_body(bytes);  // so that a body needs no head to be looked at
    if (whole.refusal) must(whole.refusal->status >= 400, "what cannot be read is refused");
  }
  return 0;
}
