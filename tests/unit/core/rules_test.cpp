// SPDX-License-Identifier: Apache-2.0
// What a policy says beyond Azure's: monitor mode, standing sources, longest session time, and how a grant ends.
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

const ServiceEntry& service(const GateWorld& world, const char* address, std::uint16_t port = 22) {
  return world.dataplane.maps.services.at({parse_prefix(address).value(), port, Protocol::tcp});
}

const RecordEntry* record(const GateWorld& world, std::uint64_t serial) {
  for (const auto& [slot, entry] : world.dataplane.maps.records) {
    if (entry.serial == serial) return &entry;
  }
  return nullptr;
}

Rule standing(const std::vector<std::string>& sources, const std::string& ending = "drain") {
  Rule rule;
  rule.standing = sources;
  rule.ending = ending;
  return rule;
}

void put(GateWorld& world, const PolicyDraft& draft, const std::string& name = "default") {
  const auto done = world.gate->put_policy(admin(), policy_id(name), draft);
  if (!done) FAIL(done.error().message);
  world.require_in_step();
}

std::uint64_t standing_serial(const GateWorld& world) {
  const auto rules = world.standing();
  REQUIRE(rules.size() == 1);
  return rules.begin()->first;
}

}  // namespace

TEST_CASE("a policy monitors or enforces, and is changed in place") {
  GateWorld world;
  world.furnish();
  const auto before = service(world, "10.0.0.2");
  CHECK(before.enforce);
  put(world, policy_draft({{"vm2", {{}}}}, "monitor"));
  CHECK_FALSE(service(world, "10.0.0.2").enforce);
  CHECK(service(world, "10.0.0.2").id == before.id);
  CHECK_FALSE(world.dataplane.maps.addresses.at(parse_prefix("10.0.0.2").value()).enforce);
  put(world, policy_draft({{"vm2", {{}}}}, "enforce"));
  CHECK(service(world, "10.0.0.2").enforce);
  CHECK(service(world, "10.0.0.2").id == before.id);
}

TEST_CASE("a service enforces if any policy on it does, an address if any of its services does") {
  GateWorld world;
  world.furnish();
  put(world, policy_draft({{"vm2", {{}}}}, "monitor"));
  put(world, policy_draft({{"vm2", {{}, {"80"}}}}, "monitor"), "other");
  CHECK_FALSE(service(world, "10.0.0.2").enforce);
  put(world, policy_draft({{"vm2", {{"80"}}}}), "third");
  CHECK_FALSE(service(world, "10.0.0.2").enforce);
  CHECK(service(world, "10.0.0.2", 80).enforce);
  CHECK(world.dataplane.maps.addresses.at(parse_prefix("10.0.0.2").value()).enforce);
  put(world, policy_draft({{"vm2", {{}}}}), "other");
  CHECK(service(world, "10.0.0.2").enforce);
  REQUIRE(world.gate->erase_policy(admin(), policy_id("other")));
  CHECK_FALSE(service(world, "10.0.0.2").enforce);
  world.require_in_step();
}

TEST_CASE("what Azure's body does not have stays when it is left out, and nothing else does") {
  GateWorld world;
  world.furnish();
  auto draft = policy_draft({{"vm2", {{"22", "TCP", {"*"}, "PT1H", "cut", {"192.0.2.1"}, "PT8H"}}}}, "monitor");
  put(world, draft);
  const auto serial = standing_serial(world);
  draft.mode.reset();
  auto& port = draft.machines[0].ports[0];
  port.ending.reset();
  port.standing.reset();
  port.max_session.reset();
  port.max_duration = "PT2H";
  put(world, draft);
  const auto policy = world.store.policies().at(policy_id().key());
  const auto& rule = policy.machines[0].ports[0];
  CHECK(policy.mode == Mode::monitor);
  CHECK(rule.ending == Ending::cut);
  CHECK(rule.max_session == 8h);
  CHECK(rule.standing.size() == 1);
  CHECK(rule.standing_serial == serial);
  CHECK(rule.max_duration == 2h);
  port.number = "23";  // another port never had any of it
  put(world, draft);
  const auto other = world.store.policies().at(policy_id().key()).machines[0].ports[0];
  CHECK(other.ending == Ending::drain);
  CHECK(other.max_session == 0s);
  CHECK(other.standing.empty());
}

TEST_CASE("a rule may want a justification, and blanks are none") {
  GateWorld world;
  world.furnish();
  Rule why{"3389"};
  why.justification = "Required";
  auto policy = policy_draft({{"vm2", {{}, why}}});
  put(world, policy);
  auto draft = access_draft({{"vm2", {{}, {"3389", "PT5H"}}}});
  for (const auto& nothing : {std::optional<std::string>(), std::optional<std::string>(""), std::optional<std::string>("  ")}) {
    draft.justification = nothing;
    const auto refused = world.gate->initiate(alice(), policy_id(), draft);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::not_subset_of_policy);
    REQUIRE(refused.error().faults.size() == 2);  // all at once
    CHECK(refused.error().faults[0].target == "justification");
    CHECK(refused.error().faults[1].target == "virtualMachines[0].ports[1]");
  }
  draft.machines[0].ports[1].duration = "PT1H";
  draft.justification = "disk full";
  CHECK(world.gate->initiate(alice(), policy_id(), draft));
  CHECK(world.gate->initiate(bob(), policy_id(), ask("vm2")));  // the other port's rule wants none

  policy.machines[0].ports[1].justification.reset();  // a client of Azure's does not state it
  put(world, policy);
  CHECK_FALSE(world.gate->initiate(bob(), policy_id(), ask("vm2", {"3389"})));
  policy.machines[0].ports[1].justification = "maybe";
  const auto refused = world.gate->put_policy(admin(), policy_id(), policy);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().faults.at(0).target == "properties.virtualMachines[0].ports[1].justification");
}

TEST_CASE("own members that cannot be read are refused with their places, and change nothing") {
  GateWorld world;
  world.furnish();
  auto draft =
      policy_draft({{"vm2", {{"22", "TCP", {"*"}, "PT1H", "drain", {"192.0.2.1", "nowhere"}, "PT721H"}}}}, "off");
  const auto refused = world.gate->put_policy(admin(), policy_id(), draft);
  REQUIRE_FALSE(refused);
  std::vector<std::string> places;
  for (const auto& fault : refused.error().faults) places.push_back(fault.target);
  CHECK(places == std::vector<std::string>{"properties.mode",
                                           "properties.virtualMachines[0].ports[0].maxSessionDuration",
                                           "properties.virtualMachines[0].ports[0].standingSources[1]"});
  world.require_in_step();
}

TEST_CASE("standing sources are admitted without a deadline, have a record, and survive restart and reboot") {
  GateWorld world;
  world.furnish();
  CHECK_FALSE(world.admits("192.0.2.9", "10.0.0.2", 22));
  put(world, policy_draft({{"vm2", {standing({"192.0.2.0/24"}, "cut")}}}));
  const auto serial = standing_serial(world);
  CHECK(world.admits("192.0.2.9", "10.0.0.2", 22));
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.2", 22));
  REQUIRE(record(world, serial));
  CHECK(record(world, serial)->deadline == BootTime::max());
  world.clock.advance(24h * 365);
  world.gate->sweep();
  CHECK(world.admits("192.0.2.9", "10.0.0.2", 22));
  world.restart();
  CHECK(standing_serial(world) == serial);
  world.require_in_step();
  world.reboot("boot-2");
  world.restart();
  CHECK(world.admits("192.0.2.9", "10.0.0.2", 22));
  world.require_in_step();
  const auto grant = world.granted(alice(), ask("vm2", {"22", "PT5M"}));
  CHECK(grant.serial > serial);
}

TEST_CASE("standing sources stay beside grants, and outlive those of the same source") {
  GateWorld world;
  world.furnish();
  put(world, policy_draft({{"vm2", {standing({"203.0.113.7"})}}}));
  const auto grant = world.granted(alice(), ask("vm2", {"22", "PT5M"}));
  REQUIRE(world.gate->revoke(admin(), grant.serial));
  CHECK(world.admits("203.0.113.7", "10.0.0.2", 22));
  world.require_in_step();
}

TEST_CASE("a standing rule ends with its source, in its rule's mode; its number stays while nobody loses") {
  GateWorld world;
  world.furnish();
  const std::string ending = GENERATE("drain", "cut");
  const auto ended = ending == "cut" ? RecordState::cut : RecordState::draining;
  put(world, policy_draft({{"vm2", {standing({"192.0.2.1"}, ending)}}}));
  const auto first = standing_serial(world);
  put(world, policy_draft({{"vm2", {standing({"192.0.2.1", "192.0.2.2"}, ending)}}}));
  CHECK(standing_serial(world) == first);
  const auto generation = world.dataplane.cut_generation;
  put(world, policy_draft({{"vm2", {standing({"192.0.2.2"}, ending)}}}));
  const auto second = standing_serial(world);
  CHECK(second != first);
  CHECK(world.record_of(first) == ended);
  CHECK(world.dataplane.cut_generation == generation + (ending == "cut" ? 1 : 0));
  CHECK_FALSE(world.admits("192.0.2.1", "10.0.0.2", 22));
  CHECK(world.admits("192.0.2.2", "10.0.0.2", 22));
  REQUIRE(world.gate->erase_policy(admin(), policy_id()));
  CHECK(world.record_of(second) == ended);
  world.require_in_step();
}

TEST_CASE("standing rules are listed to who may read the policy, and are not revoked by number") {
  GateWorld world;
  world.furnish();
  put(world, policy_draft({{"vm2", {standing({"192.0.2.1"})}}}));
  const auto serial = standing_serial(world);
  const auto listed = world.gate->list_standing(alice(), {});
  REQUIRE(listed);
  REQUIRE(listed->size() == 1);
  CHECK(world.gate->list_standing(alice(), {"vm1", "", false})->empty());
  CHECK(world.gate->list_standing(person("eve", "requester", "", "/subscriptions/x"), {})->empty());
  const auto refused = world.gate->revoke(admin(), serial);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::conflict);
  CHECK(world.admits("192.0.2.1", "10.0.0.2", 22));
}

TEST_CASE("the longest session time of a rule stands in the records of its grants") {
  GateWorld world;
  world.furnish();
  put(world, policy_draft({{"vm2", {{"22", "TCP", {"*"}, "PT1H", "drain", {"192.0.2.1"}, "PT8H"}}}}));
  const auto grant = world.granted(alice(), ask("vm2"));
  REQUIRE(record(world, grant.serial));
  CHECK(record(world, grant.serial)->session_max == 8h);
  CHECK(record(world, standing_serial(world))->session_max == 8h);
  put(world, policy_draft({{"vm2", {{"22", "TCP", {"*"}, "PT1H", "drain", {"192.0.2.1"}, "PT4H"}}}}));
  CHECK(record(world, standing_serial(world))->session_max == 4h);
}

TEST_CASE("a rule made stricter reaches the grants that run, and the sessions they were given for") {
  GateWorld world;
  world.furnish();
  const auto renewed = world.granted(alice(), ask("vm2"));
  const auto grant = world.granted(alice(), ask("vm2"));
  const auto other = world.granted(bob(), ask("vm1"));
  REQUIRE(world.record_of(renewed.serial) == RecordState::draining);
  const auto generation = world.dataplane.cut_generation;
  put(world, policy_draft({{"vm1", {{}}}, {"vm2", {{"22", "TCP", {"*"}, "PT3H", "cut", {}, "PT1H"}}}}));
  CHECK(world.grant(grant.serial).ending == Ending::cut);
  CHECK(record(world, grant.serial)->ending == Ending::cut);
  CHECK(record(world, grant.serial)->session_max == 1h);
  CHECK(world.record_of(grant.serial) == RecordState::live);
  CHECK(world.record_of(renewed.serial) == RecordState::cut);  // its sessions go over to the grant that took its place
  CHECK(world.dataplane.cut_generation > generation);          // open sessions look at their record again
  CHECK(world.grant(other.serial).ending == Ending::drain);
  const auto& told = world.store.records().back();
  CHECK(told.detail.find("grant " + std::to_string(grant.serial) + " ends by cut") != std::string::npos);

  // Fewer sources: the grant ends, as the rule now says.
  put(world, policy_draft({{"vm1", {{"22", "TCP", {"198.51.100.0/24"}, "PT3H", "cut"}}}}));
  CHECK(world.record_of(other.serial) == RecordState::cut);
  CHECK(world.record_of(grant.serial) == RecordState::cut);
  world.restart();
  world.require_in_step();
}

TEST_CASE("a PUT that changes a rule's protocol does not carry its standing sources to another one") {
  GateWorld world;
  world.furnish();
  const std::string from = GENERATE("TCP", "UDP", "*"), to = GENERATE("TCP", "UDP", "*");
  put(world, policy_draft({{"vm2", {{"22", from, {"*"}, "PT1H", "drain", {"192.0.2.1"}}}}}));
  auto draft = policy_draft({{"vm2", {{"22", to, {"*"}, "PT1H"}}}});
  draft.machines[0].ports[0].standing.reset();
  const auto done = world.gate->put_policy(admin(), policy_id(), draft);
  if (from == to || from == "*") {
    REQUIRE(done);
  } else {
    REQUIRE_FALSE(done);
    CHECK(done.error().faults.at(0).target == "properties.virtualMachines[0].ports[0].standingSources");
    draft.machines[0].ports[0].standing = {{"192.0.2.1"}};
    put(world, draft);  // said aloud, it may be
  }
  world.require_in_step();
}

TEST_CASE("a standing source is somebody's, not everybody's") {
  GateWorld world;
  world.furnish();
  const std::string everybody = GENERATE("*", "0.0.0.0/0", "::/0", "Internet");
  const auto refused =
      world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm2", {standing({"192.0.2.1", everybody})}}}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().faults.at(0).target == "properties.virtualMachines[0].ports[0].standingSources[1]");
}

TEST_CASE("a revocation may overrule how the rule ends, and a grant that is over can still be cut") {
  GateWorld world;
  world.furnish();
  const auto drained = world.granted(alice(), ask("vm1"));
  REQUIRE(world.gate->revoke(admin(), drained.serial));
  CHECK(world.record_of(drained.serial) == RecordState::draining);
  auto generation = world.dataplane.cut_generation;
  REQUIRE(world.gate->revoke(admin(), drained.serial, by("cut")));
  CHECK(world.record_of(drained.serial) == RecordState::cut);
  CHECK(world.dataplane.cut_generation > generation);
  world.require_in_step();

  const auto cut = world.granted(alice(), ask("vm1"));
  REQUIRE(world.gate->revoke(admin(), cut.serial, by("CUT")));
  CHECK(world.record_of(cut.serial) == RecordState::cut);

  const auto spared = world.granted(alice(), ask("vm1", {"3389", "PT30M"}));  // its rule cuts
  generation = world.dataplane.cut_generation;
  REQUIRE(world.gate->revoke(admin(), spared.serial, by("drain")));
  CHECK(world.record_of(spared.serial) == RecordState::draining);
  CHECK(world.dataplane.cut_generation > generation);  // its flows look once more, and hear that they may stay
  world.restart();
  CHECK(world.record_of(spared.serial) == RecordState::draining);
  world.require_in_step();

  const auto kept = world.granted(alice(), ask("vm1", {"3389", "PT30M"}));
  for (const auto* ending : {"drain", "cut"}) {
    const auto own = world.gate->revoke(alice(), kept.serial, by(ending));
    REQUIRE_FALSE(own);
    CHECK(own.error().code == ErrorCode::authorization_failed);
  }
  CHECK(world.gate->revoke(alice(), kept.serial));
  CHECK(world.record_of(kept.serial) == RecordState::cut);

  const auto wrong = world.gate->revoke(admin(), spared.serial, by("slowly"));
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::invalid_input);
}

TEST_CASE("explain hands the packet to the gate as of the time asked, and gives the answer names") {
  GateWorld world;
  world.furnish();
  put(world, policy_draft({{"vm2", {standing({"192.0.2.1"})}}}), "other");
  const auto grant = world.granted(alice(), ask("vm1", {"22", "PT30M"}));
  world.dataplane.told = {true, "grant", "a live grant covers it", "", "", grant.serial, service(world, "10.0.0.1").id};
  ProbeDraft draft{
      "203.0.113.7", "10.0.0.1", "22", "tcp", "5000", "syn,ack", format_time(world.clock.now().utc + 10min)};
  const auto told = world.gate->explain(admin(), draft);
  REQUIRE(told);
  const auto& [probe, at] = world.dataplane.asked;
  CHECK(at == world.clock.now().boot + 10min);
  CHECK(probe.tcp_flags == 18);
  CHECK(probe.source_port == 5000);
  CHECK(probe.port == 22);
  CHECK(told->machine_id == machine_id("vm1"));
  REQUIRE(told->policies.size() == 1);
  REQUIRE(told->grant);
  CHECK(told->grant->grant.serial == grant.serial);
  CHECK(told->hint.empty());

  world.dataplane.told = {true, "standing_rule", "", "", "", standing_serial(world), service(world, "10.0.0.2").id};
  draft = {"192.0.2.1", "10.0.0.2", "22", {}, {}, {}, {}};
  const auto always = world.gate->explain(admin(), draft);
  REQUIRE(always);
  CHECK(world.dataplane.asked.first.tcp_flags == 2);
  REQUIRE(always->standing);
  CHECK(always->policies.size() == 2);

  REQUIRE(world.gate->revoke(admin(), grant.serial));
  world.dataplane.told = {false, "no_grant", "", "", "", 0, service(world, "10.0.0.1").id};
  draft = {"203.0.113.7", "10.0.0.1", "22", {}, {}, {}, {}};
  const auto closed = world.gate->explain(admin(), draft);
  REQUIRE(closed);
  CHECK(closed->hint.find("The last grant for this source, " + std::to_string(grant.serial)) == 0);
  draft.source = "203.0.113.99";
  CHECK(world.gate->explain(admin(), draft)->hint == "No grant for this source is known.");
}

TEST_CASE("explain is for who may read the gate, and leaves a record only if it is refused") {
  GateWorld world;
  world.furnish();
  const ProbeDraft draft{"203.0.113.7", "10.0.0.1", "22", {}, {}, {}, {}};
  const auto before = world.store.records().size();
  CHECK(world.gate->explain(person("rita", "reader"), draft));
  CHECK(world.store.records().size() == before);
  const auto refused = world.gate->explain(alice(), draft);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::authorization_failed);
  CHECK(world.store.records().size() == before + 1);
  auto wrong = draft;
  wrong.destination = "2001:db8::1";
  wrong.port = "0";
  wrong.flags = "syn,syn";
  const auto faulty = world.gate->explain(admin(), wrong);
  REQUIRE_FALSE(faulty);
  CHECK(faulty.error().faults.size() == 3);
}
