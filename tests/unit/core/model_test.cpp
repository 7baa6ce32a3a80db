// SPDX-License-Identifier: Apache-2.0
// A random life of a gate: requests, revocations, policies, machines, time, restarts, reboots and failures in any
// order. After each step the maps are compared with what the store says by brute force. POSTERN_SEED repeats a run.
#include <cstdlib>
#include <random>

#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

class Life {
 public:
  explicit Life(unsigned seed) : random_(seed) { world_.furnish(); }

  void step() {
    const bool trouble = pick(4) == 0;
    if (trouble) {
      const Fuse::Blow kinds[] = {Fuse::Blow::once, Fuse::Blow::from_then_on, Fuse::Blow::crash_before,
                                  Fuse::Blow::crash_after};
      world_.fuse.arm(1 + static_cast<int>(pick(8)), kinds[pick(4)]);
    }
    bool crashed = false;
    try {
      act();
    } catch (const Crash&) {
      crashed = true;
    }
    const bool blown = world_.fuse.blown();
    world_.fuse.disarm();
    if (crashed) world_.restart();
    if (trouble && blown && !crashed) {
      pass(1s);
      world_.gate->sweep();
    }
    world_.require_in_step();
  }

 private:
  std::size_t pick(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_); }
  template <class T>
  const T& one_of(const std::vector<T>& from) {
    return from[pick(from.size())];
  }
  void pass(std::chrono::nanoseconds time) { world_.clock.advance(time); }

  void act() {
    switch (pick(20)) {
      case 0:
        return put_policy();
      case 1:
        return erase_policy();
      case 2:
      case 3:
        return put_machine();
      case 4:
      case 5:
        return sweep_later();
      case 6:
        return set_clock();
      case 7:
        return world_.restart();
      case 8:
        return reboot();
      case 9:
      case 10:
      case 11:
        return revoke();
      default:
        return request();
    }
  }

  Caller somebody() { return one_of<Caller>({alice(), bob(), person("carol", "operator", "2001:db8::c")}); }
  PolicyId some_policy() { return policy_id(one_of<std::string>({"default", "default", "second"})); }
  std::string some_machine() { return one_of<std::string>({"vm1", "vm2", "vm3"}); }

  std::vector<std::string> some_sources() {
    return one_of<std::vector<std::string>>({{},
                                             {"203.0.113.7"},
                                             {"203.0.113.0/24"},
                                             {"203.0.113.0/25", "2001:db8::/64"},
                                             {"*"},
                                             {"2001:db8::c", "203.0.113.9"}});
  }

  void request() {
    auto caller = somebody();
    if (pick(3) == 0) caller.client_request_id = "client-" + std::to_string(pick(5));
    const auto length = one_of<std::string>({"PT5M", "PT10M", "PT1H", "PT3H"});
    auto draft = ask(some_machine(), {one_of<std::string>({"22", "3389"}), length, some_sources()});
    if (pick(4) == 0) {
      const auto more = ask(some_machine(), {"22", length, some_sources()});
      draft.machines.push_back(more.machines.front());
    }
    (void)world_.gate->initiate(caller, some_policy(), draft);
  }

  void revoke() {
    const auto& grants = world_.store.grants();
    if (grants.empty()) return;
    // Mostly recent ones, which are likelier to be live.
    const auto newest = grants.rbegin()->first;
    (void)world_.gate->revoke(admin(), newest - std::min<std::uint64_t>(newest - 1, pick(6)));
  }

  void put_policy() {
    std::vector<std::pair<std::string, std::vector<Rule>>> machines;
    for (const auto* name : {"vm1", "vm2", "vm3"}) {
      if (pick(4) == 0) continue;
      std::vector<Rule> rules{{"22",
                               one_of<std::string>({"TCP", "*", "TCP"}),
                               {"*"},
                               one_of<std::string>({"PT1H", "PT3H"}),
                               one_of<std::string>({"cut", "drain"})}};
      if (pick(2) == 0) rules.push_back({"3389", "*", {one_of<std::string>({"*", "203.0.113.0/24"})}, "PT1H", "cut"});
      machines.push_back({name, rules});
    }
    (void)world_.gate->put_policy(admin(), some_policy(), policy_draft(machines));
  }

  void erase_policy() {
    if (pick(3) == 0) (void)world_.gate->erase_policy(admin(), some_policy());
  }

  void put_machine() {
    const auto name = some_machine();
    const auto last = name.substr(2);
    auto draft = machine_draft(name, one_of<std::vector<std::string>>({{"10.0.0." + last},
                                                                       {"10.0.0." + last, "2001:db8::" + last},
                                                                       {"10.0.1." + last, "2001:db8:" + last + "::/64"},
                                                                       {}}));
    if (pick(2) == 0)
      draft.forwards = {{"192.0.2.1", "2" + last + "22", "tcp", "22"}, {"192.0.2.1", "3389", "udp", "3389"}};
    (void)world_.gate->put_machine(admin(), draft);
    if (pick(8) == 0) (void)world_.gate->erase_machine(admin(), name);
  }

  void sweep_later() {
    pass(one_of<std::chrono::nanoseconds>({1s, 1min, 5min, 20min, 1h}));
    world_.gate->sweep();
  }

  void set_clock() {
    world_.clock.step_wall(one_of<std::chrono::nanoseconds>({-1h, 1h, -30s, 5min, -5min}));
    world_.gate->clock_changed();
  }

  void reboot() {
    if (pick(3) != 0) return;
    world_.reboot("boot-" + std::to_string(++boots_ + 1));
    world_.restart();
  }

  GateWorld world_;
  std::mt19937 random_;
  int boots_ = 0;
};

}  // namespace

TEST_CASE("a random life keeps store and maps in step") {
  const char* given = std::getenv("POSTERN_SEED");
  const auto first = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
  const unsigned lives = given ? 1 : 20;
  for (unsigned life = 0; life < lives; ++life) {
    const auto seed = first + life;
    INFO("POSTERN_SEED=" << seed);
    Life gate(seed);
    for (int step = 0; step < 300; ++step) {
      INFO("step " << step);
      gate.step();
    }
  }
}
