// SPDX-License-Identifier: Apache-2.0
// Break-glass beside ordinary requests, across restarts, rewritten policies and failures, and whose tokens count for it.
#include "tests/unit/core/glass_world.hpp"

using namespace postern::core;
using namespace postern::tests;

TEST_CASE("an ordinary request is never answered by break-glass, nor the other way round") {
  GlassWorld world;
  world.armed();
  auto plain = glass();
  plain.break_glass = false;
  CHECK(world.gate->request(eve(), plain).error().code == ErrorCode::authorization_failed);
  auto caller = person("eve", "requester", "198.51.100.7");
  caller.client_request_id = "same";
  REQUIRE(world.gate->request(caller, plain));
  CHECK(world.gate->list_break_glass(admin())->front().uses.empty());
  REQUIRE(world.gate->request(caller, glass()));
  CHECK(world.gate->list_break_glass(admin())->front().uses.size() == 1);
}

TEST_CASE("armings, uses and reviews survive a restart, and so do their grants") {
  GlassWorld world;
  const auto id = world.armed();
  const auto grant = world.used();
  world.restart();
  CHECK(world.gate->list_break_glass(admin())->front().uses.size() == 1);
  CHECK(world.gate->list_grants(admin(), {})->front().break_glass);
  REQUIRE(world.gate->review_break_glass(person("olga", "auditor"), grant.request, {}));
  REQUIRE(world.gate->disarm(admin(), id, false));
  world.restart();
  const auto view = world.gate->list_break_glass(admin())->front();
  CHECK_FALSE(view.armed);
  CHECK(view.uses.front().reviewed_by == "olga");
  world.refused(eve(), glass(), ErrorCode::authorization_failed);
  CHECK(world.armed() == id + 1);
  world.reboot("boot-2");
  world.restart();
  CHECK(world.gate->request(eve(), glass()));  // armed across a boot, by the wall clock
}

TEST_CASE("a policy that is written again leaves what came by break-glass, until it guards the port no more") {
  GlassWorld world;
  world.armed();
  const auto grant = world.used(glass("vm1", {"3389", "PT1H", {"198.51.100.7"}}));
  const auto same = policy_draft({{"vm1", {{}, {"3389", "*", {"203.0.113.0/24"}, "PT30M", "cut"}}}, {"vm2", {{}}}});
  REQUIRE(world.gate->put_policy(admin(), policy_id(), same));
  CHECK(world.grant(grant.serial).state == GrantState::live);
  REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {{}}}, {"vm2", {{}}}})));
  CHECK(world.grant(grant.serial).state == GrantState::ended);
  world.require_in_step();
}

// Who hands out tokens could name his own one after whoever is armed.
TEST_CASE("a token counts for break-glass only as far as who issued it could have armed") {
  GlassWorld world;
  world.settings.roles = {{"clerk", {"Postern/tokens/*", "Microsoft.Security/*", "Postern/machines/read"}, {}}};
  world.restart();
  world.armed();
  const auto with_token_of = [&](const Caller& issuer, const std::string& scope) {
    TokenDraft draft;
    draft.principal = "eve";
    draft.role = "requester";
    draft.scope = scope;
    const auto secret = world.gate->issue_token(issuer, draft).value().secret;
    world.restart();
    auto caller = eve();
    caller.principal = world.gate->authenticate(secret).value();
    return caller;
  };
  const auto rdp = glass("vm1", {"3389", "PT1H", {"198.51.100.7"}});
  const auto clerks = with_token_of(person("carl", "clerk"), "/");
  world.refused(clerks, rdp, ErrorCode::authorization_failed);
  CHECK_FALSE(world.gate->list_break_glass(clerks));  // nor is it told for whom and why
  world.refused(with_token_of(person("kim", "admin", "", group_scope), group_scope), rdp, ErrorCode::authorization_failed);
  const auto by_admin = with_token_of(admin(), machine_id("vm1"));  // starts the gate anew
  CHECK(world.gate->request(by_admin, rdp));
  world.armed(arming_of("eve", group_scope));
  const auto by_kim = with_token_of(person("kim", "admin", "", group_scope), group_scope);
  CHECK(world.gate->request(by_kim, rdp));
}

TEST_CASE("break-glass that cannot be recorded or opened opens nothing and leaves nothing to review") {
  for (int blown = 1; blown <= 2; ++blown) {
    GlassWorld world;
    world.armed();
    world.fuse.arm(blown, Fuse::Blow::once);
    CHECK_FALSE(world.gate->request(eve(), glass()));
    world.fuse.disarm();
    world.clock.advance(1s);
    world.gate->sweep();
    CHECK_FALSE(world.admits("198.51.100.7", "10.0.0.1", 22));
    CHECK(world.gate->list_break_glass(admin())->front().uses.size() == (blown == 1 ? 0 : 1));
    world.require_in_step();
  }
}
