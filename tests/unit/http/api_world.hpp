// SPDX-License-Identifier: Apache-2.0
// Both APIs over a real gatekeeper with doubles behind it, called as values: no socket in between.
#pragma once

#include <nlohmann/json.hpp>

#include "controlplane/http/api.hpp"
#include "tests/unit/core/gate_world.hpp"

namespace postern::tests {

inline const std::string policy_path =
    "/subscriptions/" + subscription +
    "/resourceGroups/lab/providers/Microsoft.Security/locations/westeurope/jitNetworkAccessPolicies/default";
inline const std::string version = "?api-version=2020-01-01";

// A body of initiate with one port, and more members after its list.
inline std::string ask_body(const std::string& port, const std::string& machine = machine_id("vm1"),
                     const std::string& more = "") {
  return R"({"virtualMachines":[{"id":")" + machine + R"(","ports":[{)" + port + "}]}]" + more + "}";
}

inline const std::string good_ask = ask_body(R"("number":22,"duration":"PT1H","allowedSourceAddressPrefix":"203.0.113.7")");

inline std::string policy_body(const std::string& port) {
  return R"({"kind":"Basic","properties":{"virtualMachines":[{"id":")" + machine_id("vm1") + R"(","ports":[{)" + port +
         "}]}]}}";
}

inline const std::string good_rule =
    R"("number":22,"protocol":"*","allowedSourceAddressPrefix":"*","maxRequestAccessDuration":"PT3H")";

struct ApiAnswer {
  http::HttpResponse response;
  nlohmann::json json;  // discarded if the body is none
  int status() const { return response.status; }
  std::string code() const;  // of either kind of error
  std::string header(const std::string& name) const;
};

struct ApiWorld : GateWorld {
  explicit ApiWorld(http::ApiOptions options = {}) : api_options(std::move(options)) { furnish(); }

  // As root over the Unix socket.
  ApiAnswer call(const std::string& method, const std::string& target, const std::string& body = "",
                 http::Headers headers = {});
  // Over TCP with this token; empty: none.
  ApiAnswer call_as(const std::string& token, const std::string& method, const std::string& target,
                    const std::string& body = "", http::Headers headers = {});
  // Over TLS from 203.0.113.7, to a server whose certificate is for gate.example.
  ApiAnswer call_tls(const std::string& token, const std::string& host, const std::string& method, const std::string& target,
                     const std::string& body = "", http::Headers headers = {});
  std::string token_of(const std::string& name, const std::string& role);

  http::ApiOptions api_options;

 private:
  ApiAnswer answer(const http::HttpRequest& request, const http::Peer& peer);
};

}  // namespace postern::tests
