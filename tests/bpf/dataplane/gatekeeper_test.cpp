// SPDX-License-Identifier: Apache-2.0
// The gatekeeper on a real store and real maps: what is decided arrives in the maps; a restart changes nothing there; a
// gate that went away or was loaded anew is noticed by the next sweep, and filled again (I6).
#include "controlplane/dataplane/map_dataplane.hpp"
#include "controlplane/store/sqlite_store.hpp"
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
  return *dataplane::MapDataplane({.run_dir = gate.run_dir()}).read();
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
