// SPDX-License-Identifier: Apache-2.0
// Packets for tests, written as the headers they are made of: Ethernet{} / Ipv4{} / Tcp{.flags = syn}. Defaults are
// documentation addresses (RFC 5737, RFC 3849), a client and the machine's port 22; lengths, next-protocol numbers
// and checksums are computed unless a header states its own. Numbers are in host order, lengths in bytes. Knows
// nothing of the gate.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace postern::test {

using Bytes = std::vector<std::uint8_t>;
using Mac = std::array<std::uint8_t, 6>;

// Addresses from text; a text that is no address throws std::invalid_argument.
struct Ip4 {
  std::array<std::uint8_t, 4> bytes{};
  Ip4(const char* text);
};
struct Ip6 {
  std::array<std::uint8_t, 16> bytes{};
  Ip6(const char* text);
};

inline constexpr const char* client4 = "198.51.100.7";
inline constexpr const char* machine4 = "192.0.2.10";
inline constexpr const char* client6 = "2001:db8:c::7";
inline constexpr const char* machine6 = "2001:db8:a::10";
inline constexpr std::uint16_t client_port = 40000;

// TCP flags, and the protocol numbers the tests name.
inline constexpr std::uint8_t fin = 1, syn = 2, rst = 4, psh = 8, ack = 16, urg = 32, ece = 64, cwr = 128;
inline constexpr std::uint8_t hop_by_hop = 0, icmp = 1, ipip = 4, tcp = 6, udp = 17, ipv6_in_ip = 41, routing = 43,
                              fragment_header = 44, gre = 47, esp = 50, auth_header = 51, icmp6 = 58, no_next = 59,
                              destination_options = 60, sctp = 132, mobility = 135;

// Numbers for a range-for of the width that a header has.
using Octets = std::initializer_list<std::uint8_t>;
using Ports = std::initializer_list<std::uint16_t>;

struct Ethernet {
  Mac destination{0x02, 0, 0, 0, 0, 0x02};
  Mac source{0x02, 0, 0, 0, 0, 0x01};
  std::optional<std::uint16_t> type{};  // left out: of what follows; before LLC the IEEE 802.3 length
};
struct Vlan {
  std::uint16_t tag = 100;
  std::uint16_t tpid = 0x8100;  // what the header before it says
  std::optional<std::uint16_t> type{};
};
struct Llc {  // followed by IP at once if sap is 0x06; Snap stands for itself
  std::uint8_t sap = 0x06;
};
struct Snap {
  std::optional<std::uint16_t> type{};
};
struct Mpls {};
struct Pppoe {};
struct Arp {};
struct Gre {
  std::optional<std::uint32_t> key{};
};

struct Ipv4 {
  Ip4 source = client4;
  Ip4 destination = machine4;
  std::uint16_t id = 1;
  bool more = false;
  std::uint16_t offset = 0;  // of this fragment, in bytes (a multiple of 8)
  Bytes options{};           // padded to four bytes with zeros
  std::uint8_t ttl = 64;
  std::uint8_t version = 4;
  std::optional<std::uint8_t> ihl{};  // in words
  std::optional<std::uint16_t> total_length{};
  std::optional<std::uint8_t> protocol{};
};
struct Ipv6 {
  Ip6 source = client6;
  Ip6 destination = machine6;
  std::uint8_t version = 6;
  std::uint8_t hop_limit = 64;
  std::optional<std::uint16_t> payload_length{};
  std::optional<std::uint8_t> next{};
};
// Hop-by-hop, routing, destination options, mobility …: all of the shape next, length in 8 bytes - 1, body. The
// authentication header counts in 4 bytes - 2.
struct Extension {
  std::uint8_t type = destination_options;
  std::size_t size = 8;                  // whole header, a multiple of 8
  std::optional<std::uint8_t> length{};  // its length field
  std::optional<std::uint8_t> next{};
};
struct Fragment {
  std::uint32_t id = 1;
  std::uint16_t offset = 0;
  bool more = false;
  std::optional<std::uint8_t> next{};
};

struct Tcp {
  std::uint16_t source = client_port;
  std::uint16_t destination = 22;
  std::uint32_t seq = 1000;
  std::uint32_t acknowledgment = 0;
  std::uint8_t flags = syn;
  std::optional<std::uint8_t> data_offset{};  // in words
  Bytes options{};
  bool ninth_flag = false;  // the flag that was NS, RFC 9293's AE
};
struct Udp {
  std::uint16_t source = client_port;
  std::uint16_t destination = 22;
  std::optional<std::uint16_t> length{};
  std::optional<std::uint16_t> checksum{};
};
struct Icmp {
  std::uint8_t type = 8;
  std::uint8_t code = 0;
  std::uint32_t rest = 0;
};
struct Icmp6 {
  std::uint8_t type = 128;
  std::uint8_t code = 0;
  std::uint32_t rest = 0;
};
struct Payload {
  Bytes bytes{};
};

using Layer = std::variant<Ethernet, Vlan, Llc, Snap, Mpls, Pppoe, Arp, Gre, Ipv4, Ipv6, Extension, Fragment, Tcp, Udp,
                           Icmp, Icmp6, Payload>;

class Packet {
 public:
  Packet() = default;
  template <class Header>
  requires std::is_constructible_v<Layer, Header> Packet(Header header) : layers_{Layer{std::move(header)}} {}

  void append(const Packet& inner) { layers_.insert(layers_.end(), inner.layers_.begin(), inner.layers_.end()); }
  // The bytes on the wire, without frame check sequence and without padding.
  Bytes bytes() const;

 private:
  Bytes encode(std::size_t index, const Bytes& tail) const;
  std::uint16_t ethertype_of(std::size_t index, std::size_t tail_size) const;
  std::uint8_t protocol_of(std::size_t index) const;
  std::uint16_t transport_checksum(std::size_t index, std::uint8_t protocol, const Bytes& segment) const;

  std::vector<Layer> layers_;
};

template <class T>
concept Header = std::is_constructible_v<Packet, T>;

inline Packet operator/(Packet outer, const Header auto& inner) {
  outer.append(Packet{inner});
  return outer;
}
inline Packet operator/(const Header auto& outer, const Header auto& inner) {
  return Packet{outer} / Packet{inner};
}

// n bytes of a pattern that is no valid header of anything.
Payload data(std::size_t size);
// The first bytes of a packet as payload: what ICMP errors quote.
Payload quote(const Packet& packet, std::size_t size);
// The frame with zeros behind it up to a size (Ethernet's least is 60).
Bytes padded(Bytes frame, std::size_t size = 60);
// The first bytes of a frame.
Bytes truncated(Bytes frame, std::size_t size);
// Sixteen bytes a line, for failure messages.
std::string hex(const Bytes& bytes);

}  // namespace postern::test
