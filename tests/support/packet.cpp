// SPDX-License-Identifier: Apache-2.0
// Encodes the headers of packet.hpp, the innermost first, so that every length is known when it is written.
#include "tests/support/packet.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace postern::test {
namespace {

template <class... Callables>
struct Overloaded : Callables... {
  using Callables::operator()...;
};

class Writer {
 public:
  Writer& u8(unsigned value) {
    out_.push_back(static_cast<std::uint8_t>(value));
    return *this;
  }
  Writer& u16(unsigned value) { return u8(value >> 8).u8(value & 0xff); }
  Writer& u32(std::uint32_t value) { return u16(value >> 16).u16(value & 0xffff); }
  template <class Range>
  Writer& raw(const Range& bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer& zeros(std::size_t size) {
    out_.insert(out_.end(), size, 0);
    return *this;
  }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

std::uint32_t sum(const Bytes& bytes, std::uint32_t start = 0) {
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    start += static_cast<std::uint32_t>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0U);
  }
  return start;
}

std::uint16_t folded(std::uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void put16(Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value & 0xff);
}

Bytes words(Bytes options) {
  options.resize((options.size() + 3) / 4 * 4);
  return options;
}

}  // namespace

Ip4::Ip4(const char* text) {
  if (inet_pton(AF_INET, text, bytes.data()) != 1) throw std::invalid_argument(text);
}

Ip6::Ip6(const char* text) {
  if (inet_pton(AF_INET6, text, bytes.data()) != 1) throw std::invalid_argument(text);
}

std::uint16_t Packet::ethertype_of(std::size_t index, std::size_t tail_size) const {
  if (index >= layers_.size()) return 0x88b5;  // local experimental
  return std::visit(
      Overloaded{[](const Vlan& vlan) { return vlan.tpid; },
                 [&](const Llc&) { return static_cast<std::uint16_t>(tail_size); },
                 [&](const Snap&) { return static_cast<std::uint16_t>(tail_size); },
                 [](const Mpls&) { return std::uint16_t{0x8847}; }, [](const Pppoe&) { return std::uint16_t{0x8864}; },
                 [](const Arp&) { return std::uint16_t{0x0806}; }, [](const Ipv4&) { return std::uint16_t{0x0800}; },
                 [](const Ipv6&) { return std::uint16_t{0x86dd}; }, [](const auto&) { return std::uint16_t{0x88b5}; }},
      layers_[index]);
}

std::uint8_t Packet::protocol_of(std::size_t index) const {
  if (index >= layers_.size()) return no_next;
  return std::visit(
      Overloaded{[](const Tcp&) -> std::uint8_t { return tcp; }, [](const Udp&) -> std::uint8_t { return udp; },
                 [](const Icmp&) -> std::uint8_t { return icmp; }, [](const Icmp6&) -> std::uint8_t { return icmp6; },
                 [](const Ipv4&) -> std::uint8_t { return ipip; },
                 [](const Ipv6&) -> std::uint8_t { return ipv6_in_ip; }, [](const Gre&) -> std::uint8_t { return gre; },
                 [](const Extension& extension) { return extension.type; },
                 [](const Fragment&) -> std::uint8_t { return fragment_header; },
                 [](const auto&) -> std::uint8_t { return 253; }},
      layers_[index]);
}

std::uint16_t Packet::transport_checksum(std::size_t index, std::uint8_t protocol, const Bytes& segment) const {
  std::uint32_t pseudo = protocol + static_cast<std::uint32_t>(segment.size());
  for (std::size_t i = index; i-- > 0;) {
    const auto add = [&](const auto& ip) {
      pseudo = sum(Bytes(ip.source.bytes.begin(), ip.source.bytes.end()), pseudo);
      pseudo = sum(Bytes(ip.destination.bytes.begin(), ip.destination.bytes.end()), pseudo);
    };
    if (const auto* v4 = std::get_if<Ipv4>(&layers_[i])) return add(*v4), folded(sum(segment, pseudo));
    if (const auto* v6 = std::get_if<Ipv6>(&layers_[i])) return add(*v6), folded(sum(segment, pseudo));
  }
  return 0;
}

namespace {

Bytes encode_ipv4(const Ipv4& ip, std::uint8_t next, std::size_t tail_size) {
  const Bytes options = words(ip.options);
  const std::size_t size = 20 + options.size();
  const unsigned flags = (ip.more ? 0x2000U : 0U) | (ip.offset / 8U);
  Bytes header = Writer{}
                     .u8(static_cast<unsigned>(ip.version << 4) | ip.ihl.value_or(static_cast<std::uint8_t>(size / 4)))
                     .u8(0)
                     .u16(ip.total_length.value_or(static_cast<std::uint16_t>(size + tail_size)))
                     .u16(ip.id)
                     .u16(flags)
                     .u8(ip.ttl)
                     .u8(ip.protocol.value_or(next))
                     .u16(0)
                     .raw(ip.source.bytes)
                     .raw(ip.destination.bytes)
                     .raw(options)
                     .take();
  put16(header, 10, folded(sum(header)));
  return header;
}

Bytes encode_ipv6(const Ipv6& ip, std::uint8_t next, std::size_t tail_size) {
  return Writer{}
      .u32(static_cast<std::uint32_t>(ip.version) << 28)
      .u16(ip.payload_length.value_or(static_cast<std::uint16_t>(tail_size)))
      .u8(ip.next.value_or(next))
      .u8(ip.hop_limit)
      .raw(ip.source.bytes)
      .raw(ip.destination.bytes)
      .take();
}

Bytes encode_tcp(const Tcp& tcp) {
  const Bytes options = words(tcp.options);
  const auto offset = tcp.data_offset.value_or(static_cast<std::uint8_t>(5 + options.size() / 4));
  return Writer{}
      .u16(tcp.source)
      .u16(tcp.destination)
      .u32(tcp.seq)
      .u32(tcp.acknowledgment)
      .u8(static_cast<unsigned>(offset << 4) | (tcp.ninth_flag ? 1U : 0U))
      .u8(tcp.flags)
      .u16(64240)
      .u32(0)
      .raw(options)
      .take();
}

Bytes encode_extension(const Extension& extension, std::uint8_t next) {
  const std::size_t length = extension.type == auth_header ? extension.size / 4 - 2 : extension.size / 8 - 1;
  Writer header;
  header.u8(extension.next.value_or(next)).u8(extension.length.value_or(static_cast<std::uint8_t>(length)));
  if (extension.size >= 4) header.u8(1).u8(static_cast<std::uint8_t>(extension.size - 4));  // PadN over the rest
  return header.zeros(extension.size > 4 ? extension.size - 4 : 0).take();
}

Bytes joined(Bytes head, const Bytes& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

}  // namespace

Bytes Packet::encode(std::size_t index, const Bytes& tail) const {
  const auto next = protocol_of(index + 1);
  const auto type = [&](const std::optional<std::uint16_t>& own) {
    return own.value_or(ethertype_of(index + 1, tail.size()));
  };
  const auto checked = [&](Bytes segment, std::uint8_t protocol, std::size_t at) {
    put16(segment, at, transport_checksum(index, protocol, segment));
    return segment;
  };
  return std::visit(
      Overloaded{
          [&](const Ethernet& e) {
            return joined(Writer{}.raw(e.destination).raw(e.source).u16(type(e.type)).take(), tail);
          },
          [&](const Vlan& v) { return joined(Writer{}.u16(v.tag).u16(type(v.type)).take(), tail); },
          [&](const Llc& l) { return joined(Writer{}.u8(l.sap).u8(l.sap).u8(3).take(), tail); },
          [&](const Snap& s) {
            return joined(Writer{}.u8(0xaa).u8(0xaa).u8(3).zeros(3).u16(type(s.type)).take(), tail);
          },
          [&](const Mpls&) { return joined(Writer{}.u32(0x00010140).take(), tail); },
          [&](const Pppoe&) {
            const bool v6 = type({}) == 0x86dd;
            return joined(Writer{}
                              .u16(0x1100)
                              .u16(1)
                              .u16(static_cast<unsigned>(tail.size()) + 2)
                              .u16(v6 ? 0x0057 : 0x0021)
                              .take(),
                          tail);
          },
          [&](const Arp&) { return joined(Writer{}.u16(1).u16(0x0800).u16(0x0604).u16(1).zeros(20).take(), tail); },
          [&](const Gre& g) {
            Writer header;
            header.u16(g.key ? 0x2000 : 0).u16(type({}));
            if (g.key) header.u32(*g.key);
            return joined(header.take(), tail);
          },
          [&](const Ipv4& ip) { return joined(encode_ipv4(ip, next, tail.size()), tail); },
          [&](const Ipv6& ip) { return joined(encode_ipv6(ip, next, tail.size()), tail); },
          [&](const Extension& e) { return joined(encode_extension(e, next), tail); },
          [&](const Fragment& f) {
            const unsigned offset = (f.offset & 0xfff8U) | (f.more ? 1U : 0U);
            return joined(Writer{}.u8(f.next.value_or(next)).u8(0).u16(offset).u32(f.id).take(), tail);
          },
          [&](const Tcp& t) { return checked(joined(encode_tcp(t), tail), tcp, 16); },
          [&](const Udp& u) {
            const auto length = u.length.value_or(static_cast<std::uint16_t>(8 + tail.size()));
            Bytes segment = joined(Writer{}.u16(u.source).u16(u.destination).u16(length).u16(0).take(), tail);
            segment = checked(std::move(segment), udp, 6);
            if (u.checksum) put16(segment, 6, *u.checksum);
            return segment;
          },
          [&](const Icmp& i) {
            Bytes message = joined(Writer{}.u8(i.type).u8(i.code).u16(0).u32(i.rest).take(), tail);
            put16(message, 2, folded(sum(message)));
            return message;
          },
          [&](const Icmp6& i) {
            return checked(joined(Writer{}.u8(i.type).u8(i.code).u16(0).u32(i.rest).take(), tail), icmp6, 2);
          },
          [&](const Payload& p) { return joined(p.bytes, tail); },
      },
      layers_[index]);
}

Bytes Packet::bytes() const {
  Bytes out;
  for (std::size_t i = layers_.size(); i-- > 0;) out = encode(i, out);
  return out;
}

Payload data(std::size_t size) {
  Payload out;
  for (std::size_t i = 0; i < size; ++i) out.bytes.push_back(static_cast<std::uint8_t>(0xd0 + i % 16));
  return out;
}

Payload quote(const Packet& packet, std::size_t size) {
  return Payload{truncated(packet.bytes(), size)};
}

Bytes padded(Bytes frame, std::size_t size) {
  frame.resize(std::max(frame.size(), size));
  return frame;
}

Bytes truncated(Bytes frame, std::size_t size) {
  frame.resize(std::min(frame.size(), size));
  return frame;
}

std::string hex(const Bytes& bytes) {
  std::string out;
  char buffer[8];
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::snprintf(buffer, sizeof buffer, "%02x%s", bytes[i], i % 16 == 15 ? "\n" : " ");
    out += buffer;
  }
  return out;
}

}  // namespace postern::test
