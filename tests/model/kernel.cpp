// SPDX-License-Identifier: Apache-2.0
#include "tests/model/kernel.hpp"

#include <linux/bpf.h>

#include <cerrno>

#include "tests/support/gate_objects.hpp"

namespace postern::model {
namespace {

// Small tables are dumped quickly; LRU ones need room, or they evict before they are full.
void resize(bpf_object* object, std::uint32_t lru_entries) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    const std::string name = bpf_map__name(map);
    const auto type = bpf_map__type(map);
    if (type == BPF_MAP_TYPE_LRU_HASH) bpf_map__set_max_entries(map, lru_entries);
    if (type == BPF_MAP_TYPE_HASH) bpf_map__set_max_entries(map, 256);
    if (name == "grant_records" || name == "grant_usage") bpf_map__set_max_entries(map, Kernel::slots);
  }
}

void share(bpf_object* from, bpf_object* with) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, with) {
    const bpf_map* twin = bpf_object__find_map_by_name(from, bpf_map__name(map));
    if (twin && !std::strchr(bpf_map__name(map), '.')) bpf_map__reuse_fd(map, bpf_map__fd(twin));
  }
}

}  // namespace

void Kernel::fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

Kernel::Kernel() {
  libbpf_set_print(nullptr);
  load(0, "postern_ingress");
  load(1, "postern_egress");
  load(2, "postern_explain");
  int index = 0;
#define POSTERN_MODEL_FIND(name, key, value) maps_[index++] = bpf_object__find_map_fd_by_name(objects_[0].get(), #name);
  GATE_MAPS(POSTERN_MODEL_FIND)
#undef POSTERN_MODEL_FIND
}

void Kernel::load(std::size_t which, const char* program) {
  const auto source = test::gate_objects()[which];
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = source.name);
  objects_[which].reset(bpf_object__open_mem(source.bytes, source.size, &options));
  if (!objects_[which]) fail(std::string{"opening "} + source.name);
  resize(objects_[which].get(), most);
  if (which > 0) share(objects_[0].get(), objects_[which].get());
  if (bpf_object__load(objects_[which].get()) != 0) fail(std::string{"loading "} + source.name);
  programs_[which] = bpf_program__fd(bpf_object__find_program_by_name(objects_[which].get(), program));
}

int Kernel::run(std::size_t which, const Bytes& frame, bpf_test_run_opts& options) const {
  options.data_in = frame.data();
  options.data_size_in = static_cast<std::uint32_t>(frame.size());
  if (bpf_prog_test_run_opts(programs_[which], &options) != 0) fail("BPF_PROG_TEST_RUN");
  return static_cast<int>(options.retval);
}

bool Kernel::judge(const Bytes& frame) const {
  LIBBPF_OPTS(bpf_test_run_opts, options);
  return run(0, frame, options) == XDP_PASS;
}

gate_explain Kernel::explain(const Bytes& frame, std::uint64_t now_boot_ns) const {
  gate_explain told{};
  told.now_boot_ns = now_boot_ns;
  Bytes in = bytes_of(told);
  in.insert(in.end(), frame.begin(), frame.end());
  Bytes out(in.size());
  xdp_md context{};
  context.data = sizeof told;
  context.data_end = static_cast<std::uint32_t>(in.size());
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_out = out.data(),
              .data_size_out = static_cast<std::uint32_t>(out.size()), .ctx_in = &context,
              .ctx_size_in = sizeof context);
  const bool passes = run(2, in, options) == XDP_PASS;
  std::memcpy(&told, out.data(), sizeof told);
  if (passes != (told.verdict == GATE_PASS)) throw std::runtime_error("explain: verdict and action differ");
  return told;
}

void Kernel::learn(const Bytes& frame, std::uint32_t segments, bool sent_back) const {
  __sk_buff context{};
  context.gso_segs = segments;
  context.ingress_ifindex = sent_back ? 1 : 0;
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &context, .ctx_size_in = sizeof context);
  if (run(1, frame, options) != -1) throw std::runtime_error("egress answers another code than TC_ACT_UNSPEC");
}

// The end of a map is told as ENOENT.
std::uint32_t Kernel::read(int map, void* keys, void* values, std::uint32_t count) const {
  std::uint32_t position = 0;
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  if (bpf_map_lookup_batch(maps_[map], nullptr, &position, keys, values, &count, &options) != 0 && errno != ENOENT)
    fail(std::string{"reading "} + map_name(map));
  return count;
}

void Kernel::zero(int map, std::size_t value_size) const {
  std::uint32_t keys[slots], count = slots;
  for (std::uint32_t i = 0; i < slots; ++i) keys[i] = i;
  const Bytes values(slots * value_size);
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  if (bpf_map_update_batch(maps_[map], keys, values.data(), &count, &options) != 0)
    fail(std::string{"emptying "} + map_name(map));
}

std::vector<gate_counter> Kernel::totals(int map, std::uint32_t entries) const {
  static const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
  std::vector<gate_counter> each(cpus * entries), out(entries);
  std::vector<std::uint32_t> keys(entries);
  const std::uint32_t count = read(map, keys.data(), each.data(), entries);
  for (std::size_t i = 0; i < count * cpus; ++i) {
    out[keys[i / cpus]].packets += each[i].packets;
    out[keys[i / cpus]].bytes += each[i].bytes;
  }
  return out;
}

}  // namespace postern::model
