// SPDX-License-Identifier: Apache-2.0
// What the gate tells of connections goes to the store in bounded stretches; a store that fails costs no request and no
// silent loss.
#include "controlplane/core/flow_recorder.hpp"
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;
using Kind = FlowEvent::Kind;

namespace {

class HeldFlows : public FlowStore {
 public:
  Result<void> write(const std::vector<FlowNews>& news, std::uint64_t run) override {
    if (fails) return Error{ErrorCode::store_failed, "the disk is full", "", {}};
    stretches.push_back(news.size());
    for (const auto& each : news) written.push_back(each);
    last_run = run;
    return {};
  }
  Result<std::vector<FlowRecord>> flows(const FlowQuery&) override { return std::vector<FlowRecord>(1); }
  Result<std::size_t> end_unseen(std::uint64_t run, UtcTime, std::size_t) override {
    unseen.push_back(run);
    return std::size_t{0};
  }
  Result<std::size_t> forget(UtcTime, std::uint64_t, std::size_t) override { return std::size_t{0}; }

  bool fails = false;
  std::vector<std::size_t> stretches;
  std::vector<FlowNews> written;
  std::vector<std::uint64_t> unseen;
  std::uint64_t last_run = 0;
};

struct FlowWorld : GateWorld {
  FlowWorld() {
    furnish();
    gate->keep_flows(store_of_flows);
  }
  void tell(std::size_t count, Kind kind = Kind::opened, std::uint64_t grant = 0, std::uint16_t port = 22) {
    FlowEvent event;
    event.kind = kind;
    event.grant = grant;
    event.protocol = 6;
    event.machine = {parse_address("10.0.0.1").value(), port};
    for (std::size_t n = 0; n < count; ++n) gate->event_log().take(event);
  }
  HeldFlows store_of_flows;
};

}  // namespace

TEST_CASE("what is told is written at the next turn, a bounded stretch each, and shown as an event once") {
  FlowWorld world;
  world.tell(flow_news_a_write + 10);
  world.tell(1, Kind::seen);
  CHECK(world.store_of_flows.written.empty());
  world.gate->write_flows();
  world.gate->write_flows();
  CHECK(world.store_of_flows.stretches == std::vector<std::size_t>{flow_news_a_write, 11});
  CHECK(world.store_of_flows.written[0].machine_id == machine_id("vm1"));
  CHECK(world.gate->trail_counts().flows_written == flow_news_a_write + 11);
  CHECK(world.gate->events(admin(), {})->totals.opened == flow_news_a_write + 10);
  CHECK(world.gate->events(admin(), {})->last == flow_news_a_write + 10);  // what was only seen is no event
}

TEST_CASE("a standing rule's connection is told as such") {
  FlowWorld world;
  Rule rule;
  rule.standing = {"203.0.113.9"};
  REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {rule}}})));
  world.tell(1, Kind::opened, world.standing().begin()->first);
  world.gate->write_flows();
  CHECK(world.store_of_flows.written.at(0).standing);
  CHECK(world.store_of_flows.written.at(0).machine_id == machine_id("vm1"));
}

TEST_CASE("a store that cannot be written fails no request; what found no room is counted, warned of and recorded once") {
  FlowWorld world;
  world.store_of_flows.fails = true;
  world.tell(100);
  world.gate->write_flows();
  CHECK_FALSE(world.gate->warnings().empty());
  REQUIRE(world.gate->initiate(alice(), policy_id(), ask("vm1")));
  world.tell(flow_news_held);
  world.gate->write_flows();
  CHECK(world.gate->trail_counts().flows_lost == 100);
  const auto before = world.store.records().size();
  world.store_of_flows.fails = false;
  world.gate->write_flows();
  world.gate->write_flows();
  CHECK(world.gate->warnings().empty());
  const auto records = world.records_since(before);
  REQUIRE(records.size() == 1);
  CHECK(records[0].operation == "flows.lost");
  CHECK(records[0].outcome == Outcome::failed);
  CHECK_THAT(records[0].detail, Catch::StartsWith("100 "));
  for (int i = 0; i < 20; ++i) world.gate->write_flows();
  CHECK(world.store_of_flows.written.size() == flow_news_held);
}

TEST_CASE("what the gate's ring had no room for is recorded once, and again when it is more") {
  struct Overflowing : RecordingDataplane {
    using RecordingDataplane::RecordingDataplane;
    Result<GateStatus> status() override {
      GateStatus status;
      status.tallies = {{"half_open_evicted", false, 9, 0}, {"flow_events_lost", false, lost, 0}};
      return status;
    }
    std::uint64_t lost = 0;
  };
  Fuse fuse;
  Overflowing dataplane(fuse);
  FlowWorld world;
  world.gate = std::make_unique<Gatekeeper>(world.settings, world.clock, world.randomness, world.store, dataplane);
  REQUIRE(world.gate->start());
  world.gate->keep_flows(world.store_of_flows);
  const auto before = world.store.records().size();
  const auto minute = [&] {
    for (std::uint64_t n = 0; n < FlowRecorder::looks_between_asking; ++n) world.gate->write_flows();
    return world.records_since(before);
  };
  CHECK(minute().empty());
  dataplane.lost = 7;
  REQUIRE(minute().size() == 1);
  CHECK(minute()[0].operation == "flows.lost");
  CHECK_THAT(minute()[0].detail, Catch::StartsWith("7 ") && Catch::Contains("its ring was full"));
  dataplane.lost = 8;
  CHECK(minute().size() == 2);
  dataplane.lost = 1;  // another gate
  CHECK(minute().size() == 3);
  dataplane.lost = 0;
  CHECK(minute().size() == 3);
}

TEST_CASE("open records of earlier daemons end when every flow was seen and written, and again with each new gate") {
  FlowWorld world;
  world.tell(flow_news_a_write + 1, Kind::seen);
  world.gate->write_flows();
  CHECK(world.store_of_flows.unseen.empty());  // no walk has ended
  world.dataplane.walks = 1;
  world.tell(flow_news_a_write, Kind::seen);
  world.gate->write_flows();
  CHECK(world.store_of_flows.unseen.empty());  // not all is written
  world.gate->write_flows();
  CHECK(world.store_of_flows.unseen == std::vector<std::uint64_t>{world.store_of_flows.last_run});
  world.gate->write_flows();
  CHECK(world.store_of_flows.unseen.size() == 1);
  world.dataplane.walks = 0;
  world.gate->write_flows();
  world.dataplane.walks = 1;
  world.gate->write_flows();
  REQUIRE(world.store_of_flows.unseen.size() == 2);
  CHECK(world.store_of_flows.unseen[1] == world.store_of_flows.unseen[0] + 1);
}

TEST_CASE("where not every flow could be written, none is taken for gone") {
  FlowWorld world;
  world.tell(flow_news_held / 2 + 1, Kind::seen);
  world.dataplane.walks = 1;
  for (int i = 0; i < 20; ++i) world.gate->write_flows();
  CHECK(world.store_of_flows.unseen.empty());
}

TEST_CASE("connections are for who may read the audit; to be refused leaves a record") {
  FlowWorld world;
  CHECK(world.gate->flows(person("eve", "auditor"), {}));
  const auto before = world.store.records().size();
  CHECK(world.gate->flows(person("eve", "reader"), {}).error().code == ErrorCode::authorization_failed);
  CHECK(world.records_since(before).at(0).operation == "audit.flows");
}
