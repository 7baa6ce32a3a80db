// SPDX-License-Identifier: Apache-2.0
// Ways in that a requester, an admin of one group, a wrong clock or an ill-timed failure might find: each was open
// once, or is the neighbour of one that was.
#include <algorithm>

#include "controlplane/core/faults.hpp"
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

const std::string other_group = "/subscriptions/" + subscription + "/resourceGroups/other";

PolicyId other_policy() {
  auto id = policy_id("theirs");
  id.resource_group = "other";
  return id;
}

MachineDraft theirs(const std::vector<std::string>& addresses, const std::vector<ForwardDraft>& forwards = {}) {
  MachineDraft draft;
  draft.id = other_group + "/providers/Microsoft.Compute/virtualMachines/vm7";
  draft.addresses = addresses;
  draft.forwards = forwards;
  return draft;
}

}  // namespace

TEST_CASE("a machine's port asked for by name and by id is one port asked for twice") {
  GateWorld world;
  world.furnish();
  auto draft = access_draft({{"vm1", {{}}}, {"vm1", {{"22", "PT30M"}}}});
  draft.machines[0].id = "vm1";
  const auto earlier = world.granted(alice(), ask("vm1"));
  const auto before = world.store.records().size();

  const auto answer = world.gate->request(alice(), draft);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::invalid_initiate_input);
  CHECK(answer.error().target == "virtualMachines[1].ports[0].number");
  CHECK(world.records_since(before).size() == 1);
  CHECK(world.grant(earlier.serial).state == GrantState::live);
  world.require_in_step();
}

TEST_CASE("an admin of one group does not open machines of another by naming them in his policy") {
  GateWorld world;
  world.furnish();
  const auto greta = person("greta", "admin", "203.0.113.7", other_group);
  const auto before = world.store.records().size();
  const auto foreign = world.gate->put_policy(greta, other_policy(), policy_draft({{"vm1", {{}}}}));
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().code == ErrorCode::authorization_failed);
  CHECK(foreign.error().message.find(machine_id("vm1")) != std::string::npos);
  CHECK(world.records_since(before).size() == 1);
  CHECK_FALSE(world.store.policies().contains(other_policy().key()));

  // What somebody with the right put there, the policy's own admin may keep and change.
  REQUIRE(world.gate->put_policy(admin(), other_policy(), policy_draft({{"vm1", {{}}}})));
  CHECK(world.gate->put_policy(greta, other_policy(), policy_draft({{"VM1", {{"22", "TCP", {"*"}, "PT1H"}}}})));
  CHECK_FALSE(world.gate->put_policy(greta, other_policy(), policy_draft({{"vm1", {{}}}, {"vm2", {{}}}})));
  auto own = policy_draft({{"vm7", {{}}}});
  own.machines[0].id = theirs({}).id;
  CHECK(world.gate->put_policy(greta, other_policy(), own));
}

TEST_CASE("no machine takes addresses out of another's block, nor a block around another's address") {
  GateWorld world;
  world.furnish();
  REQUIRE(world.gate->put_machine(admin(), machine_draft("vm3", {"10.1.0.0/24"})));
  const auto greta = person("greta", "admin", "203.0.113.7", other_group);
  CHECK(world.gate->put_machine(greta, theirs({"10.1.0.9"})).error().code == ErrorCode::conflict);
  CHECK(world.gate->put_machine(greta, theirs({"10.0.0.0/16"})).error().code == ErrorCode::conflict);
  CHECK(world.gate->put_machine(greta, theirs({"10.1.1.0/24"})));
  CHECK(world.gate->put_machine(admin(), machine_draft("vm3", {"10.1.0.0/24", "10.1.0.7"})));  // one's own may nest
}

TEST_CASE("a forward does not lead through a port that is guarded for another machine") {
  GateWorld world;
  world.furnish();
  const auto greta = person("greta", "admin", "203.0.113.7", other_group);
  auto own = policy_draft({{"vm7", {{}}}});
  own.machines[0].id = theirs({}).id;

  SECTION("forward after policy") {
    REQUIRE(world.gate->put_policy(greta, other_policy(), own));
    const auto before = world.store.records().size();
    const auto answer = world.gate->put_machine(greta, theirs({"10.7.0.1"}, {{"10.0.0.1", "22", "tcp", "22"}}));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::conflict);
    CHECK(world.records_since(before).size() == 1);
  }
  SECTION("policy after forward") {
    REQUIRE(world.gate->put_machine(greta, theirs({"10.7.0.1"}, {{"10.0.0.1", "22", "tcp", "22"}})));
    const auto answer = world.gate->put_policy(greta, other_policy(), own);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::conflict);
  }
  SECTION("nor into a block that is") {
    REQUIRE(world.gate->put_machine(admin(), machine_draft("vm1", {"10.0.0.1", "10.0.5.0/28"})));
    REQUIRE(world.gate->put_policy(greta, other_policy(), own));
    const auto answer = world.gate->put_machine(greta, theirs({"10.7.0.1"}, {{"10.0.5.9", "22", "tcp", "22"}}));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::conflict);
    CHECK(answer.error().message.find("vm1") == std::string::npos);
    CHECK(world.gate->put_machine(greta, theirs({"10.7.0.1"}, {{"10.0.5.9", "2222", "tcp", "22"}})));
  }
  SECTION("beside it is fine: a gateway's own ports and those it forwards") {
    CHECK(world.gate->put_machine(greta, theirs({"10.7.0.1"}, {{"10.0.0.1", "2222", "tcp", "22"}})));
    CHECK(world.gate->put_policy(greta, other_policy(), own));
  }
  world.require_in_step();
}

TEST_CASE("a wrong clock is not believed at the second start either, whatever was refused in between") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1"));
  world.reboot("boot-2");
  world.clock.step_wall(-24h * 365);
  world.restart();
  REQUIRE_FALSE(world.gate->ready());
  CHECK_FALSE(world.gate->initiate(bob(), policy_id(), ask("vm1")));
  world.restart();
  CHECK_FALSE(world.gate->ready());
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
}

TEST_CASE("a token that has ended stays ended when the clock forgets the year") {
  GateWorld world;
  world.furnish();
  TokenDraft draft;
  draft.principal = "alice@example.com";
  draft.role = "admin";
  draft.duration = "PT1H";
  const auto issued = world.gate->issue_token(admin(), draft);
  REQUIRE(issued);
  world.clock.advance(2h);
  world.granted(bob(), ask("vm1"));
  world.reboot("boot-2");
  world.clock.step_wall(-24h * 365);
  world.restart();
  CHECK(world.gate->authenticate(issued->secret).error().code == ErrorCode::expired_token);
}

TEST_CASE("a request between a step of the clock and its notice lives as long as it was granted") {
  GateWorld world;
  world.furnish();
  world.clock.step_wall(-2h);
  const auto grant = world.granted(alice(), ask("vm1"));
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  world.gate->sweep();
  CHECK(world.grant(grant.serial).state == GrantState::live);
  world.gate->clock_changed();
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
}

TEST_CASE("a cut that was written but not announced when the daemon died is announced by the next") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1", {"3389", "PT1H"}));
  const auto steps = world.dataplane.steps;
  REQUIRE(world.gate->revoke(admin(), 1));
  const auto last = static_cast<int>(world.dataplane.steps - steps);

  GateWorld again;
  again.furnish();
  again.granted(alice(), ask("vm1", {"3389", "PT1H"}));
  const auto announced = again.dataplane.cut_generation;
  again.fuse.arm(1 + last, Fuse::Blow::crash_before);  // the commit, then all steps but the last
  CHECK_THROWS_AS(again.gate->revoke(admin(), 1), Crash);
  again.fuse.disarm();
  REQUIRE(again.record_of(1) == RecordState::cut);
  REQUIRE(again.dataplane.cut_generation == announced);
  again.restart();
  CHECK(again.dataplane.cut_generation > announced);
}

TEST_CASE("who may not use a policy does not learn whether there is one") {
  GateWorld world;
  world.furnish();
  REQUIRE(world.gate->put_policy(admin(), policy_id("secret"), policy_draft({{"vm2", {{}}}})));
  struct Row {
    const char* name;
    std::string role, scope;
    AccessDraft draft;
  };
  auto unreadable = ask("vm1");
  unreadable.unreadable = "no JSON";
  const auto row = GENERATE_COPY(values<Row>({
      {"no right at all", "reader", "/", ask("vm1")},
      {"a right elsewhere", "requester", "/subscriptions/" + subscription + "/resourceGroups/other", ask("vm1")},
      {"a right over a machine that the policy does not name", "requester", machine_id("vm1"), ask("vm1")},
      {"the same, for a port that nobody guards", "requester", machine_id("vm1"), ask("vm1", {"23", "PT1H"})},
      {"the same, and malformed", "requester", machine_id("vm1"), ask("vm1", {"0", "PT1H"})},
      {"the same, and no JSON", "requester", machine_id("vm1"), unreadable},
      {"a right over one of two machines", "requester", machine_id("vm1"), access_draft({{"vm1", {{}}}, {"vm2", {{}}}})},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto eve = person("eve", row.role, "203.0.113.9", row.scope);
    const auto before = world.store.records().size();
    const auto there = world.gate->initiate(eve, policy_id("secret"), row.draft);
    const auto absent = world.gate->initiate(eve, policy_id("nowhere"), row.draft);
    REQUIRE_FALSE(there);
    REQUIRE_FALSE(absent);
    CHECK(there.error().code == ErrorCode::authorization_failed);
    CHECK(absent.error().code == ErrorCode::authorization_failed);
    auto message = absent.error().message;
    if (const auto at = message.find("nowhere"); at != std::string::npos) message.replace(at, 7, "secret");
    CHECK(there.error().message == message);
    CHECK(world.records_since(before).size() == 2);
    CHECK(world.gate->revoke_ports(eve, policy_id("secret"), row.draft).error().code ==
          world.gate->revoke_ports(eve, policy_id("nowhere"), row.draft).error().code);
  }
  const auto of_machine = person("kim", "requester", "203.0.113.9", machine_id("vm1"));
  CHECK(world.gate->initiate(of_machine, policy_id(), ask("vm1")));  // which the policy names
}

TEST_CASE("who may not erase a token does not learn whether there is one") {
  GateWorld world;
  world.furnish();
  TokenDraft draft;
  draft.principal = "ci";
  draft.role = "reader";
  draft.scope = group_scope;
  const auto issued = world.gate->issue_token(admin(), draft);
  REQUIRE(issued);
  const std::string absent = "0123456789ab";
  const auto elsewhere = "/subscriptions/" + subscription + "/resourceGroups/other";
  for (const auto& eve : {person("eve", "requester"), person("eve", "reader", "", elsewhere), person("eve", "admin", "", elsewhere)}) {
    const auto there = world.gate->erase_token(eve, issued->token.id);
    const auto none = world.gate->erase_token(eve, absent);
    REQUIRE(there.has_value() == none.has_value());
    if (there) {
      CHECK(*there == *none);
    } else {
      CHECK(there.error().code == none.error().code);
      CHECK(there.error().message == none.error().message);
    }
    CHECK(world.gate->authenticate(issued->secret));
  }
  CHECK(world.store.records().back().outcome == Outcome::allowed);
  CHECK(world.store.records()[world.store.records().size() - 2].outcome == Outcome::refused);  // it was there, and stays
  CHECK(world.gate->erase_token(person("olga", "auditor"), issued->token.id).error().code == ErrorCode::authorization_failed);
  CHECK(world.gate->erase_token(person("kim", "admin", "", group_scope), issued->token.id).value());
}

TEST_CASE("what could neither be opened nor recorded as taken back is not called undone") {
  GateWorld world;
  world.furnish();
  world.fuse.arm(2, Fuse::Blow::from_then_on);  // the commit succeeds, then nothing does any more
  auto caller = alice();
  caller.client_request_id = "client-1";
  const auto answer = world.gate->initiate(caller, policy_id(), ask("vm1"));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().message.find("nothing was opened") == std::string::npos);
  world.fuse.disarm();
  world.restart();  // before the taking back was written: the grant is listed, recorded, and answered to a repeat
  CHECK(world.gate->initiate(caller, policy_id(), ask("vm1"))->grants.at(0).serial == 1);
  world.require_in_step();
}

TEST_CASE("while the maps are out of reach a request is refused, and nothing is recorded as opened") {
  GateWorld world;
  world.furnish();
  world.granted(bob(), ask("vm1"));
  world.fuse.arm(2, Fuse::Blow::once);  // the revocation is stored and cannot be carried out
  CHECK_FALSE(world.gate->revoke(admin(), 1));
  world.fuse.arm(1, Fuse::Blow::once);  // nor can the maps be read
  const auto before = world.store.records().size();
  CHECK(world.gate->initiate(alice(), policy_id(), ask("vm1")).error().code == ErrorCode::gate_failed);
  const auto records = world.records_since(before);
  REQUIRE(records.size() == 1);
  CHECK(records[0].outcome == Outcome::refused);
  CHECK(world.gate->initiate(alice(), policy_id(), ask("vm1")));
  world.require_in_step();
}

TEST_CASE("a body of nothing but faults costs no more than the faults that are told") {
  Faults faults;
  for (int i = 0; i < 200000; ++i) faults.missing(indexed("virtualMachines", static_cast<std::size_t>(i)) + ".id");
  CHECK(faults.as_error(ErrorCode::invalid_initiate_input, "It is not valid").faults.size() == faults_told_max);
  CHECK(Faults(std::vector<Fault>(200000)).as_error(ErrorCode::invalid_input, "x").faults.size() == faults_told_max);
}

TEST_CASE("a request is not half granted: each of its sources must reach the machine") {
  GateWorld world;
  world.furnish();
  const auto before = world.store.records().size();
  const auto answer =
      world.gate->initiate(alice(), policy_id(), ask("vm2", {"22", "PT1H", {"203.0.113.7", "2001:db8:7::7"}}));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::invalid_initiate_input);
  CHECK(answer.error().message.find("2001:db8:7::7") != std::string::npos);
  CHECK(world.records_since(before).size() == 1);
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.2", 22));
  CHECK(world.gate->initiate(alice(), policy_id(), ask("vm2", {"22", "PT1H", {"*"}})));
  CHECK(world.gate->initiate(alice(), policy_id(), ask("vm1", {"22", "PT1H", {"203.0.113.7", "2001:db8:7::7"}})));
}

TEST_CASE("a forward is of an address that packets can have") {
  GateWorld world;
  const std::string address = GENERATE("0.0.0.0", "::", "*", "0.0.0.0/0");
  const auto refused =
      world.gate->put_machine(admin(), machine_draft("vm3", {"10.0.0.3"}, {{address, "2222", "tcp", "22"}}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().faults.at(0).target == "forwards[0].address");
}

TEST_CASE("a machine's name tells nothing to whom its group is closed") {
  GateWorld world;
  world.furnish();
  MachineDraft twin = theirs({"10.7.0.1"});
  twin.id = other_group + "/providers/Microsoft.Compute/virtualMachines/vm2";
  REQUIRE(world.gate->put_machine(admin(), twin));
  const auto greta = person("greta", "admin", "203.0.113.7", other_group);
  const auto absent = world.gate->get_machine(greta, "vm99").error();
  const auto hidden = world.gate->get_machine(greta, "vm1").error();
  CHECK(hidden.code == absent.code);
  CHECK(hidden.message.find("resourceGroups/lab") == std::string::npos);
  CHECK(world.gate->get_machine(greta, "vm2")->machine.id == *twin.id);  // the one that she may see
  CHECK(world.gate->erase_machine(greta, "vm1").value() == false);
  CHECK(world.store.machines().contains(folded(machine_id("vm1"))));
  const auto collision = world.gate->put_machine(greta, theirs({"10.0.0.1"})).error();
  CHECK(collision.code == ErrorCode::conflict);
  CHECK(collision.faults.at(0).message.find("resourceGroups/lab") == std::string::npos);
  CHECK(
      world.gate->put_machine(admin(), theirs({"10.0.0.1"})).error().faults.at(0).message.find("resourceGroups/lab") !=
      std::string::npos);
  // Nor does an id tell whether it is one.
  const auto refused = [&](const std::string& name) {
    return world.gate->get_machine(greta, machine_id(name)).error();
  };
  CHECK(refused("vm1").code == ErrorCode::authorization_failed);
  CHECK(refused("vm99").code == ErrorCode::authorization_failed);
}

TEST_CASE("nobody is called as the daemon calls itself in the records") {
  GateWorld world;
  TokenDraft draft;
  draft.principal = GENERATE("postern", "Postern", "root", "Root", "cert:CN=alice", "OIDC:alice", "uid:0", " alice", "al\u200bice", "alice\u034f", "alice\u2800", "alice\U0001d173");
  draft.role = "reader";
  const auto refused = world.gate->issue_token(admin(), draft);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().faults.at(0).target == "principal");
}
