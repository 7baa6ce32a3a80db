// SPDX-License-Identifier: Apache-2.0
// What somebody else must agree to: nothing opens before, nobody agrees to his own, and what opens is what was asked for.
#include <algorithm>

#include <algorithm>

#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

Rule guarded(const std::string& max = "PT3H", const std::vector<std::string>& sources = {"*"}) {
  Rule rule{"22", "TCP", sources, max};
  rule.approval = "approve";
  return rule;
}

Caller carol() {
  return person("carol@example.com", "approver", "203.0.113.9");
}

// vm1's 22 wants approval, its 3389 does not.
struct ApprovalWorld : GateWorld {
  ApprovalWorld() {
    furnish();
    put(policy_draft({{"vm1", {guarded(), {"3389"}}}, {"vm2", {{}}}}));
  }
  void put(const PolicyDraft& draft) {
    const auto done = gate->put_policy(admin(), policy_id(), draft);
    if (!done) FAIL(done.error().message);
    require_in_step();
  }
  Request asked(const Caller& who, const AccessDraft& draft) {
    const auto view = gate->initiate(who, policy_id(), draft);
    if (!view) FAIL(view.error().message);
    CHECK(state_of(*view) == GrantState::pending);
    require_in_step();
    return view->request;
  }
  Grant grant_of(const Request& request) const {
    for (const auto& [serial, grant] : store.grants()) {
      if (grant.request == request.id) return grant;
    }
    FAIL("no grant");
    return {};
  }
  bool open() const { return admits("203.0.113.7", "10.0.0.1", 22); }
};

template <class Answer>
ErrorCode refusal(ApprovalWorld& world, const char* operation, Answer answer) {
  const auto records = world.store.records().size();
  const auto answered = answer();
  REQUIRE_FALSE(answered);
  const auto added = world.records_since(records);
  REQUIRE(added.size() == 1);
  CHECK(added[0].operation == operation);
  CHECK(added[0].outcome == Outcome::refused);
  world.require_in_step();
  return answered.error().code;
}

ErrorCode not_approved(ApprovalWorld& world, const Caller& who, std::uint64_t id) {
  return refusal(world, "request.approve", [&] { return world.gate->approve(who, id); });
}

}  // namespace

TEST_CASE("a request that touches a rule with approval waits as a whole, and opens when somebody else agrees") {
  ApprovalWorld world;
  const auto before = world.dataplane.maps;
  const auto records = world.store.records().size();
  const auto request = world.asked(alice(), access_draft({{"vm1", {{}, {"3389"}}}, {"vm2", {{}}}}));
  CHECK(world.dataplane.maps == before);
  REQUIRE(world.records_since(records).size() == 1);
  CHECK(world.records_since(records)[0].operation == "access.initiate");
  CHECK(request.answer_by == world.clock.now().utc + 4h);

  world.clock.advance(30min);
  const auto approved = world.gate->approve(carol(), request.id);
  REQUIRE(approved);
  CHECK(state_of(*approved) == GrantState::live);
  REQUIRE(approved->grants.size() == 3);
  for (const auto& grant : approved->grants) {
    CHECK(grant.start == world.clock.now().utc);
    CHECK(grant.end == world.clock.now().utc + 1h);  // a duration counts from approval
  }
  CHECK(approved->request.answered_by == "carol@example.com");
  CHECK(approved->request.requestor == "alice@example.com");
  CHECK(world.open());
  world.require_in_step();
  const auto added = world.records_since(records);
  REQUIRE(added.size() == 2);
  CHECK(added[1].operation == "request.approve");
  CHECK(added[1].principal == "carol@example.com");
  CHECK(added[1].grants.size() == 3);
  CHECK(not_approved(world, carol(), request.id) == ErrorCode::conflict);  // once
  world.clock.advance(1h);
  CHECK_FALSE(world.open());
}

TEST_CASE("nobody answers his own request, by whatever name, token or role he comes") {
  ApprovalWorld world;
  const auto request = world.asked(alice(), ask("vm1"));
  for (const char* name : {"alice@example.com", "Alice@Example.COM"}) {
    for (const char* role : {"approver", "admin"}) {
      CHECK(not_approved(world, person(name, role), request.id) == ErrorCode::authorization_failed);
      CHECK(refusal(world, "request.deny", [&] { return world.gate->deny(person(name, role), request.id, {}); }) ==
            ErrorCode::authorization_failed);
    }
  }
  const auto roots = world.asked(admin(), ask("vm1", {"22", "PT1H", {"203.0.113.7"}}));
  CHECK(not_approved(world, admin(), roots.id) == ErrorCode::authorization_failed);
  for (const char* name : {"oidc:alice@example.com", "cert:email:Alice@example.com", "CERT:alice@example.com"})
    CHECK(not_approved(world, person(name, "admin"), request.id) == ErrorCode::authorization_failed);
  CHECK_FALSE(world.open());
  CHECK(world.gate->approve(person("oidc:alice@example.org", "approver"), request.id));  // another one
}

TEST_CASE("the record of what is withdrawn names every machine whose port it was for") {
  ApprovalWorld world;
  const auto both = access_draft({{"vm1", {{}}}, {"vm2", {{}}}});
  const std::vector<std::string> machines{machine_id("vm1"), machine_id("vm2")};
  const auto recorded = [&] {
    auto named = world.store.records().back().machines;
    std::sort(named.begin(), named.end());
    return named;
  };
  REQUIRE(world.gate->revoke(alice(), world.grant_of(world.asked(alice(), both)).serial));
  CHECK(recorded() == machines);
  world.asked(alice(), both);
  auto ports = ask("vm1");
  ports.machines[0].ports[0].duration.reset();
  REQUIRE(world.gate->revoke_ports(admin(), policy_id(), ports));
  CHECK(recorded() == machines);
  world.require_in_step();
}

TEST_CASE("to agree takes the right over the policy or over every machine") {
  ApprovalWorld world;
  const auto request = world.asked(alice(), access_draft({{"vm1", {{}}}, {"vm2", {{}}}}));
  for (const char* role : {"reader", "requester", "operator", "auditor"})
    CHECK(not_approved(world, person("eve", role), request.id) == ErrorCode::authorization_failed);
  auto one = person("dave", "approver", "203.0.113.9", machine_id("vm1"));
  CHECK(not_approved(world, one, request.id) == ErrorCode::request_not_found);  // nor may he see the other machine's
  CHECK(not_approved(world, one, 99) == ErrorCode::request_not_found);
  CHECK(world.gate->list_requests(one, {}).value().empty());
  CHECK_FALSE(world.gate->get_request(one, request.id));
  one.principal.assignments.push_back({"approver", machine_id("vm2")});
  CHECK(world.gate->list_requests(one, {GrantState::pending}).value().size() == 1);
  CHECK(world.gate->approve(one, request.id));
  CHECK(world.open());
}

TEST_CASE("denied, withdrawn and lapsed requests never open") {
  ApprovalWorld world;
  const auto denied = world.asked(alice(), access_draft({{"vm1", {{}, {"3389"}}}}));
  DenialDraft because;
  because.reason = "not tonight";
  const auto answer = world.gate->deny(carol(), denied.id, because);
  REQUIRE(answer);
  CHECK(state_of(*answer) == GrantState::ended);
  CHECK(answer->request.answer_reason == "not tonight");
  for (const auto& grant : answer->grants) {
    CHECK(wire_name(grant.end_reason) == "UserRequested");
    CHECK(grant.ended_by == "carol@example.com");
  }
  CHECK(world.store.records().back().operation == "request.deny");
  CHECK(not_approved(world, carol(), denied.id) == ErrorCode::conflict);

  const auto withdrawn = world.asked(alice(), access_draft({{"vm1", {{}, {"3389"}}}}));
  const auto first = world.grant_of(withdrawn);
  CHECK_FALSE(world.gate->revoke(bob(), first.serial));
  REQUIRE(world.gate->revoke(alice(), first.serial));
  CHECK(state_of(world.gate->get_request(alice(), withdrawn.id).value()) == GrantState::ended);  // all of it
  CHECK(not_approved(world, carol(), withdrawn.id) == ErrorCode::conflict);

  const auto lapsed = world.asked(alice(), ask("vm1"));
  CHECK(world.gate->next_deadline() == world.clock.now().boot + 4h);
  world.clock.advance(4h);
  CHECK(not_approved(world, carol(), lapsed.id) == ErrorCode::conflict);  // swept or not
  const auto records = world.store.records().size();
  world.gate->sweep();
  CHECK(wire_name(world.grant_of(lapsed).end_reason) == "Expired");
  REQUIRE(world.records_since(records).size() == 1);
  CHECK(world.records_since(records)[0].operation == "request.lapse");
  CHECK(not_approved(world, carol(), lapsed.id) == ErrorCode::conflict);
  CHECK_FALSE(world.open());
  // A cut of what never ran reaches nobody's connections.
  const auto cut = world.gate->revoke(admin(), first.serial, by("cut"));
  REQUIRE(cut);
  CHECK_FALSE(cut->cut);
  world.require_in_step();
}

TEST_CASE("an end time stays: the request lapses with it") {
  ApprovalWorld world;
  auto draft = ask("vm1");
  draft.machines[0].ports[0].duration.reset();
  draft.machines[0].ports[0].end_time = format_time(world.clock.now().utc + 1h);
  const auto request = world.asked(alice(), draft);
  CHECK(request.answer_by == world.clock.now().utc + 1h);
  const auto late = world.asked(bob(), draft);
  world.clock.advance(59min);
  REQUIRE(world.gate->approve(carol(), request.id));
  CHECK(world.grant_of(request).end == world.clock.now().utc + 1min);
  world.clock.advance(1min);
  CHECK(not_approved(world, carol(), late.id) == ErrorCode::conflict);
  CHECK_FALSE(world.open());
}

TEST_CASE("what was asked for is judged anew: a rule, policy or machine that changed meanwhile is not got by") {
  ApprovalWorld world;
  const auto request = world.asked(alice(), ask("vm1", {"22", "PT2H"}));
  world.put(policy_draft({{"vm1", {guarded("PT2H")}}}));  // still inside
  CHECK(world.grant_of(request).state == GrantState::pending);
  SECTION("shorter") { world.put(policy_draft({{"vm1", {guarded("PT1H")}}})); }
  SECTION("other sources") { world.put(policy_draft({{"vm1", {guarded("PT2H", {"198.51.100.0/24"})}}})); }
  SECTION("another protocol") {
    auto rule = guarded();
    rule.protocol = "UDP";
    world.put(policy_draft({{"vm1", {rule}}}));
  }
  SECTION("a justification is wanted") {
    auto rule = guarded();
    rule.justification = "required";
    world.put(policy_draft({{"vm1", {rule}}}));
  }
  SECTION("no rule") { world.put(policy_draft({{"vm2", {{}}}})); }
  SECTION("no policy") { REQUIRE(world.gate->erase_policy(admin(), policy_id())); }
  SECTION("another policy of the same name") {
    REQUIRE(world.gate->erase_policy(admin(), policy_id()));
    world.put(policy_draft({{"vm1", {guarded()}}}));
  }
  const auto ended = world.grant_of(request);
  CHECK(ended.state == GrantState::ended);
  CHECK(wire_name(ended.end_reason) == "UserRequested");
  CHECK(not_approved(world, carol(), request.id) == ErrorCode::conflict);
  world.restart();
  CHECK(not_approved(world, carol(), request.id) == ErrorCode::conflict);
  CHECK_FALSE(world.open());
}

TEST_CASE("one port that falls away takes the whole request with it") {
  ApprovalWorld world;
  const auto request = world.asked(alice(), access_draft({{"vm1", {{}, {"3389"}}}, {"vm2", {{}}}}));
  world.put(policy_draft({{"vm1", {guarded(), {"3389"}}}}));
  CHECK(state_of(world.gate->get_request(admin(), request.id).value()) == GrantState::ended);
  for (const auto& [serial, grant] : world.store.grants()) CHECK(grant.state == GrantState::ended);
}

TEST_CASE("pending requests survive restart and reboot, and nothing opens while the clock is not believed") {
  ApprovalWorld world;
  const auto request = world.asked(alice(), ask("vm1"));
  world.restart();
  world.require_in_step();
  CHECK(state_of(world.gate->get_request(alice(), request.id).value()) == GrantState::pending);
  world.reboot("boot-2");
  world.clock.step_wall(-24h);
  world.restart();
  CHECK(not_approved(world, carol(), request.id) == ErrorCode::service_unavailable);
  world.clock.step_wall(24h);
  world.gate->clock_changed();
  REQUIRE(world.gate->approve(carol(), request.id));
  CHECK(world.open());
  world.require_in_step();
}

TEST_CASE("a repeat of a request that waits is answered as the first time, and asks for nothing more") {
  ApprovalWorld world;
  auto who = alice();
  who.client_request_id = "client-1";
  const auto first = world.asked(who, ask("vm1"));
  CHECK(world.asked(who, ask("vm1")).id == first.id);
  REQUIRE(world.gate->approve(carol(), first.id));
  const auto again = world.gate->initiate(who, policy_id(), ask("vm1"));
  REQUIRE(again);
  CHECK(again->request.id == first.id);
  CHECK(state_of(*again) == GrantState::live);
  // Otherwise a repeat of another body: by a start it is another request.
  const auto later = world.gate->request(who, starting(world.clock.now().utc + 1h, ask("vm1")));
  REQUIRE(later);
  CHECK(later->request.id != first.id);
}

TEST_CASE("a person and a policy have so many requests that wait and no more") {
  ApprovalWorld world;
  for (std::size_t i = 0; i < 20; ++i) world.asked(alice(), ask("vm1"));
  auto other_case = person("ALICE@example.com", "requester");
  for (const auto& who : {alice(), other_case}) {
    const auto code = refusal(world, "access.initiate", [&] { return world.gate->initiate(who, policy_id(), ask("vm1")); });
    CHECK(code == ErrorCode::conflict);
    CHECK_FALSE(world.gate->initiate(who, policy_id(), starting(world.clock.now().utc + 1h, ask("vm2"))));
  }
  CHECK(world.gate->initiate(alice(), policy_id(), ask("vm2")));  // what opens at once is not held up
  for (std::size_t i = 0; i < 180; ++i)
    world.asked(person("p" + std::to_string(i), "requester"), ask("vm1"));
  CHECK_FALSE(world.gate->initiate(bob(), policy_id(), ask("vm1")));
  world.clock.advance(4h);
  world.gate->sweep();
  CHECK(world.gate->initiate(alice(), policy_id(), ask("vm1")));
}

TEST_CASE("an approved grant is not extended; asking again replaces it once that is approved") {
  ApprovalWorld world;
  const auto first = world.asked(alice(), ask("vm1"));
  REQUIRE(world.gate->approve(carol(), first.id));
  const auto running = world.grant_of(first);
  ExtensionDraft longer;
  longer.duration = "PT2H";
  for (const auto& who : {alice(), admin()}) {
    const auto refused = world.gate->extend(who, running.serial, longer);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::conflict);
  }
  const auto second = world.asked(alice(), ask("vm1", {"22", "PT2H"}));
  CHECK_FALSE(world.gate->extend(admin(), world.grant_of(second).serial, longer));  // nor one that waits
  CHECK(world.grant_of(first).state == GrantState::live);  // until then it runs on
  REQUIRE(world.gate->approve(carol(), second.id));
  CHECK(world.grant_of(first).end_reason == EndReason::replaced);
  CHECK(world.open());
  world.require_in_step();
}

TEST_CASE("an approval that fails at whichever step opens nothing that is not recorded") {
  for (const auto how : {Fuse::Blow::once, Fuse::Blow::from_then_on, Fuse::Blow::crash_before, Fuse::Blow::crash_after}) {
    for (int at = 1;; ++at) {
      ApprovalWorld world;
      const auto request = world.asked(alice(), ask("vm1"));
      const auto records = world.store.records().size();
      world.fuse.arm(at, how);
      bool answered = false, crashed = false;
      try {
        answered = world.gate->approve(carol(), request.id).has_value();
      } catch (const Crash&) {
        crashed = true;
      }
      if (!world.fuse.blown()) {
        CHECK(at > 2);
        break;
      }
      CAPTURE(at);
      CHECK_FALSE(answered);
      world.fuse.disarm();
      if (crashed) {
        world.restart();
      } else {
        world.clock.advance(1s);
        world.gate->sweep();
      }
      world.require_in_step();
      const auto grant = world.grant_of(request);
      const auto added = world.records_since(records);
      CHECK(world.open() == (grant.state == GrantState::live));
      if (added.empty()) CHECK(grant.state == GrantState::pending);
      if (!crashed && !added.empty()) {
        REQUIRE(added.size() == 2);
        CHECK(added[1].operation == "access.taken_back");
        CHECK(grant.end_reason == EndReason::taken_back);
        CHECK(grant.ending == Ending::cut);
      }
    }
  }
}

TEST_CASE("an approval finds room or opens nothing") {
  ApprovalWorld world;
  const auto request = world.asked(alice(), ask("vm1"));
  world.dataplane.room.entries_v4 = 0;
  CHECK(not_approved(world, carol(), request.id) == ErrorCode::capacity_exhausted);
  CHECK(world.grant_of(request).state == GrantState::pending);
  world.dataplane.room.entries_v4 = 10;
  CHECK(world.gate->approve(carol(), request.id));
  CHECK(world.open());
}
