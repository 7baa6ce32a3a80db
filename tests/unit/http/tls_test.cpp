// SPDX-License-Identifier: Apache-2.0
// The https listener: which files it takes, what it speaks, how it is cut off, and that a new certificate disturbs nobody.
#include "controlplane/http/tls.hpp"

#include "controlplane/http/peer.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/support/running_server.hpp"
#include "tests/support/tls_peer.hpp"

using namespace postern;
using namespace std::chrono_literals;
using test::request_text;

namespace {

http::HttpResponse echo(const http::HttpRequest& request, const http::Peer& peer) {
  http::HttpResponse response;
  response.body = request.target + " " + std::to_string(request.body.size()) + (peer.tls ? " tls" : " plain");
  for (const auto& name : peer.server_names) response.body += " " + name;
  if (peer.certificate)
    for (const auto& name : peer.certificate->names) response.body += " " + name;
  response.identified = request.target == "/known";
  if (request.target == "/large") response.body.assign(std::size_t{8} << 20, 'x');
  return response;
}

const test::Credentials& authority() {
  static const test::Credentials made = test::make_authority("test CA");
  return made;
}

test::Credentials for_localhost(const std::string& more = "") {
  return test::issue(authority(), "DNS:localhost,IP:127.0.0.1" + more);
}

// A folder with certificate and key.
class Files {
 public:
  explicit Files(const test::Credentials& credentials = for_localhost()) {
    if (!mkdtemp(folder_.data())) throw std::runtime_error("no temporary folder");
    put(credentials);
  }
  ~Files() { std::filesystem::remove_all(folder_); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  void put(const test::Credentials& credentials) {
    write("cert.pem", credentials.certificate);
    write("key.pem", credentials.key, 0600);
  }
  void write(const std::string& leaf, const std::string& text, mode_t mode = 0644) {
    std::ofstream(path(leaf) + ".new") << text;
    chmod((path(leaf) + ".new").c_str(), mode);
    std::filesystem::rename(path(leaf) + ".new", path(leaf));
  }
  std::string path(const std::string& leaf) const { return folder_ + "/" + leaf; }
  http::TlsFiles files() const { return {path("cert.pem"), path("key.pem"), ""}; }

 private:
  std::string folder_ = "/tmp/postern-tls-test-XXXXXX";
};

// A server whose TCP listener speaks TLS.
struct World {
  explicit World(http::ServerLimits limits = {}, const std::string& client_ca = "") : server(echo, limits) {
    std::signal(SIGPIPE, SIG_IGN);  // of a client that writes on, as posternd does
    if (!client_ca.empty()) files.write("ca.pem", client_ca);
    auto loaded = http::TlsIdentity::load({files.path("cert.pem"), files.path("key.pem"), client_ca.empty() ? "" : files.path("ca.pem")});
    REQUIRE(loaded);
    identity.emplace(*std::move(loaded));
    auto listener = http::listen_tcp(core::parse_address("127.0.0.1").value(), 0, http::Reach::anywhere);
    REQUIRE(listener);
    port = listener->port();
    server.run([&](http::Server& running) { running.add(*std::move(listener), &*identity); });
  }
  void refresh(bool asked) {
    server.run([&](http::Server&) { identity->refresh(asked); });
  }
  test::TlsClientOptions trusting(const std::string& host = "localhost") const {
    return {.authority = authority().certificate, .host = host};
  }
  bool answers() const {
    test::TlsClient client(port, trusting());
    return client.exchange(request_text("GET", "/a")).starts_with("HTTP/1.1 200");
  }

  Files files;
  std::optional<http::TlsIdentity> identity;
  std::uint16_t port = 0;
  test::RunningServer server;  // goes first: it has the identity in use
};

http::ServerLimits quick() {
  http::ServerLimits limits;
  limits.handshake = 2s;  // within which a good one is done, however slow the host
  limits.request = 400ms;
  limits.tick = 20ms;
  return limits;
}

}  // namespace

TEST_CASE("many requests over one TLS connection, the certificate's names known to the handler") {
  const World world;
  test::TlsClient client(world.port, world.trusting());
  for (int i = 0; i < 3; ++i)
    CHECK_THAT(client.exchange(request_text("PUT", "/a", "12345")), Catch::Matchers::EndsWith("/a 5 tls localhost 127.0.0.1"));
  CHECK(client.exchange(request_text("GET", "/large")).size() > std::size_t{8} << 20);
  CHECK(client.version() == "TLSv1.3");
}

TEST_CASE("versions of TLS: 1.2 and newer") {
  const World world;
  auto options = world.trusting();
  options.newest = TLS1_2_VERSION;
  CHECK(test::TlsClient(world.port, options).version() == "TLSv1.2");
  options.newest = TLS1_1_VERSION;
  CHECK_THROWS(test::TlsClient(world.port, options));
  CHECK(world.answers());
}

TEST_CASE("clients verify: another CA or another name is refused by them") {
  const World world;
  CHECK_THROWS(test::TlsClient(world.port, {.authority = test::make_authority("other").certificate}));
  CHECK_THROWS(test::TlsClient(world.port, world.trusting("gate.example")));
}

TEST_CASE("what is no TLS, or slow to become it, is cut off") {
  const World world(quick());
  auto plain = test::RawClient::to_port(world.port);
  plain.send(request_text("GET", "/a"));
  CHECK(plain.closed_within(60s));
  auto silent = test::RawClient::to_port(world.port);
  auto slow = test::RawClient::to_port(world.port);
  slow.send(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  CHECK(silent.closed_within(60s));
  CHECK(slow.closed_within(60s));
  CHECK(world.answers());
}

TEST_CASE("handshakes count as connections, and the oldest makes room") {
  http::ServerLimits limits = quick();
  limits.connections = 4;
  limits.handshake = 60s;
  World world(limits);
  std::vector<test::RawClient> silent;
  for (int i = 0; i < 6; ++i) silent.push_back(test::RawClient::to_port(world.port));
  CHECK(silent[0].closed_within(60s));
  CHECK(silent[1].closed_within(60s));
  CHECK(world.server.comes_down_to(4));
  CHECK(world.answers());
}

TEST_CASE("over TLS too half a request holds no place") {
  http::ServerLimits limits = quick();
  limits.connections = 4;
  limits.request = 60s;
  World world(limits);
  test::TlsClient known(world.port, world.trusting());
  CHECK(known.exchange(request_text("GET", "/known")).starts_with("HTTP/1.1 200"));
  std::vector<std::unique_ptr<test::TlsClient>> halves;
  for (int i = 0; i < 6; ++i) {
    halves.push_back(std::make_unique<test::TlsClient>(world.port, world.trusting()));
    halves.back()->send("GET /a HT");
  }
  CHECK(world.answers());
  CHECK(known.exchange(request_text("GET", "/a")).starts_with("HTTP/1.1 200"));
}

TEST_CASE("one source takes no more than its share, and takes it from itself") {
  http::ServerLimits limits = quick();
  limits.connections = 8;
  limits.connections_a_source = 3;
  limits.handshake = 60s;
  World world(limits);
  constexpr std::uint32_t one = 0x7f000001, two = 0x7f000002;
  auto other = test::RawClient::to_port(world.port, two);
  std::vector<test::RawClient> silent;
  for (int i = 0; i < 12; ++i) silent.push_back(test::RawClient::to_port(world.port, one));
  for (std::size_t i = 0; i < 9; ++i) CHECK(silent[i].closed_within(60s));
  CHECK(world.server.comes_down_to(4));
  CHECK_FALSE(other.closed_within(100ms));
  CHECK_FALSE(silent[9].closed_within(100ms));
}

TEST_CASE("what is one source: an IPv4 address, a /64 of IPv6") {
  struct Row {
    const char *left, *right;
    bool one;
  };
  const auto row = GENERATE(values<Row>({
      {"192.0.2.1", "192.0.2.1", true},
      {"192.0.2.1", "192.0.2.2", false},
      {"2001:db8::1", "2001:db8::ffff:0:0:1", true},
      {"2001:db8::1", "2001:db8:0:1::1", false},
      {"2001:db8::1", "2001:db9::1", false},
      {"0.0.0.0", "::", false},
      {"::ffff:192.0.2.1", "192.0.2.1", true},
  }));
  CAPTURE(row.left, row.right);
  CHECK(http::one_source(core::parse_address(row.left).value(), core::parse_address(row.right).value()) == row.one);
}

TEST_CASE("a body too large is refused in words over TLS too") {
  const World world;
  test::TlsClient client(world.port, world.trusting());
  const std::string answer =
      client.exchange(request_text("PUT", "/subscriptions/x", std::string((std::size_t{1} << 20) + 1, 'x')));
  CHECK(answer.starts_with("HTTP/1.1 413"));
  CHECK_THAT(answer, Catch::Matchers::Contains("RequestEntityTooLarge"));
}

TEST_CASE("a new certificate is for new connections; those that are open go on") {
  World world;
  test::TlsClient before(world.port, world.trusting());
  CHECK_THROWS(test::TlsClient(world.port, world.trusting("gate.example")));
  world.files.put(for_localhost(",DNS:gate.example"));
  SECTION("seen by itself") { world.refresh(false); }
  SECTION("asked for") { world.refresh(true); }
  test::TlsClient after(world.port, world.trusting("gate.example"));
  CHECK_THAT(after.exchange(request_text("GET", "/a")), Catch::Matchers::EndsWith("gate.example"));
  CHECK_THAT(before.exchange(request_text("GET", "/a")), Catch::Matchers::EndsWith("127.0.0.1"));
}

TEST_CASE("a reload that fails keeps the old certificate, until the files agree again") {
  World world;
  const auto next = for_localhost(",DNS:gate.example");
  world.files.write("cert.pem", next.certificate);  // the key comes later, as certificate tools do it
  world.refresh(false);
  CHECK(world.answers());
  CHECK_THROWS(test::TlsClient(world.port, world.trusting("gate.example")));
  world.files.write("key.pem", next.key, 0600);
  world.refresh(false);
  CHECK_NOTHROW(test::TlsClient(world.port, world.trusting("gate.example")));
  std::filesystem::remove(world.files.path("key.pem"));
  world.refresh(true);
  CHECK(world.answers());
}

TEST_CASE("files that could not be read at that moment are read later, and warned of until then") {
  Files files(test::issue(authority(), "DNS:localhost", 15 * 86400));
  auto identity = http::TlsIdentity::load(files.files());
  REQUIRE(identity);
  CHECK(identity->warning().empty());
  files.put(test::issue(authority(), "DNS:gate.example", 15 * 86400));
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  identity->refresh(false);
  identity->refresh(false);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(identity->names() == std::vector<std::string>{"localhost"});
  CHECK_THAT(identity->warning(), Catch::Matchers::Contains(files.path("cert.pem")));
  CHECK_THAT(identity->warning(), Catch::Matchers::Contains("stays in use"));
  identity->refresh(false);
  CHECK(identity->names() == std::vector<std::string>{"gate.example"});
  CHECK(identity->warning().empty());
}

TEST_CASE("a certificate that ends within two weeks is warned of") {
  struct Row {
    long seconds;
    const char* says;
  };
  const auto row = GENERATE(values<Row>({{15L * 86400, ""}, {13L * 86400, "ends at "}, {-60, "ended at "}}));
  Files files(test::issue(authority(), "DNS:localhost", row.seconds));
  const auto identity = http::TlsIdentity::load(files.files());
  REQUIRE(identity);
  CAPTURE(identity->warning());
  CHECK(identity->warning().empty() == std::string(row.says).empty());
  CHECK_THAT(identity->warning(), Catch::Matchers::Contains(row.says));
}

TEST_CASE("a chain of which a part is damaged is refused, a whole one is not") {
  const auto leaf = for_localhost();
  const std::string& issuer = authority().certificate;
  Files files(leaf);
  const auto load = [&](const std::string& pem) {
    files.write("cert.pem", pem);
    return http::TlsIdentity::load(files.files());
  };
  CHECK(load(leaf.certificate + issuer));
  CHECK(load(leaf.certificate + "a line of text\n" + issuer + "\n\n"));
  CHECK(load(leaf.certificate + test::make_authority("another").certificate));
  const auto broken = [&](const std::string& rest) {
    const auto loaded = load(leaf.certificate + rest);
    REQUIRE_FALSE(loaded);
    CHECK_THAT(loaded.error().message, Catch::Matchers::Contains(files.path("cert.pem")));
    CHECK_THAT(loaded.error().message, Catch::Matchers::Contains("chain"));
  };
  for (const std::size_t left : {std::size_t{8}, std::size_t{40}, issuer.size() / 2, issuer.size() - 20, issuer.size() - 4}) {
    CAPTURE(left);
    broken(issuer.substr(0, left));
  }
  auto flipped = issuer;
  flipped[100] = flipped[100] == 'A' ? 'B' : 'A';
  flipped[40] = '!';
  broken(flipped);
  broken(issuer.substr(0, 60) + issuer.substr(80));
  broken(test::make_authority("test CA").certificate);  // of the issuer's name, but not its key
}

TEST_CASE("with a client CA only its certificates are talked to") {
  const auto clients = test::make_authority("clients");
  const World world({}, clients.certificate);
  const auto get = [&](const test::Credentials& own) {
    auto options = world.trusting();
    options.own = own;
    try {
      return test::TlsClient(world.port, options).exchange(request_text("GET", "/a"));
    } catch (const std::runtime_error&) {
      return std::string();
    }
  };
  CHECK(get(test::issue(clients, "DNS:alice")).starts_with("HTTP/1.1 200"));
  CHECK_THAT(get(test::issue(clients, "email:a@b.example")), Catch::Matchers::EndsWith(" CN=a leaf email:a@b.example"));
  CHECK(get(test::issue(clients, "DNS:alice", -60)).empty());
  CHECK(get({}).empty());
  CHECK(get(for_localhost()).empty());
}

TEST_CASE("with another client CA those go whom the one before let in; with another certificate nobody does") {
  const auto clients = test::make_authority("clients");
  World world(quick(), clients.certificate);
  auto options = world.trusting();
  options.own = test::issue(clients, "DNS:alice");
  test::TlsClient alice(world.port, options), silent(world.port, options);
  CHECK(alice.exchange(request_text("GET", "/known")).starts_with("HTTP/1.1 200"));
  world.files.put(for_localhost());
  world.refresh(true);
  CHECK(alice.exchange(request_text("GET", "/known")).starts_with("HTTP/1.1 200"));
  world.files.write("ca.pem", test::make_authority("others").certificate);
  world.refresh(false);
  CHECK(world.server.comes_down_to(0));
  CHECK(alice.exchange(request_text("GET", "/known")).empty());
}

TEST_CASE("files that cannot be used are named, with their fault") {
  struct Row {
    const char* name;
    void (*spoil)(Files&);
    const char* file;
    const char* fault;
  };
  const auto row = GENERATE(values<Row>({
      {"no certificate", [](Files& f) { std::filesystem::remove(f.path("cert.pem")); }, "cert.pem", "No such file"},
      {"no key", [](Files& f) { std::filesystem::remove(f.path("key.pem")); }, "key.pem", "No such file"},
      {"an empty certificate", [](Files& f) { f.write("cert.pem", ""); }, "cert.pem", "not a certificate in PEM form"},
      {"the key as certificate", [](Files& f) { f.write("cert.pem", for_localhost().key); }, "cert.pem", "not a certificate"},
      {"an empty key", [](Files& f) { f.write("key.pem", "", 0600); }, "key.pem", "not a private key in PEM form"},
      {"a key of another certificate", [](Files& f) { f.write("key.pem", for_localhost().key, 0600); }, "key.pem", "does not belong to the certificate"},
      {"a key that all may read", [](Files& f) { chmod(f.path("key.pem").c_str(), 0644); }, "key.pem", "mode 0644"},
      {"a key that its group may change", [](Files& f) { chmod(f.path("key.pem").c_str(), 0660); }, "key.pem", "mode 0660"},
      {"a locked key", [](Files& f) { f.write("key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", 0600); }, "key.pem", "passphrase"},
      {"a folder", [](Files& f) { std::filesystem::remove(f.path("cert.pem")); std::filesystem::create_directory(f.path("cert.pem")); }, "cert.pem", "is not a file"},
      {"a pipe that nobody writes to", [](Files& f) { std::filesystem::remove(f.path("key.pem")); mkfifo(f.path("key.pem").c_str(), 0600); }, "key.pem", "is not a file"},
  }));
  Files files;
  row.spoil(files);
  DYNAMIC_SECTION(row.name) {
    const auto loaded = http::TlsIdentity::load(files.files());
    REQUIRE_FALSE(loaded);
    CHECK_THAT(loaded.error().message, Catch::Matchers::Contains(files.path(row.file)));
    CHECK_THAT(loaded.error().message, Catch::Matchers::Contains(row.fault));
  }
}

TEST_CASE("a key that its group may read, a whole chain, an expired certificate: taken") {
  Files files(test::issue(authority(), "DNS:localhost", -60));
  chmod(files.path("key.pem").c_str(), 0640);
  const auto pem = [&] {
    std::ifstream file(files.path("cert.pem"));
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();
  files.write("cert.pem", pem + authority().certificate);
  CHECK(http::TlsIdentity::load(files.files()));
}
