// SPDX-License-Identifier: Apache-2.0
// How a TCP connection ends: FIN from both sides, a reset that counts (RFC 5961), or nothing for too long. (check 17)
#include <algorithm>

#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

struct World {
  Gate& gate = Gate::fresh();
  Connection ssh;
  std::uint32_t service = gate.guard();

  World() {
    gate.admit(service);
    ssh.open(gate);
    expect(gate, ssh.send(psh | ack, 100), gate_reason_flow);
    learn(gate, ssh.reply(psh | ack, 50));
    gate.expire(service);
  }
  gate_flow flow() const { return ssh.established(gate).value(); }
  // Makes the entry so much older.
  void age(std::uint64_t client_ns, std::uint64_t machine_ns) {
    gate_flow older = flow();
    older.client.last_seen_coarse_ns -= client_ns;
    older.machine.last_seen_coarse_ns -= machine_ns;
    older.opened_coarse_ns -= std::max(client_ns, machine_ns);
    ssh.put_established(gate, older);
  }
  void close() {
    expect(gate, ssh.send(fin | ack), gate_reason_flow);
    learn(gate, ssh.reply(fin | ack));
    expect(gate, ssh.send(ack), gate_reason_flow);
  }
};

}  // namespace

TEST_CASE("after FIN from both sides the entry lingers for late packets, then it is gone") {
  World world;
  world.close();
  CHECK((world.flow().client.flags & GATE_SIDE_FIN) != 0);
  CHECK((world.flow().machine.flags & GATE_SIDE_FIN) != 0);
  // A FIN sent again.
  expect(world.gate,
         world.ssh.in({.seq = world.ssh.client_next - 1, .acknowledgment = world.ssh.machine_next, .flags = fin | ack}),
         gate_reason_flow);
  world.age(linger - tolerance, linger - tolerance);
  expect(world.gate, world.ssh.send(ack), gate_reason_flow);
  world.age(tolerance + second, tolerance + second);
  expect(world.gate, world.ssh.send(ack), gate_reason_no_grant, established_gone);
}

TEST_CASE("a forged FIN or reset does not end a session that was adopted half-closed") {
  World world;
  gate_flow adopted{};
  adopted.tuple = world.flow().tuple;
  adopted.opened_coarse_ns = world.flow().opened_coarse_ns;
  adopted.flags = GATE_FLOW_ADOPTED;
  adopted.machine.flags = GATE_SIDE_FIN;
  world.ssh.put_established(world.gate, adopted);
  expect(world.gate, world.ssh.in({.seq = 0, .acknowledgment = 0, .flags = fin | ack}), gate_reason_flow);
  expect(world.gate, world.ssh.in({.seq = 0, .flags = rst}), gate_reason_flow);
  CHECK((world.flow().client.flags & (GATE_SIDE_FIN | GATE_SIDE_RST)) == 0);
  // The real one counts, once the machine has shown what it expects.
  learn(world.gate, world.ssh.reply(ack));
  expect(world.gate, world.ssh.send(fin | ack), gate_reason_flow);
  CHECK((world.flow().client.flags & GATE_SIDE_FIN) != 0);
}

TEST_CASE("FIN from one side alone does not close the connection") {
  World world;
  expect(world.gate, world.ssh.send(fin | ack), gate_reason_flow);
  world.age(linger + second, linger + second);
  expect(world.gate, world.ssh.send(ack), gate_reason_flow);
  learn(world.gate, world.ssh.reply(psh | ack, 1000));
  expect(world.gate, world.ssh.send(ack), gate_reason_flow);
}

TEST_CASE("a new SYN after the close needs a grant") {
  World world;
  world.close();
  expect(world.gate, world.ssh.in({.seq = 88000, .flags = syn}), gate_reason_no_grant);
  world.gate.admit(world.service);
  expect(world.gate, world.ssh.in({.seq = 88000, .flags = syn}), gate_reason_grant, half_open_created);
}

TEST_CASE("a reset from outside counts only if it is exactly what the machine expects next") {
  World world;
  learn(world.gate, world.ssh.reply(ack));
  for (const std::uint32_t off : {1U, 100U, 0xffffffffU, 0x80000000U, 5000U}) {
    INFO("off by " << off);
    expect(world.gate, world.ssh.in({.seq = world.ssh.client_next + off, .flags = rst}), gate_reason_flow);
    CHECK((world.flow().client.flags & GATE_SIDE_RST) == 0);
  }
  world.age(linger + second, linger + second);
  expect(world.gate, world.ssh.send(ack), gate_reason_flow);
  expect(world.gate, world.ssh.in({.seq = world.ssh.client_next, .flags = rst}), gate_reason_flow);
  CHECK((world.flow().client.flags & GATE_SIDE_RST) != 0);
  world.age(linger + second, linger + second);
  expect(world.gate, world.ssh.send(ack), gate_reason_no_grant, established_gone);
}

TEST_CASE("forged numbers from outside cannot make a forged reset count") {
  World world;
  learn(world.gate, world.ssh.reply(ack));
  // First far-off data, then a reset right behind it: the machine still expects what it acknowledged.
  expect(world.gate, world.ssh.in({.seq = 0x70000000, .acknowledgment = 1, .flags = psh | ack}, 10), gate_reason_flow);
  expect(world.gate, world.ssh.in({.seq = 0x7000000a, .flags = rst}), gate_reason_flow);
  CHECK((world.flow().client.flags & GATE_SIDE_RST) == 0);
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
}

TEST_CASE("a reset of the machine ends the connection") {
  World world;
  learn(world.gate, world.ssh.reply(rst));
  CHECK((world.flow().machine.flags & GATE_SIDE_RST) != 0);
  world.age(linger + second, linger + second);
  expect(world.gate, world.ssh.send(ack), gate_reason_no_grant, established_gone);
}

TEST_CASE("a long idle session lives, and after the idle time it is gone") {
  World world;
  world.age(tcp_idle - tolerance, tcp_idle - tolerance);
  expect(world.gate, world.ssh.send(ack), gate_reason_flow);
  CHECK(now_coarse_ns() - world.flow().client.last_seen_coarse_ns < tolerance);
  world.age(tcp_idle + second, tcp_idle + second);
  expect(world.gate, world.ssh.send(ack), gate_reason_no_grant, established_gone);
}

TEST_CASE("the packets of either side keep a TCP session alive") {
  World world;
  world.age(tcp_idle + second, 0);
  expect(world.gate, world.ssh.send(ack), gate_reason_flow);
  world.age(0, tcp_idle + second);
  expect(world.gate, world.ssh.send(ack), gate_reason_flow);
}

TEST_CASE("idle times are those of the configuration") {
  World world;
  world.gate.configure([](gate_config& config) { config.tcp_established_idle_ns = 10 * second; });
  world.age(5 * second, 5 * second);
  expect(world.gate, world.ssh.send(ack), gate_reason_flow);
  world.age(11 * second, 11 * second);
  expect(world.gate, world.ssh.send(ack), gate_reason_no_grant, established_gone);
}

TEST_CASE("a machine's late packet does not raise the dead") {
  World world;
  world.age(tcp_idle + second, tcp_idle + second);
  world.gate.answer(world.ssh.reply(psh | ack, 10).bytes());
  expect_tidying(world.gate, world.ssh.send(ack), gate_reason_no_grant);
}

TEST_CASE("what a dead entry held, a live grant takes up again") {
  World world;
  world.age(tcp_idle + second, tcp_idle + second);
  world.gate.admit(world.service);
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_grant, {.half_open = 1, .established = -1});
}

TEST_CASE("a half-open flow dies of idleness, too") {
  Gate& gate = Gate::fresh();
  gate.admit(gate.guard());
  Connection ssh;
  expect(gate, ssh.send(syn), gate_reason_grant, half_open_created);
  learn(gate, ssh.reply(syn | ack));
  gate_flow older = ssh.half_open(gate).value();
  older.client.last_seen_coarse_ns -= half_open_idle + second;
  older.machine.last_seen_coarse_ns -= half_open_idle + second;
  ssh.put_half_open(gate, older);
  // The grant is live: it begins again in mid-connection, and the old SYN-ACK is no proof any more.
  const Judged judged = gate.judge(ssh.send(ack).bytes());
  CHECK(text_of(judged.reasons) == "grant");
  CHECK_FALSE(ssh.established(gate).has_value());
}
