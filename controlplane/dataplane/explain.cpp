// SPDX-License-Identifier: Apache-2.0
// A frame from the probe, the run, and the answer's numbers as the names of bpf/abi/reasons.h.
#include "controlplane/dataplane/explain.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "controlplane/dataplane/bytes.hpp"
#include "controlplane/dataplane/failure.hpp"

namespace postern::dataplane {

namespace {

using Bytes = std::vector<std::uint8_t>;

void put16(Bytes& bytes, std::size_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

void put(Bytes& bytes, const core::Address& address) {
  bytes.insert(bytes.end(), address.bytes.begin(),
               address.bytes.begin() + (address.family == core::Family::ipv4 ? 4 : 16));
}

// Without checksums: the programs do not look at them.
Bytes transport(const core::Probe& probe) {
  Bytes bytes;
  put16(bytes, probe.source_port);
  put16(bytes, probe.port);
  if (probe.protocol == core::Protocol::udp) {
    put16(bytes, 8);
    put16(bytes, 0);
    return bytes;
  }
  bytes.resize(12);  // sequence and acknowledgment number
  bytes.push_back(5 << 4);
  bytes.push_back(probe.tcp_flags);
  put16(bytes, 65535);
  put16(bytes, 0);
  put16(bytes, 0);
  return bytes;
}

Bytes frame_of(const core::Probe& probe) {
  const bool v4 = probe.source.family == core::Family::ipv4;
  const auto protocol = static_cast<std::uint8_t>(probe.protocol);
  const Bytes payload = transport(probe);
  Bytes bytes(12);
  put16(bytes, v4 ? ETH_P_IP : ETH_P_IPV6);
  if (v4) {
    bytes.insert(bytes.end(), {0x45, 0});
    put16(bytes, 20 + payload.size());
    bytes.insert(bytes.end(), {0, 0, 0, 0, 64, protocol, 0, 0});
  } else {
    bytes.insert(bytes.end(), {0x60, 0, 0, 0});
    put16(bytes, payload.size());
    bytes.insert(bytes.end(), {protocol, 64});
  }
  put(bytes, probe.source);
  put(bytes, probe.destination);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

struct Reason {
  const char *name, *sentence;
  __u32 number;
};

constexpr Reason reasons[] = {
#define POSTERN_REASON(name, number, verdict, text) {#name, text, number},
    GATE_REASONS(POSTERN_REASON)
#undef POSTERN_REASON
};

const Reason& reason_with(__u32 number) {
  for (const Reason& reason : reasons)
    if (reason.number == number) return reason;
  return reasons[0];
}

bool passes(__u32 number) {
  switch (number) {
#define POSTERN_PASSES(name, number, verdict, text) \
  case number:                                      \
    return (verdict) == GATE_PASS;
    GATE_REASONS(POSTERN_PASSES)
#undef POSTERN_PASSES
    default:
      return false;
  }
}

core::Result<gate_explain> run(const loader::Instance& instance, const Bytes& frame, core::BootTime at) {
  const std::string path = instance.explain().string();
  const loader::Fd program(bpf_obj_get(path.c_str()));
  if (!program.valid()) return gate_error(loader::system_error("opening " + path, errno));
  gate_explain told{};
  told.now_boot_ns = deadline_ns(at);
  Bytes in(sizeof(told));
  std::memcpy(in.data(), &told, sizeof(told));
  in.insert(in.end(), frame.begin(), frame.end());
  xdp_md context{};
  context.data = sizeof(told);
  context.data_end = static_cast<__u32>(in.size());
  Bytes out(in.size());
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = in.data();
  options.data_size_in = static_cast<__u32>(in.size());
  options.data_out = out.data();
  options.data_size_out = static_cast<__u32>(out.size());
  options.ctx_in = &context;
  options.ctx_size_in = sizeof(context);
  options.ctx_out = &context;
  options.ctx_size_out = sizeof(context);
  if (bpf_prog_test_run_opts(program.get(), &options) != 0)
    return gate_error(loader::system_error("running " + path, errno));
  if (options.data_size_out < sizeof(told)) return gate_error("the program " + path + " gave no answer");
  std::memcpy(&told, out.data(), sizeof(told));
  return told;
}

}  // namespace

core::Result<core::Verdict> run_explain(const loader::MapSet& maps, const loader::Instance& instance,
                                        const core::Probe& probe, core::BootTime at) {
  const auto told = run(instance, frame_of(probe), at);
  if (!told) return told.error();
  const Reason& reason = reason_with(told->reason);
  core::Verdict verdict{told->verdict == GATE_PASS, reason.name, reason.sentence, "", "", told->serial, told->service};
  if (!verdict.pass || passes(told->reason)) return verdict;
  const auto config = maps.config.lookup(0);
  if (!config) return gate_error(config.error());
  const std::uint64_t unconfirmed = config->value_or(gate_config{}).unconfirmed_boot_ns;
  const bool opened = unconfirmed != 0 && deadline_ns(at) >= unconfirmed;
  const Reason& why = reason_with(opened ? gate_reason_unconfirmed : gate_reason_monitored);
  verdict.overruled_by = why.name;
  verdict.overruled_sentence = why.sentence;
  return verdict;
}

}  // namespace postern::dataplane
