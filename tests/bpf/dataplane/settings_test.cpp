// SPDX-License-Identifier: Apache-2.0
// The configuration record as the loader writes it: secret seeds, and the part of the tables that learned flows get.
#include "loader/settings.hpp"

#include <algorithm>
#include <set>

#include "tests/support/catch.hpp"
#include "tests/support/pinned_gate.hpp"

using namespace postern;
using test::PinnedGate;

namespace {

gate_config written(const loader::MapSet& maps) {
  REQUIRE(loader::write_config(maps, 0));
  return *loader::read_config(maps);
}

gate_config written_first(const PinnedGate& gate) {
  const loader::MapSet maps = gate.open();
  REQUIRE(maps.config.update(0, gate_config{}));
  return written(maps);
}

}  // namespace

TEST_CASE("every gate has seeds of its own, and keeps them for as long as its maps live") {
  const PinnedGate one, other;
  std::set<__u64> seeds{0};
  for (const PinnedGate* gate : {&one, &other}) {
    const gate_config config = written_first(*gate);
    seeds.insert(std::begin(config.flow_seeds), std::end(config.flow_seeds));
    const gate_config again = written(gate->open());
    CHECK(std::equal(std::begin(config.flow_seeds), std::end(config.flow_seeds), std::begin(again.flow_seeds)));
  }
  CHECK(seeds.size() == 1 + 2 * GATE_FLOW_SEEDS);  // none is 0, no two are the same
}

TEST_CASE("learned flows get an eighth of the smaller table, one at least, and no more than the programs' default") {
  const auto learned_max = [](std::uint32_t v4, std::uint32_t v6) {
    return written_first(PinnedGate({{"established_v4", v4}, {"established_v6", v6}})).learned_max;
  };
  CHECK(learned_max(8000, 4000) == 500);
  CHECK(learned_max(800, 4000) == 100);
  CHECK(learned_max(7, 7) == 1);
  CHECK(learned_max(16 * GATE_LEARNED_MAX, 16 * GATE_LEARNED_MAX) == GATE_LEARNED_MAX);
}
