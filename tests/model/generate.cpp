// SPDX-License-Identifier: Apache-2.0
#include "tests/model/generate.hpp"

#include "tests/model/world.hpp"

namespace postern::model {
namespace {

constexpr std::uint8_t fin = 1, syn = 2, rst = 4, psh = 8, ack = 16;
constexpr int steps_min = 60, steps_more = 200;

class Author {
 public:
  Author(Random& random, Story& story) : random_{random}, story_{story}, world_{random, story} {}

  void step() {
    const auto what = random_.below(100);
    if (what < 60) return converse(random_.pick(world_.connections));
    if (what < 72) return anything();
    if (what < 82) return pieces();
    if (what < 90) return error();
    if (what < 96) return world_.change();
    if (what < 98) story_.push_back({.verb = Step::age, .number = age_unit});
  }

 private:
  // A packet of the connection as its stacks would send it next, or not quite.
  void converse(Connection& connection) {
    if (connection.tuple.protocol == 17) {
      const Way way{connection.tuple, random_.percent(55)};
      return send(way, 17, udp_bytes(random_, way, random_.below(30)));
    }
    Way way{connection.tuple, random_.percent(55)};
    std::uint8_t flags = ack;
    std::size_t data = random_.percent(60) ? random_.below(40) : 0;
    if (random_.percent(80) && connection.stage < 3) {  // the handshake's next packet
      way.from_client = (connection.stage != 1) != connection.machine_opens;
      flags = connection.stage == 0 ? syn : connection.stage == 1 ? syn | ack : ack;
      if (connection.stage < 2) data = 0;
      ++connection.stage;
    } else if (random_.percent(12)) {
      flags = random_.one_of<std::uint8_t>({fin | ack, fin | ack, rst, rst | ack, syn, syn | ack, 0, psh});
    } else if (random_.percent(2)) {
      flags = static_cast<std::uint8_t>(random_());
    }
    if (random_.percent(2)) connection.stage = 0;
    std::uint32_t& next = way.from_client ? connection.client_next : connection.machine_next;
    const std::uint32_t peer_next = way.from_client ? connection.machine_next : connection.client_next;
    Segment segment{next, flags & ack ? peer_next : 0, flags, data};
    if (random_.percent(12)) {
      segment.sequence += wrong();
    } else if (random_.percent(12)) {
      segment.acknowledgment += wrong();
    } else {
      next += static_cast<std::uint32_t>(data) + (flags & syn ? 1 : 0) + (flags & fin ? 1 : 0);
    }
    send(way, 6, tcp_bytes(random_, way, segment));
  }

  std::uint32_t wrong() {
    return random_.one_of<std::uint32_t>({1, 2, 0xffffffff, 0xffffffe0, 100, (1U << 22) - 1, 1U << 22, 0U - (1U << 22),
                                          0U - (1U << 22) - 1, 0x7fffffff, 0x80000000, 0x80000001,
                                          static_cast<std::uint32_t>(random_())});
  }

  void anything() {
    Way way{random_.pick(world_.connections).tuple, random_.percent(85)};
    if (random_.percent(10)) way.tuple.machine_port = static_cast<std::uint16_t>(random_());
    const std::uint8_t icmp = way.tuple.family == 4 ? 1 : 58;
    const auto protocol =
        random_.one_of<std::uint8_t>({6, 17, icmp, icmp, 4, 41, 47, 50, 59, 132, static_cast<std::uint8_t>(random_())});
    const auto flags = random_.percent(50) ? random_.one_of<std::uint8_t>({syn, ack, syn | ack, rst, fin, 0})
                                           : static_cast<std::uint8_t>(random_());
    Bytes payload;
    if (protocol == 6)
      payload = tcp_bytes(
          random_, way,
          {static_cast<std::uint32_t>(random_()), static_cast<std::uint32_t>(random_()), flags, random_.below(20)});
    else if (protocol == 17)
      payload = udp_bytes(random_, way, random_.below(20));
    else if (protocol == icmp)
      payload = icmp_bytes(random_, way.tuple.family);
    else
      payload.resize(random_.below(40), 0x45);
    send(way, protocol, payload);
  }

  // One piece of a datagram; few ids, so that pieces meet.
  void pieces() {
    const Tuple& tuple = random_.pick(world_.connections).tuple;
    const Way way{tuple, random_.percent(95)};
    Piece piece{static_cast<std::uint32_t>(random_.below(2)), 0, random_.percent(90)};
    Bytes payload;
    if (random_.percent(50)) {
      payload =
          tuple.protocol == 17
              ? udp_bytes(random_, way, 8 * random_.below(6))
              : tcp_bytes(random_, way, {1000, 0, random_.one_of<std::uint8_t>({syn, ack}), 4 + 8 * random_.below(4)});
      if (random_.percent(15)) payload.resize(random_.below(payload.size()));
      if (random_.percent(10)) payload = icmp_bytes(random_, tuple.family);
    } else {
      piece.offset = static_cast<std::uint16_t>(8 * random_.below(8));
      piece.more = random_.percent(50);
      payload.resize(8 + random_.below(24), 0xd0);
    }
    const std::uint8_t other = tuple.family == 4 ? 1 : 58;
    const std::uint8_t protocol = random_.percent(90) ? tuple.protocol : random_.one_of<std::uint8_t>({other, 47});
    send_ip(way, ip_bytes(random_, way, protocol, payload, &piece));
  }

  void error() {
    const Tuple& about = random_.pick(world_.connections).tuple;
    Way way{about, true};
    if (random_.percent(10)) way.tuple = random_.pick(world_.connections).tuple;
    if (way.tuple.family != about.family) way.tuple = about;
    way.tuple.client = {203, 0, 113, 1};
    send(way, about.family == 4 ? 1 : 58, icmp_error_bytes(random_, about));
  }

  void send(const Way& way, std::uint8_t protocol, const Bytes& payload) {
    send_ip(way, ip_bytes(random_, way, protocol, payload));
  }

  void send_ip(const Way& way, const Bytes& ip) {
    Step step{.verb = way.from_client ? Step::in : Step::out, .frame = frame_bytes(random_, ip, way.tuple.family)};
    while (random_.percent(7)) spoil(random_, step.frame);
    if (step.verb == Step::out) {
      step.number = random_.percent(90) ? 0 : random_.below(4);
      step.sent_back = random_.percent(4);
    } else if (random_.percent(12)) {
      step.verb = Step::explain;
      step.number = random_.one_of<std::uint64_t>(
          {far_away - 1, far_away, far_away + 1, long_ago - 1, long_ago, long_ago + 1, 1, ~0ULL, ~0ULL - 1});
    }
    story_.push_back(std::move(step));
  }

  Random& random_;
  Story& story_;
  World world_;
};

}  // namespace

Story generate(std::uint64_t seed) {
  Random random{seed};
  Story story;
  Author author{random, story};
  for (auto steps = steps_min + random.below(steps_more); steps > 0; --steps) author.step();
  return story;
}

}  // namespace postern::model
