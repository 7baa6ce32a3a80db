// SPDX-License-Identifier: Apache-2.0
// The parser itself, native: each frame lies right before a page that nobody may read, so that reading one byte too
// many ends the process; under the asan preset it lies in a heap block of its own size as well. Frames under 14 bytes,
// which BPF_PROG_TEST_RUN refuses, are tried here only. Needs no root. (check 1, I8)
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <random>

#include "tests/support/catch.hpp"
#include "tests/support/frame_stacks.hpp"

using namespace postern::test;

namespace {

class GuardedPage {
 public:
  GuardedPage() : page_{static_cast<std::size_t>(sysconf(_SC_PAGESIZE))} {
    void* mapped = mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(mapped != MAP_FAILED);
    start_ = static_cast<std::uint8_t*>(mapped);
    REQUIRE(mprotect(start_ + page_, page_, PROT_NONE) == 0);
  }
  ~GuardedPage() { munmap(start_, 2 * page_); }
  GuardedPage(const GuardedPage&) = delete;
  GuardedPage& operator=(const GuardedPage&) = delete;

  native_packet parse(const Bytes& frame, std::size_t more = 0) const {
    std::uint8_t* at = start_ + page_ - frame.size();
    if (!frame.empty()) std::memcpy(at, frame.data(), frame.size());
    const native_packet packet = native_parse(at, frame.size(), frame.size() + more);
    const auto heap = std::make_unique<std::uint8_t[]>(frame.size());
    if (!frame.empty()) std::memcpy(heap.get(), frame.data(), frame.size());
    const native_packet again = native_parse(heap.get(), frame.size(), frame.size() + more);
    CHECK(std::memcmp(&packet, &again, sizeof packet) == 0);
    return packet;
  }

 private:
  std::size_t page_;
  std::uint8_t* start_ = nullptr;
};

}  // namespace

TEST_CASE("no beginning of any frame makes the parser read what is not there") {
  const GuardedPage page;
  for (const FrameStack& stack : frame_stacks()) {
    INFO(stack.name);
    const Bytes whole = stack.packet.bytes();
    CHECK(page.parse(whole).kind == stack.whole);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      INFO(size << " of " << whole.size() << " bytes");
      const native_packet packet = page.parse(truncated(whole, size));
      // IP says how long it is, so a frame that ends earlier shows no ports, whatever there is to see.
      if (stack.whole != native_not_ip && stack.whole != native_unreadable) {
        CHECK((packet.kind == native_not_ip || packet.kind == native_malformed || packet.kind == native_unreadable));
      }
      CHECK(packet.source_port == 0);
      CHECK(packet.destination_port == 0);
    }
  }
}

TEST_CASE("the length that IP states ends the packet, whatever lies behind it") {
  const GuardedPage page;
  for (const Packet& packet : {Packet{Ipv4{}} / Tcp{}, Packet{Ipv4{.options = Bytes(8, 1)}} / Udp{},
                               Packet{Ipv6{}} / Extension{} / Tcp{}, Packet{Ipv6{}} / Fragment{} / Udp{}}) {
    const Bytes ip = packet.bytes();
    const bool v6 = ip[0] >> 4 == 6;
    for (std::size_t size = v6 ? 40 : 20; size < ip.size(); ++size) {
      INFO("IPv" << (v6 ? 6 : 4) << ", " << size << " of " << ip.size() << " bytes");
      Bytes shorter = ip;
      shorter[v6 ? 5 : 3] = static_cast<std::uint8_t>(v6 ? size - 40 : size);
      const native_packet seen =
          page.parse((Packet{Ethernet{.type = v6 ? 0x86dd : 0x0800}} / Payload{shorter}).bytes());
      CHECK(seen.kind == native_malformed);
    }
  }
}

TEST_CASE("what is read is what was written") {
  const GuardedPage page;
  const Tcp header{.source = 4711,
                   .destination = 3389,
                   .seq = 0x01020304,
                   .acknowledgment = 0xa0b0c0d0,
                   .flags = syn | ack,
                   .options = Bytes(12, 1)};
  const native_packet v4 = page.parse((Packet{Ethernet{}} / Vlan{} / Ipv4{} / header / data(5)).bytes());
  CHECK(v4.source_port == 4711);
  CHECK(v4.destination_port == 3389);
  CHECK(v4.sequence == 0x01020304);
  CHECK(v4.acknowledgment == 0xa0b0c0d0);
  CHECK(v4.tcp_flags == (syn | ack));
  CHECK(v4.payload_bytes == 5);
  CHECK(v4.ip_bytes == 20 + 32 + 5);
  CHECK(std::memcmp(v4.source, Ip4{client4}.bytes.data(), 4) == 0);
  CHECK(std::memcmp(v4.destination, Ip4{machine4}.bytes.data(), 4) == 0);
  const native_packet v6 =
      page.parse(padded((Packet{Ethernet{}} / Ipv6{} / Extension{} / header / data(5)).bytes(), 200));
  CHECK(v6.destination_port == 3389);
  CHECK(v6.payload_bytes == 5);
  CHECK(v6.ip_bytes == 40 + 8 + 32 + 5);
  CHECK(std::memcmp(v6.source, Ip6{client6}.bytes.data(), 16) == 0);
  CHECK(std::memcmp(v6.destination, Ip6{machine6}.bytes.data(), 16) == 0);
}

TEST_CASE("an skb's linear part is enough if the headers lie in it, and is never overrun") {
  const GuardedPage page;
  const Bytes whole = (Ethernet{} / Ipv4{} / Tcp{} / data(1000)).bytes();
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    INFO(size << " of " << whole.size() << " bytes are linear");
    const native_packet seen = page.parse(truncated(whole, size), whole.size() - size);
    CHECK((seen.kind == native_transport) == (size >= 54));
    if (seen.kind == native_transport) CHECK(seen.payload_bytes == 1000);
  }
}

TEST_CASE("an ICMP error is read as the packet it quotes, turned around") {
  const GuardedPage page;
  const Packet quoted = Packet{Ipv4{.source = machine4, .destination = client4}} / Tcp{.source = 22, .destination = 9};
  const Packet router = Packet{Ethernet{}} / Ipv4{.source = "203.0.113.1"} / Icmp{.type = 11};
  const native_packet seen = page.parse((router / quote(quoted, 28)).bytes());
  CHECK(seen.kind == native_icmp_error);
  CHECK(seen.source_port == 9);
  CHECK(seen.destination_port == 22);
  CHECK(seen.protocol == tcp);
  CHECK(std::memcmp(seen.source, Ip4{client4}.bytes.data(), 4) == 0);
  CHECK(std::memcmp(seen.destination, Ip4{machine4}.bytes.data(), 4) == 0);
  CHECK(page.parse((router / quote(quoted, 23)).bytes()).kind == native_malformed);
}

TEST_CASE("random bytes, and frames with random faults, never make it read too far") {
  const GuardedPage page;
  std::mt19937 random{20240607};  // fixed: a failure must come again
  const auto frames = frame_stacks();
  for (int round = 0; round < 40000; ++round) {
    Bytes frame = frames[random() % frames.size()].packet.bytes();
    for (auto faults = random() % 6; faults > 0; --faults) {
      frame[12 + random() % (frame.size() - 12)] = static_cast<std::uint8_t>(random());
    }
    frame = truncated(frame, frame.size() - (random() % 2 ? random() % frame.size() : 0));
    const native_packet packet = page.parse(frame);
    const bool readable = packet.kind != native_malformed;
    if (packet.kind == native_unknown_kind || (readable && packet.ip_bytes > frame.size())) FAIL(hex(frame));
  }
}
