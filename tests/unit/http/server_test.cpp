// SPDX-License-Identifier: Apache-2.0
// The server over real sockets: bounds on size, time and number, what is no HTTP at all, and a graceful end.
#include "controlplane/http/server.hpp"

#include <unistd.h>

#include <random>

#include "tests/support/running_server.hpp"

using namespace postern;
using namespace std::chrono_literals;
using test::request_text;

namespace {

// Tells what it saw.
http::HttpResponse echo(const http::HttpRequest& request, const http::Peer& peer) {
  http::HttpResponse response;
  response.body = request.method + " " + request.target + " " + std::to_string(request.body.size()) +
                  (peer.local ? " uid=" + std::to_string(peer.local->uid) : " from=" + core::to_string(*peer.address));
  if (request.target == "/204") {
    response.status = 204;
    response.body.clear();
  }
  if (request.target == "/empty") response.body.clear();
  response.identified = request.target == "/known";
  if (request.target == "/parts" || request.target == "/breaks")
    response.parts = [n = 0, breaks = request.target == "/breaks"]() mutable -> core::Result<http::BodyPart> {
      if (breaks && n == 2) return core::Error{core::ErrorCode::store_failed, "gone", "", {}};
      return http::BodyPart{n++ % 2 == 0 ? "part" : "", n == 4};
    };
  if (request.target == "/large") response.body.assign(std::size_t{64} << 20, 'x');
  return response;
}

http::ServerLimits quick() {
  http::ServerLimits limits;
  limits.idle = 60s;
  limits.request = 400ms;
  limits.stop_grace = 300ms;
  limits.tick = 20ms;
  return limits;
}

// All but the end of a request; returns when the server is about it.
void begin_request(test::RawClient& client) {
  client.send("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  CHECK(client.answer().status == 100);
  client.send("a");
}

bool answers(test::RunningServer& server) {
  auto client = server.unix_client();
  client.send(request_text("GET", "/alive"));
  return client.answer().status == 200;
}

}  // namespace

TEST_CASE("a body in parts is chunked, ends with the connection for HTTP/1.0, and breaks off where it fails") {
  test::RunningServer server(echo);
  auto modern = server.unix_client();
  modern.send(request_text("GET", "/parts"));
  const auto answer = modern.answer();
  CHECK(answer.status == 200);
  CHECK(answer.header("Transfer-Encoding") == "chunked");
  CHECK_FALSE(modern.closed_within(50ms));
  auto head = server.unix_client();
  head.send(request_text("HEAD", "/parts"));
  CHECK(head.answer().status == 200);
  head.send(request_text("GET", "/after"));
  CHECK(head.answer().body == "GET /after 0 uid=0");
  auto old = server.unix_client();
  old.send("GET /parts HTTP/1.0\r\n\r\n");
  CHECK(old.closed_within(60s));
  auto broken = server.tcp_client();
  broken.send(request_text("GET", "/breaks"));
  CHECK(broken.closed_within(60s));
  CHECK(answers(server));
}

TEST_CASE("one connection carries many requests, over both kinds of socket") {
  test::RunningServer server(echo);
  auto local = server.unix_client();
  auto remote = server.tcp_client();
  for (int i = 0; i < 3; ++i) {
    local.send(request_text("PUT", "/a?b", "12345"));
    CHECK(local.answer().body == "PUT /a?b 5 uid=" + std::to_string(getuid()));
    remote.send(request_text("GET", "/a"));
    CHECK(remote.answer().body == "GET /a 0 from=127.0.0.1");
  }
}

TEST_CASE("requests sent in one go are answered in order") {
  test::RunningServer server(echo);
  auto client = server.unix_client();
  client.send(request_text("GET", "/1") + request_text("POST", "/2", "abc") + request_text("GET", "/3"));
  CHECK(client.answer().body.starts_with("GET /1 0"));
  CHECK(client.answer().body.starts_with("POST /2 3"));
  CHECK(client.answer().body.starts_with("GET /3 0"));
}

TEST_CASE("answers are framed as HTTP wants") {
  test::RunningServer server(echo);
  auto client = server.unix_client();
  SECTION("204 has no length and no body") {
    client.send(request_text("DELETE", "/204"));
    const auto answer = client.answer();
    CHECK(answer.status == 204);
    CHECK(answer.header("Content-Length").empty());
    CHECK(answer.header("Content-Type").empty());
  }
  SECTION("an empty 200 says so") {
    client.send(request_text("DELETE", "/empty"));
    const auto answer = client.answer();
    CHECK(answer.header("Content-Length") == "0");
    CHECK(answer.header("Content-Type").empty());
  }
  SECTION("HEAD tells the length and sends nothing") {
    client.send(request_text("HEAD", "/a") + request_text("GET", "/b"));
    auto answer = client.answer();  // the reader takes the next answer's bytes for a body; only the head counts
    CHECK(answer.status == 200);
    CHECK(answer.header("Content-Length") != "0");
    CHECK(answer.body.starts_with("HTTP/1.1 200"));
  }
  SECTION("HTTP/1.0 closes, Connection: close too") {
    client.send("GET /a HTTP/1.0\r\n\r\n");
    CHECK(client.answer().status == 200);
    CHECK(client.closed_within(60s));
    auto other = server.unix_client();
    other.send(request_text("GET", "/a", "", "Connection: close\r\n"));
    CHECK(other.answer().status == 200);
    CHECK(other.closed_within(60s));
  }
  SECTION("a client that waits for permission to send its body gets it") {
    client.send("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    CHECK(client.answer().status == 100);
    client.send("abc");
    CHECK(client.answer().body.starts_with("PUT /a 3"));
  }
  SECTION("a chunked body is read") {
    client.send("PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    CHECK(client.answer().body.starts_with("PUT /a 5"));
  }
}

TEST_CASE("what is too large or malformed is refused, and the connection ends") {
  struct Row {
    const char* name;
    std::string bytes;
    int status;
  };
  const std::string megabyte(std::size_t{1} << 20, 'x');
  const auto row = GENERATE_COPY(values<Row>({
      {"a body announced too large", "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n", 413},
      {"a body announced far too large", "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n", 413},
      {"a body sent too large", request_text("PUT", "/a", megabyte + "x"), 413},
      {"a chunked body too large",
       "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n" + megabyte + "x\r\n0\r\n\r\n", 413},
      {"permission asked for a body too large",
       "PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", 413},
      {"a header too large", "GET /a HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(40000, 'x') + "\r\n\r\n", 431},
      {"a target too large", "GET /" + std::string(40000, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
      {"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 400},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15), 400},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {"two lengths", "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {"length and chunks",
       "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"a negative length", "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
      {"a blank before the colon", "GET /a HTTP/1.1\r\nHost : x\r\n\r\n", 400},
      {"a zero byte in a header", std::string("GET /a HTTP/1.1\r\nHost: x\0y\r\n\r\n", 31), 400},
      {"a bad chunk", "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
  }));
  test::RunningServer server(echo);
  DYNAMIC_SECTION(row.name) {
    auto client = server.tcp_client();
    client.send(row.bytes);
    const auto answer = client.answer();
    CHECK(answer.status == row.status);
    CHECK(answer.header("Content-Type") == "application/problem+json");
    CHECK(answer.header("x-ms-request-id").size() == 36);
    CHECK(client.closed_within(60s));
  }
  CHECK(answers(server));
}

TEST_CASE("a body of exactly the limit is taken") {
  test::RunningServer server(echo);
  auto client = server.unix_client();
  client.send(request_text("PUT", "/a", std::string(std::size_t{1} << 20, 'x')));
  CHECK(client.answer().body.starts_with("PUT /a 1048576"));
}

TEST_CASE("errors before routing have the body of the API that was asked") {
  test::RunningServer server(echo);
  auto client = server.unix_client();
  client.send("PUT /subscriptions/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
  const auto answer = client.answer();
  CHECK(answer.header("Content-Type") == "application/json");
  CHECK_THAT(answer.body, Catch::Matchers::StartsWith(R"({"error":{"code":"RequestEntityTooLarge")"));
}

TEST_CASE("slow clients are cut off, idle ones are not") {
  test::RunningServer server(echo, quick());
  SECTION("half a header") {
    auto client = server.tcp_client();
    client.send("GET /a HT");
    CHECK(client.closed_within(60s));
  }
  SECTION("a byte now and then does not help") {
    auto client = server.tcp_client();
    const auto begin = std::chrono::steady_clock::now();
    bool open = true;
    client.send("GET /a HTTP/1.1\r\nX: ");
    while (open && std::chrono::steady_clock::now() - begin < 60s)
      open = client.send("x") && !client.closed_within(50ms);
    CHECK_FALSE(open);
  }
  SECTION("half a body") {
    auto client = server.tcp_client();
    client.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    CHECK(client.closed_within(60s));
  }
  SECTION("a reader that does not read") {
    auto client = server.tcp_client();
    client.send(request_text("GET", "/a"));
    CHECK(client.answer().status == 200);  // the server has taken it
    client.send(request_text("GET", "/large"));
    CHECK(server.comes_down_to(0));
    CHECK(client.answer(1s).body.size() < std::size_t{64} << 20);
  }
  SECTION("waiting between requests is no slowness") {
    auto client = server.tcp_client();
    client.send(request_text("GET", "/a"));
    CHECK(client.answer().status == 200);
    CHECK_FALSE(client.closed_within(1s));
    client.send(request_text("GET", "/a"));
    CHECK(client.answer().status == 200);
  }
  CHECK(answers(server));
}

TEST_CASE("beyond the bound the longest idle connection makes room; other listeners are not touched") {
  http::ServerLimits limits = quick();
  limits.connections = 4;
  test::RunningServer server(echo, limits);
  auto other = server.unix_client();
  std::vector<test::RawClient> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(server.tcp_client());
    clients.back().send(request_text("GET", "/a"));
    CHECK(clients.back().answer().status == 200);
  }
  CHECK(clients[0].closed_within(60s));
  CHECK(clients[1].closed_within(60s));
  CHECK_FALSE(clients[2].closed_within(100ms));
  CHECK_FALSE(other.closed_within(100ms));
  CHECK(server.comes_down_to(5));
}

TEST_CASE("half a request holds no place; one who is known keeps his") {
  http::ServerLimits limits = quick();
  limits.connections = 4;
  limits.request = 60s;
  test::RunningServer server(echo, limits);
  const auto local = [&] { return server.unix_client(); };
  const auto remote = [&] { return server.tcp_client(); };
  const bool over_tcp = GENERATE(false, true);
  const auto connect = [&] { return over_tcp ? remote() : local(); };
  auto elsewhere = over_tcp ? local() : remote();
  elsewhere.send("GET /a HT");

  auto idle = connect();
  idle.send(request_text("GET", "/known"));
  CHECK(idle.answer().status == 200);
  auto busy = connect();
  busy.send(request_text("GET", "/known"));
  CHECK(busy.answer().status == 200);
  busy.send("GET /known HT");
  std::vector<test::RawClient> halves;
  for (int i = 0; i < 10; ++i) {
    halves.push_back(connect());
    halves.back().send(i % 2 ? "GET /a HT" : "PUT /a HTTP/1.1\r\nContent-Length: 9\r\n\r\na");
    if (i >= 2) CHECK(halves[static_cast<std::size_t>(i) - 2].closed_within(60s));
  }
  auto newcomer = connect();
  newcomer.send(request_text("GET", "/a"));
  CHECK(newcomer.answer().status == 200);
  busy.send("TP/1.1\r\n\r\n");
  CHECK(busy.answer().status == 200);
  idle.send(request_text("GET", "/a"));
  CHECK(idle.answer().status == 200);
  elsewhere.send("TP/1.1\r\n\r\n");
  CHECK(elsewhere.answer().status == 200);
}

TEST_CASE("where all are known and busy, one more is turned away") {
  http::ServerLimits limits = quick();
  limits.connections = 2;
  limits.request = 60s;
  test::RunningServer server(echo, limits);
  std::vector<test::RawClient> busy;
  for (int i = 0; i < 2; ++i) {
    busy.push_back(server.tcp_client());
    busy.back().send(request_text("GET", "/known"));
    CHECK(busy.back().answer().status == 200);
    busy.back().send(request_text("GET", "/known") + "GET /known HT");
    CHECK(busy.back().answer().status == 200);
  }
  CHECK(server.tcp_client().closed_within(60s));
  for (auto& client : busy) {
    client.send("TP/1.1\r\n\r\n");
    CHECK(client.answer().status == 200);
  }
}

TEST_CASE("five hundred connections at once, and the server still answers") {
  test::RunningServer server(echo, quick());
  std::vector<test::RawClient> clients;
  for (int i = 0; i < 500; ++i) clients.push_back(server.tcp_client());
  CHECK(answers(server));
  CHECK(server.comes_down_to(257));  // 256 and ours
}

TEST_CASE("random bytes do not harm it") {
  test::RunningServer server(echo, quick());
  std::mt19937 random(20240607);
  const std::string good = request_text("PUT", "/a", R"({"a":1})", "X-A: b\r\n");
  for (int round = 0; round < 300; ++round) {
    std::string bytes = good;
    if (round % 3 == 0) {
      bytes.resize(random() % 200);
      for (char& c : bytes) c = static_cast<char>(random());
    } else {
      for (unsigned k = 0; k <= random() % 4; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
      if (round % 3 == 2) bytes.resize(random() % bytes.size());
    }
    auto client = server.unix_client();
    client.send(bytes);
  }
  CHECK(answers(server));
}

TEST_CASE("asked to stop, it closes what is idle at once and lets a request under way finish") {
  auto limits = quick();
  limits.request = limits.stop_grace = 60s;
  test::RunningServer server(echo, limits);
  auto stopped = server.stopped();
  auto idle = server.unix_client();
  auto busy = server.unix_client();
  idle.send(request_text("GET", "/a"));
  CHECK(idle.answer().status == 200);
  begin_request(busy);
  server.stop();
  CHECK(idle.closed_within(60s));
  CHECK_FALSE(busy.closed_within(100ms));
  CHECK_THROWS(server.unix_client());
  busy.send("bc");
  const auto answer = busy.answer();
  CHECK(answer.status == 200);
  CHECK(answer.header("Connection") == "close");
  CHECK(stopped.wait_for(60s) == std::future_status::ready);
  CHECK(access(server.path().c_str(), F_OK) != 0);
}

TEST_CASE("it insists after the grace") {
  auto limits = quick();
  limits.request = 60s;
  test::RunningServer server(echo, limits);
  auto stopped = server.stopped();
  auto busy = server.unix_client();
  begin_request(busy);
  server.stop();
  CHECK(stopped.wait_for(60s) == std::future_status::ready);
}
