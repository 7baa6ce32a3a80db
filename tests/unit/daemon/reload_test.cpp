// SPDX-License-Identifier: Apache-2.0
// The configuration read again: what is taken over, what waits for a restart, and that a fault changes nothing.
#include "controlplane/daemon/reload.hpp"

#include <spdlog/spdlog.h>

#include "tests/unit/core/gate_world.hpp"

using namespace postern;
using namespace postern::tests;

namespace {

struct Daemon : GateWorld {
  explicit Daemon(daemon::Json first) : file(std::move(first)) {
    furnish();
    records = store.records().size();
  }
  ~Daemon() { spdlog::set_level(spdlog::level::info); }

  core::Result<daemon::Loaded> read() const {
    daemon::Given given;
    for (const auto& [key, value] : file.items()) given.values.insert({key, {value, "posternd.json: " + key}});
    auto config = daemon::make_config(given);
    if (!config) return config.error();
    return daemon::Loaded{given, *std::move(config)};
  }
  // As somebody whom only the file knows: what the status is answered with.
  int status_as(std::uint32_t uid) {
    http::Peer peer;
    peer.local = http::UnixPeer{uid, uid, {}};
    return api.handle({.method = "GET", .target = "/v1/status", .headers = {}, .body = ""}, peer).status;
  }
  std::string warning() const {
    std::string all;
    for (const auto& sentence : gate->warnings()) all += sentence;
    return all;
  }
  std::vector<core::AuditRecord> made() const { return records_since(records); }

  daemon::Json file;
  std::size_t records = 0;
  http::Api api{*gate, daemon::api_options(read().value().config)};
  daemon::Reloader reload{read().value(), [this] { return read(); }, *gate, api, nullptr};
};

const daemon::Json small{{"log_level", "off"}, {"users", {{"4242", {{"role", "reader"}}}}}};

}  // namespace

TEST_CASE("what can change while the daemon runs does, and is recorded once") {
  Daemon daemon(small);
  CHECK(daemon.status_as(4242) == 200);
  CHECK(daemon.status_as(4243) == 401);
  daemon.file["users"] = {{"4243", {{"role", "reader"}}}};
  daemon.file["failsafe_sources"] = {"198.51.100.1"};
  daemon.file["failsafe_services"] = {"10.0.0.1:22/tcp"};
  daemon.file["location"] = "lab";
  daemon.reload();
  CHECK(daemon.status_as(4242) == 401);
  CHECK(daemon.status_as(4243) == 200);
  CHECK(daemon.dataplane.maps.failsafe_sources.size() == 1);
  CHECK(daemon.gate->settings().location == "lab");
  REQUIRE(daemon.gate->settings().users.size() == 1);
  CHECK(daemon.gate->settings().users[0].by == "user 4243");
  CHECK(daemon.warning().empty());
  const auto made = daemon.made();
  REQUIRE(made.size() == 1);
  CHECK(made[0].operation == "config.reload");
  CHECK(made[0].outcome == core::Outcome::allowed);
  for (const char* word : {"location", "users", "4243", "failsafe_sources", "198.51.100.1", "failsafe_services"})
    CHECK(made[0].detail.find(word) != std::string::npos);
}

TEST_CASE("nothing new leaves no record") {
  Daemon daemon(small);
  daemon.reload();
  CHECK(daemon.made().empty());
  CHECK(daemon.warning().empty());
}

TEST_CASE("what needs a restart is not in force, and the status says so until it is taken back") {
  Daemon daemon(small);
  daemon.file["listen"] = "127.0.0.1:7999";
  daemon.file["location"] = "lab";
  daemon.reload();
  CHECK(daemon.gate->settings().location == "lab");
  CHECK(daemon.warning().find("restart of posternd: listen.") != std::string::npos);
  daemon.reload();
  CHECK(daemon.warning().find("listen") != std::string::npos);
  CHECK(daemon.made().size() == 1);
  daemon.file.erase("listen");
  daemon.reload();
  CHECK(daemon.warning().empty());
}

TEST_CASE("a faulty configuration changes nothing, and is warned of with every fault until a good one is read") {
  Daemon daemon(small);
  daemon.file["users"] = {{"4243", {{"role", "king"}}}};
  daemon.file["failsafe_sources"] = {"198.51.100.1"};
  daemon.file["location"] = "a b";
  daemon.reload();
  CHECK(daemon.status_as(4242) == 200);
  CHECK(daemon.dataplane.maps.failsafe_sources.empty());
  CHECK(daemon.gate->settings().location == "local");
  for (const char* word : {"users.4243", "location"}) CHECK(daemon.warning().find(word) != std::string::npos);
  REQUIRE(daemon.made().size() == 1);
  CHECK(daemon.made()[0].outcome == core::Outcome::refused);
  daemon.file = small;
  daemon.reload();
  CHECK(daemon.warning().empty());
  CHECK(daemon.made().size() == 1);
}

TEST_CASE("a configuration that cannot be recorded is not taken over") {
  Daemon daemon(small);
  daemon.file["users"] = {{"4243", {{"role", "reader"}}}};
  daemon.fuse.arm(1, Fuse::Blow::from_then_on);
  daemon.reload();
  daemon.fuse.disarm();
  CHECK(daemon.status_as(4242) == 200);
  CHECK(daemon.warning().find("could not be recorded") != std::string::npos);
  daemon.reload();
  CHECK(daemon.status_as(4243) == 200);
}
