// SPDX-License-Identifier: Apache-2.0
// When the issuer's keys are read or fetched, how long they stay in use, and what is warned of. Time is told by hand.
#include "controlplane/daemon/issuer_keys.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/catch.hpp"

using namespace postern;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// The public key of RFC 7515, appendix A.3.
const std::string one_key =
    R"({"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})";

core::Error unreachable() {
  return {core::ErrorCode::service_unavailable, "nobody is there", "", {}};
}

struct Issuer {
  daemon::IssuerKeys keys{[this](daemon::HttpsGet::Done done) {
    ++asked;
    pending = std::move(done);
  }};
  daemon::HttpsGet::Done pending;
  int asked = 0;
  daemon::IssuerKeys::Clock::time_point now{1000s};

  void answer(core::Result<std::string> got) { std::exchange(pending, nullptr)(std::move(got)); }
  int asks_after(std::chrono::seconds time) {
    now += time;
    keys.look(now);
    return std::exchange(asked, 0);
  }
};

}  // namespace

TEST_CASE("keys from a URL: at once, then now and then, and soon for one that nobody knew") {
  Issuer issuer;
  CHECK(issuer.asks_after(0s) == 1);
  CHECK(issuer.asks_after(1h) == 0);  // one at a time
  CHECK_FALSE(issuer.keys.now(issuer.now));
  issuer.answer(one_key);
  CHECK(issuer.keys.now(issuer.now));
  CHECK(issuer.keys.warning().empty());
  CHECK(issuer.asks_after(0s) == 1);
  issuer.answer(one_key);
  CHECK(issuer.asks_after(599s) == 0);
  CHECK(issuer.asks_after(1s) == 1);
  issuer.answer(one_key);
  for (int i = 0; i < 59; ++i) {
    issuer.keys.want();
    CHECK(issuer.asks_after(1s) == 0);
  }
  CHECK(issuer.asks_after(1s) == 1);
  issuer.answer(one_key);
  CHECK(issuer.asks_after(60s) == 0);
}

TEST_CASE("an issuer that is away: tried each minute, warned of, its keys in use for a day") {
  Issuer issuer;
  issuer.asks_after(0s);
  issuer.answer(unreachable());
  CHECK_FALSE(issuer.keys.now(issuer.now));
  CHECK_THAT(issuer.keys.warning(), Contains("nobody is there"));
  CHECK(issuer.asks_after(59s) == 0);
  CHECK(issuer.asks_after(1s) == 1);
  issuer.answer(one_key);
  CHECK(issuer.keys.warning().empty());
  const auto read = issuer.now;
  issuer.asks_after(600s);
  issuer.answer(std::string("<html>"));
  CHECK_THAT(issuer.keys.warning(), Contains("stay in use"));
  CHECK(issuer.keys.now(read + 24h));
  CHECK_FALSE(issuer.keys.now(read + 24h + 1s));
}

TEST_CASE("keys from a file: read again when it changes, kept when it is broken") {
  const std::string path = "/tmp/postern-issuer-keys-test-" + std::to_string(getpid());
  const auto write = [&](const std::string& text) {
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
  };
  daemon::IssuerKeys::Clock::time_point now{1000s};
  daemon::IssuerKeys keys(path);
  keys.look(now);
  CHECK_FALSE(keys.now(now));
  CHECK_THAT(keys.warning(), Contains("No such file"));
  write(one_key);
  keys.look(now);
  REQUIRE(keys.now(now));
  CHECK(keys.now(now)->size() == 1);
  CHECK(keys.warning().empty());
  now += 48h;
  keys.look(now);
  CHECK(keys.now(now));  // what has not changed is not old
  write("{");
  keys.look(now);
  CHECK(keys.now(now));
  CHECK_THAT(keys.warning(), Contains("stay in use"));
  now += 24h + 1s;
  keys.look(now);
  CHECK_FALSE(keys.now(now));
  write(one_key);
  keys.look(now);
  CHECK(keys.now(now));
  std::filesystem::remove(path);
}

TEST_CASE("URLs that are fetched") {
  const auto url = daemon::parse_https_url("https://issuer.example:8443/a/keys?v=2");
  REQUIRE(url);
  CHECK(url->host == "issuer.example");
  CHECK(url->port == "8443");
  CHECK(url->target == "/a/keys?v=2");
  CHECK(daemon::parse_https_url("https://[::1]")->host == "::1");
  CHECK(daemon::parse_https_url("https://a")->target == "/");
  for (const char* bad : {"http://a/keys", "https://", "https://a:/", "https://a:b/", "https://u@a/", "https://a/ b", "/keys", ""})
    CHECK_FALSE(daemon::parse_https_url(bad));
}
