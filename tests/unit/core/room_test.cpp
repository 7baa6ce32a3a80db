// SPDX-License-Identifier: Apache-2.0
// Full tables: counted before anything is written, refused with a reason, nothing half applied; and slots, which are
// not used again while others are free.
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

void require_refused(GateWorld& world, const Result<RequestView>& answer, std::size_t records_before) {
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::capacity_exhausted);
  CHECK_FALSE(answer.error().message.empty());
  const auto records = world.records_since(records_before);
  REQUIRE(records.size() == 1);
  CHECK(records[0].outcome == Outcome::refused);
  world.require_in_step();
}

}  // namespace

TEST_CASE("a full entry map refuses, and takes again when there is room") {
  GateWorld world;
  world.furnish();
  world.dataplane.room.entries_v4 = 3;
  world.granted(alice(), ask("vm1"));
  const auto second = world.granted(bob(), ask("vm1", {"22", "PT1H", {"198.51.100.1", "198.51.100.2"}}));
  const auto before = world.store.records().size();
  require_refused(world, world.gate->initiate(bob(), policy_id(), ask("vm1")), before);
  CHECK(world.store.grants().size() == 2);

  world.granted(bob(), ask("vm1", {"22", "PT1H", {"203.0.113.7"}}));  // a key that is there already
  REQUIRE(world.gate->revoke(admin(), second.serial));
  world.granted(bob(), ask("vm1"));
  world.require_in_step();
}

TEST_CASE("entries of one family do not take the other's room") {
  GateWorld world;
  world.furnish();
  world.dataplane.room.entries_v4 = 0;
  CHECK(world.gate->initiate(alice(), policy_id(), ask("vm1", {"22", "PT1H", {"2001:db8::7"}})));
  CHECK_FALSE(world.gate->initiate(alice(), policy_id(), ask("vm1")));
  world.require_in_step();
}

TEST_CASE("no slot, no grant") {
  GateWorld world;
  world.furnish();
  world.dataplane.room.records = 2;
  const auto first = world.granted(alice(), ask("vm1"));
  world.granted(bob(), ask("vm1"));
  const auto before = world.store.records().size();
  require_refused(world, world.gate->initiate(bob(), policy_id(), ask("vm2")), before);
  REQUIRE(world.gate->revoke(admin(), first.serial));
  world.granted(bob(), ask("vm2"));  // takes the slot of what ended
  CHECK(world.record_of(first.serial) == RecordState::vacant);
  world.require_in_step();
}

TEST_CASE("slots of what ended rest as long as others are free; then the oldest is taken") {
  GateWorld world;
  world.furnish();
  world.dataplane.room.records = 4;
  const auto first = world.granted(alice(), ask("vm1", {"3389", "PT30M"}));
  const auto second = world.granted(bob(), ask("vm1", {"3389", "PT30M"}));
  REQUIRE(world.gate->revoke(admin(), first.serial));
  REQUIRE(world.gate->revoke(admin(), second.serial));
  if (GENERATE(false, true)) world.restart();
  world.granted(alice(), ask("vm1"));
  world.granted(bob(), ask("vm1"));
  CHECK(world.record_of(first.serial) == RecordState::cut);
  CHECK(world.record_of(second.serial) == RecordState::cut);
  // Flows of what was cut may be about that know it by the record alone: first all of them must have been looked at.
  for (int walk = 0; walk < 2; ++walk) {
    const auto before = world.store.records().size();
    require_refused(world, world.gate->initiate(alice(), policy_id(), ask("vm2")), before);
    ++world.dataplane.walks;
  }
  world.granted(alice(), ask("vm2"));
  CHECK(world.record_of(first.serial) == RecordState::vacant);
  CHECK(world.record_of(second.serial) == RecordState::cut);
  world.require_in_step();
}

TEST_CASE("the slot of what was cut after it had ended rests, too") {
  GateWorld world;
  world.furnish();
  world.dataplane.room.records = 1;
  const auto first = world.granted(alice(), ask("vm1"));
  REQUIRE(world.gate->revoke(admin(), first.serial));
  REQUIRE(world.record_of(first.serial) == RecordState::draining);
  REQUIRE(world.gate->revoke(admin(), first.serial, by("cut")));
  REQUIRE(world.record_of(first.serial) == RecordState::cut);
  for (int walk = 0; walk < 2; ++walk) {
    const auto before = world.store.records().size();
    require_refused(world, world.gate->initiate(alice(), policy_id(), ask("vm2")), before);
    ++world.dataplane.walks;
  }
  world.granted(alice(), ask("vm2"));
  CHECK(world.record_of(first.serial) == RecordState::vacant);
  world.require_in_step();
}

TEST_CASE("a policy that needs more services than there is room for changes nothing") {
  GateWorld world;
  world.furnish();
  const auto before = world.dataplane.maps;
  world.dataplane.room.services_v4 = 5;  // 22/tcp twice, 3389 both ways: four are in use
  const auto answer = world.gate->put_policy(admin(), policy_id("second"), policy_draft({{"vm2", {{"80", "*"}}}}));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::capacity_exhausted);
  CHECK(world.dataplane.maps == before);
  CHECK_FALSE(world.store.policies().contains(policy_id("second").key()));
  CHECK(world.gate->get_policy(admin(), policy_id("second")).error().code == ErrorCode::policy_not_found);
  CHECK(world.gate->put_policy(admin(), policy_id("second"), policy_draft({{"vm2", {{"80", "TCP"}}}})));
  world.require_in_step();
}

TEST_CASE("a machine with more addresses than there is room for changes nothing") {
  GateWorld world;
  world.furnish();
  world.dataplane.room.addresses = 3;
  CHECK_FALSE(world.gate->put_machine(admin(), machine_draft("vm2", {"10.0.0.2", "10.0.0.22"})));
  CHECK(world.store.machines().at(folded(machine_id("vm2"))).addresses.size() == 1);
  world.require_in_step();
}

TEST_CASE("at most sixteen prefix lengths on one service") {
  GateWorld world;
  world.furnish();
  for (int length = 16; length < 32; ++length) {
    world.granted(alice(), ask("vm1", {"22", "PT1H", {"203.0.113.0/" + std::to_string(length)}}));
  }
  const auto before = world.store.records().size();
  require_refused(world, world.gate->initiate(alice(), policy_id(), ask("vm1")), before);
  world.granted(alice(), ask("vm2"));                                   // another service
  world.granted(bob(), ask("vm1", {"22", "PT1H", {"198.51.0.0/16"}}));  // a length that is in use
  world.granted(bob(), ask("vm1", {"22", "PT1H", {"2001:db8::/33"}}));  // the other family's service
  REQUIRE(world.gate->revoke(admin(), 16));
  world.granted(alice(), ask("vm1"));
  world.require_in_step();
}

TEST_CASE("ids of services that went are given again where the gate would not count for a higher one") {
  GateWorld world;
  world.furnish();
  world.dataplane.room.counted_services = 9;  // eight services at most, and 0, which is nobody's id
  const auto highest = [&] {
    std::uint32_t id = 0;
    for (const auto& [key, service] : world.dataplane.maps.services) id = std::max(id, service.id);
    return id;
  };
  for (int times = 0; times < 20; ++times) {
    if (times == 10) world.restart();
    REQUIRE(world.gate->put_policy(admin(), policy_id("second"), policy_draft({{"vm2", {{"80", "TCP"}}}})));
    CHECK(highest() < 9);
    REQUIRE(world.gate->erase_policy(admin(), policy_id("second")));
    world.require_in_step();
  }
}
