// SPDX-License-Identifier: Apache-2.0
// Every effect on store and maps fails once, fails for good, or is the last thing the process did; then the gate must
// heal: nothing open that the store does not say, nothing lost that was answered, each decision recorded once (I7, I9).
#include <algorithm>

#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

using Blow = Fuse::Blow;

struct Scenario {
  const char* name;
  void (*prepare)(GateWorld& world);
  bool (*act)(GateWorld& world);  // true: it was answered with success
};

AccessDraft several() {
  return access_draft(
      {{"vm1", {{}, {"3389", "PT30M"}}}, {"vm2", {{"22", "PT1H", {"203.0.113.0/24", "198.51.100.1"}}}}});
}

Caller repeating(Caller caller) {
  caller.client_request_id = "client-1";
  return caller;
}

const Scenario scenarios[] = {
    {"a request", [](GateWorld&) {},
     [](GateWorld& w) { return w.gate->initiate(repeating(alice()), policy_id(), ask("vm1")).has_value(); }},
    {"a request for several machines and ports", [](GateWorld&) {},
     [](GateWorld& w) { return w.gate->initiate(repeating(alice()), policy_id(), several()).has_value(); }},
    {"a request that replaces its requestor's own",
     [](GateWorld& w) {
       w.granted(alice(), ask("vm1", {"22", "PT30M"}));
     },
     [](GateWorld& w) { return w.gate->initiate(repeating(alice()), policy_id(), ask("vm1")).has_value(); }},
    {"a request that cuts short its requestor's own",
     [](GateWorld& w) {
       w.granted(alice(), ask("vm1", {"3389", "PT1H"}));
     },
     [](GateWorld& w) {
       return w.gate->initiate(repeating(alice()), policy_id(), ask("vm1", {"3389", "PT10M"})).has_value();
     }},
    {"a request for what somebody else has",
     [](GateWorld& w) {
       w.granted(bob(), ask("vm1", {"22", "PT2H", {"203.0.113.7"}}));
     },
     [](GateWorld& w) { return w.gate->initiate(repeating(alice()), policy_id(), ask("vm1")).has_value(); }},
    {"an extension",
     [](GateWorld& w) {
       w.granted(alice(), ask("vm1", {"3389", "PT10M"}));
     },
     [](GateWorld& w) {
       ExtensionDraft longer;
       longer.duration = "PT1H";
       return w.gate->extend(alice(), 1, longer).has_value();
     }},
    {"a revocation",
     [](GateWorld& w) {
       w.granted(alice(), ask("vm1", {"3389", "PT1H"}));
     },
     [](GateWorld& w) { return w.gate->revoke(admin(), 1).has_value(); }},
    {"a revocation beside a twin of somebody else",
     [](GateWorld& w) {
       w.granted(alice(), ask("vm1", {"22", "PT2H", {"203.0.113.0/24"}}));
       w.granted(bob(), ask("vm1", {"22", "PT1H", {"203.0.113.0/24"}}));
     },
     [](GateWorld& w) { return w.gate->revoke(admin(), 1).has_value(); }},
    {"a policy that shrinks",
     [](GateWorld& w) {
       w.granted(alice(), ask("vm1"));
       w.granted(bob(), ask("vm2"));
     },
     [](GateWorld& w) {
       return w.gate->put_policy(admin(), policy_id(), policy_draft({{"vm2", {{}}}})).has_value();
     }},
    {"a policy that begins to enforce, with other standing sources",
     [](GateWorld& w) {
       const auto put = w.gate->put_policy(
           admin(), policy_id("other"),
           policy_draft({{"vm2", {{"80", "TCP", {"*"}, "PT1H", "cut", {"192.0.2.1", "192.0.2.2"}}}}}, "monitor"));
       REQUIRE(put);
     },
     [](GateWorld& w) {
       return w.gate
           ->put_policy(admin(), policy_id("other"),
                        policy_draft({{"vm2", {{"80", "TCP", {"*"}, "PT1H", "cut", {"192.0.2.2", "192.0.2.3"}}}}}))
           .has_value();
     }},
    {"a cut of what ended before",
     [](GateWorld& w) {
       w.granted(alice(), ask("vm1"));
       REQUIRE(w.gate->revoke(admin(), 1));
     },
     [](GateWorld& w) { return w.gate->revoke(admin(), 1, by("cut")).has_value(); }},
    {"a policy that goes",
     [](GateWorld& w) {
       w.granted(alice(), ask("vm1", {"3389", "PT1H"}));
     },
     [](GateWorld& w) { return w.gate->erase_policy(admin(), policy_id()).has_value(); }},
    {"a machine that moves", [](GateWorld& w) { w.granted(alice(), ask("vm1")); },
     [](GateWorld& w) {
       return w.gate
           ->put_machine(admin(),
                         machine_draft("vm1", {"10.0.0.9", "2001:db8::1"}, {{"192.0.2.1", "2222", "tcp", "22"}}))
           .has_value();
     }},
    {"a sweep over what ended",
     [](GateWorld& w) {
       w.granted(alice(), ask("vm1", {"22", "PT5M"}));
       w.granted(bob(), ask("vm1", {"3389", "PT5M"}));
       w.granted(bob(), ask("vm2", {"22", "PT1H"}));
       w.clock.advance(5min);
     },
     [](GateWorld& w) {
       w.gate->sweep();
       return true;
     }},
    {"a clock that was set",
     [](GateWorld& w) {
       w.granted(alice(), ask("vm1", {"22", "PT5M"}));
       w.granted(bob(), ask("vm1", {"22", "PT1H"}));
       w.clock.step_wall(10min);
     },
     [](GateWorld& w) {
       w.gate->clock_changed();
       return true;
     }},
};

bool says(const Error& error, const std::string& part) {
  return error.message.find(part) != std::string::npos;
}

// Each grant was opened by exactly one recorded decision; one that was taken back has exactly one record of that.
void require_recorded(const GateWorld& world) {
  for (const auto& [serial, grant] : world.store.grants()) {
    const auto count = [&, serial = serial](const std::string& operation) {
      return std::count_if(world.store.records().begin(), world.store.records().end(), [&](const AuditRecord& record) {
        const auto& grants = record.grants;
        return record.operation == operation && std::find(grants.begin(), grants.end(), serial) != grants.end();
      });
    };
    REQUIRE(count("access.initiate") == 1);
    REQUIRE(count("access.taken_back") == (grant.end_reason == EndReason::taken_back ? 1 : 0));
    REQUIRE(count("grant.expire") == (grant.end_reason == EndReason::expired ? 1 : 0));
    // Once more if it was cut after it had ended.
    REQUIRE((count("grant.revoke") >= 1) == (grant.end_reason == EndReason::revoked));
  }
}

void require_nothing_new_open(const GateWorld& world, const Verdicts& before) {
  for (const auto& [place, entry] : verdicts_of(world.dataplane.maps).admitted) {
    const auto old = before.admitted.find(place);
    REQUIRE(old != before.admitted.end());
    REQUIRE(entry.deadline <= old->second.deadline);
  }
}

void heal(GateWorld& world, bool crashed) {
  world.fuse.disarm();
  if (crashed) {
    world.restart();
  } else {
    world.clock.advance(1s);
    world.gate->sweep();
  }
  REQUIRE(world.gate->ready());
  world.require_in_step();
  require_recorded(world);
}

std::size_t live_grants_of(const GateWorld& world, const std::string& requestor) {
  return static_cast<std::size_t>(
      std::count_if(world.store.grants().begin(), world.store.grants().end(), [&](const auto& each) {
        return each.second.state == GrantState::live &&
               world.store.requests().at(each.second.request).requestor == requestor;
      }));
}

// Returns false when the fuse was not reached: the scenario has fewer effects than that.
bool run(const Scenario& scenario, int at, Blow how) {
  GateWorld world;
  world.furnish();
  scenario.prepare(world);
  const auto before = verdicts_of(world.dataplane.maps);
  const auto records_before = world.store.records().size();
  const auto live_before = live_grants_of(world, "alice@example.com");
  world.fuse.arm(at, how);
  bool answered = false, crashed = false;
  try {
    answered = scenario.act(world);
  } catch (const Crash&) {
    crashed = true;
  }
  if (!world.fuse.blown()) {
    REQUIRE(answered);
    return false;
  }
  const bool asks = std::string(scenario.name).find("request") != std::string::npos;
  if (asks && !crashed) {
    // The one failure that leaves no trace at all is the store's; it is answered with an error like every other.
    REQUIRE_FALSE(answered);
    const auto added = world.records_since(records_before).size();
    REQUIRE(added == (how == Blow::from_then_on || added == 0 ? added : 2));
    if (how == Blow::once) require_nothing_new_open(world, before);
  }
  heal(world, crashed);
  if (asks && !crashed) {
    require_nothing_new_open(world, before);
    REQUIRE(live_grants_of(world, "alice@example.com") == live_before);
  }
  if (asks) {  // the client repeats: one request is in force, however often it was tried
    const auto again = scenario.act(world);
    REQUIRE(again);
    const auto& requests = world.store.requests();
    REQUIRE(std::count_if(requests.begin(), requests.end(), [&](const auto& each) {
              const auto& grants = world.store.grants();
              return each.second.client_request_id == "client-1" &&
                     std::any_of(grants.begin(), grants.end(), [&](const auto& grant) {
                       return grant.second.request == each.first && grant.second.state == GrantState::live;
                     });
            }) == 1);
    world.require_in_step();
    require_recorded(world);
  }
  return true;
}

}  // namespace

TEST_CASE("whatever fails at whichever step, the gate heals") {
  for (const auto& scenario : scenarios) {
    DYNAMIC_SECTION(scenario.name) {
      for (const auto how : {Blow::once, Blow::from_then_on, Blow::crash_before, Blow::crash_after}) {
        int at = 1;
        while (run(scenario, at, how)) ++at;
        CHECK(at > 2);  // at least the commit and one step were failed
      }
    }
  }
}

TEST_CASE("what was not carried out is said to be open as long as it may be") {
  const bool store_too = GENERATE(false, true);
  std::size_t left_open = 0;
  for (std::size_t steps = 0;; ++steps) {
    GateWorld world;
    world.furnish();
    const auto before = verdicts_of(world.dataplane.maps);
    const auto deadline = world.clock.now().utc + 1h;
    if (store_too) {
      world.fuse.arm(static_cast<int>(steps) + 2, Blow::from_then_on);  // 1: the request is recorded
    } else {
      world.dataplane.lasts = steps;
    }
    const auto answer = world.gate->initiate(alice(), policy_id(), several());
    if (answer) break;
    CAPTURE(steps, answer.error().message);
    const bool opened = verdicts_of(world.dataplane.maps).admitted != before.admitted;
    left_open += opened;
    CHECK_FALSE(says(answer.error(), "nothing was opened"));
    CHECK(says(answer.error(), "may be open"));
    CHECK(says(answer.error(), "until " + format_time(deadline)));
    CHECK(says(answer.error(), "in force when it starts again") == store_too);
    world.dataplane.lasts = SIZE_MAX;
    heal(world, false);
    require_nothing_new_open(world, before);
    for (const auto& [serial, grant] : world.store.grants())  // nor does what came in meanwhile live on
      if (grant.end_reason == EndReason::taken_back) CHECK(grant.ending == Ending::cut);
  }
  CHECK(left_open > 0);

  for (int at = 2;; ++at) {  // whereas what could be taken back is closed
    GateWorld world;
    world.furnish();
    const auto before = verdicts_of(world.dataplane.maps);
    world.fuse.arm(at, Blow::once);
    const auto answer = world.gate->initiate(alice(), policy_id(), several());
    if (answer) break;
    CHECK(says(answer.error(), "nothing was opened"));
    CHECK_FALSE(says(answer.error(), "may be open"));
    require_nothing_new_open(world, before);
  }
}

TEST_CASE("what was answered survives a restart") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1"));
  world.restart();
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  world.require_in_step();
}

TEST_CASE("a gate whose maps cannot be read starts, says so, and opens when they can") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1"));
  world.gate.reset();
  world.dataplane.reboot();
  world.fuse.arm(2, Blow::once);  // 1: the store is loaded, 2: the maps are read
  world.restart();
  CHECK(world.fuse.blown());
  CHECK_FALSE(world.gate->ready());
  REQUIRE(world.gate->next_deadline());
  CHECK(*world.gate->next_deadline() <= world.clock.now().boot + 1s);
  world.clock.advance(1s);
  world.gate->sweep();
  CHECK(world.gate->ready());
  world.require_in_step();
}

TEST_CASE("a gate whose store cannot be read does not start") {
  GateWorld world;
  Gatekeeper gate(world.settings, world.clock, world.randomness, world.store, world.dataplane);
  world.fuse.arm(1, Blow::once);
  const auto started = gate.start();
  REQUIRE_FALSE(started);
  CHECK(started.error().code == ErrorCode::store_failed);
  CHECK_FALSE(gate.ready());
}

TEST_CASE("a refusal that cannot be recorded is no refusal but unavailable") {
  GateWorld world;
  world.furnish();
  world.fuse.arm(1, Blow::once);
  const auto refused = world.gate->initiate(person("eve", "reader"), policy_id(), ask("vm1"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::service_unavailable);
}
