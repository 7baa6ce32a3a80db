// SPDX-License-Identifier: Apache-2.0
#include "tests/model/frames.hpp"

namespace postern::model {
namespace {

void u8(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value));
}
void u16(Bytes& out, unsigned value) {
  u8(out, value >> 8 & 255), u8(out, value & 255);
}
void u32(Bytes& out, std::uint32_t value) {
  u16(out, value >> 16), u16(out, value & 0xffff);
}
void append(Bytes& out, const Bytes& tail) {
  out.insert(out.end(), tail.begin(), tail.end());
}
void fill(Bytes& out, std::size_t size, std::uint8_t byte = 0xd0) {
  out.insert(out.end(), size, byte);
}

std::uint16_t source_port(const Way& way) {
  return way.from_client ? way.tuple.client_port : way.tuple.machine_port;
}
std::uint16_t destination_port(const Way& way) {
  return way.from_client ? way.tuple.machine_port : way.tuple.client_port;
}

void addresses(Bytes& out, const Way& way) {
  const std::ptrdiff_t size = way.tuple.family == 4 ? 4 : 16;
  const Address& from = way.from_client ? way.tuple.client : way.tuple.machine;
  const Address& to = way.from_client ? way.tuple.machine : way.tuple.client;
  out.insert(out.end(), from.begin(), from.begin() + size);
  out.insert(out.end(), to.begin(), to.begin() + size);
}

// A chain of extension headers in front of `next`; sets `first` to the number of the first.
Bytes extensions(Random& random, std::uint8_t next, std::uint8_t& first) {
  Bytes out;
  std::uint64_t count = random.percent(80) ? 0 : 1 + random.below(3);
  if (random.percent(1)) count = 6 + random.below(4);
  for (; count > 0; --count) {
    const auto type = random.one_of<std::uint8_t>({0, 43, 60, 60, 51, 44});
    Bytes header;
    u8(header, next);
    if (type == 44) {
      u8(header, 0);
      u16(header, random.percent(90) ? 0 : static_cast<unsigned>(random() & 0xffff));  // atomic
      u32(header, 77);
    } else {
      const auto units = static_cast<unsigned>(random.percent(80) ? random.below(3) : random.below(9));
      u8(header, random.percent(97) ? units : units + 40);
      fill(header, type == 51 ? (units + 2) * 4 - 2 : (units + 1) * 8 - 2, 0);
    }
    append(header, out);
    out = std::move(header);
    next = type;
  }
  first = next;
  return out;
}

}  // namespace

Bytes tcp_bytes(Random& random, const Way& way, const Segment& segment) {
  Bytes out;
  const auto options = static_cast<unsigned>(random.percent(85) ? 0 : random.below(11));
  u16(out, source_port(way));
  u16(out, destination_port(way));
  u32(out, segment.sequence);
  u32(out, segment.acknowledgment);
  u8(out, (5 + options) << 4);
  u8(out, segment.flags);
  u16(out, 64240);
  u32(out, 0);
  fill(out, options * 4, 1);
  fill(out, segment.data);
  if (random.percent(1)) out[12] = static_cast<std::uint8_t>(random());
  return out;
}

Bytes udp_bytes(Random& random, const Way& way, std::size_t data) {
  Bytes out;
  u16(out, source_port(way));
  u16(out, destination_port(way));
  u16(out, static_cast<unsigned>(random.percent(95) ? 8 + data : random() & 0xffff));
  u16(out, 0);
  fill(out, data);
  return out;
}

Bytes icmp_bytes(Random& random, int family) {
  Bytes out;
  const auto any = static_cast<unsigned>(random() & 255);
  const auto v4 = random.one_of<unsigned>({8, 0, 3, 5, 11, 12, 4, 13, any});
  const auto v6 = random.one_of<unsigned>({128, 129, 133, 134, 135, 136, 137, 130, 131, 143, 1, 2, 3, 4, 138, any});
  u8(out, family == 4 ? v4 : v6);
  u8(out, 0);
  u16(out, 0);
  u32(out, 0);
  fill(out, random.below(40));
  if (random.percent(5)) out.resize(random.below(9));
  return out;
}

Bytes icmp_error_bytes(Random& random, const Tuple& about) {
  Bytes out;
  u8(out, about.family == 4 ? random.one_of<unsigned>({3, 3, 3, 11, 12, 5, 4}) : random.one_of<unsigned>({1, 2, 3, 4}));
  u8(out, 4);
  u16(out, 0);
  u32(out, 1280);
  const Way way{about, random.percent(8)};  // the machine sent it, if nobody lies
  const auto transport = about.protocol == 17 ? udp_bytes(random, way, 20) : tcp_bytes(random, way, {5, 6, 16, 4});
  const auto protocol = random.percent(95) ? about.protocol : random.one_of<std::uint8_t>({1, 58, 50, 47, 0, 51});
  const Piece piece{9, static_cast<std::uint16_t>(random.percent(70) ? 0 : 8), true};
  Bytes inner = ip_bytes(random, way, protocol, transport, random.percent(6) ? &piece : nullptr);
  if (random.percent(50)) inner.resize(std::min<std::size_t>(inner.size(), (about.family == 4 ? 28U : 48U)));
  if (random.percent(10)) inner.resize(random.below(inner.size() + 1));
  append(out, inner);
  return out;
}

Bytes ip_bytes(Random& random, const Way& way, std::uint8_t protocol, const Bytes& payload, const Piece* piece) {
  Bytes out;
  if (way.tuple.family == 4) {
    const auto options = static_cast<unsigned>(random.percent(90) ? 0 : random.below(11));
    Bytes authentication;
    if (random.percent(2)) {
      u8(authentication, protocol);
      u8(authentication, 4);
      fill(authentication, 22, 0);
      protocol = 51;
    }
    u8(out, 0x40 | (5 + options));
    u8(out, 0);
    u16(out, static_cast<unsigned>(20 + options * 4 + authentication.size() + payload.size()));
    u16(out, piece ? piece->id : 1);
    u16(out, piece ? (piece->more ? 0x2000U : 0U) | piece->offset / 8U : random.one_of<unsigned>({0, 0x4000}));
    u8(out, 64);
    u8(out, protocol);
    u16(out, 0);
    addresses(out, way);
    fill(out, options * 4, 1);
    append(out, authentication);
    append(out, payload);
    return out;
  }
  Bytes inner;
  std::uint8_t first = protocol;
  if (piece) {
    Bytes behind = extensions(random, protocol, first);
    Bytes fragment;
    u8(fragment, first);
    u8(fragment, 0);
    u16(fragment, (piece->offset & 0xfff8U) | (piece->more ? 1U : 0U));
    u32(fragment, piece->id);
    append(fragment, behind);
    first = 44;
    inner = std::move(fragment);
    if (random.percent(10)) {
      Bytes before = extensions(random, 44, first);
      append(before, inner);
      inner = std::move(before);
    }
  } else {
    inner = extensions(random, protocol, first);
  }
  append(inner, payload);
  u32(out, 0x60000000);
  u16(out, static_cast<unsigned>(inner.size()));
  u8(out, first);
  u8(out, 64);
  addresses(out, way);
  append(out, inner);
  return out;
}

Bytes frame_bytes(Random& random, const Bytes& ip, int family) {
  Bytes out{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
  const unsigned own = family == 4 ? 0x0800 : 0x86dd;
  std::uint64_t tags = random.percent(85) ? 0 : 1 + random.below(2);
  if (random.percent(1)) tags = 3 + random.below(3);
  for (; tags > 0; --tags) {
    u16(out, random.one_of<unsigned>({0x8100, 0x8100, 0x88a8, 0x9100, 0x9200}));
    u16(out, static_cast<unsigned>(random() & 0xffff));
  }
  const auto kind = random.below(200);
  if (kind == 0) {  // IEEE 802.3 with SNAP
    u16(out, static_cast<unsigned>(random.percent(90) ? ip.size() + 8 : random.below(0x610)));
    u16(out, random.one_of<unsigned>({0xaaaa, 0xaaaa, 0xabaa, 0x4242}));
    u8(out, 3);
    u16(out, 0);
    u8(out, random.one_of<unsigned>({0, 0, 0xf8, 1}));
    u16(out, random.one_of<unsigned>({own, own, 0x8100, 0x0806, 0x2000}));
  } else if (kind == 1) {  // IP straight behind LLC
    u16(out, static_cast<unsigned>(ip.size() + 3));
    u16(out, random.one_of<unsigned>({0x0606, 0x0707, 0xe0e0}));
    u8(out, 3);
  } else if (kind == 2) {
    u16(out, random.one_of<unsigned>(
                 {0x0806, 0x8847, 0x8864, 0x88cc, 0x05ff, 0x0600, 0x0801, static_cast<unsigned>(random() & 0xffff)}));
  } else {
    u16(out, own);
  }
  append(out, ip);
  if (random.percent(20)) fill(out, random.below(30), 0);
  return out;
}

void spoil(Random& random, Bytes& frame) {
  const auto any = [&](std::size_t from) { return from + random.below(frame.size() - from); };
  switch (random.below(4)) {
    case 0:  // anywhere behind the Ethernet addresses
      if (frame.size() > 12) frame[any(12)] = static_cast<std::uint8_t>(random());
      break;
    case 1:  // within the IP header, where lengths and fragments stand
      if (frame.size() > 14)
        frame[14 + random.below(std::min<std::size_t>(frame.size() - 14, 10))] = static_cast<std::uint8_t>(random());
      break;
    case 2:
      frame.resize(std::max<std::size_t>(14, any(0)));
      break;
    default: {
      auto& byte = frame[any(12)];
      byte = static_cast<std::uint8_t>(byte ^ 1U << random.below(8));
    }
  }
}

}  // namespace postern::model
