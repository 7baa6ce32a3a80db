// SPDX-License-Identifier: Apache-2.0
// The real clock and the real randomness, as far as a test can see them.
#include <ctime>
#include <set>

#include "controlplane/daemon/randomness.hpp"
#include "controlplane/daemon/system_clock.hpp"
#include "tests/support/catch.hpp"

using namespace postern;

TEST_CASE("the clock shows wall time, boot time and a boot id") {
  const daemon::SystemClock clock;
  const std::time_t before = std::time(nullptr);
  const core::Now first = clock.now(), second = clock.now();
  const std::time_t after = std::time(nullptr);
  CHECK(second.boot >= first.boot);
  CHECK(first.utc.time_since_epoch() / std::chrono::seconds(1) >= before);
  CHECK(first.utc.time_since_epoch() / std::chrono::seconds(1) <= after + 1);  // time() goes in steps
  timespec boot{};
  REQUIRE(clock_gettime(CLOCK_BOOTTIME, &boot) == 0);
  CHECK(std::abs(second.boot.time_since_epoch() / std::chrono::seconds(1) - boot.tv_sec) <= 1);
  CHECK(clock.boot_id().size() == 36);
  CHECK(daemon::SystemClock().boot_id() == clock.boot_id());
}

TEST_CASE("secrets are URL-safe, long and never the same") {
  daemon::SystemRandomness randomness;
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string secret = randomness.token_secret();
    CHECK(secret.size() == 43);
    CHECK(secret.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
          std::string::npos);
    seen.insert(secret);
  }
  CHECK(seen.size() == 100);
}

TEST_CASE("SHA-256 is FIPS 180-4's") {
  const daemon::SystemRandomness randomness;
  CHECK(randomness.sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(randomness.sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
