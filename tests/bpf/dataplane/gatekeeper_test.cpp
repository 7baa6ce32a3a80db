// SPDX-License-Identifier: Apache-2.0
// The gatekeeper on a real store and real maps: what is decided arrives in the maps; a restart changes nothing there; a
// gate that went away or was loaded anew is noticed by the next sweep, and filled again (I6).
#include <fstream>

#include "controlplane/dataplane/map_dataplane.hpp"
#include "controlplane/dataplane/projection.hpp"
#include "controlplane/store/sqlite_store.hpp"
#include "loader/interface.hpp"
#include "tests/support/pinned_gate.hpp"
#include "tests/unit/core/gate_world.hpp"

using namespace postern;
using namespace postern::tests;
using test::PinnedGate;

namespace {

struct Daemon {
  explicit Daemon(const PinnedGate& gate, const std::filesystem::path& file)
      : store(*store::SqliteStore::open(file, clock)),
        plane({.run_dir = gate.run_dir()}),
        gatekeeper(core::Settings{}, clock, randomness, *store, plane) {
    // As the loader notes an interface of a network namespace that is not ours, so that it is not looked for.
    std::ofstream(gate.instance() / "attach-eth9.json") << R"({"interface": "eth9", "index": 1})";
    REQUIRE(gatekeeper.start());
  }
  void furnish() {
    REQUIRE(gatekeeper.put_machine(admin(), machine_draft("vm1", {"10.0.0.1", "2001:db8::1"})));
    REQUIRE(gatekeeper.put_policy(admin(), policy_id(), policy_draft({{"vm1", {Rule{}}}})));
    REQUIRE(gatekeeper.initiate(alice(), policy_id(), ask("vm1")));
  }

  ManualClock clock;
  FixedRandomness randomness;
  std::unique_ptr<store::SqliteStore> store;
  dataplane::MapDataplane plane;
  core::Gatekeeper gatekeeper;
};

core::Projection held(const PinnedGate& gate) {
  const loader::MapSet maps = gate.open();  // not by a data plane: the daemon under test is the only one
  return *dataplane::read_projection(maps, *dataplane::GrantRecords::open(maps));
}

}  // namespace

TEST_CASE("what the gatekeeper decides stands in the maps, and a restart leaves them as they are") {
  PinnedGate gate;
  test::TempFolder folder;
  {
    Daemon daemon(gate, folder.file());
    daemon.furnish();
  }
  const core::Projection before = held(gate);
  CHECK(before.services.size() == 2);
  CHECK(before.entries.size() == 1);
  CHECK(before.records.size() == 1);
  CHECK(before.ports == std::set<std::pair<core::Protocol, std::uint16_t>>{{core::Protocol::tcp, 22}});
  const Daemon daemon(gate, folder.file());
  CHECK(daemon.gatekeeper.ready());
  CHECK(held(gate) == before);
}

TEST_CASE("a gate that was loaded anew is filled again by the next sweeps, without any request") {
  PinnedGate gate;
  test::TempFolder folder;
  Daemon daemon(gate, folder.file());
  daemon.furnish();
  const core::Projection before = held(gate);
  gate.load_anew();
  REQUIRE(held(gate) == core::Projection{});
  daemon.gatekeeper.sweep();
  daemon.gatekeeper.sweep();
  CHECK(daemon.gatekeeper.ready());
  const core::Projection after = held(gate);
  CHECK(after.services.size() == before.services.size());
  CHECK(after.entries.size() == before.entries.size());
  CHECK(after.ports == before.ports);
}

TEST_CASE("a gate that went away is not ready after the next sweep") {
  PinnedGate gate;
  test::TempFolder folder;
  Daemon daemon(gate, folder.file());
  daemon.furnish();
  std::filesystem::rename(gate.maps_folder(), gate.bpffs() / "away");
  daemon.gatekeeper.sweep();
  CHECK_FALSE(daemon.gatekeeper.ready());
  std::filesystem::rename(gate.bpffs() / "away", gate.maps_folder());
  daemon.gatekeeper.sweep();
  CHECK(daemon.gatekeeper.ready());
}

TEST_CASE("a gate has one daemon: another with a store of its own leaves the maps alone") {
  PinnedGate gate;
  test::TempFolder folder, others;
  Daemon daemon(gate, folder.file());
  daemon.furnish();
  const core::Projection before = held(gate);
  const Daemon second(gate, others.file());
  const auto refused = second.gatekeeper.ready();
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("another posternd rules the gate"));
  CHECK(held(gate) == before);
}

TEST_CASE("a gate on no interface, or on one that is gone, or not confirmed in time, is not ready") {
  PinnedGate gate;
  test::TempFolder folder;
  const Daemon daemon(gate, folder.file());
  REQUIRE(daemon.gatekeeper.ready());
  const auto maps = gate.open();
  gate_config config{};
  config.abi = GATE_ABI;
  config.unconfirmed_boot_ns = 1;
  REQUIRE(maps.config.update(0, config));
  CHECK_FALSE(daemon.gatekeeper.ready());
  config.unconfirmed_boot_ns = UINT64_MAX;
  REQUIRE(maps.config.update(0, config));
  CHECK(daemon.gatekeeper.ready());
  std::ofstream(gate.instance() / "attach-gone0.json")
      << R"({"interface": "gone0", "index": 999999, "networkNamespace": )" << loader::network_namespace() << "}";
  CHECK_FALSE(daemon.gatekeeper.ready());
  std::filesystem::remove(gate.instance() / "attach-gone0.json");
  std::filesystem::remove(gate.instance() / "attach-eth9.json");
  CHECK_FALSE(daemon.gatekeeper.ready());
}

// Requests overlap, end and are asked again: what is owed stands in the map at each look, and when all has ended
// nothing is left there.
TEST_CASE("a hundred thousand sources come and go") {
  PinnedGate gate;
  test::TempFolder folder;
  Daemon daemon(gate, folder.file());
  REQUIRE(daemon.gatekeeper.put_machine(admin(), machine_draft("vm1", {"10.0.0.1"})));
  REQUIRE(daemon.gatekeeper.put_policy(admin(), policy_id(), policy_draft({{"vm1", {Rule{}}}})));
  constexpr int rounds = 20, requests = 100, sources = 50;
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    for (int request = 0; request < requests; ++request) {
      Ask port{"22", "PT1H"};
      for (int i = 0; i < sources; ++i)
        port.sources.push_back("10.9." + std::to_string(request) + "." + std::to_string(i));
      REQUIRE(daemon.gatekeeper.initiate(alice(), policy_id(), ask("vm1", port)));
    }
    daemon.clock.advance(round % 2 == 0 ? 30min : 61min);
    daemon.gatekeeper.sweep();
    CHECK(held(gate).entries.size() == (round % 2 == 0 ? requests * sources : 0));
  }
}
