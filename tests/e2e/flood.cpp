// SPDX-License-Identifier: Apache-2.0
// TCP SYNs as fast as one CPU sends them: flood INTERFACE GATEWAY-MAC SOURCE-BLOCK DESTINATION PORT SECONDS
// From scattered sources of the block and all ports, out of the interface, which may be one end of a veth pair. Prints
// how many were sent. Exit code 0, or 1 with a sentence.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "flood.skel.h"

namespace {

struct Frame {
  ethhdr ethernet{};
  iphdr ip{};
  tcphdr tcp{};
} __attribute__((packed));

in_addr_t ipv4(const std::string& text) {
  in_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) throw std::runtime_error(text + " is no IPv4 address");
  return address.s_addr;
}

Frame syn(const std::string& gateway, const std::string& destination, const std::string& port) {
  Frame frame;
  unsigned char* mac = frame.ethernet.h_dest;
  if (std::sscanf(gateway.c_str(), "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) !=
      6)
    throw std::runtime_error(gateway + " is no MAC address");
  frame.ethernet.h_source[0] = 2;
  frame.ethernet.h_proto = htons(ETH_P_IP);
  frame.ip.version = 4;
  frame.ip.ihl = 5;
  frame.ip.tot_len = htons(sizeof frame.ip + sizeof frame.tcp);
  frame.ip.ttl = 64;
  frame.ip.protocol = IPPROTO_TCP;
  frame.ip.daddr = ipv4(destination);
  frame.tcp.dest = htons(static_cast<std::uint16_t>(std::stoul(port)));
  frame.tcp.seq = htonl(1000);
  frame.tcp.doff = 5;
  frame.tcp.syn = 1;
  frame.tcp.window = htons(65535);
  return frame;
}

void run(const std::vector<std::string>& words) {
  if (words.size() != 6) throw std::runtime_error("flood INTERFACE GATEWAY-MAC SOURCE-BLOCK DESTINATION PORT SECONDS");
  const std::unique_ptr<flood, void (*)(flood*)> skeleton(flood__open_and_load(), flood__destroy);
  if (!skeleton) throw std::runtime_error("the program that sends cannot be loaded");
  const auto slash = words[2].find('/');
  const auto length = std::stoul(words[2].substr(slash + 1));
  skeleton->bss->interface = if_nametoindex(words[0].c_str());
  skeleton->bss->source_mask = length == 0 ? UINT_MAX : (1U << (32 - length)) - 1;
  skeleton->bss->source_base = ntohl(ipv4(words[2].substr(0, slash))) & ~skeleton->bss->source_mask;
  auto frame = syn(words[1], words[3], words[4]);

  // One call that an alarm ends: setting one up takes long.
  struct sigaction ring {};
  ring.sa_handler = [](int) {};
  sigaction(SIGALRM, &ring, nullptr);
  alarm(static_cast<unsigned>(std::stoul(words[5])));
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = &frame;
  options.data_size_in = sizeof frame;
  options.repeat = INT_MAX;
  options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  if (bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.flood), &options) != 0 && errno != EINTR)
    throw std::runtime_error(std::string("sending: ") + std::strerror(errno));
  std::cout << skeleton->bss->sent << "\n";
}

}  // namespace

int main(int count, char** words) {
  try {
    run({words + 1, words + count});
    return 0;
  } catch (const std::exception& fault) {
    std::cerr << "flood: " << fault.what() << "\n";
    return 1;
  }
}
