// SPDX-License-Identifier: Apache-2.0
// Plans on real maps: what apply() wrote, read() finds, step kind by step kind; erasing takes exactly it away; a full
// map stops the plan with a sentence; an ordinary user who may open the pins may do all of it.
#include "controlplane/dataplane/map_dataplane.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/pinned_gate.hpp"

using namespace postern;
using core::Protocol;
using test::PinnedGate;

namespace {

dataplane::MapDataplane plane_of(const PinnedGate& gate) {
  return dataplane::MapDataplane({.run_dir = gate.run_dir()});
}

core::Prefix prefix(const std::string& text) {
  return *core::parse_prefix(text);
}

core::BootTime boot(std::int64_t ns) {
  return core::BootTime(std::chrono::nanoseconds(ns));
}

core::ServiceEntry service(std::uint32_t id, std::set<std::uint8_t> lengths = {}) {
  core::ServiceEntry entry;
  entry.id = id;
  entry.prefix_lengths = std::move(lengths);
  return entry;
}

core::Projection held(core::Dataplane& plane) {
  auto found = plane.read();
  INFO((found ? std::string() : found.error().message));
  REQUIRE(found);
  return *std::move(found);
}

void carry_out(core::Dataplane& plane, const core::Plan& plan) {
  const auto done = plane.apply(plan);
  INFO((done ? std::string() : done.error().message));
  REQUIRE(done);
}

// One of everything, IPv4 and IPv6, exact and by prefix.
core::Plan one_of_each() {
  core::ServiceEntry monitored = service(3, {64});
  monitored.enforce = false;
  monitored.failsafe = true;
  return {
      core::PutRecord{7, {41, boot(1000), core::RecordState::live, core::Ending::cut}},
      core::PutRecord{0, {42, core::BootTime::max(), core::RecordState::draining, core::Ending::drain}},
      core::PutEntry{{1, prefix("192.0.2.0/24")}, {boot(1000), 41, 7, false}},
      core::PutEntry{{1, prefix("0.0.0.0/0")}, {core::BootTime::max(), 0, 0, true}},
      core::PutEntry{{2, prefix("2001:db8::/32")}, {boot(5), 42, 0, false}},
      core::PutEntry{{2, prefix("2001:db8::7")}, {boot(6), 42, 0, false}},
      core::PutService{{prefix("198.51.100.10"), 22, Protocol::tcp}, service(1, {0, 24, 32})},
      core::PutService{{prefix("2001:db8:1::10"), 3389, Protocol::udp}, service(2, {32, 128})},
      core::PutService{{prefix("2001:db8:2::/64"), 22, Protocol::tcp}, monitored},
      core::PutService{{prefix("203.0.113.0/24"), 22, Protocol::tcp}, service(4)},
      core::PutAddress{prefix("198.51.100.10"), {true, 1}},
      core::PutAddress{prefix("2001:db8:2::/64"), {false, 2}},
      core::SetPort{Protocol::tcp, 22, true},
      core::SetPort{Protocol::udp, 3389, true},
      core::SetPort{Protocol::tcp, 0, true},
      core::SetPort{Protocol::udp, 65535, true},
      core::PutFailsafe{prefix("192.0.2.128/25")},
      core::PutFailsafe{prefix("2001:db8:9::1")},
  };
}

}  // namespace

TEST_CASE("what was put is read back, kind by kind") {
  PinnedGate gate;
  auto plane = plane_of(gate);
  CHECK(held(plane) == core::Projection{});
  carry_out(plane, one_of_each());

  core::Projection wanted;
  for (const core::Step& step : one_of_each()) {
    if (const auto* record = std::get_if<core::PutRecord>(&step)) wanted.records[record->slot] = record->record;
    if (const auto* entry = std::get_if<core::PutEntry>(&step)) wanted.entries[entry->key] = entry->entry;
    if (const auto* put = std::get_if<core::PutService>(&step)) wanted.services[put->key] = put->service;
    if (const auto* address = std::get_if<core::PutAddress>(&step)) wanted.addresses[address->address] = address->entry;
    if (const auto* port = std::get_if<core::SetPort>(&step)) wanted.ports.emplace(port->protocol, port->port);
    if (const auto* failsafe = std::get_if<core::PutFailsafe>(&step)) wanted.failsafe_sources.insert(failsafe->source);
  }
  const core::Projection found = held(plane);
  CHECK(found.services == wanted.services);
  CHECK(found.entries == wanted.entries);
  CHECK(found.records == wanted.records);
  CHECK(found.addresses == wanted.addresses);
  CHECK(found.ports == wanted.ports);
  CHECK(found.failsafe_sources == wanted.failsafe_sources);

  carry_out(plane, one_of_each());  // each step is idempotent
  CHECK(held(plane) == wanted);
}

TEST_CASE("erasing takes away what it names and nothing else") {
  PinnedGate gate;
  auto plane = plane_of(gate);
  REQUIRE(plane.read());
  carry_out(plane, one_of_each());
  core::Projection wanted = held(plane);
  const core::EntryKey entry{1, prefix("192.0.2.0/24")};
  const core::ServiceKey exact{prefix("198.51.100.10"), 22, Protocol::tcp},
      by_prefix{prefix("2001:db8:2::/64"), 22, Protocol::tcp};
  const core::Plan plan{core::EraseEntry{entry},
                        core::EraseService{exact},
                        core::EraseService{by_prefix},
                        core::EraseAddress{prefix("198.51.100.10")},
                        core::SetPort{Protocol::tcp, 22, false},
                        core::EraseFailsafe{prefix("192.0.2.128/25")},
                        core::PutRecord{7, {}}};
  wanted.entries.erase(entry);
  wanted.services.erase(exact);
  wanted.services.erase(by_prefix);
  wanted.addresses.erase(prefix("198.51.100.10"));
  wanted.ports.erase({Protocol::tcp, 22});
  wanted.failsafe_sources.erase(prefix("192.0.2.128/25"));
  wanted.records.erase(7);
  carry_out(plane, plan);
  CHECK(held(plane) == wanted);
  carry_out(plane, plan);  // what is gone may be erased again
  CHECK(held(plane) == wanted);
}

TEST_CASE("several pages of entries are written and read whole") {
  PinnedGate gate;
  auto plane = plane_of(gate);
  REQUIRE(plane.read());
  core::Plan plan;
  core::Projection wanted;
  for (std::uint32_t i = 0; i < 10000; ++i) {
    core::Prefix source = prefix("10.0.0.0");
    source.address.bytes[2] = static_cast<std::uint8_t>(i >> 8);
    source.address.bytes[3] = static_cast<std::uint8_t>(i);
    const core::EntryKey key{1, source};
    plan.push_back(core::PutEntry{key, {boot(i), i, i % 100, false}});
    wanted.entries[key] = {boot(i), i, i % 100, false};
  }
  carry_out(plane, plan);
  CHECK(held(plane).entries == wanted.entries);
}

TEST_CASE("entries of one key are written in the plan's order, also across families") {
  PinnedGate gate;
  auto plane = plane_of(gate);
  REQUIRE(plane.read());
  const core::EntryKey v4{1, prefix("192.0.2.1")}, v6{1, prefix("2001:db8::1")};
  carry_out(plane, {core::PutEntry{v4, {boot(1), 1, 1, false}}, core::PutEntry{v6, {boot(2), 2, 2, false}},
                    core::PutEntry{v4, {boot(3), 3, 3, false}}, core::EraseEntry{v6},
                    core::PutEntry{v4, {boot(4), 4, 4, false}}});
  const core::Projection found = held(plane);
  REQUIRE(found.entries.size() == 1);
  CHECK(found.entries.at(v4) == core::Entry{boot(4), 4, 4, false});
}

TEST_CASE("apply stops at a full map, says which, and what went before is in force") {
  PinnedGate gate({{"grants_v4", 4}});
  auto plane = plane_of(gate);
  REQUIRE(plane.read());
  CHECK(plane.capacity().entries_v4 == 4);
  core::Plan plan{core::SetPort{Protocol::tcp, 22, true}};
  for (const char* source : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"})
    plan.push_back(core::PutEntry{{1, prefix(source)}, {boot(1), 1, 1, false}});
  plan.push_back(core::SetPort{Protocol::tcp, 23, true});
  const auto done = plane.apply(plan);
  REQUIRE_FALSE(done);
  CHECK(done.error().code == core::ErrorCode::capacity_exhausted);
  CHECK_THAT(done.error().message, Catch::Contains("grants_v4") && Catch::Contains("full"));
  const core::Projection found = held(plane);
  CHECK(found.entries.size() == 4);
  CHECK(found.ports == std::set<std::pair<Protocol, std::uint16_t>>{{Protocol::tcp, 22}});
  // A full map still takes other values for the keys it has: extending never needs room.
  carry_out(plane, {core::PutEntry{{1, prefix("192.0.2.1")}, {boot(9), 1, 1, false}}});
  CHECK(held(plane).entries.at({1, prefix("192.0.2.1")}).deadline == boot(9));
}

TEST_CASE("a slot beyond the array, a service without ports and too many prefix lengths are refused") {
  PinnedGate gate({{"grant_records", 16}, {"grant_usage", 16}});
  auto plane = plane_of(gate);
  REQUIRE(plane.read());
  const auto beyond = plane.apply({core::PutRecord{16, {1, boot(1), core::RecordState::live, core::Ending::drain}}});
  REQUIRE_FALSE(beyond);
  CHECK(beyond.error().code == core::ErrorCode::capacity_exhausted);
  CHECK_FALSE(plane.apply({core::PutService{{prefix("192.0.2.1"), 22, Protocol::any}, service(1)}}));
  CHECK_FALSE(plane.apply({core::SetPort{Protocol::any, 22, true}}));
  std::set<std::uint8_t> lengths;
  for (std::uint8_t length = 0; length <= 16; ++length) lengths.insert(length);
  CHECK_FALSE(plane.apply({core::PutService{{prefix("192.0.2.1"), 22, Protocol::tcp}, service(1, lengths)}}));
  CHECK(held(plane) == core::Projection{});
}

TEST_CASE("a new serial in a record begins with no flows, the same serial keeps its count") {
  PinnedGate gate;
  auto plane = plane_of(gate);
  REQUIRE(plane.read());
  const auto maps = gate.open();
  carry_out(plane, {core::PutRecord{5, {10, boot(1), core::RecordState::live, core::Ending::drain}}});
  REQUIRE(maps.grant_usage.update(5, gate_usage{10, 3, 0, 0}));
  carry_out(plane, {core::PutRecord{5, {10, boot(2), core::RecordState::draining, core::Ending::drain}}});
  CHECK(maps.grant_usage.lookup(5)->value().established == 3);
  carry_out(plane, {core::PutRecord{5, {11, boot(2), core::RecordState::live, core::Ending::cut}}});
  CHECK(maps.grant_usage.lookup(5)->value().established == 0);
  CHECK(maps.grant_usage.lookup(5)->value().serial == 11);
  const gate_record record = maps.grant_records.lookup(5)->value();
  CHECK(record.serial == 11);
  CHECK(record.state == GATE_RECORD_LIVE);
  CHECK(record.ending == GATE_ENDING_CUT);
  CHECK(record.deadline_boot_ns == 2);
}

TEST_CASE("the control record's flags follow the tables, and cutting raises the generation") {
  PinnedGate gate;
  auto plane = plane_of(gate);
  REQUIRE(plane.read());
  const auto maps = gate.open();
  const auto control = [&] { return maps.control.lookup(0)->value(); };
  const core::ServiceKey by_prefix{prefix("192.0.2.0/24"), 22, Protocol::tcp};
  carry_out(plane, {core::PutService{by_prefix, service(1)}, core::PutFailsafe{prefix("192.0.2.1")},
                    core::RaiseCutGeneration{}, core::RaiseCutGeneration{}});
  CHECK(control().flags == (GATE_CONTROL_SERVICE_PREFIXES | GATE_CONTROL_FAILSAFE_SOURCES));
  CHECK(control().cut_generation == 2);

  // The loader's source is not the daemon's: it neither keeps the flag nor is it read or erased.
  const gate_prefix_key loaders = {GATE_PREFIX_KEY_FIXED_BITS + 32, GATE_IPV4, 0, 0, {192, 0, 2, 9}};
  REQUIRE(maps.failsafe_sources.update(loaders, {GATE_FAILSAFE_LOADER}));
  CHECK(held(plane).failsafe_sources == std::set<core::Prefix>{prefix("192.0.2.1")});
  carry_out(plane, {core::EraseFailsafe{prefix("192.0.2.1")}, core::EraseFailsafe{prefix("192.0.2.9")},
                    core::EraseService{by_prefix}});
  CHECK(control().flags == 0);
  CHECK(control().cut_generation == 2);
  CHECK(maps.failsafe_sources.lookup(loaders)->has_value());

  // A flag that a killed process left wrong is put right by read().
  REQUIRE(maps.service_prefixes.update({GATE_PREFIX_KEY_FIXED_BITS + 24, GATE_IPV4, 6, 0, {192, 0, 2, 0}}, {}));
  REQUIRE(plane.read());
  CHECK(control().flags == GATE_CONTROL_SERVICE_PREFIXES);
}

TEST_CASE("an ordinary user to whom the pins belong may read and apply, another may not") {
  PinnedGate gate;
  const int code = test::as_ordinary_user([&] {
    auto plane = plane_of(gate);
    const auto before = plane.read();
    if (!before) return std::fprintf(stderr, "%s\n", before.error().message.c_str()), 1;
    const auto done = plane.apply(one_of_each());
    if (!done) return std::fprintf(stderr, "%s\n", done.error().message.c_str()), 2;
    if (!plane.status() || !plane.sweep_flows()) return 3;
    const auto after = plane.read();
    return after && after->entries.size() == 4 ? 0 : 4;
  });
  CHECK(code == 0);
  std::filesystem::permissions(gate.maps_folder(), std::filesystem::perms(0700));
  const int refused = test::as_ordinary_user([&] {
    auto plane = plane_of(gate);
    const auto found = plane.read();
    return !found && found.error().message.find("Permission denied") != std::string::npos ? 0 : 1;
  });
  CHECK(refused == 0);
}
