// SPDX-License-Identifier: Apache-2.0
// The packets of the other tests are what they say: a wrong builder would let every test below test something else.
#include <array>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/packet.hpp"

using namespace postern::test;

namespace {

// The one's complement sum over whole 16-bit words, with a pseudo header in front; 0xffff where the checksum is right.
std::uint32_t ones_sum(const Bytes& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0U);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

Bytes part(const Bytes& bytes, std::size_t from, std::size_t to) {
  return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(to));
}

}  // namespace

TEST_CASE("a TCP SYN over IPv4 is, byte for byte, what the documents say") {
  const Bytes frame = (Ethernet{} / Ipv4{} / Tcp{}).bytes();
  CHECK(hex(part(frame, 0, 16)) == "02 00 00 00 00 02 02 00 00 00 00 01 08 00 45 00\n");
  CHECK(hex(part(frame, 16, 24)) == "00 28 00 01 00 00 40 06 ");
  CHECK(hex(part(frame, 26, 34)) == "c6 33 64 07 c0 00 02 0a ");
  CHECK(hex(part(frame, 34, 50)) == "9c 40 00 16 00 00 03 e8 00 00 00 00 50 02 fa f0\n");
  CHECK(frame.size() == 54);
}

TEST_CASE("IPv4, TCP and UDP checksums add up, also over an odd number of bytes") {
  const Bytes ip = (Ipv4{.options = Bytes(7, 1)} / Udp{} / data(7)).bytes();
  CHECK(ones_sum(part(ip, 0, 28)) == 0xffff);
  Bytes pseudo = part(ip, 12, 20);
  pseudo.insert(pseudo.end(), {0, udp, 0, 15});
  const Bytes segment = part(ip, 28, ip.size());
  pseudo.insert(pseudo.end(), segment.begin(), segment.end());
  CHECK(segment.size() == 15);
  CHECK(ones_sum(pseudo) == 0xffff);
}

TEST_CASE("an IPv6 chain names each next header and counts all of them as payload") {
  const Bytes ip = (Ipv6{} / Extension{.type = hop_by_hop} / Extension{.type = routing, .size = 24} /
                    Fragment{.id = 7, .offset = 16, .more = true} / Udp{})
                       .bytes();
  CHECK(ip.size() == 40 + 8 + 24 + 8 + 8);
  CHECK(hex(part(ip, 4, 8)) == "00 30 00 40 ");
  CHECK(hex(part(ip, 40, 48)) == "2b 00 01 04 00 00 00 00 ");
  CHECK(hex(part(ip, 48, 50)) == "2c 02 ");
  CHECK(hex(part(ip, 72, 80)) == "11 00 00 11 00 00 00 07 ");
}

TEST_CASE("tags and SNAP name what follows them, and a length stands where IEEE 802.3 wants one") {
  const Bytes tagged = (Ethernet{} / Vlan{.tag = 5, .tpid = 0x88a8} / Vlan{.tag = 6} / Ipv4{}).bytes();
  CHECK(hex(part(tagged, 12, 22)) == "88 a8 00 05 81 00 00 06 08 00 ");
  const Bytes snap = (Ethernet{} / Snap{} / Ipv4{}).bytes();
  CHECK(hex(part(snap, 12, 22)) == "00 1c aa aa 03 00 00 00 08 00 ");
}
