// SPDX-License-Identifier: Apache-2.0
// Answers without an end, over real sockets: what is sent when, and that they end with their reader, the server or their own wish.
#include <atomic>
#include <thread>

#include "tests/support/running_server.hpp"

using namespace postern;
using namespace std::chrono_literals;
using test::request_text;

namespace {

// Says a word at each look, so many times; then, for ever, nothing.
struct Words : http::Feed {
  explicit Words(int most) : left(most) { ++alive; }
  ~Words() override { --alive; }
  std::optional<std::string> next() override {
    if (left == 0) return "";
    return --left < 0 ? std::nullopt : std::optional<std::string>("word\n");
  }
  std::string still_here() const override { return "beat\n"; }
  int left;
  static std::atomic<int> alive;
};
std::atomic<int> Words::alive = 0;

http::HttpResponse feeding(const http::HttpRequest& request, const http::Peer&) {
  http::HttpResponse response;
  response.body = "begin\n";
  response.content_type = "text/event-stream";
  response.feed = std::make_unique<Words>(request.target == "/ends" ? -1 : 2);
  return response;
}

http::ServerLimits feed_limits() {
  http::ServerLimits limits;
  limits.request = 400ms;
  limits.stop_grace = 300ms;
  limits.tick = 20ms;
  limits.feed_look = 5ms;
  limits.feed_heartbeat = 50ms;
  return limits;
}

bool comes_to(const std::atomic<int>& value, int wanted) {
  for (int i = 0; i < 3000 && value != wanted; ++i) std::this_thread::sleep_for(10ms);
  return value == wanted;
}

}  // namespace

TEST_CASE("a feed is sent as it comes, beats when there is nothing, and outlives the time of a request") {
  test::RunningServer server(feeding, feed_limits());
  auto client = server.tcp_client();
  client.send(request_text("GET", "/feed"));
  std::string told;
  while (told.find("beat\nbeat\nbeat\nbeat\nbeat\nbeat\nbeat\nbeat\nbeat\nbeat\n") == std::string::npos) told += client.some();
  CHECK(told.find("HTTP/1.1 200") == 0);
  CHECK(told.find("Content-Length") == std::string::npos);
  CHECK(told.find("\r\n\r\nbegin\nword\nword\nbeat\n") != std::string::npos);
}

TEST_CASE("a feed ends when it has nothing more, when its reader goes, and when the server stops") {
  test::RunningServer server(feeding, feed_limits());
  {
    auto over = server.unix_client();
    over.send(request_text("GET", "/ends"));
    CHECK(over.rest().ends_with("begin\n"));
    CHECK(comes_to(Words::alive, 0));
    auto gone = server.tcp_client();
    gone.send(request_text("GET", "/feed"));
    CHECK_FALSE(gone.some().empty());
  }
  CHECK(comes_to(Words::alive, 0));
  auto left = server.tcp_client();
  left.send(request_text("GET", "/feed"));
  CHECK_FALSE(left.some().empty());
  auto stopped = server.stopped();
  server.stop();
  CHECK(stopped.wait_for(60s) == std::future_status::ready);
  CHECK(comes_to(Words::alive, 0));
}

TEST_CASE("a reader that does not read holds the server up no more than its time") {
  test::RunningServer server([](const http::HttpRequest&, const http::Peer&) {
    struct Flood : http::Feed {
      std::optional<std::string> next() override { return std::string(std::size_t{1} << 20, 'x'); }
      std::string still_here() const override { return ""; }
    };
    http::HttpResponse response;
    response.body = "begin";
    response.feed = std::make_unique<Flood>();
    return response;
  }, [] { auto limits = feed_limits(); limits.feed_write = 200ms; return limits; }());
  auto client = server.unix_client();
  client.send(request_text("GET", "/feed"));
  CHECK_FALSE(client.some().empty());
  auto other = server.unix_client();
  other.send(request_text("GET", "/feed"));
  CHECK(other.answer().status == 200);  // all one thread, and it is not held
  CHECK(server.comes_down_to(0));
}
