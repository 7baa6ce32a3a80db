// SPDX-License-Identifier: Apache-2.0
// From any state of the maps to any other: a plan arrives, keeps the invariants between any two steps, and is empty
// when there is nothing to do. The double that carries the plans out judges each step.
#include "controlplane/core/reconcile.hpp"

#include <random>

#include "tests/support/recording_dataplane.hpp"
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

// A projection as the projector makes them: entries belong to services, name live records, lengths and bits agree.
Projection random_projection(std::mt19937& random) {
  const auto chance = [&](unsigned in) { return random() % in == 0; };
  Projection result;
  std::uint32_t id = 0;
  for (const auto* address : {"10.0.0.1", "10.0.0.2", "2001:db8::1"}) {
    for (const std::uint16_t port : {std::uint16_t{22}, std::uint16_t{3389}}) {
      ++id;  // ids stay with their service, as after reading the maps
      if (chance(2)) continue;
      const auto prefix = parse_prefix(address).value();
      ServiceEntry service{id, true, chance(4), {}};
      for (const auto* source : {"203.0.113.7", "203.0.113.0/24", "2001:db8:9::/48", "0.0.0.0/0"}) {
        const auto block = parse_prefix(source).value();
        if (block.address.family != prefix.address.family || chance(2)) continue;
        const auto slot = static_cast<std::uint32_t>(random() % 6);
        const BootTime deadline(std::chrono::seconds(100 + random() % 3));
        auto& record = result.records[slot];
        if (record.state == RecordState::vacant)
          record = {slot + 1 + 10 * (random() % 2), deadline, RecordState::live, {}};
        result.entries[{id, block}] = {deadline, record.serial, slot, false};
        service.prefix_lengths.insert(block.length);
      }
      result.services[{prefix, port, Protocol::tcp}] = service;
      result.addresses[prefix].services += 1;
      result.ports.insert({Protocol::tcp, port});
    }
  }
  for (std::uint32_t slot = 0; slot < 6; ++slot) {
    if (result.records.contains(slot) || chance(2)) continue;
    result.records[slot] = {slot + 21, {}, chance(2) ? RecordState::cut : RecordState::draining, Ending::cut};
  }
  if (chance(2)) result.failsafe_sources.insert(parse_prefix("192.0.2.0/24").value());
  return result;
}

// A slot that is handed from one live grant to another has entries of the old one until they are put anew: the
// projector never does that, so such pairs are left out.
bool hands_over_a_slot(const Projection& from, const Projection& to) {
  for (const auto& [slot, record] : from.records) {
    const auto next = to.records.find(slot);
    const bool was_live = record.state == RecordState::live;
    if (was_live && next != to.records.end() && next->second.serial != record.serial) return true;
    if (was_live && next == to.records.end()) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("nothing to do is an empty plan") {
  std::mt19937 random(7);
  for (int i = 0; i < 50; ++i) {
    const auto projection = random_projection(random);
    CHECK(plan_between(projection, projection).empty());
  }
}

TEST_CASE("a plan arrives from anywhere, also when it is broken off after any step") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  int tried = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto from = random_projection(random), to = random_projection(random);
    const bool clean = !hands_over_a_slot(from, to);
    Fuse fuse;
    RecordingDataplane dataplane(fuse);
    dataplane.maps = from;
    const auto plan = plan_between(from, to);
    if (!plan.empty()) fuse.arm(1 + static_cast<int>(random() % plan.size()), Fuse::Blow::once);
    const auto broken_off = dataplane.apply(plan);
    fuse.disarm();
    if (!broken_off) REQUIRE(dataplane.apply(plan_between(dataplane.maps, to)));
    REQUIRE(dataplane.maps == to);
    if (!clean) continue;
    ++tried;
    for (const auto& violation : dataplane.violations) FAIL(violation);
  }
  CHECK(tried > 10);
}
