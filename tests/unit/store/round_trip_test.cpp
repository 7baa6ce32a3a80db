// SPDX-License-Identifier: Apache-2.0
// What was committed is loaded again, field by field, also after the file was closed; erasures stay erased.
#include <tuple>

#include "tests/support/catch.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace postern;
using namespace postern::store_test;

namespace {

core::Machine machine() {
  core::Machine machine;
  machine.id = "/subscriptions/sub/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/VM1";
  machine.name = "VM1";
  machine.os = "linux";
  machine.addresses = {*core::parse_prefix("198.51.100.10"), *core::parse_prefix("2001:db8:1::/64")};
  machine.forwards = {{*core::parse_address("203.0.113.1"), 2222, core::Protocol::udp, 22}};
  machine.excluded = "it's in a \"cage\"";
  return machine;
}

core::Policy policy() {
  core::Policy policy;
  policy.id = {"sub", "Group", "local", "Default"};
  policy.generation = 5;
  core::PortRule rule;
  rule.number = 3389;
  rule.protocol = core::Protocol::any;
  rule.sources = {source("*"), source("192.0.2.0/25")};
  rule.max_duration = std::chrono::hours(3);
  rule.ending = core::Ending::cut;
  rule.max_session = std::chrono::hours(8);
  rule.standing = {source("192.0.2.1"), source("2001:db8::/32")};
  rule.standing_serial = 77;
  rule.justification = core::Justification::required;
  policy.machines = {{machine().id, {rule}, "203.0.113.9"}};
  policy.mode = core::Mode::monitor;
  return policy;
}

core::Token token() {
  core::Token token;
  token.id = "t1";
  token.hash = "abc";
  token.principal = {"bob", {{"requester", "/subscriptions/sub"}, {"reader", "/"}}, {"/subscriptions/sub"}};
  token.created = core::UtcTime(std::chrono::nanoseconds(5));
  token.expires = core::UtcTime(std::chrono::nanoseconds(9));
  return token;
}

}  // namespace

TEST_CASE("a new store is empty and private") {
  TempFolder folder;
  auto store = open_store(folder.file());
  const auto snapshot = store->load();
  REQUIRE(snapshot);
  CHECK(snapshot->grants.empty());
  CHECK(snapshot->last_serial == 0);
  CHECK_FALSE(snapshot->newest_record);
  using std::filesystem::perms;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    CHECK((entry.status().permissions() & (perms::group_all | perms::others_all)) == perms::none);
}

TEST_CASE("machines, policies and tokens come back as they were put") {
  TempFolder folder;
  core::ChangeSet change;
  change.put_machines = {machine()};
  change.put_policies = {policy()};
  change.put_tokens = {token()};
  REQUIRE(open_store(folder.file())->commit({change}));

  const auto loaded = open_store(folder.file())->load();
  REQUIRE(loaded);
  REQUIRE(loaded->machines.size() == 1);
  CHECK(loaded->machines[0].id == machine().id);
  CHECK(loaded->machines[0].name == "VM1");
  CHECK(loaded->machines[0].os == "linux");
  CHECK(loaded->machines[0].addresses == machine().addresses);
  CHECK(loaded->machines[0].forwards == machine().forwards);
  CHECK(loaded->machines[0].excluded == machine().excluded);

  REQUIRE(loaded->policies.size() == 1);
  const core::Policy& read = loaded->policies[0];
  CHECK(read.id.path() == policy().id.path());
  CHECK(read.generation == 5);
  CHECK(read.mode == core::Mode::monitor);
  REQUIRE(read.machines.size() == 1);
  REQUIRE(read.machines[0].ports.size() == 1);
  CHECK(read.machines[0].ports[0].max_session == std::chrono::hours(8));
  CHECK(read.machines[0].ports[0].standing == policy().machines[0].ports[0].standing);
  CHECK(read.machines[0].ports[0].standing_serial == 77);
  CHECK(read.machines[0].ports[0].justification == core::Justification::required);
  CHECK(loaded->last_serial == 77);  // standing rules are numbered like grants
  CHECK(read.kind == "Basic");
  REQUIRE(read.machines.size() == 1);
  CHECK(read.machines[0].machine_id == machine().id);
  CHECK(read.machines[0].public_ip_address == "203.0.113.9");
  REQUIRE(read.machines[0].ports.size() == 1);
  CHECK(read.machines[0].ports[0].number == 3389);
  CHECK(read.machines[0].ports[0].protocol == core::Protocol::any);
  CHECK(read.machines[0].ports[0].sources == policy().machines[0].ports[0].sources);
  CHECK(read.machines[0].ports[0].max_duration == std::chrono::hours(3));
  CHECK(read.machines[0].ports[0].ending == core::Ending::cut);

  REQUIRE(loaded->tokens.size() == 1);
  CHECK(loaded->tokens[0].hash == "abc");
  CHECK(loaded->tokens[0].principal.name == "bob");
  REQUIRE(loaded->tokens[0].principal.assignments.size() == 2);
  CHECK(loaded->tokens[0].principal.assignments[0].scope == "/subscriptions/sub");
  CHECK(loaded->tokens[0].expires == token().expires);
  CHECK(loaded->tokens[0].principal.vouched == std::vector<std::string>{"/subscriptions/sub"});
  CHECK(loaded->last_policy_generation == 5);
}

TEST_CASE("break-glass comes back as it was armed, used, reviewed and disarmed") {
  TempFolder folder;
  const auto at = [](int seconds) { return core::UtcTime(std::chrono::seconds(seconds)); };
  core::Arming arming{4,          "eve",      "/subscriptions/sub", "on call", "root", at(1), at(9), "boot-7",
                      core::BootTime(std::chrono::nanoseconds(3)), std::chrono::hours(2), {}, ""};
  core::BreakGlassUse use{12, 4, at(2), "eve", "Opens vm1.", {5, 6}, {}, "", ""};
  core::ChangeSet change;
  change.put_armings = {arming};
  change.put_uses = {use};
  auto store = open_store(folder.file());
  REQUIRE(store->commit({change}));
  change = {};
  arming.disarmed = at(5);
  arming.disarmed_by = "kim";
  use.reviewed = at(6);
  use.reviewed_by = "olga";
  use.note = "fine";
  change.put_armings = {arming};
  change.put_uses = {use};
  REQUIRE(store->commit({change}));
  store.reset();

  const auto loaded = open_store(folder.file())->load();
  REQUIRE(loaded);
  REQUIRE(loaded->armings.size() == 1);
  const auto& armed = loaded->armings[0];
  CHECK(std::tie(armed.id, armed.principal, armed.scope, armed.reason, armed.armed_by, armed.start, armed.end, armed.boot_id,
                 armed.boot_start, armed.grant_max, armed.disarmed, armed.disarmed_by) ==
        std::tie(arming.id, arming.principal, arming.scope, arming.reason, arming.armed_by, arming.start, arming.end,
                 arming.boot_id, arming.boot_start, arming.grant_max, arming.disarmed, arming.disarmed_by));
  REQUIRE(loaded->uses.size() == 1);
  const auto& used = loaded->uses[0];
  CHECK(std::tie(used.request, used.arming, used.time, used.principal, used.detail, used.grants, used.reviewed,
                 used.reviewed_by, used.note) == std::tie(use.request, use.arming, use.time, use.principal, use.detail,
                                                          use.grants, use.reviewed, use.reviewed_by, use.note));
}

TEST_CASE("requests and grants come back as they were put, and newer puts replace older ones") {
  TempFolder folder;
  auto store = open_store(folder.file());
  REQUIRE(store->commit({sample_decision(3)}));
  core::ChangeSet ended;
  ended.put_grants = {sample_grant(3, 3)};
  ended.put_grants[0].state = core::GrantState::ended;
  ended.put_grants[0].end_reason = core::EndReason::taken_back;
  ended.put_grants[0].ended_at = standing_clock().utc;
  ended.put_grants[0].ended_by = "carol";
  ended.put_grants[0].extended = ended.put_grants[0].start + std::chrono::minutes(5);
  REQUIRE(store->commit({ended}));

  const auto loaded = store->load();
  REQUIRE(loaded);
  REQUIRE(loaded->requests.size() == 1);
  const core::Request& request = loaded->requests[0];
  CHECK(request.id == 3);
  CHECK(request.policy.path() == sample_request(3).policy.path());
  CHECK(request.policy_generation == 7);
  CHECK(request.start == sample_request(3).start);
  CHECK(request.requestor == "alice");
  CHECK(request.justification == sample_request(3).justification);
  CHECK(request.client_request_id == "client-1");
  CHECK(request.body_digest == "digest");
  REQUIRE(loaded->grants.size() == 1);
  const core::Grant& grant = loaded->grants[0];
  CHECK(grant.serial == 3);
  CHECK(grant.request == 3);
  CHECK(grant.machine_id == sample_grant(3, 3).machine_id);
  CHECK(grant.port == 22);
  CHECK(grant.protocol == core::Protocol::tcp);
  CHECK(grant.sources == sample_grant(3, 3).sources);
  CHECK(grant.ending == core::Ending::cut);
  CHECK(grant.start == sample_grant(3, 3).start);
  CHECK(grant.end == sample_grant(3, 3).end);
  CHECK(grant.boot_id == "boot");
  CHECK(grant.boot_start == sample_grant(3, 3).boot_start);
  CHECK(grant.state == core::GrantState::ended);
  CHECK(grant.end_reason == core::EndReason::taken_back);
  CHECK(grant.ended_at == standing_clock().utc);
  CHECK(grant.ended_by == "carol");
  CHECK(grant.extended == grant.start + std::chrono::minutes(5));
  CHECK(loaded->newest_record == sample_record(3).time);
}

TEST_CASE("erasing goes by folded name, and numbers once given out stay known") {
  TempFolder folder;
  auto store = open_store(folder.file());
  core::ChangeSet change;
  change.put_machines = {machine()};
  change.put_policies = {policy()};
  change.put_tokens = {token()};
  REQUIRE(store->commit({change}));
  core::ChangeSet erase;
  erase.erase_machines = {core::folded(machine().id)};
  erase.erase_policies = {{"SUB", "group", "LOCAL", "default"}};
  erase.erase_tokens = {"t1"};
  REQUIRE(store->commit({erase}));
  const auto loaded = store->load();
  REQUIRE(loaded);
  CHECK(loaded->machines.empty());
  CHECK(loaded->policies.empty());
  CHECK(loaded->tokens.empty());
  CHECK(loaded->last_policy_generation == 5);
}
