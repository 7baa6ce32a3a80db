// SPDX-License-Identifier: Apache-2.0
// Host and Origin: what a browser page of another site, or a rebound DNS name, must not get past.
#include "controlplane/http/host_guard.hpp"

#include "tests/support/catch.hpp"

using namespace postern;

namespace {

http::Peer tcp_peer() {
  http::Peer peer;
  peer.address = core::parse_address("127.0.0.1").value();
  peer.server_port = 7822;
  return peer;
}

bool passes(const http::Headers& headers, const http::Peer& peer = tcp_peer(), const std::string& public_url = "") {
  const http::HttpRequest request{.method = "GET", .target = "/v1/status", .headers = headers, .body = ""};
  return http::check_host(request, peer, public_url).has_value();
}

}  // namespace

TEST_CASE("Host headers") {
  struct Row {
    const char* host;
    bool passes;
  };
  const auto row = GENERATE(values<Row>({
      {"localhost:7822", true},
      {"LocalHost:7822", true},
      {"127.0.0.1:7822", true},
      {"127.1.2.3:7822", true},
      {"[::1]:7822", true},
      {"localhost", false},  // port 80 is not ours
      {"localhost:7823", false},
      {"localhost:", false},
      {"localhost:78220", false},
      {"localhost:7822x", false},
      {"evil.example:7822", false},
      {"localhost.evil.example:7822", false},
      {"127.0.0.1.evil.example:7822", false},
      {"evil.example#localhost:7822", false},
      {"192.0.2.1:7822", false},
      {"[::2]:7822", false},
      {"::1:7822", false},
      {"", false},
  }));
  DYNAMIC_SECTION("'" << row.host << "'") {
    CHECK(passes({{"host", row.host}}) == row.passes);
  }
}

TEST_CASE("exactly one Host header") {
  CHECK_FALSE(passes({}));
  CHECK_FALSE(passes({{"host", "localhost:7822"}, {"host", "localhost:7822"}}));
}

TEST_CASE("Origin headers") {
  struct Row {
    const char* origin;
    bool passes;
  };
  const auto row = GENERATE(values<Row>({
      {"http://localhost:7822", true},
      {"http://127.0.0.1:7822", false},  // another origin than the Host says
      {"https://localhost:7822", false},
      {"http://localhost:8080", false},
      {"http://evil.example", false},
      {"null", false},
      {"", false},
  }));
  DYNAMIC_SECTION("'" << row.origin << "'") {
    CHECK(passes({{"host", "localhost:7822"}, {"origin", row.origin}}) == row.passes);
  }
}

TEST_CASE("the configured front's name is accepted, no other") {
  CHECK(passes({{"host", "gate.example"}}, tcp_peer(), "https://gate.example"));
  CHECK(passes({{"host", "Gate.example"}, {"origin", "https://gate.example"}}, tcp_peer(),
               "https://gate.example/postern"));
  CHECK_FALSE(
      passes({{"host", "gate.example"}, {"origin", "http://gate.example"}}, tcp_peer(), "https://gate.example"));
  CHECK_FALSE(passes({{"host", "gate.example:444"}}, tcp_peer(), "https://gate.example"));
  CHECK_FALSE(passes({{"host", "other.example"}}, tcp_peer(), "https://gate.example"));
}

TEST_CASE("over TLS the certificate's names are the server's") {
  http::Peer peer = tcp_peer();
  peer.tls = true;
  peer.server_names = {"gate.example", "*.lab.example", "198.51.100.1", "2001:db8::1"};
  struct Row {
    const char* host;
    bool passes;
  };
  const auto row = GENERATE(values<Row>({
      {"gate.example", true},
      {"Gate.Example:7822", true},
      {"gate.example:443", true},  // a port forwarded to ours
      {"a.lab.example", true},
      {"a.b.lab.example", false},
      {".lab.example", false},
      {"lab.example", false},
      {"198.51.100.1:7822", true},
      {"198.51.100.2:7822", false},
      {"[2001:DB8:0::1]:7822", true},
      {"localhost:7822", true},
      {"localhost", false},  // port 443 is not ours
      {"evil.example:7822", false},
      {"gate.example.evil.example", false},
      {"gate.example:x", false},
  }));
  DYNAMIC_SECTION("'" << row.host << "'") {
    CHECK(passes({{"host", row.host}}, peer) == row.passes);
  }
  CHECK(passes({{"host", "gate.example"}, {"origin", "https://gate.example"}}, peer));
  CHECK_FALSE(passes({{"host", "gate.example"}, {"origin", "http://gate.example"}}, peer));
}

TEST_CASE("the Unix socket has no such checks: no browser reaches it") {
  http::Peer peer;
  peer.local = http::UnixPeer{0, 0, {}};
  CHECK(passes({{"host", "anything"}, {"origin", "http://evil.example"}}, peer));
}
