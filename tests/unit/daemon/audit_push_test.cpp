// SPDX-License-Identifier: Apache-2.0
// Audit records leave in order and at least once, whoever fails in between: by webhook to a real server, by the journal's own
// datagrams to a real socket.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <mutex>

#include "controlplane/daemon/audit_journal.hpp"
#include "controlplane/daemon/options.hpp"
#include "controlplane/daemon/webhook.hpp"
#include "tests/support/running_server.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace postern;
using namespace postern::store_test;
using namespace std::chrono_literals;

namespace {

const std::string secret = "0123456789abcdef";

// Takes what comes, or answers as it is told.
struct Receiver {
  http::RequestHandler handler() {
    return [this](const http::HttpRequest& request, const http::Peer&) {
      const std::lock_guard lock(mutex);
      http::HttpResponse response;
      response.status = failures > 0 ? 500 : 204;
      if (failures > 0) {
        --failures;
      } else {
        got.push_back(request);
      }
      response.close = close;
      return response;
    };
  }
  std::size_t count() {
    const std::lock_guard lock(mutex);
    return got.size();
  }
  std::mutex mutex;
  std::vector<http::HttpRequest> got;
  int failures = 0;
  bool close = false;
};

daemon::WebhookTarget target_of(const std::string& url) {
  daemon::Given given;
  given.values.insert({"audit_webhooks", {daemon::Json{{url, {{"secret", secret}}}}, "test"}});
  const auto config = daemon::make_config(given);
  REQUIRE(config);
  return config->audit_webhooks.at(0);
}

struct Pushing {
  explicit Pushing(const TempFolder& folder) : store(open_store(folder.file())) {}
  void record(std::uint64_t count) {
    for (std::uint64_t n = 1; n <= count; ++n) {
      core::ChangeSet change;
      change.audit = {sample_record(n)};
      REQUIRE(store->commit({change}));
    }
  }
  // Runs the webhook until this is so, on this thread.
  void run(const std::string& url, const std::function<bool(daemon::Webhook&)>& until) {
    boost::asio::io_context io;
    daemon::Webhook hook(io, *store, standing_clock(), target_of(url), {5ms, 5ms, 20ms, 5000ms});
    hook.start();
    const auto give_up = std::chrono::steady_clock::now() + 60s;
    while (!until(hook) && std::chrono::steady_clock::now() < give_up) io.run_one_for(20ms);
    CHECK(until(hook));
    trouble = hook.trouble();
    hook.stop();
    io.restart();
    io.run_for(10s);
  }
  std::unique_ptr<store::SqliteStore> store;
  std::string trouble;
};

}  // namespace

TEST_CASE("a webhook gets each record that comes, in order, signed") {
  TempFolder folder;
  Pushing pushing(folder);
  Receiver receiver;
  test::RunningServer server(receiver.handler());
  const std::string url = "http://" + server.host() + "/hook?who=postern";
  pushing.record(2);  // of before it was there
  pushing.run(url, [&](auto&) { return pushing.store->cursor("webhook " + url).value() == 2; });
  pushing.record(120);
  SECTION("over one connection") {}
  SECTION("over a connection each") { receiver.close = true; }
  pushing.run(url, [&](auto& hook) { return receiver.count() >= 120 && hook.waiting() == 0; });
  REQUIRE(receiver.got.size() == 120);
  for (std::size_t n = 0; n < 120; ++n) {
    const auto& request = receiver.got[n];
    CHECK(request.first("x-postern-sequence") == std::to_string(n + 3));
    const std::string timestamp(request.first("x-postern-timestamp").value());
    CHECK(request.first("x-postern-signature") == daemon::webhook_signature(secret, timestamp, request.body));
    CHECK(nlohmann::json::parse(request.body)["sequence"] == n + 3);
  }
  CHECK(receiver.got[0].target == "/hook?who=postern");
  CHECK(receiver.got[0].method == "POST");
}

TEST_CASE("the signature is HMAC-SHA256 of timestamp, dot and body") {
  // printf 1.x | openssl dgst -sha256 -hmac key
  CHECK(daemon::webhook_signature("key", "1", "x") == "v1=fc4913c41a7bf793267e2a384f3261c9436ec2cd097bd745e7b0d99113f510ec");
}

TEST_CASE("what fails is tried again, nothing overtakes it, and a new daemon goes on where the last one was") {
  TempFolder folder;
  Pushing pushing(folder);
  Receiver receiver;
  test::RunningServer server(receiver.handler());
  const std::string url = "http://" + server.host();
  pushing.run(url, [&](auto&) { return pushing.store->cursor("webhook " + url).has_value(); });
  pushing.record(5);
  receiver.failures = 3;
  pushing.run(url, [&](auto& hook) { return receiver.count() >= 5 && hook.waiting() == 0; });
  pushing.record(5);
  pushing.run(url, [&](auto& hook) { return receiver.count() >= 10 && hook.waiting() == 0; });
  REQUIRE(receiver.got.size() == 10);
  for (std::size_t n = 0; n < 10; ++n) CHECK(receiver.got[n].first("x-postern-sequence") == std::to_string(n + 1));
}

TEST_CASE("a webhook that nobody answers says so, and its records wait") {
  TempFolder folder;
  Pushing pushing(folder);
  const std::string url = "http://127.0.0.1:1";
  pushing.run(url, [&](auto&) { return pushing.store->cursor("webhook " + url).has_value(); });
  pushing.record(3);
  pushing.run(url, [](auto& hook) { return hook.failed() >= 2 && hook.waiting() == 3; });
  CHECK_THAT(pushing.trouble, Catch::Contains("cannot connect"));
}

TEST_CASE("a webhook is https, or on this host; and has a secret") {
  struct Row {
    const char* name;
    const char* json;
    bool good;
  };
  const auto row = GENERATE(values<Row>({
      {"https", R"({"https://siem.example/a": {"secret": "0123456789abcdef"}})", true},
      {"https with port and ca", R"({"https://[2001:db8::1]:8443": {"secret": "0123456789abcdef", "ca": "/x"}})", true},
      {"http on loopback", R"({"http://[::1]:80/": {"secret": "0123456789abcdef"}})", true},
      {"http elsewhere", R"({"http://siem.example/": {"secret": "0123456789abcdef"}})", false},
      {"http to what begins like loopback", R"({"http://127.0.0.1.example/": {"secret": "0123456789abcdef"}})", false},
      {"loopback as a user", R"({"http://127.0.0.1@siem.example/": {"secret": "0123456789abcdef"}})", false},
      {"another scheme", R"({"ftp://127.0.0.1/": {"secret": "0123456789abcdef"}})", false},
      {"no host", R"({"https:///x": {"secret": "0123456789abcdef"}})", false},
      {"no port", R"({"https://a:/x": {"secret": "0123456789abcdef"}})", false},
      {"a port too large", R"({"https://a:65536/x": {"secret": "0123456789abcdef"}})", false},
      {"a blank", R"({"https://a/ x": {"secret": "0123456789abcdef"}})", false},
      {"a line end", "{\"https://a/\\r\\nX: y\": {\"secret\": \"0123456789abcdef\"}}", false},
      {"no secret", R"({"https://a/": {}})", false},
      {"a short secret", R"({"https://a/": {"secret": "0123456789abcde"}})", false},
      {"another member", R"({"https://a/": {"secret": "0123456789abcdef", "retries": "1"}})", false},
      {"a relative ca", R"({"https://a/": {"secret": "0123456789abcdef", "ca": "x"}})", false},
      {"no object", R"({"https://a/": "0123456789abcdef"})", false},
  }));
  INFO(row.name);
  daemon::Given given;
  given.values.insert({"audit_webhooks", {daemon::Json::parse(row.json), "test"}});
  CHECK(daemon::make_config(given).has_value() == row.good);
}

TEST_CASE("records are kept 30 days at least") {
  const std::vector<std::pair<const char*, bool>> rows{{"", true}, {"P30D", true}, {"PT720H", true}, {"P29DT23H", false}, {"30", false}};
  for (const auto& [text, good] : rows) {
    INFO(text);
    daemon::Given given;
    given.values.insert({"audit_retention", {daemon::Json(text), "test"}});
    CHECK(daemon::make_config(given).has_value() == good);
  }
}

TEST_CASE("the journal gets each record once, whole, whatever is in it; while it is full or away they wait") {
  TempFolder folder;
  Pushing pushing(folder);
  const std::string path = (folder.path() / "journal").string();
  daemon::AuditJournal journal(*pushing.store, {path, (folder.path() / "log").string()});
  journal.turn();  // from now on
  core::ChangeSet change;
  change.audit = {sample_record(1)};
  change.audit[0].detail = "one\nPRIORITY=0\n=two";
  change.audit[0].outcome = core::Outcome::refused;
  REQUIRE(pushing.store->commit({change}));
  journal.turn();
  CHECK_THAT(journal.trouble(), Catch::Contains("neither"));
  CHECK(journal.waiting() == 1);

  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  journal.turn();
  CHECK(journal.trouble().empty());
  CHECK(journal.waiting() == 0);
  std::string entry(65536, '\0');
  const ssize_t size = recv(fd, entry.data(), entry.size(), 0);
  REQUIRE(size > 0);
  entry.resize(static_cast<std::size_t>(size));
  std::map<std::string, std::string> fields;
  for (std::size_t at = 0; at < entry.size();) {
    const auto end = entry.find('\n', at);
    const std::string name = entry.substr(at, end - at);
    std::size_t length = 0;
    for (std::size_t n = 8; n-- > 0;) length = length << 8 | static_cast<unsigned char>(entry.at(end + 1 + n));
    CHECK(fields.emplace(name, entry.substr(end + 9, length)).second);
    at = end + 9 + length;
    REQUIRE(entry.at(at++) == '\n');
  }
  CHECK(fields["POSTERN_SEQUENCE"] == "1");
  CHECK(fields["POSTERN_OPERATION"] == "access.initiate");
  CHECK(fields["POSTERN_PRINCIPAL"] == "alice");
  CHECK(fields["PRIORITY"] == "4");
  CHECK_THAT(fields["MESSAGE"], Catch::EndsWith("one PRIORITY=0 =two"));  // one line to whoever reads
  CHECK(nlohmann::json::parse(fields["POSTERN_AUDIT"])["detail"] == "one\nPRIORITY=0\n=two");
  CHECK(recv(fd, entry.data(), entry.size(), 0) < 0);

  // Full: nothing waits for room, nothing is lost or comes twice.
  pushing.record(2000);
  std::uint64_t next = 2;
  for (int turns = 0; next <= 2001 && turns < 10'000; ++turns) {
    journal.turn();
    for (std::string each(65536, '\0'); recv(fd, each.data(), each.size(), 0) > 0;) {
      CHECK(each.find("\"sequence\":" + std::to_string(next) + ",") != std::string::npos);
      ++next;
    }
  }
  CHECK(next == 2002);
  close(fd);
}

TEST_CASE("a record that no datagram can hold goes shortened, and stops nothing") {
  TempFolder folder;
  Pushing pushing(folder);
  const std::string path = (folder.path() / "socket").string();
  const std::string nowhere = (folder.path() / "nowhere").string();
  const bool journal = GENERATE(true, false);
  daemon::AuditJournal sender(*pushing.store, journal ? daemon::JournalSockets{path, nowhere} : daemon::JournalSockets{nowhere, path});
  sender.turn();
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  core::ChangeSet change;
  change.audit = {sample_record(1)};
  change.audit[0].machines.assign(5000, std::string(1000, 'm'));  // more than any wmem_max
  REQUIRE(pushing.store->commit({change}));
  pushing.record(1);
  sender.turn();
  CHECK(sender.trouble() == "");
  CHECK(sender.waiting() == 0);
  for (const char* word : {"5000 machines", "\"sequence\":2,"}) {
    std::string entry(65536, '\0');
    const ssize_t size = recv(fd, entry.data(), entry.size(), 0);
    REQUIRE(size > 0);
    CHECK_THAT(entry, Catch::Contains(word));
  }
  close(fd);
}

TEST_CASE("syslog gets one line, whatever is in the record") {
  auto record = sample_record(1);
  record.detail = "one\ntwo\x1b[31m";
  const auto line = daemon::syslog_line(record);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK_THAT(line, Catch::StartsWith("<86>posternd: postern-audit {"));
}
