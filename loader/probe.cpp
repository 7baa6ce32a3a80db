// SPDX-License-Identifier: Apache-2.0
// Trying out the kernel, see probe.hpp.
#include "loader/probe.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <freplace_probe.skel.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <memory>

#include "loader/fd.hpp"
#include "loader/log_tail.hpp"

namespace postern::loader {
namespace {

struct MapTypeRow {
  bpf_map_type type;
  const char* name;
};
constexpr std::array<MapTypeRow, 5> map_types = {{
    {BPF_MAP_TYPE_ARRAY, "map type array"},
    {BPF_MAP_TYPE_PERCPU_ARRAY, "map type per-CPU array"},
    {BPF_MAP_TYPE_HASH, "map type hash"},
    {BPF_MAP_TYPE_LRU_HASH, "map type LRU hash"},
    {BPF_MAP_TYPE_LPM_TRIE, "map type LPM trie"},
}};

bool has_bpffs() {
  std::ifstream list("/proc/filesystems");
  for (std::string word; list >> word;)
    if (word == "bpf") return true;
  return false;
}

// An exchange or an addition that gives back what stood there before.
bool has_fetching_atomics() {
  const std::array<bpf_insn, 5> program = {{{BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, 0},
                                            {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1},
                                            {BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_10, BPF_REG_1, -8, BPF_ADD | BPF_FETCH},
                                            {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS},
                                            {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}}};
  return Fd(bpf_prog_load(BPF_PROG_TYPE_XDP, "postern_probe", "GPL", program.data(), program.size(), nullptr)).valid();
}

using Probe = std::unique_ptr<freplace_probe, void (*)(freplace_probe*)>;

// The object with one of its two programs chosen for loading.
Probe open_probe(bool extension) {
  Probe probe(freplace_probe__open(), freplace_probe__destroy);
  if (!probe) return probe;
  bpf_program__set_autoload(probe->progs.probe_host, !extension);
  bpf_program__set_autoload(probe->progs.probe_extension, extension);
  return probe;
}

std::string refusal(const std::string& step, int fault) {
  return system_error(step, fault).sentence;
}

}  // namespace

bool freplace_works(std::string* why) {
  forget_library_logs();
  const auto no = [why](const std::string& step, int fault) {
    if (why) *why = refusal(step, fault);
    return false;
  };
  const Probe host = open_probe(false);
  if (!host) return no("open the probe", errno);
  if (const int fault = freplace_probe__load(host.get())) return no("load the program to extend", fault);
  const Probe extension = open_probe(true);
  if (!extension) return no("open the probe", errno);
  const int host_fd = bpf_program__fd(host->progs.probe_host);
  if (const int fault = bpf_program__set_attach_target(extension->progs.probe_extension, host_fd, "probe_slot"))
    return no("name the function to replace", fault);
  if (const int fault = freplace_probe__load(extension.get())) return no("load an extension program", fault);
  bpf_link* link = bpf_program__attach_freplace(extension->progs.probe_extension, host_fd, "probe_slot");
  if (!link) return no("attach an extension program", errno);
  bpf_link__destroy(link);
  return true;
}

std::vector<Feature> probe_features() {
  std::vector<Feature> features;
  const bool loads = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, nullptr) == 1;
  features.push_back({"XDP programs", loads, true,
                      "the kernel refuses to load an XDP program; root, and a kernel with "
                      "CONFIG_BPF_SYSCALL from 5.15 on, are needed"});
  features.push_back({"tc programs", libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SCHED_CLS, nullptr) == 1, true,
                      "the kernel refuses to load a tc program; CONFIG_NET_CLS_BPF is needed"});
  features.push_back({"bpffs", has_bpffs(), true, "there is no BPF file system to keep the maps in"});
  for (const MapTypeRow& row : map_types)
    features.push_back({row.name, libbpf_probe_bpf_map_type(row.type, nullptr) == 1, true,
                        std::string("the kernel has no ") + row.name});
  features.push_back({"atomic operations that return a value", has_fetching_atomics(), true,
                      "the kernel's BPF knows only atomic additions; Linux 5.12 or later is needed"});
  std::string why;
  const bool extends = loads && freplace_works(&why);
  features.push_back(
      {"freplace", extends, false,
       "libxdp's dispatcher cannot work, so the gate takes a bpf_link and shares no interface with other "
       "XDP programs (" +
           why + ")"});
  return features;
}

LoaderResult<void> check_root() {
  if (::geteuid() == 0) return {};
  return LoaderError{"postern-loader changes what the kernel runs, which only root may: run it with sudo", EPERM};
}

LoaderResult<void> check_needed_features() {
  if (auto root = check_root(); !root) return root;
  std::string missing;
  for (const Feature& feature : probe_features())
    if (!feature.present && feature.needed) missing += "\n  " + feature.name + ": " + feature.consequence;
  if (missing.empty()) return {};
  return LoaderError{"this kernel lacks what the gate needs; nothing was changed:" + missing, EOPNOTSUPP};
}

}  // namespace postern::loader
