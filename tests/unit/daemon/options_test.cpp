// SPDX-License-Identifier: Apache-2.0
// The configuration: defaults, file, flags, and every fault at once with its place.
#include "controlplane/daemon/options.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "controlplane/daemon/preflight.hpp"
#include "controlplane/http/endpoint.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temp_folder.hpp"

using namespace postern;
using Texts = std::vector<std::string>;

namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text)
      : path_("/tmp/postern-options-test-" + std::to_string(getpid()) + ".json") {
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

daemon::Given given_by(const std::string& text) {
  const TemporaryFile file(text);
  daemon::Given given;
  daemon::read_file(file.path(), true, given);
  return given;
}

// Places without the file's name.
Texts places(const core::Result<daemon::Config>& config) {
  Texts found;
  if (!config)
    for (const auto& fault : config.error().faults) found.push_back(fault.target.substr(fault.target.rfind(' ') + 1));
  return found;
}

const daemon::Option& option(std::string_view key) {
  for (const auto& each : daemon::option_table())
    if (each.key == key) return each;
  throw std::logic_error("no such option");
}

}  // namespace

TEST_CASE("without anything given the defaults are good") {
  const auto config = daemon::make_config({});
  REQUIRE(config);
  CHECK(config->socket == "/run/postern/gate/api.sock");
  CHECK(config->state == "/var/lib/postern/postern.db");
  REQUIRE(config->listen);
  CHECK(config->listen->second == 7822);
  CHECK_FALSE(config->socket_group);
}

TEST_CASE("a file with comments, and flags that go before it") {
  auto given = given_by(R"({
    // a lab
    "instance": "lab", /* another comment */ "run_dir": "/tmp/x", "listen": "[::1]:0",
    "trusted_proxies": ["127.0.0.1", "10.0.0.0/8"],
    "users": {"alice": {"role": "requester"}, "1001": {"role": "reader", "scope": "/subscriptions/x"}},
    "failsafe_services": ["192.0.2.1:22/tcp", "[2001:db8::/64]:3389/UDP", "10.0.0.0/8:22/tcp"],
    "socket_group": "64321"
  })");
  daemon::read_flag(option("instance"), {"other"}, given);
  daemon::read_flag(option("failsafe_sources"), {"198.51.100.1", "2001:db8::/48"}, given);
  const auto config = daemon::make_config(given);
  REQUIRE(config);
  CHECK(config->instance == "other");
  CHECK(config->socket == "/tmp/x/other/api.sock");
  CHECK_FALSE(config->listen);
  CHECK(config->socket_group == 64321);
  CHECK(config->trusted_proxies.size() == 2);
  CHECK(config->settings.failsafe_sources.size() == 2);
  REQUIRE(config->settings.failsafe_services.size() == 3);
  CHECK(config->settings.failsafe_services[1].port == 3389);
  CHECK(config->settings.failsafe_services[1].protocol == core::Protocol::udp);
  CHECK(config->settings.failsafe_services[1].address.length == 64);
  REQUIRE(config->users.size() == 2);
  CHECK(config->users[0].user == "alice");
  CHECK(config->users[0].assignment.scope == "/");
}

TEST_CASE("certificates that log in, as themselves or as whom the configuration says") {
  const auto config = daemon::make_config(given_by(R"({"tls_client_ca": "/a", "certificate_users": {
    "CN=alice,O=Example": {"role": "requester", "principal": "alice"}, "email:b@c": {"role": "reader", "scope": "/subscriptions/x"}}})"));
  REQUIRE(config);
  REQUIRE(config->certificate_users.size() == 2);
  CHECK(config->certificate_users[0].principal == "alice");
  CHECK(config->certificate_users[0].assignment.role == "requester");
  CHECK(config->certificate_users[1].name == "email:b@c");
  CHECK(config->certificate_users[1].principal == "cert:email:b@c");
  CHECK(config->certificate_users[1].assignment.scope == "/subscriptions/x");
}

TEST_CASE("limits: calls a second, failed log-ins a minute, and none") {
  auto given = given_by(R"({"rate_limit": 20})");
  daemon::read_flag(option("failed_login_limit"), {"30"}, given);
  const auto config = daemon::make_config(given);
  REQUIRE(config);
  CHECK(config->caller_rate.a_second == 20);
  CHECK(config->caller_rate.burst == 80);
  CHECK(config->stranger_rate.a_second == 0.5);
  CHECK(config->stranger_rate.burst == 30);
  const auto none = daemon::make_config(given_by(R"({"rate_limit": 0, "failed_login_limit": 0})"));
  REQUIRE(none);
  CHECK(none->caller_rate.a_second == 0);
  CHECK(none->stranger_rate.a_second == 0);
}

TEST_CASE("roles of one's own, and users who have several") {
  const auto config = daemon::make_config(given_by(R"({
    "roles": {"Night Shift": {"actions": ["*/read", "*/initiate/action"], "notActions": ["Postern/audit/read"]}},
    "users": {"alice": [{"role": "night shift", "scope": "/subscriptions/x"}, {"role": "Reader"}]}
  })"));
  REQUIRE(config);
  REQUIRE(config->settings.roles.size() == 1);
  CHECK(config->settings.roles[0].name == "Night Shift");
  CHECK(config->settings.roles[0].actions == Texts{"*/read", "*/initiate/action"});
  CHECK(config->settings.roles[0].not_actions == Texts{"Postern/audit/read"});
  REQUIRE(config->users.size() == 2);
  CHECK(config->users[0].assignment.role == "Night Shift");
  CHECK(config->users[0].assignment.scope == "/subscriptions/x");
  CHECK(config->users[1].assignment.role == "reader");
}

TEST_CASE("https on any address, with its files") {
  const auto on = daemon::make_config(
      given_by(R"({"listen_https": "[::]:7823", "tls_certificate": "/c", "tls_key": "/k", "tls_client_ca": "/a"})"));
  REQUIRE(on);
  REQUIRE(on->listen_https);
  CHECK(on->listen_https->second == 7823);
  CHECK(on->tls.certificate == "/c");
  CHECK(on->tls.key == "/k");
  CHECK(on->tls.client_ca == "/a");
  const auto off = daemon::make_config(given_by(R"({"listen_https": "0.0.0.0:0"})"));
  REQUIRE(off);
  CHECK_FALSE(off->listen_https);
}

TEST_CASE("faults, each with its place") {
  struct Row {
    const char* name;
    const char* text;
    Texts places;
  };
  const auto row = GENERATE(values<Row>({
      {"unknown key", R"({"instanse": "x"})", {"instanse"}},
      {"wrong kind", R"({"instance": 5})", {"instance"}},
      {"null", R"({"instance": null})", {"instance"}},
      {"instance with a slash", R"({"instance": "a/b"})", {"instance"}},
      {"instance that climbs", R"({"instance": ".."})", {"instance"}},
      {"instance empty", R"({"instance": ""})", {"instance"}},
      {"relative path", R"({"state": "postern.db"})", {"state"}},
      {"listen without port", R"({"listen": "127.0.0.1"})", {"listen"}},
      {"listen to the world", R"({"listen": "0.0.0.0:7822"})", {"listen"}},
      {"listen to the world, switched off", R"({"listen": "0.0.0.0:0"})", {"listen"}},
      {"listen with a name", R"({"listen": "localhost:7822"})", {"listen"}},
      {"listen with a port too large", R"({"listen": "127.0.0.1:65536"})", {"listen"}},
      {"https with a name", R"({"listen_https": "gate.example:443"})", {"listen_https"}},
      {"https without its files", R"({"listen_https": "0.0.0.0:7823"})", {"tls_certificate", "tls_key"}},
      {"https with a relative file", R"({"listen_https": "0.0.0.0:7823", "tls_certificate": "/c", "tls_key": "k"})",
       {"tls_key"}},
      {"no such group", R"({"socket_group": "no-such-group-here"})", {"socket_group"}},
      {"subscription no GUID", R"({"subscription": "mine"})", {"subscription"}},
      {"group with a blank", R"({"resource_group": "a b"})", {"resource_group"}},
      {"certificates without their CA", R"({"certificate_users": {"CN=a": {"role": "reader"}}})", {"certificate_users"}},
      {"a certificate by its bare name", R"({"tls_client_ca": "/a", "certificate_users": {"alice": {"role": "reader"}}})",
       {"certificate_users.alice"}},
      {"certificates of many names", R"({"tls_client_ca": "/a", "certificate_users": {"dns:*.b": {"role": "reader"}}})",
       {"certificate_users.dns:*.b"}},
      {"a certificate that passes for an issuer's user",
       R"({"tls_client_ca": "/a", "certificate_users": {"CN=a": {"role": "reader", "principal": "oidc:alice"}}})",
       {"certificate_users.CN=a"}},
      {"a certificate that passes for root",
       R"({"tls_client_ca": "/a", "certificate_users": {"CN=a": {"role": "reader", "principal": "ROOT"}}})",
       {"certificate_users.CN=a"}},
      {"limits that are none", R"({"rate_limit": -1, "failed_login_limit": 1000001})", {"rate_limit", "failed_login_limit"}},
      {"limits as text and as a fraction", R"({"rate_limit": "5", "failed_login_limit": 0.5})", {"rate_limit", "failed_login_limit"}},
      {"proxies as text", R"({"trusted_proxies": "10.0.0.0/8"})", {"trusted_proxies"}},
      {"proxies hold a number", R"({"trusted_proxies": [1]})", {"trusted_proxies"}},
      {"proxies hold a name", R"({"trusted_proxies": ["10.0.0.1", "proxy.example", "x"]})", {"trusted_proxies[1]", "trusted_proxies[2]"}},
      {"service without protocol", R"({"failsafe_services": ["192.0.2.1:22"]})", {"failsafe_services[0]"}},
      {"service without port", R"({"failsafe_services": ["192.0.2.1/tcp"]})", {"failsafe_services[0]"}},
      {"service with port 0", R"({"failsafe_services": ["192.0.2.1:0/tcp"]})", {"failsafe_services[0]"}},
      {"user without role", R"({"users": {"alice": {}}})", {"users.alice"}},
      {"user with an unknown role", R"({"users": {"alice": {"role": "king"}, "bob": {}}})", {"users.alice", "users.bob"}},
      {"user with an unknown member", R"({"users": {"alice": {"role": "reader", "scopes": "/"}}})", {"users.alice"}},
      {"user with a scope that is none", R"({"users": {"alice": {"role": "reader", "scope": "x"}}})", {"users.alice"}},
      {"role without actions", R"({"roles": {"ops": {}}})", {"roles.ops.actions"}},
      {"role that is built in", R"({"roles": {"Admin": {"actions": ["*"]}}})", {"roles.Admin"}},
      {"roles with several faults",
       R"({"roles": {"a": {"actions": "*"}, "b": {"action": ["*"]}, "c": 5, "d": {"actions": [5]}}})",
       {"roles.a.actions", "roles.b.action", "roles.c", "roles.d.actions"}},
      {"user with a list of nothing", R"({"users": {"alice": []}})", {"users.alice"}},
      {"user with one bad role of two", R"({"users": {"alice": [{"role": "reader"}, {"role": "king"}]}})", {"users.alice"}},
      {"log level", R"({"log_level": "chatty"})", {"log_level"}},
      {"three at once", R"({"instance": "a b", "listen": "x", "colour": 1})", {"colour", "instance", "listen"}},
  }));
  DYNAMIC_SECTION(row.name) {
    CHECK(places(daemon::make_config(given_by(row.text))) == row.places);
  }
}

TEST_CASE("files that are no configuration at all") {
  for (const char* text : {"", "[]", "{", R"({"instance": "a", "instance": "b"})", "instance = gate", R"({"a":1}})"}) {
    INFO(text);
    const auto config = daemon::make_config(given_by(text));
    REQUIRE_FALSE(config);
    CHECK_FALSE(config.error().faults.empty());
  }
}

TEST_CASE("no fault quotes a secret: it is logged, recorded and shown in the status") {
  const char* text = GENERATE(R"({"audit_webhooks": {"https://siem.example/x": {"secret": "SECRET-0123456789",}}})",
                              R"({"audit_webhooks": {"https://siem.example/x": {"secret": "SECRET-0123456789" "ca": "/a"}}})",
                              R"({"audit_webhooks": {"https://siem.example/x": {"secret": "SECRET-0123456789)",
                              R"({"audit_webhooks": [{"https://siem.example/x": {"secret": "SECRET-0123456789"}}]})",
                              R"({"audit_webhooks": {"https://siem.example/x?key=SECRET": {"secret": "short"}}})",
                              R"({"audit_webhooks": {"http://siem.example/x?key=SECRET": {"secret": "0123456789abcdef"}}})",
                              R"({"audit_webhooks": {"https://postern:SECRET@siem.example/x": {"secret": "0123456789abcdef"}}})");
  auto given = given_by(text);
  SECTION("in the file") {}
  SECTION("as a flag") {
    given = {};
    const std::string whole = text, value = whole.substr(whole.find(": ") + 2);
    daemon::read_flag(option("audit_webhooks"), {whole.ends_with('}') ? value.substr(0, value.size() - 1) : value}, given);
  }
  const auto config = daemon::make_config(given);
  REQUIRE_FALSE(config);
  for (const auto& fault : config.error().faults) {
    CAPTURE(fault.target, fault.message);
    CHECK((fault.target + fault.message).find("SECRET") == std::string::npos);
  }
}

TEST_CASE("who has rights by the configuration, for the access review") {
  const auto config = daemon::make_config(given_by(R"({"tls_client_ca": "/a",
    "users": {"carol": [{"role": "reader"}, {"role": "operator", "scope": "/subscriptions/x"}]},
    "certificate_users": {"email:b@c": {"role": "requester"}, "CN=a": {"role": "admin", "principal": "alice"}},
    "oidc_issuer": "https://issuer.example", "oidc_audience": ["postern"], "oidc_keys": "/keys", "oidc_roles": {"ops": {"role": "operator"}}})"));
  REQUIRE(config);
  Texts told;
  for (const auto& user : config->settings.users) {
    REQUIRE(user.principal.assignments.size() == 1);
    told.push_back(user.by + ": " + user.principal.name + ", " + user.principal.assignments[0].role);
  }
  CHECK(told == Texts{"user carol: carol, reader", "user carol: carol, operator", "certificate email:b@c: cert:email:b@c, requester",
                      "certificate CN=a: alice, admin", "OIDC role ops: oidc:*, operator"});
}

TEST_CASE("a file that is not there") {
  daemon::Given given;
  daemon::read_file("/nonexistent/posternd.json", false, given);
  CHECK(daemon::make_config(given));
  daemon::read_file("/nonexistent/posternd.json", true, given);
  CHECK_FALSE(daemon::make_config(given));
  given = {};
  daemon::read_file("/", false, given);
  CHECK_FALSE(daemon::make_config(given));
  const std::string pipe = "/tmp/postern-options-test-" + std::to_string(getpid()) + ".pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  given = {};
  daemon::read_file(pipe, false, given);  // nobody writes into it: must not wait for that
  unlink(pipe.c_str());
  REQUIRE(given.faults.size() == 1);
  CHECK(given.faults[0].message == "Cannot be read: is no regular file.");
}

TEST_CASE("what is printed says the same when read") {
  auto given =
      given_by(R"({"instance": "lab", "users": {"alice": {"role": "reader"}}, "trusted_proxies": ["10.0.0.0/8"]})");
  const auto again = given_by(daemon::printed(given));
  CHECK(again.faults.empty());
  const auto config = daemon::make_config(again);
  REQUIRE(config);
  CHECK(config->instance == "lab");
  CHECK(config->users.size() == 1);
  CHECK(again.values.size() == daemon::option_table().size());
}

TEST_CASE("flags") {
  daemon::Given given;
  daemon::read_flag(option("users"), {"{not json"}, given);
  CHECK(given.faults.size() == 1);
  CHECK(daemon::flag_of(option("run_dir")) == "--run-dir");
}

TEST_CASE("the page of the options is the one in docs/") {
  std::ifstream file(POSTERN_SOURCE_DIR "/docs/configuration.md");
  std::ostringstream page;
  page << file.rdbuf();
  INFO("posternd --help-options markdown > docs/configuration.md");
  CHECK(page.str() == daemon::configuration_page());
}

TEST_CASE("what only a start would find, all at once") {
  const test::TempFolder folder;
  const std::string here = folder.path().string();
  std::ofstream(here + "/text") << "no database, and no folder";
  const auto found = [](const daemon::Given& given) {
    const auto config = daemon::make_config(given);
    REQUIRE(config);
    Texts keys;
    for (const auto& fault : daemon::preflight(*config, given)) keys.push_back(fault.target.substr(fault.target.rfind(' ') + 1));
    return keys;
  };
  const std::string good = R"({"state": ")" + here + R"(/postern.db", "run_dir": ")" + here + R"(", "listen": "127.0.0.1:0")";
  CHECK(found(given_by(good + "}")) == Texts{});
  CHECK(found(given_by(R"({"state": ")" + here + R"(/text", "run_dir": ")" + here + R"(", "socket": ")" + here + R"(/text",
    "listen": "127.0.0.1:0", "listen_https": "192.0.2.77:7823", "tls_certificate": "/nonexistent/c", "tls_key": "/nonexistent/k",
    "host_machine": "a b"})")) == Texts{"state", "socket", "listen_https", "tls_certificate", "tls_key", "host_machine"});
  CHECK(found(given_by(R"({"state": ")" + here + R"(/text/postern.db", "listen": "127.0.0.1:0"})")) == Texts{"state"});
  CHECK(found(given_by(good + R"(, "socket": "/nonexistent/folder/api.sock"})")) == Texts{"socket"});
  CHECK(found(given_by(good + R"(, "socket": ")" + here + "/" + std::string(120, 'x') + "\"}")) == Texts{"socket"});
  const auto held = http::listen_tcp(core::parse_address("127.0.0.1").value(), 0);
  REQUIRE(held);
  INFO("a port that is held may be the running daemon's");
  CHECK(found(given_by(R"({"state": ")" + here + R"(/postern.db", "run_dir": ")" + here + R"(", "listen": "127.0.0.1:)" +
                       std::to_string(held->port()) + "\"}")) == Texts{});
}
