// SPDX-License-Identifier: Apache-2.0
// Status: counters summed over the CPUs under their names, the loader's notes, an unconfirmed attach.
#include <bpf/bpf.h>

#include <fstream>

#include "controlplane/dataplane/map_dataplane.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/pinned_gate.hpp"

using namespace postern;
using test::PinnedGate;

namespace {

// Every CPU has counted `packets` and ten times as many bytes.
void count(const loader::BpfMap<__u32, gate_counter>& map, __u32 index, std::uint64_t packets) {
  const std::vector<gate_counter> values(loader::possible_cpus(), {packets, packets * 10});
  REQUIRE(bpf_map_update_elem(map.fd(), &index, values.data(), BPF_ANY) == 0);
}

const core::ReasonCount& named(const std::vector<core::ReasonCount>& counts, const std::string& name) {
  for (const core::ReasonCount& count : counts)
    if (count.name == name) return count;
  FAIL("no count of " << name);
  return counts.front();
}

}  // namespace

TEST_CASE("status names reasons and tallies and sums over the CPUs") {
  PinnedGate gate;
  const auto maps = gate.open();
  const std::uint64_t cpus = loader::possible_cpus();
  count(maps.counters, gate_reason_no_grant, 3);
  count(maps.counters, gate_reason_grant, 4);
  count(maps.tallies, gate_tally_picked_up, 5);
  gate_config config{};
  config.abi = GATE_ABI;
  config.unconfirmed_boot_ns = 77;
  REQUIRE(maps.config.update(0, config));
  std::ofstream(gate.instance() / "attach-eth9.json")
      << R"({"interface": "eth9", "index": 1, "mode": "generic", "way": "link"})";

  dataplane::MapDataplane plane({.run_dir = gate.run_dir()});
  const auto status = plane.status();
  REQUIRE(status);
  CHECK(status->instance == "gate");
  CHECK(status->abi == GATE_ABI);
  REQUIRE(status->unconfirmed_until);
  CHECK(status->unconfirmed_until->time_since_epoch().count() == 77);
  CHECK(status->interfaces == std::vector<std::string>{"eth9 (generic, link)"});
  CHECK(named(status->reasons, "no_grant").packets == 3 * cpus);
  CHECK(named(status->reasons, "no_grant").bytes == 30 * cpus);
  CHECK_FALSE(named(status->reasons, "no_grant").pass);
  CHECK(named(status->reasons, "grant").packets == 4 * cpus);
  CHECK(named(status->reasons, "grant").pass);
  CHECK(named(status->reasons, "flow").packets == 0);
  CHECK(named(status->tallies, "picked_up").packets == 5 * cpus);

  config.unconfirmed_boot_ns = 0;
  REQUIRE(maps.config.update(0, config));
  CHECK_FALSE(plane.status()->unconfirmed_until);
}
