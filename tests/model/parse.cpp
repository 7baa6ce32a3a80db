// SPDX-License-Identifier: Apache-2.0
// Where DESIGN and the RFCs leave it open, the model takes the programs' side on these points:
//  - UDP's own length field is not looked at; the datagram ends where IP says.
//  - a chain of more than eight IPv6 extension headers counts as unreadable; so do fragments within fragments.
//  - IPv4 with one authentication header is read as far as the ports behind it.
//  - an ICMP error in fragments counts as unreadable; ND and MLD in fragments are ordinary ICMPv6 (RFC 6980).
//  - DHCP is known by the port it goes to alone.
#include "tests/model/parse.hpp"

namespace postern::model {
namespace {

using Bytes = std::span<const std::uint8_t>;

std::uint16_t be16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

std::uint32_t be32(Bytes bytes, std::size_t at) {
  return static_cast<std::uint32_t>(be16(bytes, at)) << 16 | be16(bytes, at + 2);
}

Address address_at(Bytes bytes, std::size_t at, std::size_t size) {
  Address out{};
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, out.begin());
  return out;
}

bool is_tag(std::uint16_t type) {
  return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}
bool is_ip(std::uint16_t type) {
  return type == 0x0800 || type == 0x86dd;
}
bool is_length(std::uint16_t type) {
  return type < 0x0600;
}

bool llc_hides_ip(Bytes llc) {
  if (llc.empty()) return false;
  const int sap = llc[0] & 0xfe;  // the lowest bit only says "group"
  if (sap == 0x06) return true;
  if (sap != 0xaa || llc.size() < 8) return false;
  const std::uint32_t organization = be32(llc, 2) & 0xffffff;  // RFC 1042, and 802.1H's bridge tunnel
  const std::uint16_t type = be16(llc, 6);
  return (organization == 0 || organization == 0xf8) && (is_ip(type) || is_tag(type));
}

struct Extension {
  bool known = false, whole = false;
  std::size_t size = 0;
  std::uint8_t next = 0;
};

constexpr int extensions_max = 8;

bool is_extension(std::uint8_t protocol) {
  return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 || protocol == 60;
}

// The extension header at the beginning of the bytes; not whole if it reaches beyond them.
Extension extension_at(std::uint8_t protocol, Bytes bytes) {
  Extension out{.known = is_extension(protocol)};
  if (!out.known || bytes.size() < 8) return out;
  out.next = bytes[0];
  out.size = protocol == 44 ? 8 : protocol == 51 ? (bytes[1] + 2U) * 4 : (bytes[1] + 1U) * 8;
  out.whole = out.size <= bytes.size();
  return out;
}

Kind too_short(const Parsed& packet) {
  return packet.first_fragment ? Kind::cut_fragment : Kind::malformed;
}

// The tuple of a quoted packet, turned around. Quotes are short: their own lengths are not compared.
Kind read_quote(Bytes quote, Parsed& packet) {
  const int family = packet.tuple.family;
  const std::size_t fixed = family == 4 ? 20 : 40;
  if (quote.size() < fixed || quote[0] >> 4 != family) return Kind::malformed;
  std::size_t header = fixed;
  std::uint8_t protocol = 0;
  Tuple tuple{.family = family};
  if (family == 4) {
    header = (quote[0] & 15U) * 4;
    if (header < 20 || header > quote.size() || (be16(quote, 6) & 0x1fff) != 0) return Kind::malformed;
    protocol = quote[9];
    tuple.machine = address_at(quote, 12, 4);
    tuple.client = address_at(quote, 16, 4);
  } else {
    protocol = quote[6];
    tuple.machine = address_at(quote, 8, 16);
    tuple.client = address_at(quote, 24, 16);
  }
  // An error goes to whom the packet came from (RFC 1122, 3.2.2; RFC 4443, 2.2): else it is about somebody else's.
  if (tuple.machine != packet.tuple.machine) return Kind::malformed;
  Bytes rest = quote.subspan(header);
  for (int i = 0; family == 6 && i < extensions_max && is_extension(protocol); ++i) {
    const Extension extension = extension_at(protocol, rest);
    if (!extension.whole || (protocol == 44 && (be16(rest, 2) & 0xfff8) != 0)) return Kind::malformed;
    protocol = extension.next;
    rest = rest.subspan(extension.size);
  }
  if (protocol != 6 && protocol != 17) return is_extension(protocol) ? Kind::malformed : Kind::portless;
  if (rest.size() < 4) return Kind::malformed;
  tuple.protocol = protocol;
  tuple.machine_port = be16(rest, 0);
  tuple.client_port = be16(rest, 2);
  packet.tuple = tuple;
  return Kind::error;
}

Kind read_icmp(Bytes icmp, Parsed& packet) {
  if (icmp.size() < 8) return packet.first_fragment ? Kind::cut_fragment : Kind::portless;
  const int type = icmp[0];
  bool error = type >= 1 && type <= 4;
  if (packet.tuple.family == 4) {
    error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
  } else if (!packet.first_fragment && ((type >= 130 && type <= 137) || type == 143)) {
    return Kind::link_control;
  }
  if (!error) return Kind::portless;
  return packet.first_fragment ? Kind::malformed : read_quote(icmp.subspan(8), packet);
}

Kind read_tcp(Bytes tcp, Parsed& packet) {
  if (tcp.size() < 20) return too_short(packet);
  const std::size_t header = (tcp[12] >> 4) * 4U;
  if (header < 20) return Kind::malformed;
  if (header > tcp.size()) return too_short(packet);
  packet.tuple.client_port = be16(tcp, 0);
  packet.tuple.machine_port = be16(tcp, 2);
  packet.sequence = be32(tcp, 4);
  packet.acknowledgment = be32(tcp, 8);
  packet.fin = tcp[13] & 1;
  packet.syn = tcp[13] & 2;
  packet.rst = tcp[13] & 4;
  packet.ack = tcp[13] & 16;
  packet.data_bytes = static_cast<std::uint32_t>(tcp.size() - header);
  return Kind::ported;
}

Kind read_udp(Bytes udp, Parsed& packet) {
  if (udp.size() < 8) return too_short(packet);
  packet.tuple.client_port = be16(udp, 0);
  packet.tuple.machine_port = be16(udp, 2);
  packet.data_bytes = static_cast<std::uint32_t>(udp.size() - 8);
  const int server = packet.tuple.family == 4 ? 67 : 547, client = packet.tuple.family == 4 ? 68 : 546;
  const bool dhcp = packet.tuple.machine_port == server || packet.tuple.machine_port == client;
  return dhcp && !packet.first_fragment ? Kind::link_control : Kind::ported;
}

Kind read_transport(std::uint8_t protocol, Bytes payload, Parsed& packet) {
  packet.tuple.protocol = protocol;
  if (protocol == 6) return read_tcp(payload, packet);
  if (protocol == 17) return read_udp(payload, packet);
  if (protocol == (packet.tuple.family == 4 ? 1 : 58)) return read_icmp(payload, packet);
  if (protocol == 4 || protocol == 41 || protocol == 47) return Kind::tunnel;
  return Kind::portless;
}

Kind read_ipv4(Bytes ip, Parsed& packet) {
  packet.tuple.family = 4;
  if (ip.size() < 20) return Kind::malformed;
  packet.tuple.client = address_at(ip, 12, 4);
  packet.tuple.machine = address_at(ip, 16, 4);
  const std::size_t header = (ip[0] & 15U) * 4, total = be16(ip, 2);
  if (ip[0] >> 4 != 4 || header < 20 || total < header || total > ip.size()) return Kind::malformed;
  packet.ip_bytes = static_cast<std::uint32_t>(total);
  Bytes payload = ip.subspan(header, total - header);
  std::uint8_t protocol = ip[9];
  const std::uint32_t offset = (be16(ip, 6) & 0x1fffU) * 8;
  const bool more = be16(ip, 6) & 0x2000;
  if (more || offset > 0) {
    std::memcpy(&packet.fragment_id_be, "\0\0\0\0", 4);
    std::memcpy(&packet.fragment_id_be, &ip[4], 2);
    packet.fragment_protocol = protocol;
    packet.fragment_begin = offset;
    packet.fragment_end = offset + static_cast<std::uint32_t>(payload.size());
    packet.first_fragment = offset == 0;
    if (offset > 0) return Kind::later_fragment;
  }
  if (protocol == 51) {
    const Extension authentication = extension_at(protocol, payload);
    if (!authentication.whole) return too_short(packet);
    protocol = authentication.next;
    if (protocol == 51) return Kind::malformed;
    payload = payload.subspan(authentication.size);
  }
  return read_transport(protocol, payload, packet);
}

Kind read_ipv6(Bytes ip, Parsed& packet) {
  packet.tuple.family = 6;
  if (ip.size() < 40) return Kind::malformed;
  packet.tuple.client = address_at(ip, 8, 16);
  packet.tuple.machine = address_at(ip, 24, 16);
  const std::size_t length = be16(ip, 4);
  packet.ip_bytes = static_cast<std::uint32_t>(length + 40);
  if (ip[0] >> 4 != 6 || length + 40 > ip.size()) return Kind::malformed;
  Bytes payload = ip.subspan(40, length);
  std::uint8_t protocol = ip[6];
  for (int i = 0; is_extension(protocol); ++i) {
    if (i == extensions_max) return Kind::malformed;
    const Extension extension = extension_at(protocol, payload);
    if (!extension.whole) return too_short(packet);
    const Bytes header = payload;
    payload = payload.subspan(extension.size);
    const bool fragment = protocol == 44 && (be16(header, 2) & 0xfff9) != 0;  // else atomic: a whole packet (RFC 6946)
    protocol = extension.next;
    if (!fragment) continue;
    if (packet.first_fragment) return Kind::malformed;
    std::memcpy(&packet.fragment_id_be, &header[4], 4);
    packet.fragment_begin = be16(header, 2) & 0xfff8U;
    packet.fragment_end = packet.fragment_begin + static_cast<std::uint32_t>(payload.size());
    packet.first_fragment = packet.fragment_begin == 0;
    if (!packet.first_fragment) return Kind::later_fragment;
  }
  return read_transport(protocol, payload, packet);
}

}  // namespace

Parsed parse(Bytes frame) {
  Parsed packet;
  if (frame.size() < 14) return packet;
  std::uint16_t type = be16(frame, 12);
  Bytes rest = frame.subspan(14);
  for (int tags = 0; is_tag(type); ++tags) {
    // A tag too many: what stands behind it is not believed, and a further tag might hide anything.
    const bool too_many = tags == 2;
    if (rest.size() < 4) return packet.kind = too_many ? Kind::hidden : Kind::not_ip, packet;
    type = be16(rest, 2);
    rest = rest.subspan(4);
    if (too_many) {
      const bool hides = is_ip(type) || is_tag(type) || (is_length(type) && llc_hides_ip(rest));
      return packet.kind = hides ? Kind::hidden : Kind::not_ip, packet;
    }
  }
  if (type == 0x0800)
    packet.kind = read_ipv4(rest, packet);
  else if (type == 0x86dd)
    packet.kind = read_ipv6(rest, packet);
  else if (is_length(type) && llc_hides_ip(rest))
    packet.kind = Kind::hidden;
  return packet;
}

}  // namespace postern::model
