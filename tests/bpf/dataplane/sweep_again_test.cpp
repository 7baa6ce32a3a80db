// SPDX-License-Identifier: Apache-2.0
// What one walk of the sweeper leaves to the next: flows whose end was told, and a walk that failed.
#include <unistd.h>

#include "tests/bpf/dataplane/sweepable.hpp"

using namespace postern;
using namespace postern::test;

TEST_CASE("an over-long flow that stays to be refused is told once as cut, and counts for its grant no more") {
  Sweepable table;
  gate_flow overlong = fresh_flow();
  overlong.session_end_boot_ns = now.boot_ns;
  gate_flow in_time = fresh_flow();
  in_time.session_end_boot_ns = now.boot_ns + 1;
  REQUIRE(table.maps.grant_records.update(3, live_record()));
  for (std::uint32_t n = 0; n < 3; ++n) REQUIRE(table.maps.established_v4.update(key_v4(n), in_time));
  REQUIRE(table.maps.established_v4.update(key_v4(10), overlong));
  REQUIRE(table.maps.established_v6.update(key_v6(IPPROTO_TCP), overlong));
  REQUIRE(table.maps.grant_usage.update(3, gate_usage{7, 5, 0, 0}));

  CHECK(table.sweep() == 0);
  CHECK(table.maps.grant_usage.lookup(3)->value().established == 3);
  const auto closed = table.sweeper.take_closed();
  REQUIRE(closed.size() == 2);
  for (const core::FlowEvent& event : closed) {
    CHECK(event.kind == core::FlowEvent::Kind::closed);
    CHECK(event.end == "cut");
    CHECK(event.grant == 7);
  }
  CHECK(table.sweep() == 0);
  CHECK(table.maps.grant_usage.lookup(3)->value().established == 3);
  CHECK(table.sweeper.take_closed().empty());

  gate_flow idle = table.maps.established_v4.lookup(key_v4(10))->value();
  CHECK(idle.session_end_boot_ns == now.boot_ns);
  CHECK(idle.client.last_seen_coarse_ns == overlong.client.last_seen_coarse_ns);
  idle.client.last_seen_coarse_ns = idle.machine.last_seen_coarse_ns = 1;
  REQUIRE(table.maps.established_v4.update(key_v4(10), idle));
  CHECK(table.sweep() == 1);
  CHECK(table.sweeper.take_closed().empty());

  // One that goes before it was told as over-long is told when it goes.
  idle.flags = 0;
  REQUIRE(table.maps.established_v4.update(key_v4(11), idle));
  CHECK(table.sweep() == 1);
  CHECK(table.sweeper.take_closed().size() == 1);
}

TEST_CASE("a walk that failed half-way begins anew and counts no flow twice") {
  Sweepable table(4);
  REQUIRE(table.maps.grant_records.update(3, live_record()));
  gate_flow learned = fresh_flow();
  learned.serial = 0;
  learned.flags = GATE_FLOW_LEARNED;
  for (std::uint32_t n = 0; n < 20; ++n) {
    REQUIRE(table.maps.established_v4.update(key_v4(n), fresh_flow()));
    REQUIRE(table.maps.established_v4.update(key_v4(100 + n), learned));
  }
  REQUIRE(table.maps.grant_usage.update(3, gate_usage{7, 20, 0, 0}));
  REQUIRE(table.maps.learned_usage.update(0, gate_usage{0, 20, 0, 0}));
  for (int calls = 0; calls < 4; ++calls) table.sweep();
  REQUIRE_FALSE(table.sweeper.at_start());

  const int fd = table.maps.established_v4.fd(), kept = ::dup(fd);
  ::close(fd);
  CHECK_FALSE(table.sweeper.sweep(now));
  REQUIRE(::dup2(kept, fd) == fd);
  ::close(kept);
  CHECK(table.sweeper.at_start());

  for (int calls = 0; calls < 100 && table.sweeper.walks() == 0; ++calls) table.sweep();
  CHECK(table.sweeper.walks() == 1);
  CHECK(table.maps.grant_usage.lookup(3)->value().established == 20);
  CHECK(table.maps.learned_usage.lookup(0)->value().established == 20);
}

TEST_CASE("a flow of limited length is kept for five days, however short the idle time that was set") {
  gate_config config{};
  config.tcp_established_idle_ns = 10 * second;
  gate_flow flow = fresh_flow();
  flow.opened_coarse_ns = flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now.coarse_ns - 20 * second;
  const gate_record live{flow.serial, GATE_NO_DEADLINE, 0, GATE_RECORD_LIVE, GATE_ENDING_DRAIN};
  CHECK(dataplane::is_dead_established(IPPROTO_TCP, flow, live, config, now));
  flow.session_end_boot_ns = now.boot_ns;
  CHECK_FALSE(dataplane::is_dead_established(IPPROTO_TCP, flow, live, config, now));
}
