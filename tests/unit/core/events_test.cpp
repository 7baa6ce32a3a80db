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

TEST_CASE("what follows a sequence, the oldest first, and what of it is lost") {
  EventLog log(3);
  for (std::uint16_t port = 1; port <= 5; ++port) log.take(drop(port));  // 1 and 2 are pushed out
  log.take(flow(1));
  CHECK(sequences(log.following(0, 100)) == std::vector<std::uint64_t>{3, 4, 5, 6});
  CHECK(sequences(log.following(3, 2)) == std::vector<std::uint64_t>{4, 5});
  CHECK(log.following(6, 100).empty());
  CHECK(log.following(99, 100).empty());
  CHECK(log.lost_after(0) == 2);
  CHECK(log.lost_after(1) == 1);
  CHECK(log.lost_after(2) == 0);
  CHECK(log.lost_after(99) == 0);
}

TEST_CASE("what becomes of a grant is told once it stands, and not what was refused or could not be recorded") {
  GateWorld world;
  world.furnish();
  const auto kinds_after = [&](std::uint64_t after) {
    std::vector<std::string> kinds;
    const auto feed = world.gate->follow(admin(), after).value();
    for (const auto& view : feed.events)
      kinds.push_back(std::get<GrantEvent>(view.event.event).kind + " " + std::to_string(std::get<GrantEvent>(view.event.event).grant.serial));
    return kinds;
  };
  using Kinds = std::vector<std::string>;
  const auto first = world.granted(alice(), ask("vm1")).serial;
  CHECK(kinds_after(0) == Kinds{"grant.opened " + std::to_string(first)});
  const auto second = world.granted(alice(), ask("vm1")).serial;  // takes the first one's place
  CHECK(kinds_after(1) == Kinds{"grant.ended " + std::to_string(first), "grant.opened " + std::to_string(second)});
  const auto before = world.gate->last_event();
  CHECK_FALSE(world.gate->initiate(alice(), policy_id(), ask("vm1", {.number = "23"})));
  world.fuse.arm(1, Fuse::Blow::once);
  CHECK_FALSE(world.gate->initiate(bob(), policy_id(), ask("vm1")));
  CHECK(kinds_after(before).empty());
  world.clock.advance(std::chrono::hours(2));
  world.gate->sweep();
  CHECK(kinds_after(before) == Kinds{"grant.ended " + std::to_string(second)});
}
