// SPDX-License-Identifier: Apache-2.0
// Who calls: the kernel's word, or a token. And the address that "my IP" means: believed of trusted proxies only, and
// never a loopback one.
#include "controlplane/http/identity.hpp"

#include <sys/resource.h>

#include "tests/support/catch.hpp"

using namespace postern;

TEST_CASE("the caller's address") {
  struct Row {
    const char* name;
    const char* peer;  // nullptr: the Unix socket
    std::vector<const char*> forwarded;
    const char* address;  // nullptr: none
  };
  const auto row = GENERATE(values<Row>({
      {"the Unix socket has none", nullptr, {}, nullptr},
      {"the Unix socket believes nobody", nullptr, {"203.0.113.7"}, nullptr},
      {"loopback has none", "127.0.0.1", {}, nullptr},
      {"loopback of IPv6 has none", "::1", {}, nullptr},
      {"loopback that is no proxy names none", "127.0.0.1", {"203.0.113.7"}, nullptr},
      {"a peer from elsewhere", "203.0.113.9", {}, "203.0.113.9"},
      {"a peer that is no proxy cannot name another", "203.0.113.9", {"198.51.100.1"}, "203.0.113.9"},
      {"a proxy names it", "127.0.0.7", {"203.0.113.7"}, "203.0.113.7"},
      {"with port", "127.0.0.7", {"203.0.113.7:51234"}, "203.0.113.7"},
      {"IPv6 bare", "127.0.0.7", {"2001:db8::7"}, "2001:db8::7"},
      {"IPv6 in brackets with port", "127.0.0.7", {"[2001:db8::7]:51234"}, "2001:db8::7"},
      {"the last that is no proxy counts, not what the client wrote before",
       "127.0.0.7",
       {"198.51.100.1, 203.0.113.7"},
       "203.0.113.7"},
      {"proxies in the chain are passed over", "127.0.0.7", {"203.0.113.7, 192.0.2.5 ,192.0.2.6"}, "203.0.113.7"},
      {"several fields are one list", "127.0.0.7", {"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
      {"a proxy that names nobody", "127.0.0.7", {}, nullptr},
      {"a proxy that names only proxies", "127.0.0.7", {"192.0.2.5"}, nullptr},
      {"what cannot be read ends the search", "127.0.0.7", {"203.0.113.7, unknown"}, nullptr},
      {"an empty entry ends it too", "127.0.0.7", {"203.0.113.7,"}, nullptr},
      {"a loopback client of the proxy has none", "127.0.0.7", {"127.0.0.1"}, nullptr},
      {"a mapped address is IPv4", "127.0.0.7", {"::ffff:203.0.113.7"}, "203.0.113.7"},
  }));
  http::IdentityRules rules;
  rules.trusted_proxies = {core::parse_prefix("127.0.0.7").value(), core::parse_prefix("192.0.2.0/24").value()};
  DYNAMIC_SECTION(row.name) {
    http::HttpRequest request;
    for (const char* field : row.forwarded) request.headers.emplace_back("x-forwarded-for", field);
    http::Peer peer;
    if (row.peer) {
      peer.address = core::parse_address(row.peer).value();
    } else {
      peer.local = http::UnixPeer{0, 0, {}};
    }
    const auto address = http::caller_address(request, peer, rules);
    CHECK(address.has_value() == (row.address != nullptr));
    if (row.address && address) CHECK(core::to_string(*address) == row.address);
  }
}

namespace {

http::IdentityRules rules_with_group() {
  http::IdentityRules rules;
  rules.admin_group = 500;
  rules.users = {
      {"uid:70001", {"requester", "/"}}, {"70002", {"reader", "/subscriptions/x"}}, {"70002", {"auditor", "/"}}};
  return rules;
}

core::Result<core::Principal> one_token(std::string_view token) {
  if (token == "good") return core::Principal{"alice", {{"reader", "/"}}};
  return core::Error{core::ErrorCode::invalid_token, "no such token", "", {}};
}

}  // namespace

TEST_CASE("peers of the Unix socket") {
  struct Row {
    const char* name;
    http::UnixPeer peer;
    const char* principal;  // nullptr: refused
    std::vector<std::string> roles;
  };
  const auto row = GENERATE(values<Row>({
      {"root is admin", {0, 0, {}}, "root", {"admin"}},
      {"primary group", {70000, 500, {}}, "uid:70000", {"admin"}},
      {"supplementary group", {70000, 70000, {4, 500}}, "uid:70000", {"admin"}},
      {"neither", {70000, 70000, {4, 501}}, nullptr, {}},
      {"mapped by name, outside the group", {70001, 70001, {}}, "uid:70001", {"requester"}},
      {"mapped by name, and in the group: the rule counts", {70001, 500, {}}, "uid:70001", {"requester"}},
      {"mapped by uid, two roles", {70002, 70002, {}}, "uid:70002", {"reader", "auditor"}},
      {"credentials the kernel did not tell", {UINT32_MAX, UINT32_MAX, {}}, nullptr, {}},
  }));
  DYNAMIC_SECTION(row.name) {
    http::Peer peer;
    peer.local = row.peer;
    const auto principal = http::identify({}, peer, rules_with_group(), one_token);
    REQUIRE(principal.has_value() == (row.principal != nullptr));
    if (!row.principal) {
      CHECK(principal.error().code == core::ErrorCode::authentication_failed);
      return;
    }
    CHECK(principal->name == row.principal);
    std::vector<std::string> roles;
    for (const auto& assignment : principal->assignments) roles.push_back(assignment.role);
    CHECK(roles == row.roles);
  }
}

TEST_CASE("who is less than his group stays so while his name cannot be looked up") {
  http::IdentityRules rules;
  rules.admin_group = 500;
  rules.users = {{"daemon", {"reader", "/"}}};
  http::Peer peer, root;
  peer.local = http::UnixPeer{1, 1, {500}};
  root.local = http::UnixPeer{0, 0, {}};
  const auto before = http::identify({}, peer, rules, one_token);
  REQUIRE(before);
  CHECK(before->assignments.front().role == "reader");
  rlimit usual{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &usual) == 0);
  const rlimit none{0, usual.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const auto meanwhile = http::identify({}, peer, rules, one_token), admin = http::identify({}, root, rules, one_token);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &usual) == 0);
  REQUIRE_FALSE(meanwhile);
  CHECK(meanwhile.error().code == core::ErrorCode::service_unavailable);
  REQUIRE(admin);
  CHECK(admin->name == "root");
}

TEST_CASE("Authorization headers") {
  struct Row {
    const char* name;
    std::vector<const char*> fields;
    std::optional<core::ErrorCode> error;
  };
  const auto row = GENERATE(values<Row>({
      {"none", {}, core::ErrorCode::authentication_failed},
      {"a good token", {"Bearer good"}, std::nullopt},
      {"the scheme in another case", {"bEARER  good "}, std::nullopt},
      {"an unknown token", {"Bearer bad"}, core::ErrorCode::invalid_token},
      {"another scheme", {"Basic good"}, core::ErrorCode::invalid_token},
      {"no token", {"Bearer "}, core::ErrorCode::invalid_token},
      {"only the scheme", {"Bearer"}, core::ErrorCode::invalid_token},
      {"empty", {""}, core::ErrorCode::invalid_token},
      {"two headers", {"Bearer good", "Bearer good"}, core::ErrorCode::invalid_token},
  }));
  DYNAMIC_SECTION(row.name) {
    http::HttpRequest request;
    for (const char* field : row.fields) request.headers.emplace_back("authorization", field);
    http::Peer peer;
    peer.address = core::parse_address("127.0.0.1").value();
    const auto principal = http::identify(request, peer, rules_with_group(), one_token);
    CHECK(principal.has_value() == !row.error);
    if (row.error) CHECK(principal.error().code == *row.error);
  }
}

TEST_CASE("a token that is sent goes before the peer's credentials, also when it is bad") {
  http::Peer peer;
  peer.local = http::UnixPeer{0, 0, {}};
  http::HttpRequest request;
  request.headers = {{"authorization", "Bearer good"}};
  CHECK(http::identify(request, peer, {}, one_token)->name == "alice");
  request.headers = {{"authorization", "Bearer bad"}};
  CHECK_FALSE(http::identify(request, peer, {}, one_token));
}
