// SPDX-License-Identifier: Apache-2.0
// Settings that change while the gate is up: in the maps at once, recorded, or not at all.
#include "tests/unit/core/gate_world.hpp"

using namespace postern;
using namespace postern::tests;

namespace {

core::Settings failsafe(const std::vector<std::string>& sources, const std::vector<core::ServiceKey>& services = {}) {
  core::Settings settings;
  for (const auto& source : sources) settings.failsafe_sources.push_back(core::parse_prefix(source).value());
  settings.failsafe_services = services;
  return settings;
}

std::set<std::string> sources_of(const GateWorld& world) {
  std::set<std::string> texts;
  for (const auto& source : world.dataplane.maps.failsafe_sources) texts.insert(core::to_string(source));
  return texts;
}

bool is_failsafe(const GateWorld& world, const std::string& address, std::uint16_t port) {
  return world.dataplane.maps.services.at({core::parse_prefix(address).value(), port, core::Protocol::tcp}).failsafe;
}

}  // namespace

TEST_CASE("failsafe sources and services come and go with the settings, recorded as one decision") {
  GateWorld world;
  world.furnish();
  const auto records = world.store.records().size();
  REQUIRE(world.gate->reconfigure(failsafe({"198.51.100.1", "2001:db8:9::/48"}, {{core::parse_prefix("10.0.0.0/30").value(), 22, core::Protocol::tcp}}),
                                  "Changes failsafe_sources."));
  CHECK(sources_of(world) == std::set<std::string>{"198.51.100.1", "2001:db8:9::/48"});
  CHECK(is_failsafe(world, "10.0.0.1", 22));
  CHECK(is_failsafe(world, "10.0.0.2", 22));
  CHECK_FALSE(is_failsafe(world, "2001:db8::1", 22));
  REQUIRE(world.gate->reconfigure(failsafe({"198.51.100.2"}), "Changes failsafe_sources again."));
  CHECK(sources_of(world) == std::set<std::string>{"198.51.100.2"});
  CHECK_FALSE(is_failsafe(world, "10.0.0.1", 22));
  CHECK(world.dataplane.violations.empty());
  const auto made = world.records_since(records);
  REQUIRE(made.size() == 2);
  CHECK(made[0].operation == "config.reload");
  CHECK(made[0].outcome == core::Outcome::allowed);
  CHECK(made[0].principal == core::own_name);
  CHECK(made[0].detail == "Changes failsafe_sources.");
}

TEST_CASE("settings that cannot be recorded, or have no room, change nothing") {
  GateWorld world;
  world.furnish();
  REQUIRE(world.gate->reconfigure(failsafe({"198.51.100.1"}), "One."));
  world.dataplane.room.failsafe_sources = 2;
  const auto crowded = world.gate->reconfigure(failsafe({"198.51.100.1", "198.51.100.2", "198.51.100.3"}), "Three.");
  REQUIRE_FALSE(crowded);
  CHECK(crowded.error().code == core::ErrorCode::capacity_exhausted);
  world.fuse.arm(1, Fuse::Blow::once);
  const auto unrecorded = world.gate->reconfigure(failsafe({"198.51.100.2"}), "Another.");
  REQUIRE_FALSE(unrecorded);
  CHECK(unrecorded.error().code == core::ErrorCode::store_failed);
  CHECK(sources_of(world) == std::set<std::string>{"198.51.100.1"});
  CHECK(world.gate->settings().failsafe_sources.size() == 1);
}

TEST_CASE("while the gate is away the settings stand, and are in its maps when it comes back") {
  GateWorld world;
  world.furnish();
  world.dataplane.lasts = 0;
  REQUIRE(world.gate->reconfigure(failsafe({"198.51.100.1"}), "One."));
  CHECK(sources_of(world).empty());
  world.dataplane.lasts = SIZE_MAX;
  world.clock.advance(2s);
  world.gate->sweep();
  CHECK(sources_of(world) == std::set<std::string>{"198.51.100.1"});
}

TEST_CASE("a configuration that was refused is recorded as that") {
  GateWorld world;
  const auto records = world.store.records().size();
  world.gate->refuse_configuration("x.json: users.alice: …");
  const auto made = world.records_since(records);
  REQUIRE(made.size() == 1);
  CHECK(made[0].operation == "config.reload");
  CHECK(made[0].outcome == core::Outcome::refused);
}
