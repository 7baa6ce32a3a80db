// SPDX-License-Identifier: Apache-2.0
// For tests of the loader: does to a gate's maps by hand what the daemon would, so that no daemon is needed; and puts a
// foreign XDP program on an interface. Exit code 0, or 1 with a sentence.
//   gate_by_hand guard BPFFS ADDRESS PORT       a TCP service that enforces
//   gate_by_hand grant BPFFS SOURCE SECONDS     a live grant for that service from one IPv4 address
//   gate_by_hand revoke BPFFS SOURCE            takes that grant away
//   gate_by_hand plant BPFFS COUNT              that many established flows
//   gate_by_hand forget BPFFS                   takes away all established IPv4 flows, as the sweeper those that were cut
//   gate_by_hand flows BPFFS                    prints how many established IPv4 flows there are
//   gate_by_hand half-open BPFFS                prints how many half-open IPv4 flows there are, and may be
//   gate_by_hand map-id BPFFS                   prints the kernel's id of the table of established flows
//   gate_by_hand failsafe BPFFS                 prints how many failsafe sources there are
//   gate_by_hand listen ADDRESS PORT…           listens on TCP ports until it is killed
//   gate_by_hand snapshot FILE ADDRESS PORT     a boot snapshot with one TCP service that enforces
//   gate_by_hand foreign INTERFACE              attaches a program that passes everything, without a link
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "loader/boot_snapshot.hpp"
#include "loader/map_set.hpp"

using namespace postern::loader;

namespace {

constexpr __u32 service_id = 1, slot = 0;
constexpr __u64 serial = 1;

template <class T>
T must(LoaderResult<T> result) {
  if (!result) throw std::runtime_error(result.error().sentence);
  return std::move(*result);
}
void must(LoaderResult<void> result) {
  if (!result) throw std::runtime_error(result.error().sentence);
}

__be32 ipv4(const std::string& text) {
  in_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) throw std::runtime_error(text + " is no IPv4 address");
  return address.s_addr;
}

void guard(const MapSet& maps, const std::string& address, unsigned port) {
  gate_service_key_v4 key{};
  key.address = ipv4(address);
  key.port_be = htons(static_cast<__u16>(port));
  key.protocol = IPPROTO_TCP;
  gate_service service{};
  service.id = service_id;
  service.flags = GATE_SERVICE_ENFORCE;
  service.prefix_lengths = 1;
  service.prefix_length[0] = 32;
  must(maps.services_v4.update(key, service));
  const __u32 word = port / 64;
  const __u64 bits = must(maps.guarded_ports.lookup(word)).value_or(0) | 1ULL << (port % 64);
  must(maps.guarded_ports.update(word, bits));
}

void snapshot(const std::string& path, const std::string& address, unsigned port) {
  SnapshotRecord record;
  record.kind = SnapshotKind::service;
  record.id = service_id;
  record.flags = GATE_SERVICE_ENFORCE;
  record.key.length_bits = GATE_PREFIX_KEY_FIXED_BITS + 32;
  record.key.family = GATE_IPV4;
  record.key.protocol = IPPROTO_TCP;
  record.key.port_be = htons(static_cast<__u16>(port));
  const __be32 bytes = ipv4(address);
  std::memcpy(record.key.address, &bytes, sizeof bytes);
  must(write_snapshot(path, {record}));
}

void grant(const MapSet& maps, const std::string& source, unsigned seconds) {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const __u64 deadline = static_cast<__u64>(now.tv_sec + seconds) * 1'000'000'000;
  gate_record record{};
  record.serial = serial;
  record.deadline_boot_ns = deadline;
  record.state = GATE_RECORD_LIVE;
  must(maps.grant_records.update(slot, record));
  gate_grant_key_v4 key{};
  key.service = service_id;
  key.source = ipv4(source);
  key.prefix_length = 32;
  gate_grant value{};
  value.deadline_boot_ns = deadline;
  value.serial = serial;
  value.slot = slot;
  value.service = service_id;
  must(maps.grants_v4.update(key, value));
}

void revoke(const MapSet& maps, const std::string& source) {
  gate_grant_key_v4 key{};
  key.service = service_id;
  key.source = ipv4(source);
  key.prefix_length = 32;
  must(maps.grants_v4.erase(key));
}

void plant(const MapSet& maps, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    gate_flow_key_v4 key{};
    key.client = htonl(0xc6336400u + i);
    key.client_port_be = htons(40000);
    key.machine_port_be = htons(22);
    key.protocol = IPPROTO_TCP;
    must(maps.established_v4.update(key, gate_flow{}));
  }
}

template <class Map>
unsigned entries(const Map& map) {
  unsigned count = 0;
  must(map.for_each([&count](const auto&, const auto&) { ++count; }));
  return count;
}

void forget(const MapSet& maps) {
  std::vector<gate_flow_key_v4> keys;
  must(maps.established_v4.for_each([&keys](const gate_flow_key_v4& key, const gate_flow&) { keys.push_back(key); }));
  for (const gate_flow_key_v4& key : keys) must(maps.established_v4.erase(key));
}

void foreign(const std::string& interface) {
  const std::array<bpf_insn, 2> pass = {
      {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}}};
  const Fd program(bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody_else", "GPL", pass.data(), pass.size(), nullptr));
  const int index = static_cast<int>(if_nametoindex(interface.c_str()));
  if (!program.valid() || bpf_xdp_attach(index, program.get(), XDP_FLAGS_DRV_MODE, nullptr) != 0)
    throw std::runtime_error("cannot attach a foreign program to " + interface);
}

void listen_on(const std::string& address, const std::vector<std::string>& ports) {
  for (const std::string& port : ports) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = ipv4(address);
    name.sin_port = htons(static_cast<__u16>(std::stoul(port)));
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);  // open until the process ends
    if (::bind(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 || ::listen(socket, 64) != 0)
      throw std::runtime_error("cannot listen on " + address + " port " + port);
  }
  ::pause();
}

void run(const std::vector<std::string>& words) {
  const std::string verb = words.at(0);
  if (verb == "foreign") return foreign(words.at(1));
  if (verb == "listen") return listen_on(words.at(1), {words.begin() + 2, words.end()});
  if (verb == "snapshot") return snapshot(words.at(1), words.at(2), static_cast<unsigned>(std::stoul(words.at(3))));
  const MapSet maps = must(MapSet::open(words.at(1)));
  if (verb == "guard") return guard(maps, words.at(2), static_cast<unsigned>(std::stoul(words.at(3))));
  if (verb == "grant") return grant(maps, words.at(2), static_cast<unsigned>(std::stoul(words.at(3))));
  if (verb == "revoke") return revoke(maps, words.at(2));
  if (verb == "plant") return plant(maps, static_cast<unsigned>(std::stoul(words.at(2))));
  if (verb == "forget") return forget(maps);
  if (verb == "flows") return void(std::cout << entries(maps.established_v4) << "\n");
  if (verb == "half-open")
    return void(std::cout << entries(maps.half_open_v4) << " " << maps.half_open_v4.info().max_entries << "\n");
  if (verb == "failsafe") return void(std::cout << entries(maps.failsafe_sources) << "\n");
  if (verb == "map-id") return void(std::cout << maps.established_v4.info().id << "\n");
  throw std::runtime_error("unknown verb " + verb);
}

}  // namespace

int main(int argc, char** argv) try {
  run({argv + 1, argv + argc});
  return 0;
} catch (const std::exception& error) {
  std::cerr << "gate_by_hand: " << error.what() << "\n";
  return 1;
}
