// SPDX-License-Identifier: Apache-2.0
// Where --url points, and where a token is not sent.
#include "tools/postern/connection.hpp"

#include "tests/support/catch.hpp"
#include "tools/postern/failure.hpp"

using namespace postern::cli;

TEST_CASE("URLs of posternd") {
  struct Row {
    const char* url;
    bool tls;
    const char *host, *port, *authority;
    bool loopback;
  };
  const auto row = GENERATE(values<Row>({
      {"http://127.0.0.1:7822", false, "127.0.0.1", "7822", "127.0.0.1:7822", true},
      {"http://localhost/", false, "localhost", "80", "localhost:80", true},
      {"http://[::1]:7822", false, "::1", "7822", "[::1]:7822", true},
      {"https://gate.example", true, "gate.example", "443", "gate.example:443", false},
      {"https://[2001:db8::1]", true, "2001:db8::1", "443", "[2001:db8::1]:443", false},
      {"https://gate.example:7823/", true, "gate.example", "7823", "gate.example:7823", false},
      {"http://127.evil.example:80", false, "127.evil.example", "80", "127.evil.example:80", false},
  }));
  CAPTURE(row.url);
  const Place place = place_of(row.url);
  CHECK(place.tls == row.tls);
  CHECK(place.host == row.host);
  CHECK(place.port == row.port);
  CHECK(place.authority() == row.authority);
  CHECK(place.is_loopback() == row.loopback);
}

TEST_CASE("URLs that are none") {
  const auto* url = GENERATE("ftp://x", "gate.example:443", "https://", "https://a/b", "https://a:b", "https://a:", "https://alice@gate.example");
  CAPTURE(url);
  CHECK_THROWS_AS(place_of(url), Failure);
}

TEST_CASE("a token is not sent over http to another host") {
  CHECK_THROWS_AS(Connection({.socket = "", .url = "http://192.0.2.1:7822", .token = "secret", .ca = "", .certificate = "", .key = ""}), Failure);
}
