// SPDX-License-Identifier: Apache-2.0
// Requests that share one sync: answered as if each had come alone, recorded once each (I9), nothing open before all is
// recorded (I7), and whatever fails at whichever step, nothing open that was not answered.
#include <algorithm>
#include <stdexcept>

#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

using Blow = Fuse::Blow;
using Answers = std::optional<std::vector<Result<RequestView>>>;

Caller with_id(Caller caller, const std::string& id) {
  caller.client_request_id = id;
  return caller;
}

// Alice twice for the same (the second replaces the first), a repeat of the second, Bob for the same source, one
// refused for want of a right and one for what he asks.
std::vector<AccessCall> crowd() {
  return {{with_id(alice(), "first"), policy_id(), ask("vm1")},
          {with_id(alice(), "second"), policy_id(), ask("vm1", {"22", "PT2H"})},
          {person("eve@example.com", "reader"), policy_id(), ask("vm1")},
          {with_id(alice(), "second"), policy_id(), ask("vm1", {"22", "PT2H"})},
          {bob(), policy_id(), ask("vm1", {"22", "PT30M", {"203.0.113.7"}})},
          {bob(), policy_id(), ask("vm2", {"22", "PT9H"})},
          {bob(), std::nullopt, ask("vm2")}};
}

std::string told(const Result<RequestView>& answer) {
  if (!answer) return std::string(wire_name(answer.error().code)) + ": " + answer.error().message;
  std::string text;
  for (const auto& grant : answer->grants)
    text += std::to_string(grant.serial) + " " + grant.machine_id + " " + format_time(grant.end) + " " +
            std::string(wire_name(grant.state)) + "; ";
  return text;
}

Result<RequestView> alone(GateWorld& world, const AccessCall& call) {
  return call.policy ? world.gate->initiate(call.caller, *call.policy, call.draft)
                     : world.gate->request(call.caller, call.draft);
}

// What the daemon does: those that cannot be admitted together come one by one.
std::vector<Result<RequestView>> admitted(GateWorld& world, const std::vector<AccessCall>& calls) {
  if (auto answers = world.gate->admit_together(calls)) return *std::move(answers);
  std::vector<Result<RequestView>> answers;
  for (const auto& call : calls) answers.push_back(alone(world, call));
  return answers;
}

// And loads and reads, of which there are none meanwhile.
std::size_t commits_of(const GateWorld& world) {
  return static_cast<std::size_t>(world.fuse.effects()) - world.dataplane.steps;
}

bool stored_live(const GateWorld& world, std::uint64_t serial) {
  const auto found = world.store.grants().find(serial);
  return found != world.store.grants().end() && found->second.state == GrantState::live;
}

std::size_t count_of(const GateWorld& world, const std::string& operation, std::uint64_t serial) {
  const auto& records = world.store.records();
  return static_cast<std::size_t>(std::count_if(records.begin(), records.end(), [&](const AuditRecord& record) {
    return record.operation == operation && std::count(record.grants.begin(), record.grants.end(), serial) > 0;
  }));
}

void require_recorded_once(const GateWorld& world) {
  for (const auto& [serial, grant] : world.store.grants()) {
    REQUIRE(count_of(world, "access.initiate", serial) == 1);
    REQUIRE(count_of(world, "access.taken_back", serial) == (grant.end_reason == EndReason::taken_back ? 1 : 0));
  }
}

}  // namespace

TEST_CASE("requests that share a sync are answered as if each had come alone, in their order") {
  GateWorld together, one_by_one;
  together.furnish();
  one_by_one.furnish();
  const auto records = together.store.records().size();
  const auto commits = commits_of(together);
  const auto answers = together.gate->admit_together(crowd());
  REQUIRE(answers);
  CHECK(commits_of(together) == commits + 1);
  for (std::size_t i = 0; i < crowd().size(); ++i) {
    CAPTURE(i);
    CHECK(told((*answers)[i]) == told(alone(one_by_one, crowd()[i])));
  }
  const auto shared = together.records_since(records), each = one_by_one.records_since(records);
  REQUIRE(shared.size() == each.size());
  CHECK(shared.size() == crowd().size() - 1);  // the repeat leaves none
  for (std::size_t i = 0; i < each.size(); ++i) {
    CHECK(shared[i].outcome == each[i].outcome);
    CHECK(shared[i].principal == each[i].principal);
    CHECK(shared[i].grants == each[i].grants);
    CHECK(shared[i].detail == each[i].detail);
  }
  CHECK(verdicts_of(together.dataplane.maps).admitted.size() == verdicts_of(one_by_one.dataplane.maps).admitted.size());
  CHECK(together.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK(together.admits("203.0.113.8", "10.0.0.2", 22));
  together.require_in_step();
  together.restart();
  together.require_in_step();
}

TEST_CASE("what the store or the room refuses for all of them is undone whole, and each can be asked for by itself") {
  GateWorld world;
  world.furnish();
  const auto before = verdicts_of(world.dataplane.maps);
  const auto records = world.store.records().size();

  SECTION("the store") {
    world.fuse.arm(1, Blow::once);
    CHECK_FALSE(world.gate->admit_together(crowd()));
  }
  SECTION("the room") {
    world.dataplane.room.records = 2;
    CHECK_FALSE(world.gate->admit_together(crowd()));
  }
  CHECK(world.store.records().size() == records);
  CHECK(world.store.grants().empty());
  CHECK(verdicts_of(world.dataplane.maps).admitted == before.admitted);
  CHECK(world.gate->list_grants(admin(), {.machine = "", .requestor = "", .include_ended = true})->empty());
  world.require_in_step();
  CHECK(world.gate->initiate(alice(), policy_id(), ask("vm1")));
  world.require_in_step();
  require_recorded_once(world);
}

TEST_CASE("together or not: whatever fails at whichever step, nothing stays open that was not answered") {
  for (const auto how : {Blow::once, Blow::from_then_on, Blow::crash_before, Blow::crash_after}) {
    for (int at = 1;; ++at) {
      CAPTURE(static_cast<int>(how), at);
      GateWorld world;
      world.furnish();
      const auto earlier = world.granted(alice(), ask("vm1", {"22", "PT10M"}));  // is replaced, unless that fails
      world.fuse.arm(at, how);
      std::vector<Result<RequestView>> answers;
      bool crashed = false;
      try {
        answers = admitted(world, crowd());
      } catch (const Crash&) {
        crashed = true;
      }
      const bool blown = world.fuse.blown();
      world.fuse.disarm();
      if (crashed) {
        world.restart();
      } else {
        world.clock.advance(1s);
        world.gate->sweep();
      }
      REQUIRE(world.gate->ready());
      world.require_in_step();
      require_recorded_once(world);
      std::set<std::uint64_t> answered;
      for (const auto& answer : answers)
        if (answer) answered.insert(answer->grants.front().serial);
      for (const auto& [serial, grant] : world.store.grants()) {
        if (crashed || serial == earlier.serial) continue;
        if (answered.contains(serial)) {
          CHECK(grant.end_reason != EndReason::taken_back);
        } else {
          CHECK(grant.state == GrantState::ended);  // an error was answered
        }
      }
      const bool all_failed = !crashed && answered.empty();
      if (all_failed) CHECK(stored_live(world, earlier.serial));
      if (blown) continue;
      CHECK(answered.size() == 4);
      CHECK(at > 6);  // the commit and the steps of the maps were failed
      break;
    }
  }
}

namespace {

struct Stumbling : FixedRandomness {
  std::string sha256_hex(std::string_view text) const override {
    if (--left == 0) throw std::logic_error("broken");
    return FixedRandomness::sha256_hex(text);
  }
  mutable int left = 3;
};

}  // namespace

TEST_CASE("a broken invariant in the middle undoes what was gathered, and does not end recording") {
  GateWorld world;
  world.furnish();
  world.gate.reset();
  Stumbling randomness;
  Gatekeeper gate(world.settings, world.clock, randomness, world.store, world.dataplane);
  REQUIRE(gate.start());
  const auto records = world.store.records().size();
  CHECK_FALSE(gate.admit_together(crowd()));
  CHECK(world.store.grants().empty());
  CHECK(world.store.records().size() == records);
  const auto answer = gate.initiate(alice(), policy_id(), ask("vm1"));
  REQUIRE(answer);
  CHECK(stored_live(world, answer->grants.front().serial));
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  world.require_in_step();
}

TEST_CASE("while the gate is away nothing is admitted together") {
  GateWorld world;
  world.furnish();
  world.dataplane.lasts = 0;
  CHECK_FALSE(world.gate->initiate(alice(), policy_id(), ask("vm1")));
  const auto records = world.store.records().size();
  CHECK_FALSE(world.gate->admit_together(crowd()));
  CHECK(world.store.records().size() == records);
}

namespace {

// vm1 as it is furnished; on vm2 somebody must approve.
struct WaitingWorld : GateWorld {
  WaitingWorld() {
    furnish();
    Rule asked_for;
    asked_for.approval = "approve";
    REQUIRE(gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {Rule{}}}, {"vm2", {asked_for}}})));
  }
  std::vector<AccessCall> mixed() const {
    return {{alice(), policy_id(), ask("vm1")},
            {with_id(bob(), "waits"), policy_id(), ask("vm2")},
            {bob(), policy_id(), starting(clock.now().utc + 10min, ask("vm1"))},
            {with_id(bob(), "waits"), policy_id(), ask("vm2")},
            {bob(), policy_id(), ask("vm1", {"22", "PT30M"})}};
  }
};

}  // namespace

TEST_CASE("what waits for leave or for its start goes with the others") {
  WaitingWorld together, one_by_one;
  const auto records = together.store.records().size();
  const auto commits = commits_of(together);
  const auto answers = together.gate->admit_together(together.mixed());
  REQUIRE(answers);
  CHECK(commits_of(together) == commits + 1);
  std::vector<GrantState> states;
  for (std::size_t i = 0; i < answers->size(); ++i) {
    CAPTURE(i);
    CHECK(told((*answers)[i]) == told(alone(one_by_one, one_by_one.mixed()[i])));
    if ((*answers)[i]) states.push_back((*answers)[i]->grants.front().state);
  }
  CHECK(states == std::vector<GrantState>{GrantState::live, GrantState::pending, GrantState::scheduled, GrantState::pending,
                                          GrantState::live});
  CHECK(together.store.records().size() == records + 4);
  CHECK_FALSE(together.admits("203.0.113.8", "10.0.0.2", 22));
  const auto waiting = (*answers)[1]->request.id;
  REQUIRE(together.gate->approve(admin(), waiting));
  CHECK(together.admits("203.0.113.8", "10.0.0.2", 22));
  together.clock.advance(10min);
  together.gate->sweep();
  CHECK(together.grant((*answers)[2]->grants.front().serial).state == GrantState::live);
  together.require_in_step();
}

TEST_CASE("a gate that fails takes back what would have opened with it, and leaves what waits") {
  WaitingWorld world;
  world.fuse.arm(2, Blow::once);  // the commit is the first
  const auto answers = world.gate->admit_together(world.mixed());
  REQUIRE(answers);
  for (const std::size_t opened : {0U, 4U}) {
    REQUIRE_FALSE((*answers)[opened]);
    CHECK((*answers)[opened].error().code == ErrorCode::gate_failed);
  }
  CHECK_FALSE((*answers)[3]);  // a repeat brings the gate in step before it is answered, as it does alone
  REQUIRE((*answers)[1]);
  REQUIRE((*answers)[2]);
  CHECK(stored_live(world, (*answers)[1]->grants.front().serial) == false);
  CHECK(world.grant((*answers)[1]->grants.front().serial).state == GrantState::pending);
  CHECK(world.grant((*answers)[2]->grants.front().serial).state == GrantState::scheduled);
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK_FALSE(world.admits("203.0.113.8", "10.0.0.1", 22));
  world.require_in_step();
  require_recorded_once(world);
}

TEST_CASE("together nobody has more requests waiting than one by one") {
  WaitingWorld world;
  const std::vector<AccessCall> calls(22, {bob(), policy_id(), ask("vm2")});
  const auto records = world.store.records().size();
  const auto answers = world.gate->admit_together(calls);
  REQUIRE(answers);
  CHECK(std::count_if(answers->begin(), answers->end(), [](const auto& each) { return each.has_value(); }) == 20);
  CHECK((*answers)[20].error().code == ErrorCode::conflict);
  CHECK(world.store.records().size() == records + calls.size());
}

TEST_CASE("break-glass goes alone") {
  GateWorld world;
  world.furnish();
  auto calls = crowd();
  calls.back().draft.break_glass = true;
  const auto records = world.store.records().size();
  CHECK_FALSE(world.gate->admit_together(calls));
  CHECK(world.store.records().size() == records);
  CHECK(world.store.grants().empty());
}
