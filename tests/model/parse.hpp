// SPDX-License-Identifier: Apache-2.0
// The model's reading of a frame, by RFC 791, 8200, 9293, 768, 792, 4443 and IEEE 802.3/802.1Q.
#pragma once

#include <span>

#include "tests/model/tables.hpp"

namespace postern::model {

enum class Kind {
  not_ip,
  hidden,          // IP behind 802.3 LLC, or behind more tags than two
  malformed,       // IP that cannot be read as far as its ports
  cut_fragment,    // a first fragment that ends before its ports can be judged
  later_fragment,  // not a first fragment: its ports stand elsewhere
  link_control,    // neighbour discovery, multicast listeners, DHCP
  portless,
  tunnel,
  ported,  // TCP or UDP
  error,   // an ICMP error: the tuple is that of the packet it quotes, turned around
};

struct Tuple {
  int family = 0;
  Address client{}, machine{};
  std::uint16_t client_port = 0, machine_port = 0;
  std::uint8_t protocol = 0;
};

struct Parsed {
  Kind kind = Kind::not_ip;
  Tuple tuple;  // as an incoming packet has it: client is the source
  bool syn = false, ack = false, fin = false, rst = false;
  std::uint32_t sequence = 0, acknowledgment = 0;
  std::uint32_t data_bytes = 0;
  std::uint32_t ip_bytes = 0;
  bool first_fragment = false;  // more follow
  std::uint32_t fragment_id_be = 0, fragment_begin = 0, fragment_end = 0;
  std::uint8_t fragment_protocol = 0;

  bool tcp() const { return tuple.protocol == 6; }
  bool opens() const { return tcp() && syn && !ack; }
};

Parsed parse(std::span<const std::uint8_t> frame);

}  // namespace postern::model
