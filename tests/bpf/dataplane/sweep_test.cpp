// SPDX-License-Identifier: Apache-2.0
// Which flows the sweeper removes and which it leaves; that it works in bounded steps; that it recounts.
#include "tests/bpf/dataplane/sweepable.hpp"

using namespace postern;
using namespace postern::test;

namespace {

struct Row {
  const char* name;
  bool half_open;
  std::uint8_t protocol;
  bool dead;
  void (*change)(gate_flow& flow, gate_record& record);
};

constexpr Row rows[] = {
    {"a fresh TCP flow stays", false, IPPROTO_TCP, false, [](gate_flow&, gate_record&) {}},
    {"a TCP flow idle on both sides for five days goes", false, IPPROTO_TCP, true,
     [](gate_flow& flow, gate_record&) {
       flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = long_ago;
     }},
    {"a TCP flow that the client keeps alive stays", false, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record&) { flow.machine.last_seen_coarse_ns = long_ago; }},
    {"a TCP flow that the machine keeps alive stays", false, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record&) { flow.client.last_seen_coarse_ns = long_ago; }},
    {"a TCP flow exactly at its idle time stays", false, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record&) {
       flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now.coarse_ns - 432'000 * second;
     }},
    {"a TCP flow whose grant has drained stays", false, IPPROTO_TCP, false,
     [](gate_flow&, gate_record& record) { record.state = GATE_RECORD_DRAINING; }},
    {"a TCP flow whose slot has another grant stays", false, IPPROTO_TCP, false,
     [](gate_flow&, gate_record& record) { record.serial = 8; }},
    {"a watched TCP flow whose slot has another grant goes: it was to be cut", false, IPPROTO_TCP, true,
     [](gate_flow& flow, gate_record& record) {
       flow.flags = GATE_FLOW_WATCHED;
       record.serial = 8;
     }},
    {"a watched TCP flow whose record was emptied goes", false, IPPROTO_TCP, true,
     [](gate_flow& flow, gate_record& record) {
       flow.flags = GATE_FLOW_WATCHED;
       record.state = GATE_RECORD_VACANT;
     }},
    {"a watched TCP flow of a live grant stays", false, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record&) { flow.flags = GATE_FLOW_WATCHED; }},
    {"a TCP flow past a drain deadline stays", false, IPPROTO_TCP, false,
     [](gate_flow&, gate_record& record) { record.deadline_boot_ns = 1; }},
    {"a TCP flow past a cut deadline goes", false, IPPROTO_TCP, true,
     [](gate_flow&, gate_record& record) {
       record = {7, now.boot_ns, 0, GATE_RECORD_LIVE, GATE_ENDING_CUT};
     }},
    {"a TCP flow before a cut deadline stays", false, IPPROTO_TCP, false,
     [](gate_flow&, gate_record& record) {
       record = {7, now.boot_ns + 1, 0, GATE_RECORD_LIVE, GATE_ENDING_CUT};
     }},
    {"a TCP flow without a deadline, in cut mode, stays", false, IPPROTO_TCP, false,
     [](gate_flow&, gate_record& record) {
       record = {7, GATE_NO_DEADLINE, 0, GATE_RECORD_LIVE, GATE_ENDING_CUT};
     }},
    {"an over-long TCP flow of an ended grant stays to be refused: the next grant would pick it up anew", false,
     IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record& record) {
       flow.session_end_boot_ns = now.boot_ns;
       record.state = GATE_RECORD_DRAINING;
     }},
    {"an over-long TCP flow stays also when its grant is cut", false, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record& record) {
       flow.session_end_boot_ns = now.boot_ns;
       record.state = GATE_RECORD_CUT;
     }},
    {"an over-long TCP flow goes once it is idle", false, IPPROTO_TCP, true,
     [](gate_flow& flow, gate_record&) {
       flow.session_end_boot_ns = now.boot_ns;
       flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now.coarse_ns - 432'001 * second;
     }},
    {"an over-long half-open TCP flow of a live grant stays, however idle: it would begin anew", true, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record&) {
       flow.session_end_boot_ns = now.boot_ns;
       flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = long_ago;
     }},
    {"an over-long half-open TCP flow goes with its grant", true, IPPROTO_TCP, true,
     [](gate_flow& flow, gate_record& record) {
       flow.session_end_boot_ns = now.boot_ns;
       record.state = GATE_RECORD_DRAINING;
     }},
    {"a TCP flow whose longest session time is not over stays", false, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record& record) {
       flow.session_end_boot_ns = now.boot_ns + 1;
       record.state = GATE_RECORD_DRAINING;
     }},
    {"an over-long TCP flow of a live grant stays to be refused: gone, it would be picked up anew", false, IPPROTO_TCP,
     false, [](gate_flow& flow, gate_record&) { flow.session_end_boot_ns = now.boot_ns; }},
    {"a TCP flow that was cut goes", false, IPPROTO_TCP, true,
     [](gate_flow&, gate_record& record) { record.state = GATE_RECORD_CUT; }},
    {"a TCP flow of another grant than the one cut stays", false, IPPROTO_TCP, false,
     [](gate_flow&, gate_record& record) {
       record = {8, 0, 0, GATE_RECORD_CUT, GATE_ENDING_CUT};
     }},
    {"a TCP flow with FIN from one side stays", false, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record&) {
       flow.client.flags = GATE_SIDE_FIN;
       flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now.coarse_ns - 121 * second;
     }},
    {"a TCP flow with FIN from both sides goes after it has lingered", false, IPPROTO_TCP, true,
     [](gate_flow& flow, gate_record&) {
       flow.client.flags = flow.machine.flags = GATE_SIDE_FIN;
       flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now.coarse_ns - 121 * second;
     }},
    {"a TCP flow with FIN from both sides lingers", false, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record&) {
       flow.client.flags = flow.machine.flags = GATE_SIDE_FIN;
       flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now.coarse_ns - 119 * second;
     }},
    {"a TCP flow with an RST goes after it has lingered", false, IPPROTO_TCP, true,
     [](gate_flow& flow, gate_record&) {
       flow.machine.flags = GATE_SIDE_RST;
       flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now.coarse_ns - 121 * second;
     }},
    {"a flow that the machine opened anew goes", false, IPPROTO_TCP, true,
     [](gate_flow& flow, gate_record&) { flow.machine.flags = GATE_SIDE_REOPENED; }},
    {"a flow without a grant stays", false, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record& record) {
       flow.serial = 0;
       record.state = GATE_RECORD_CUT;
     }},
    {"a UDP flow that the machine keeps alive stays", false, IPPROTO_UDP, false,
     [](gate_flow& flow, gate_record&) { flow.client.last_seen_coarse_ns = long_ago; }},
    {"a UDP flow that only the client keeps sending on goes", false, IPPROTO_UDP, true,
     [](gate_flow& flow, gate_record& record) {
       flow.machine.last_seen_coarse_ns = now.coarse_ns - 121 * second;
       record.state = GATE_RECORD_DRAINING;
     }},
    {"a fresh half-open flow of a live grant stays", true, IPPROTO_TCP, false, [](gate_flow&, gate_record&) {}},
    {"a half-open flow does not outlive its grant's deadline", true, IPPROTO_TCP, true,
     [](gate_flow&, gate_record& record) { record.deadline_boot_ns = now.boot_ns; }},
    {"a half-open flow does not outlive its grant's end", true, IPPROTO_TCP, true,
     [](gate_flow&, gate_record& record) { record.state = GATE_RECORD_DRAINING; }},
    {"a half-open flow does not outlive its grant's slot", true, IPPROTO_TCP, true,
     [](gate_flow&, gate_record& record) { record.serial = 8; }},
    {"a half-open TCP flow idles for a minute", true, IPPROTO_TCP, true,
     [](gate_flow& flow, gate_record&) {
       flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now.coarse_ns - 61 * second;
     }},
    {"a half-open UDP flow idles for half a minute", true, IPPROTO_UDP, true,
     [](gate_flow& flow, gate_record&) {
       flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now.coarse_ns - 31 * second;
     }},
    {"a half-open flow that a machine opened needs no grant", true, IPPROTO_TCP, false,
     [](gate_flow& flow, gate_record& record) {
       flow.serial = 0;
       record.state = GATE_RECORD_VACANT;
     }},
};

}  // namespace

TEST_CASE("the sweeper removes dead flows and no others") {
  Sweepable table;
  for (const Row& row : rows) {
    INFO(row.name);
    gate_flow flow = fresh_flow();
    gate_record record = live_record();
    row.change(flow, record);
    REQUIRE(table.maps.grant_records.update(3, record));
    const auto& v4 = row.half_open ? table.maps.half_open_v4 : table.maps.established_v4;
    const auto& v6 = row.half_open ? table.maps.half_open_v6 : table.maps.established_v6;
    REQUIRE(v4.update(key_v4(1, row.protocol), flow));
    REQUIRE(v6.update(key_v6(row.protocol), flow));
    CHECK(table.sweep() == (row.dead ? 2 : 0));
    CHECK(*v4.erase(key_v4(1, row.protocol)) == !row.dead);
    CHECK(*v6.erase(key_v6(row.protocol)) == !row.dead);
  }
}

TEST_CASE("an idle time of zero leaves such flows to the programs") {
  Sweepable table;
  REQUIRE(table.maps.config.update(0, gate_config{}));
  gate_flow flow = fresh_flow();
  flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = 0;
  REQUIRE(table.maps.grant_records.update(3, live_record()));
  REQUIRE(table.maps.established_v4.update(key_v4(1), flow));
  CHECK(table.sweep() == 0);
}

TEST_CASE("each call looks at a bounded number of flows, and in the end all were met") {
  Sweepable table(1000);
  REQUIRE(table.maps.grant_records.update(3, live_record()));
  gate_flow dead = fresh_flow();
  dead.client.last_seen_coarse_ns = dead.machine.last_seen_coarse_ns = long_ago;
  for (std::uint32_t n = 0; n < 5000; ++n)
    REQUIRE(table.maps.established_v4.update(key_v4(n), n % 2 ? dead : fresh_flow()));
  std::size_t removed = 0, calls = 0;
  do {
    const std::size_t now_removed = table.sweep();
    CHECK(now_removed <= 1000);
    removed += now_removed;
    ++calls;
  } while (!table.sweeper.at_start() && calls < 100);
  CHECK(removed == 2500);
  CHECK(calls >= 5);
  CHECK(calls <= 8);
}

TEST_CASE("after a walk every grant's count says how many established flows it has") {
  Sweepable table;
  REQUIRE(table.maps.grant_records.update(3, live_record()));
  for (std::uint32_t n = 0; n < 10; ++n) REQUIRE(table.maps.established_v4.update(key_v4(n), fresh_flow()));
  REQUIRE(table.maps.established_v6.update(key_v6(IPPROTO_TCP), fresh_flow()));
  gate_flow earlier = fresh_flow();  // of the slot's earlier grant
  earlier.serial = 6;
  REQUIRE(table.maps.established_v4.update(key_v4(100), earlier));
  gate_flow dead = fresh_flow();
  dead.machine.flags = GATE_SIDE_REOPENED;
  REQUIRE(table.maps.established_v4.update(key_v4(101), dead));
  REQUIRE(table.maps.grant_usage.update(3, gate_usage{7, 99, 0, 0}));
  REQUIRE(table.maps.grant_usage.update(4, gate_usage{8, 5, 0, 0}));
  CHECK(table.sweep() == 1);
  CHECK(table.maps.grant_usage.lookup(3)->value().established == 11);
  CHECK(table.maps.grant_usage.lookup(3)->value().serial == 7);
  CHECK(table.maps.grant_usage.lookup(4)->value().established == 0);
}

TEST_CASE("learned flows are counted apart, swept when idle or overlong, and not told one by one") {
  Sweepable table;
  gate_flow learned = fresh_flow();
  learned.serial = 0;
  learned.slot = 0;
  learned.flags = GATE_FLOW_LEARNED;
  for (std::uint32_t n = 0; n < 5; ++n) REQUIRE(table.maps.established_v4.update(key_v4(n), learned));
  REQUIRE(table.maps.established_v6.update(key_v6(IPPROTO_TCP), learned));
  gate_flow overlong = learned;
  overlong.session_end_boot_ns = now.boot_ns;
  REQUIRE(table.maps.established_v4.update(key_v4(10, IPPROTO_UDP), overlong));
  gate_flow stale = learned;
  stale.client.last_seen_coarse_ns = stale.machine.last_seen_coarse_ns = long_ago;
  REQUIRE(table.maps.learning_v4.update(key_v4(11), stale));
  REQUIRE(table.maps.learning_v6.update(key_v6(IPPROTO_UDP), stale));
  REQUIRE(table.maps.learning_v4.update(key_v4(12), learned));
  REQUIRE(table.maps.learned_usage.update(0, gate_usage{0, 99, 0, 0}));
  CHECK(table.sweep() == 3);
  CHECK(table.maps.learned_usage.lookup(0)->value().established == 6);
  CHECK(table.sweeper.take_closed().empty());
  CHECK(table.maps.learning_v4.lookup(key_v4(12))->has_value());
}

TEST_CASE("every established flow that goes is told, with why; half-open ones and those that stay are not") {
  struct End {
    const char* name;
    void (*change)(gate_flow& flow, gate_record& record);
  };
  const End ends[] = {
      {"idle", [](gate_flow& flow, gate_record&) { flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = 1; }},
      {"finished",
       [](gate_flow& flow, gate_record&) {
         flow.client.flags = flow.machine.flags = GATE_SIDE_FIN;
         flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = 1;
       }},
      {"reset",
       [](gate_flow& flow, gate_record&) {
         flow.client.flags = GATE_SIDE_RST;
         flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = 1;
       }},
      {"cut", [](gate_flow&, gate_record& record) { record.state = GATE_RECORD_CUT; }},
      {"replaced", [](gate_flow& flow, gate_record&) { flow.machine.flags = GATE_SIDE_REOPENED; }},
  };
  Sweepable table;
  for (const End& end : ends) {
    INFO(end.name);
    gate_flow flow = fresh_flow();
    gate_record record = live_record();
    flow.opened_boot_ns = 77;
    flow.client.packets = 11;
    flow.client.bytes = 1100;
    flow.machine.packets = 22;
    flow.machine.bytes = 2200;
    end.change(flow, record);
    REQUIRE(table.maps.grant_records.update(3, record));
    REQUIRE(table.maps.established_v4.update(key_v4(1), flow));
    REQUIRE(table.maps.half_open_v4.update(key_v4(2), flow));
    const std::uint64_t walks = table.sweeper.walks();
    table.sweep();
    CHECK(table.sweeper.walks() == walks + 1);
    const auto closed = table.sweeper.take_closed();
    REQUIRE(closed.size() == 1);
    CHECK(closed[0].kind == core::FlowEvent::Kind::closed);
    CHECK(closed[0].end == end.name);
    CHECK(closed[0].grant == 7);
    CHECK(closed[0].client_packets == 11);
    CHECK(closed[0].client_bytes == 1100);
    CHECK(closed[0].machine_packets == 22);
    CHECK(closed[0].machine_bytes == 2200);
    CHECK(closed[0].opened.time_since_epoch().count() == 77);
    REQUIRE(closed[0].client.address);
    CHECK(closed[0].machine.port == ntohs(key_v4(1).machine_port_be));
  }
  REQUIRE(table.maps.grant_records.update(3, live_record()));
  REQUIRE(table.maps.established_v6.update(key_v6(IPPROTO_TCP), fresh_flow()));
  table.sweep();
  CHECK(table.sweeper.take_closed().empty());
}
