// SPDX-License-Identifier: Apache-2.0
// What is kept of what the gate tells: the newest of each kind, in order, and how much there was.
#include "controlplane/core/actions.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

DropEvent drop(std::uint16_t port) {
  DropEvent event;
  event.destination.port = port;
  return event;
}

FlowEvent flow(std::uint64_t grant, FlowEvent::Kind kind = FlowEvent::Kind::opened) {
  FlowEvent event;
  event.grant = grant;
  event.kind = kind;
  return event;
}

std::vector<std::uint64_t> sequences(const std::vector<NumberedEvent>& events) {
  std::vector<std::uint64_t> numbers;
  for (const auto& event : events) numbers.push_back(event.sequence);
  return numbers;
}

}  // namespace

TEST_CASE("events are numbered as they come and shown oldest first") {
  EventLog log;
  log.take(drop(22));
  log.take(flow(7));
  log.take(drop(23));
  const auto all = log.recent({});
  CHECK(sequences(all) == std::vector<std::uint64_t>{1, 2, 3});
  CHECK(std::get<DropEvent>(all[0].event).destination.port == 22);
  CHECK(std::get<FlowEvent>(all[1].event).grant == 7);
  CHECK(log.last() == 3);
}

TEST_CASE("only what came after, only the newest so many") {
  EventLog log;
  for (int i = 0; i < 10; ++i) log.take(drop(22));
  CHECK(sequences(log.recent({8, 100})) == std::vector<std::uint64_t>{9, 10});
  CHECK(sequences(log.recent({0, 3})) == std::vector<std::uint64_t>{8, 9, 10});
  CHECK(log.recent({10, 100}).empty());
  CHECK(log.recent({UINT64_MAX, 100}).empty());
  CHECK(log.recent({0, 0}).empty());
}

TEST_CASE("a flood of drops takes no more than its room, and pushes no connection out") {
  EventLog log(5);
  log.take(flow(7));
  for (int i = 0; i < 100; ++i) log.take(drop(22));
  log.take(flow(7, FlowEvent::Kind::closed));
  log.take(flow(8, FlowEvent::Kind::moved));
  CHECK(sequences(log.recent({0, 1000})) == std::vector<std::uint64_t>{1, 97, 98, 99, 100, 101, 102, 103});
  CHECK(log.totals() == EventTotals{100, 1, 1, 1});
}

TEST_CASE("events are shown in UTC to those who may read the gate") {
  GateWorld world;
  world.furnish();
  FlowEvent event = flow(7, FlowEvent::Kind::closed);
  event.time = world.clock.now().boot - std::chrono::seconds(5);
  event.opened = world.clock.now().boot - std::chrono::seconds(65);
  world.gate->event_log().take(event);
  const auto page = world.gate->events(admin(), {});
  REQUIRE(page);
  REQUIRE(page->events.size() == 1);
  CHECK(page->events[0].time == world.clock.now().utc - std::chrono::seconds(5));
  CHECK(page->events[0].opened == world.clock.now().utc - std::chrono::seconds(65));
  CHECK(page->last == 1);
  CHECK_FALSE(world.gate->events(alice(), {}));
  CHECK_FALSE(world.gate->service_counts(alice()));
}

TEST_CASE("a live grant is shown with its use, an ended one without") {
  GateWorld world;
  world.furnish();
  const auto grant = world.granted(alice(), ask("vm1"));
  world.dataplane.uses[grant.serial] = {3, 1, world.clock.now().boot - std::chrono::seconds(10)};
  auto views = world.gate->list_grants(admin(), {});
  REQUIRE(views);
  REQUIRE(views->size() == 1);
  REQUIRE((*views)[0].usage);
  CHECK((*views)[0].usage->admitted == 3);
  CHECK((*views)[0].usage->established == 1);
  CHECK((*views)[0].usage->last_admitted == world.clock.now().utc - std::chrono::seconds(10));
  REQUIRE(world.gate->revoke(admin(), grant.serial));
  views = world.gate->list_grants(admin(), {.machine = "", .requestor = "", .include_ended = true});
  REQUIRE(views);
  CHECK_FALSE((*views)[0].usage);
}
