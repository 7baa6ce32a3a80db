// SPDX-License-Identifier: Apache-2.0
// Opening the maps: no gate, a gate of another ABI, a map of another shape, a gate that was loaded anew.
#include "controlplane/dataplane/map_dataplane.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/pinned_gate.hpp"

using namespace postern;
using test::PinnedGate;

namespace {

std::string refusal(const PinnedGate& gate) {
  const auto maps = loader::MapSet::open(gate.bpffs());
  REQUIRE_FALSE(maps);
  return maps.error().sentence;
}

}  // namespace

TEST_CASE("without a gate the sentence says how to start one") {
  test::TempFolder folder;
  dataplane::MapDataplane plane({.run_dir = folder.path()});
  const auto found = plane.read();
  REQUIRE_FALSE(found);
  CHECK(found.error().code == core::ErrorCode::gate_failed);
  CHECK_THAT(found.error().message, Catch::Contains("no gate is loaded") && Catch::Contains("postern-loader attach"));
  CHECK(plane.capacity().entries_v4 == 0);
  CHECK_FALSE(plane.apply({}));
  CHECK_FALSE(plane.status());
  CHECK_FALSE(plane.sweep_flows());
}

TEST_CASE("a gate that a loader of another ABI configured is named") {
  PinnedGate gate;
  gate_config config{};
  config.abi = GATE_ABI + 1;
  REQUIRE(gate.open().config.update(0, config));
  CHECK_THAT(refusal(gate), Catch::Contains("ABI v" + std::to_string(GATE_ABI + 1)));
}

TEST_CASE("pins of another ABI alone are named") {
  PinnedGate gate;
  std::filesystem::rename(gate.maps_folder(), gate.bpffs() / "v99");
  CHECK_THAT(refusal(gate), Catch::Contains("speaks ABI v99") && Catch::Contains("one release"));
}

TEST_CASE("a map of another shape is refused by its name") {
  PinnedGate gate;
  std::filesystem::remove(gate.maps_folder() / "grants_v4");
  std::filesystem::rename(gate.maps_folder() / "grants_v6", gate.maps_folder() / "grants_v4");
  CHECK_THAT(refusal(gate), Catch::Contains("map grants_v4 has keys of 24"));
  std::filesystem::remove(gate.maps_folder() / "grants_v4");
  CHECK_THAT(refusal(gate), Catch::Contains("grants_v4") && Catch::Contains("No such file"));
}

TEST_CASE("a map of another kind is refused by its name") {
  PinnedGate gate;
  std::filesystem::remove(gate.maps_folder() / "half_open_v4");
  std::filesystem::rename(gate.maps_folder() / "established_v4", gate.maps_folder() / "half_open_v4");
  CHECK_THAT(refusal(gate), Catch::Contains("map half_open_v4 is a hash"));
}

TEST_CASE("after the gate was loaded anew nothing is applied until its maps were read") {
  PinnedGate gate;
  dataplane::MapDataplane plane({.run_dir = gate.run_dir()});
  const core::Plan plan{core::SetPort{core::Protocol::tcp, 22, true}};
  CHECK_FALSE(plane.apply(plan));  // not read yet
  REQUIRE(plane.read());
  REQUIRE(plane.apply(plan));
  gate.load_anew();
  const auto refused = plane.apply(plan);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("loaded anew"));
  REQUIRE(plane.status());
  CHECK_FALSE(plane.apply(plan));
  const auto found = plane.read();
  REQUIRE(found);
  CHECK(found->ports.empty());
  CHECK(plane.apply(plan));
}
