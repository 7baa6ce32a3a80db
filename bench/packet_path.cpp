// SPDX-License-Identifier: Apache-2.0
// postern-bench: nanoseconds a packet of each path through the gate's ingress program, over an empty XDP program in
// the same interleaved rounds. Root; touches no interface. It measures, it never judges: no test depends on it.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "bpf/abi/maps.h"
#include "gate_ingress.skel.h"
#include "vary.skel.h"

namespace {

constexpr std::uint32_t kMachine = 0x0a000202;   // 10.0.2.2
constexpr std::uint32_t kClients = 0x64400000;   // 100.64.0.0/10, where grants and flows come from
constexpr std::uint32_t kStrangers = 0xc6120000; // 198.18.0.0/15 and on: no grant
constexpr std::uint16_t kClientPort = 40000;
constexpr std::uint8_t kSyn = 0x02, kAck = 0x10;

void check(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(-result));
}

std::uint64_t now_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

std::array<std::uint8_t, 64> tcp_frame(std::uint16_t port, std::uint8_t flags) {
  std::array<std::uint8_t, 64> frame{};
  const auto put16 = [&](std::size_t at, std::uint32_t value) {
    frame[at] = static_cast<std::uint8_t>(value >> 8);
    frame[at + 1] = static_cast<std::uint8_t>(value);
  };
  const auto put32 = [&](std::size_t at, std::uint32_t value) { put16(at, value >> 16), put16(at + 2, value & 0xffff); };
  put16(12, 0x0800);
  frame[14] = 0x45;
  put16(16, 40);
  frame[22] = 64;
  frame[23] = IPPROTO_TCP;
  put32(26, kStrangers);
  put32(30, kMachine);
  put16(34, kClientPort);
  put16(36, port);
  put32(38, 1000);
  put32(42, 2000);
  frame[46] = 0x50;
  frame[47] = flags;
  put16(48, 65535);
  return frame;
}

struct Case {
  std::string name;
  bool over_drop = true;  // compared with an empty XDP_DROP, else with an empty XDP_PASS
  std::uint16_t port = 22;
  std::uint8_t flags = kSyn;
  std::uint32_t source_base = kStrangers, source_count = 1u << 24;
  std::uint32_t wanted_reason = 0;
};

// The gate's program with maps of its own, filled with one service, `size` grants and `size` established flows.
class Gate {
 public:
  explicit Gate(std::uint32_t size) : size_(size), skeleton_(gate_ingress::open()) {
    if (!skeleton_) throw std::runtime_error("cannot open gate_ingress");
    const std::uint32_t room = std::max(1024u, size + size / 8);
    for (bpf_map* map : {skeleton_->maps.grants_v4, skeleton_->maps.established_v4, skeleton_->maps.grant_records,
                         skeleton_->maps.grant_usage})
      bpf_map__set_max_entries(map, room);
    check(gate_ingress::load(skeleton_), "load gate_ingress");
    guard();
    fill();
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { gate_ingress::destroy(skeleton_); }

  int program() const { return bpf_program__fd(skeleton_->progs.postern_ingress); }

  std::uint64_t packets(std::uint32_t reason) const {
    std::vector<gate_counter> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    check(bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &reason, values.data()), "read counters");
    std::uint64_t sum = 0;
    for (const auto& value : values) sum += value.packets;
    return sum;
  }

 private:
  template <class Key, class Value>
  void put(bpf_map* map, const Key& key, const Value& value) {
    check(bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY), bpf_map__name(map));
  }

  void guard() {
    gate_service service{};
    service.id = 1;
    service.flags = GATE_SERVICE_ENFORCE;
    service.prefix_lengths = 1;
    service.prefix_length[0] = 32;
    gate_service_key_v4 key{};
    key.address = htonl(kMachine);
    key.port_be = htons(22);
    key.protocol = IPPROTO_TCP;
    put(skeleton_->maps.services_v4, key, service);
    put(skeleton_->maps.guarded_ports, std::uint32_t{0}, std::uint64_t{1} << 22);
  }

  void fill() {
    for (std::uint32_t i = 0; i < size_; ++i) {
      gate_grant grant{};
      grant.deadline_boot_ns = now_ns(CLOCK_BOOTTIME) + 86'400'000'000'000ull;
      grant.serial = i + 1;
      grant.slot = i;
      grant.service = 1;
      gate_grant_key_v4 key{};
      key.service = 1;
      key.source = htonl(kClients + i);
      key.prefix_length = 32;
      put(skeleton_->maps.grants_v4, key, grant);
      gate_record record{};
      record.serial = i + 1;
      record.deadline_boot_ns = grant.deadline_boot_ns;
      record.state = GATE_RECORD_LIVE;
      put(skeleton_->maps.grant_records, i, record);
      put_flow(i);
    }
  }

  void put_flow(std::uint32_t i) {
    gate_flow flow{};
    flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now_ns(CLOCK_MONOTONIC_COARSE);
    flow.client.flags = flow.machine.flags = GATE_SIDE_SYN | GATE_SIDE_ACK_VALID | GATE_SIDE_ACKED_PEER;
    flow.serial = i + 1;
    flow.slot = i;
    flow.service = 1;
    gate_flow_key_v4 key{};
    key.client = htonl(kClients + i);
    key.machine = htonl(kMachine);
    key.client_port_be = htons(kClientPort);
    key.machine_port_be = htons(22);
    key.protocol = IPPROTO_TCP;
    flow.tuple = gate_flow_tuple_v4(&key, gate_config{}.flow_seeds);
    put(skeleton_->maps.established_v4, key, flow);
  }

  std::uint32_t size_;
  struct gate_ingress* skeleton_;
};

// Runs one program `repeat` times over packets with scattered sources; nanoseconds for one.
double run(struct vary* vary, int program, const Case& test, std::uint32_t repeat) {
  vary->bss->source_base = test.source_base;
  vary->data->source_count = test.source_count;
  const std::uint32_t zero = 0;
  check(bpf_map_update_elem(bpf_map__fd(vary->maps.under_test), &zero, &program, BPF_ANY), "set the program under test");
  auto frame = tcp_frame(test.port, test.flags);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<__u32>(frame.size());
  options.repeat = static_cast<int>(repeat);
  check(bpf_prog_test_run_opts(bpf_program__fd(vary->progs.vary_source), &options), "test run");
  if (options.retval == 0) throw std::runtime_error("the tail call did not happen");
  return options.duration;
}

struct Spread {
  double low = 0, median = 0, high = 0;  // 10th, 50th, 90th percentile
};

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double part) { return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))]; };
  return {at(0.1), at(0.5), at(0.9)};
}

nlohmann::json measure(std::uint32_t size, std::uint32_t rounds, std::uint32_t repeat) {
  Gate gate(size);
  auto* vary = vary::open_and_load();
  if (!vary) throw std::runtime_error("cannot load vary");
  const int drop = bpf_program__fd(vary->progs.empty_drop), pass = bpf_program__fd(vary->progs.empty_pass);
  const std::vector<Case> cases = {
      {"unguarded port", false, 443, kSyn, kStrangers, 1u << 24, gate_reason_unguarded},
      {"drop without grant", true, 22, kSyn, kStrangers, 1u << 24, gate_reason_no_grant},
      {"pass by grant (new connection)", false, 22, kSyn, kClients, size, gate_reason_grant},
      {"pass by established flow", false, 22, kAck, kClients, size, gate_reason_flow},
  };
  std::vector<std::vector<double>> over(cases.size()), floor(cases.size());
  for (std::uint32_t round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const double empty = run(vary, cases[i].over_drop ? drop : pass, cases[i], repeat);
      const auto before = gate.packets(cases[i].wanted_reason);
      const double whole = run(vary, gate.program(), cases[i], repeat);
      if (gate.packets(cases[i].wanted_reason) - before != repeat)
        throw std::runtime_error(cases[i].name + ": packets took another path than the one measured");
      over[i].push_back(whole - empty);
      floor[i].push_back(empty);
    }
  vary::destroy(vary);
  auto rows = nlohmann::json::array();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto gain = spread(over[i]);
    rows.push_back({{"path", cases[i].name}, {"grants", size}, {"over", cases[i].over_drop ? "XDP_DROP" : "XDP_PASS"},
                    {"empty_ns", spread(floor[i]).median}, {"quiet_ns", gain.low}, {"median_ns", gain.median},
                    {"p90_ns", gain.high}});
  }
  return rows;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"ns per packet of the gate's ingress program over an empty one, interleaved, by BPF_PROG_TEST_RUN"};
  std::vector<std::uint32_t> sizes{1, 100'000};
  std::uint32_t rounds = 15, repeat = 400'000;
  bool json = false;
  app.add_option("--grants", sizes, "table sizes: grants and established flows")->capture_default_str();
  app.add_option("--rounds", rounds, "interleaved rounds")->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_option("--repeat", repeat, "packets in each run")->capture_default_str()->check(CLI::Range(1, 100'000'000));
  app.add_flag("--json", json, "print JSON");
  CLI11_PARSE(app, argc, argv);

  auto rows = nlohmann::json::array();
  for (const auto size : sizes)
    for (auto& row : measure(size, rounds, repeat)) rows.push_back(row);
  utsname system{};
  uname(&system);
  if (json) {
    std::printf("%s\n", nlohmann::json{{"kernel", system.release}, {"rows", rows}}.dump(2).c_str());
    return 0;
  }
  std::printf("kernel %s, %u rounds of %u packets; ns over the empty program in the same round\n", system.release, rounds,
              repeat);
  std::printf("%-32s %9s %-9s %8s %8s %8s %8s\n", "path", "grants", "over", "empty", "quiet", "median", "p90");
  for (const auto& row : rows)
    std::printf("%-32s %9u %-9s %8.0f %8.1f %8.1f %8.1f\n", row["path"].get<std::string>().c_str(),
                row["grants"].get<unsigned>(), row["over"].get<std::string>().c_str(), row["empty_ns"].get<double>(),
                row["quiet_ns"].get<double>(), row["median_ns"].get<double>(), row["p90_ns"].get<double>());
  return 0;
} catch (const std::exception& fault) {
  std::fprintf(stderr, "postern-bench: %s\n", fault.what());
  return 1;
}
