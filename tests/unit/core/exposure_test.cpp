// SPDX-License-Identifier: Apache-2.0
// What answers without a policy: whose it is, how bad, who sees it, and that nobody can fill it up.
#include <algorithm>

#include "controlplane/core/exposure.hpp"
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

Address at(const std::string& text) {
  return parse_address(text).value();
}

struct ExposureWorld : GateWorld {
  ExposureWorld() {
    furnish();
    REQUIRE(gate->put_machine(admin(), machine_draft("vm3", {"10.0.0.3"}, {{"192.0.2.1", "3389", "tcp", "3389"}})));
    REQUIRE(gate->put_machine(admin(), machine_draft("vm4", {"10.4.0.0/16"})));
  }
  void hear(const std::string& address, std::uint16_t port, const std::vector<std::string>& peers, std::uint64_t count = 1) {
    const auto now = clock.now().boot;
    Answer answer{at(address), port, now, now, count, {}};
    for (const auto& peer : peers) answer.peers.push_back({at(peer), now, now, count});
    dataplane.heard.push_back(answer);
  }
  std::vector<ExposureView> exposure(const Caller& who = admin()) {
    clock.advance(2s);
    return gate->list_exposure(who).value();
  }
};

}  // namespace

TEST_CASE("what answers without a policy is shown with its machine, its severity and whom it answered") {
  ExposureWorld world;
  CHECK(world.exposure().empty());
  world.hear("10.0.0.3", 22, {"10.0.0.77"});
  world.hear("10.4.7.7", 5985, {"192.168.1.5", "10.4.7.9"});
  world.hear("192.0.2.1", 3389, {"198.51.100.7"}, 3);  // vm3's forward
  world.hear("10.0.9.9", 22, {"10.0.9.8"});
  const auto found = world.exposure();
  REQUIRE(found.size() == 3);
  CHECK(found[0].machine_name == "vm3");
  CHECK(found[0].severity == Severity::high);
  REQUIRE(found[0].services.size() == 2);
  CHECK(found[0].services[0].severity == Severity::low);
  CHECK(found[0].services[1].count == 3);
  CHECK(found[0].services[1].peers.at(0).address == at("198.51.100.7"));
  CHECK(found[1].machine_name == "vm4");
  CHECK(found[1].severity == Severity::medium);
  CHECK(found[2].machine_id.empty());
  CHECK(found[2].severity == Severity::low);

  const auto view = world.gate->get_machine(admin(), "vm3").value();
  CHECK(view.state == "not_configured");
  CHECK(view.recommended);
  CHECK(view.reason.find("192.0.2.1 port 3389") != std::string::npos);
  CHECK(view.reason.find("high") != std::string::npos);
  CHECK_FALSE(world.gate->get_machine(admin(), "vm1")->recommended);
}

TEST_CASE("what is guarded meanwhile is no exposure any more, and what is not any more is again") {
  ExposureWorld world;
  world.hear("10.0.0.3", 22, {"203.0.113.9"});
  world.hear("10.4.7.7", 22, {"203.0.113.9"});
  CHECK(world.exposure().size() == 2);
  EnableDraft draft;
  draft.machines = {"vm3", "vm4"};
  draft.preset = "default";
  REQUIRE(world.gate->enable_machines(admin(), draft));
  CHECK(world.exposure().empty());
  CHECK_FALSE(world.gate->get_machine(admin(), "vm3")->recommended);
  DisableDraft out;
  out.machines = {"vm3"};
  REQUIRE(world.gate->disable_machines(admin(), out));
  CHECK(world.exposure().size() == 1);
}

TEST_CASE("exposure outlives what the gate remembers, and is forgotten after a month of silence") {
  ExposureWorld world;
  world.hear("10.0.0.3", 22, {"203.0.113.9"}, 5);
  CHECK(world.exposure().at(0).services.at(0).count == 5);
  world.dataplane.heard.clear();
  const auto first = world.exposure().at(0).services.at(0).first;
  world.hear("10.0.0.3", 22, {"10.0.0.9"}, 2);  // counted from anew
  const auto later = world.exposure().at(0).services.at(0);
  CHECK(later.count == 7);
  CHECK(later.first == first);
  CHECK(later.severity == Severity::high);  // once seen
  CHECK(later.peers.size() == 2);
  world.dataplane.heard.clear();
  world.clock.advance(31 * 24h);
  CHECK(world.exposure().empty());
}

TEST_CASE("forged answers push no registered machine out, are bounded, and are warned of") {
  ExposureWorld world;
  world.hear("10.0.0.3", 22, {"203.0.113.9"});
  (void)world.exposure();
  world.clock.advance(1min);
  for (int i = 0; i < 3000; ++i) {
    world.hear("172.16." + std::to_string(i / 250) + "." + std::to_string(i % 250), 22, {"203.0.113.9"});
  }
  const auto found = world.exposure();
  CHECK(found.size() == unknown_answers_max + 1);
  CHECK(std::count_if(found.begin(), found.end(), [](const auto& each) { return each.machine_name == "vm3"; }) == 1);
  CHECK(world.gate->gate_status(admin())->warnings.size() == 1);

  // An address that is not behind this gateway at all is not believed.
  world.dataplane.heard.clear();
  world.hear("203.0.113.200", 22, {"198.51.100.1"});
  world.dataplane.routes[parse_prefix("203.0.113.200").value()] = {Reach::outside, "eth0"};
  for (const auto& each : world.exposure()) CHECK(each.services.at(0).address != at("203.0.113.200"));
}

TEST_CASE("a machine that has a block of addresses fills its own share and nobody else's") {
  ExposureWorld world;
  world.hear("10.0.0.3", 22, {"203.0.113.9"});
  (void)world.exposure();
  world.clock.advance(1min);
  for (int round = 0; round < 3; ++round) {
    world.dataplane.heard.clear();
    for (int i = 0; i < 1000; ++i)
      world.hear("10.4." + std::to_string(10 * round + i / 250) + "." + std::to_string(i % 250), 22, {"203.0.113.9"});
    (void)world.exposure();
    world.clock.advance(1min);
  }
  const auto found = world.exposure();
  REQUIRE(found.size() == 2);
  for (const auto& each : found) CHECK(each.services.size() == (each.machine_name == "vm4" ? machine_answers_max : 1));
}

TEST_CASE("of many who were answered the latest are kept") {
  ExposureWorld world;
  for (int i = 0; i < 40; ++i) {
    world.dataplane.heard.clear();
    world.hear("10.0.0.3", 22, {"203.0.113." + std::to_string(i)});
    (void)world.exposure();
  }
  const auto peers = world.exposure().at(0).services.at(0).peers;
  REQUIRE(peers.size() == answer_peers_max);
  CHECK(peers.front().address == at("203.0.113.39"));
}

TEST_CASE("exposure is for who may read machines, and of those only") {
  ExposureWorld world;
  world.hear("10.0.0.3", 22, {"203.0.113.9"});
  world.hear("10.4.7.7", 22, {"203.0.113.9"});
  world.hear("10.0.9.9", 22, {"203.0.113.9"});
  CHECK(world.exposure(person("eve", "reader")).size() == 3);
  const auto hers = world.exposure(person("eve", "reader", "", machine_id("vm3")));
  REQUIRE(hers.size() == 1);
  CHECK(hers[0].machine_name == "vm3");
  CHECK(world.gate->list_exposure(person("mallory", "nobody")).error().code == ErrorCode::authorization_failed);
  CHECK(world.store.records().back().operation == "exposure.list");
}
