// SPDX-License-Identifier: Apache-2.0
// Frames by a grammar: link, tags, IP with options or extension headers, transport; mostly right, sometimes not. Quick
// rather than complete: checksums stay 0, since the gate looks at none.
#pragma once

#include "tests/model/parse.hpp"
#include "tests/model/random.hpp"
#include "tests/model/story.hpp"

namespace postern::model {

// One packet's way: a tuple, and whether the client sends it or the machine.
struct Way {
  Tuple tuple;
  bool from_client = true;
};

struct Segment {
  std::uint32_t sequence = 0, acknowledgment = 0;
  std::uint8_t flags = 0;
  std::size_t data = 0;
};

struct Piece {  // of a datagram
  std::uint32_t id = 0;
  std::uint16_t offset = 0;
  bool more = false;
};

Bytes tcp_bytes(Random& random, const Way& way, const Segment& segment);
Bytes udp_bytes(Random& random, const Way& way, std::size_t data);
Bytes icmp_bytes(Random& random, int family);
// An ICMP error about a packet of the machine's.
Bytes icmp_error_bytes(Random& random, const Tuple& about);
// IP around a payload, with options or extension headers now and then.
Bytes ip_bytes(Random& random, const Way& way, std::uint8_t protocol, const Bytes& payload,
               const Piece* piece = nullptr);
// A frame around an IP packet, with tags now and then.
Bytes frame_bytes(Random& random, const Bytes& ip, int family);
// Faults: bytes changed, cut off or added. At least 14 stay.
void spoil(Random& random, Bytes& frame);

}  // namespace postern::model
