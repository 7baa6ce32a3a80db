// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/http/api_world.hpp"

namespace postern::tests {

std::string ApiAnswer::code() const {
  if (!json.is_object()) return "";
  return json.contains("error") ? json["error"].value("code", "") : json.value("code", "");
}

std::string ApiAnswer::header(const std::string& name) const {
  for (const auto& [key, value] : response.headers)
    if (core::folded(key) == core::folded(name)) return value;
  return "";
}

ApiAnswer ApiWorld::call(const std::string& method, const std::string& target, const std::string& body,
                         http::Headers headers) {
  http::Peer peer;
  peer.local = http::UnixPeer{0, 0, {}};
  headers.emplace_back("host", "localhost");
  return answer({.method = method, .target = target, .headers = std::move(headers), .body = body}, peer);
}

ApiAnswer ApiWorld::call_as(const std::string& token, const std::string& method, const std::string& target,
                            const std::string& body, http::Headers headers) {
  http::Peer peer;
  peer.address = core::parse_address("127.0.0.1").value();
  peer.server_port = 7822;
  headers.emplace_back("host", "localhost:7822");
  if (!token.empty()) headers.emplace_back("authorization", "Bearer " + token);
  return answer({.method = method, .target = target, .headers = std::move(headers), .body = body}, peer);
}

ApiAnswer ApiWorld::call_tls(const std::string& token, const std::string& host, const std::string& method,
                             const std::string& target, const std::string& body, http::Headers headers) {
  http::Peer peer;
  peer.address = core::parse_address("203.0.113.7").value();
  peer.server_port = 7823;
  peer.tls = true;
  peer.server_names = {"gate.example"};
  headers.emplace_back("host", host);
  headers.emplace_back("authorization", "Bearer " + token);
  return answer({.method = method, .target = target, .headers = std::move(headers), .body = body}, peer);
}

std::string ApiWorld::token_of(const std::string& name, const std::string& role) {
  core::TokenDraft draft;
  draft.principal = name;
  draft.role = role;
  return gate->issue_token(admin(), draft).value().secret;
}

ApiAnswer ApiWorld::answer(const http::HttpRequest& request, const http::Peer& peer) {
  http::Api api(*gate, api_options);
  ApiAnswer answer{api.handle(request, peer), {}};
  answer.json = nlohmann::json::parse(answer.response.body, nullptr, false);
  return answer;
}

}  // namespace postern::tests
