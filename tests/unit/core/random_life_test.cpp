// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <random>

#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

// Whatever happens in whatever order, with failures and restarts: the maps say what the store says.
TEST_CASE("a random life keeps maps and store in step") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto pick = [&](auto... each) {
    const std::vector<std::common_type_t<decltype(each)...>> all{each...};
    return all[random() % all.size()];
  };
  const auto rule = [&](const char* number) {
    Rule result{number, pick("TCP", "*"), {"*"}, "PT3H", pick("drain", "cut")};
    if (random() % 2) result.standing.push_back(pick("192.0.2.1", "203.0.113.7", "192.0.2.0/24", "2001:db8:9::/48"));
    if (random() % 3 == 0) result.standing.push_back("198.51.100.1");
    result.max_session = pick("PT0S", "PT8H");
    if (random() % 4 == 0) result.approval = "approve";
    return result;
  };
  for (int life = 0; life < 20; ++life) {
    GateWorld world;
    world.furnish();
    std::uint64_t last = 0, waiting = 0;
    for (int step = 0; step < 60; ++step) {
      if (random() % 6 == 0)
        world.fuse.arm(1 + static_cast<int>(random() % 6), pick(Fuse::Blow::once, Fuse::Blow::crash_before));
      bool crashed = false;
      try {
        switch (random() % 13) {
          case 0:
          case 1:
            (void)world.gate->put_policy(
                admin(), policy_id(pick("default", "other")),
                policy_draft({{pick("vm1", "vm2"), {rule("22"), rule("3389")}}}, pick("enforce", "monitor")));
            break;
          case 2:
            (void)world.gate->erase_policy(admin(), policy_id(pick("default", "other")));
            break;
          case 11: {
            std::vector<AccessCall> calls;
            for (int i = 0; i < 3; ++i) {
              calls.push_back({pick(0, 1) ? alice() : bob(), policy_id(pick("default", "other")),
                               ask(pick("vm1", "vm2"), {"22", pick("PT5M", "PT9H"), {pick("203.0.113.7", "192.0.2.0/24")}})});
              if (random() % 4 == 0) calls.back().draft.start = format_time(world.clock.now().utc + std::chrono::minutes(random() % 20));
            }
            (void)world.gate->admit_together(calls);
            break;
          }
          case 3:
          case 4: {
            auto draft = ask(pick("vm1", "vm2"),
                             {pick("22", "3389"), pick("PT5M", "PT1H"), {pick("203.0.113.7", "192.0.2.0/24")}});
            if (random() % 3 == 0) draft.start = format_time(world.clock.now().utc + std::chrono::minutes(random() % 20));
            if (const auto done = world.gate->initiate(pick(0, 1) ? alice() : bob(), policy_id(pick("default", "other")), draft)) {
              last = done->grants.front().serial;
              waiting = done->request.id;
            }
            break;
          }
          case 8:
            (void)world.gate->approve(admin(), waiting - std::min<std::uint64_t>(waiting, random() % 2));
            break;
          case 9:
            (void)world.gate->deny(admin(), waiting, {});
            break;
          case 5:
            (void)world.gate->revoke(admin(), last - std::min<std::uint64_t>(last, random() % 3),
                                     pick(0, 1) ? by(pick("cut", "drain")) : RevocationDraft{});
            break;
          case 6: {
            ExtensionDraft longer;
            longer.duration = pick("PT30M", "PT1H", "PT3H");
            (void)world.gate->extend(pick(0, 1) ? alice() : admin(), last - std::min<std::uint64_t>(last, random() % 3), longer);
            break;
          }
          case 7:
            (void)world.gate->put_machine(admin(), machine_draft("vm1", {pick("10.0.0.1", "10.0.0.9"), "2001:db8::1"}));
            break;
          case 10:
            (void)world.gate->put_switch(admin(), pick(std::string("global"), subscription), {{}, pick(false, true), "a drill"});
            break;
          default:
            world.clock.advance(std::chrono::minutes(random() % 10));
        }
      } catch (const Crash&) {
        crashed = true;
      }
      world.fuse.disarm();
      if (crashed || random() % 10 == 0) {
        world.restart();
      } else {
        world.clock.advance(1s);
        world.gate->sweep();
      }
      world.require_in_step();
    }
  }
}
