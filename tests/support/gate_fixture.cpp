// SPDX-License-Identifier: Apache-2.0
// Loading the programs with shared maps, and running packets through them. What is guarded: gate_world.cpp.
#include "tests/support/gate_fixture.hpp"

#include <linux/bpf.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "tests/support/catch.hpp"
#include "tests/support/gate_objects.hpp"

namespace postern::test {
namespace {

constexpr int tc_act_unspec = -1;

void require_root() {
  if (geteuid() == 0) return;
  std::fputs("skipped: BPF_PROG_TEST_RUN needs root\n", stderr);
  const char* ci = std::getenv("CI");
  std::_Exit(ci && std::string{ci} == "true" ? 1 : 77);
}

// libbpf's messages are kept and shown only if something fails.
std::string& libbpf_log() {
  static std::string log;
  return log;
}

int keep_log(libbpf_print_level level, const char* format, va_list arguments) {
  char line[4096];
  if (level == LIBBPF_DEBUG) return 0;
  const int size = std::vsnprintf(line, sizeof line, format, arguments);
  libbpf_log() += line;
  return size;
}

std::runtime_error failed(const std::string& what) {
  return std::runtime_error(what + ": " + std::strerror(errno) + "\n" + libbpf_log());
}

void shrink(bpf_object* object, const Sizes& sizes) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    const std::string name = bpf_map__name(map);
    const bool hash = bpf_map__type(map) == BPF_MAP_TYPE_HASH || bpf_map__type(map) == BPF_MAP_TYPE_LRU_HASH;
    std::uint32_t entries = bpf_map__max_entries(map);
    if (name.starts_with("half_open") || name.starts_with("learning"))
      entries = sizes.half_open;
    else if (name.starts_with("established"))
      entries = sizes.established;
    else if (hash || name == "grant_records" || name == "grant_usage")
      entries = sizes.others;
    bpf_map__set_max_entries(map, entries);
  }
}

void share(bpf_object* from, bpf_object* with) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, with) {
    const std::string name = bpf_map__name(map);
    const bpf_map* twin = bpf_object__find_map_by_name(from, name.c_str());
    if (name.find('.') != std::string::npos || twin == nullptr) continue;
    if (bpf_map__reuse_fd(map, bpf_map__fd(twin)) != 0) throw failed("sharing map " + name);
  }
}

int program_fd(bpf_object* object, const char* name) {
  const bpf_program* program = bpf_object__find_program_by_name(object, name);
  if (program == nullptr) throw failed(std::string{"no program "} + name);
  return bpf_program__fd(program);
}

template <class Record>
loader::Ring<Record> open_ring(int fd, const char* name) {
  auto ring = loader::Ring<Record>::adopt(loader::Fd{dup(fd)}, name);
  if (!ring) throw std::runtime_error(ring.error().sentence);
  return *std::move(ring);
}

template <class Record>
std::vector<Record> drain(const loader::Ring<Record>& ring) {
  std::vector<Record> records;
  const auto read = ring.read(SIZE_MAX, [&](const Record& record) { records.push_back(record); });
  if (!read) throw std::runtime_error(read.error().sentence);
  return records;
}

}  // namespace

void Gate::Object::operator()(bpf_object* object) const {
  bpf_object__close(object);
}

Gate::Owned Gate::load(const ObjectBytes& from, const Sizes& sizes) {
  const std::string name = from.name;
  libbpf_log().clear();
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = from.name);
  Owned object{bpf_object__open_mem(from.bytes, from.size, &options)};
  if (!object) throw failed("opening " + name);
  shrink(object.get(), sizes);
  if (ingress_) share(ingress_.get(), object.get());
  if (bpf_object__load(object.get()) != 0) throw failed("loading " + name);
  return object;
}

Gate::Gate(const Sizes& sizes) {
  require_root();
  libbpf_set_print(keep_log);
  const auto objects = gate_objects();
  ingress_ = load(objects[0], sizes);
  egress_ = load(objects[1], sizes);
  explain_ = load(objects[2], sizes);
  ingress_fd_ = program_fd(ingress_.get(), "postern_ingress");
  egress_fd_ = program_fd(egress_.get(), "postern_egress");
  explain_fd_ = program_fd(explain_.get(), "postern_explain");
#define POSTERN_TEST_FIND(name, key, value) \
  maps.name = Table<key, value>{bpf_object__find_map_fd_by_name(ingress_.get(), #name)};
  GATE_MAPS(POSTERN_TEST_FIND)
#undef POSTERN_TEST_FIND
#define POSTERN_TEST_RING(name, record) \
  name##_ = open_ring<record>(bpf_object__find_map_fd_by_name(ingress_.get(), #name), #name);
  GATE_RINGS(POSTERN_TEST_RING)
#undef POSTERN_TEST_RING
  reset();
}

Gate::~Gate() = default;

// A load that fails takes seconds of the verifier's time: it is not tried again for each section.
Gate& Gate::fresh() {
  static std::unique_ptr<Gate> gate;
  static bool tried = false;
  if (!gate && tried) throw std::runtime_error("the programs did not load: see the first failure");
  tried = true;
  if (!gate) gate = std::make_unique<Gate>();
  gate->reset();
  return *gate;
}

Changes Gate::table_sizes() const {
  return {.half_open = static_cast<long>(maps.half_open_v4.size() + maps.half_open_v6.size() +
                                        maps.learning_v4.size() + maps.learning_v6.size()),
          .established = static_cast<long>(maps.established_v4.size() + maps.established_v6.size()),
          .fragments = static_cast<long>(maps.fragments.size())};
}

// Packets of each reason, then each tally, then the bytes of all reasons.
std::vector<std::uint64_t> Gate::counted() const {
  std::vector<std::uint64_t> out;
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < GATE_REASONS_SLOTS; ++i) {
    const gate_counter counter = maps.counters.total(i);
    out.push_back(counter.packets);
    bytes += counter.bytes;
  }
  for (std::uint32_t i = 0; i < GATE_TALLIES_SLOTS; ++i) out.push_back(maps.tallies.total(i).packets);
  out.push_back(bytes);
  return out;
}

namespace {

Changes difference(const Changes& after, const Changes& before) {
  return {after.half_open - before.half_open, after.established - before.established,
          after.fragments - before.fragments};
}

int run(int program, const Bytes& in, Bytes& out, void* context = nullptr, std::uint32_t context_size = 0) {
  out.resize(in.size() + 256);
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in.data(), .data_out = out.data(),
              .data_size_in = static_cast<std::uint32_t>(in.size()),
              .data_size_out = static_cast<std::uint32_t>(out.size()), .ctx_in = context, .ctx_size_in = context_size);
  if (bpf_prog_test_run_opts(program, &options) != 0) throw failed("BPF_PROG_TEST_RUN");
  out.resize(options.data_size_out);
  return static_cast<int>(options.retval);
}

}  // namespace

void Gate::flood(const Bytes& frame, std::uint32_t times) {
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
              .data_size_in = static_cast<std::uint32_t>(frame.size()), .repeat = static_cast<int>(times));
  if (bpf_prog_test_run_opts(ingress_fd_, &options) != 0) throw failed("BPF_PROG_TEST_RUN");
}

std::vector<gate_drop_event> Gate::told_drops() const {
  return drain(drop_events_);
}
std::vector<gate_flow_event> Gate::told_flows() const {
  return drain(flow_events_);
}

gate_service_counter Gate::service_counter(std::uint32_t service) const {
  gate_service_counter sum{};
  for (const gate_service_counter& one : maps.service_counters.each_cpu(service)) {
    sum.dropped += one.dropped;
    sum.would_be += one.would_be;
    sum.admitted += one.admitted;
  }
  return sum;
}

Judged Gate::judge(const Bytes& frame) {
  const Changes sizes = table_sizes();
  const auto before = counted();
  Bytes out;
  Judged judged{.action = run(ingress_fd_, frame, out), .reasons = {}, .bytes = 0, .tallies = {}, .changes = {}};
  CHECK(hex(out) == hex(frame));
  const auto after = counted();
  judged.changes = difference(table_sizes(), sizes);
  for (std::size_t i = 0; i + 1 < before.size(); ++i) {
    for (std::uint64_t n = before[i]; n < after[i]; ++n) {
      if (i < GATE_REASONS_SLOTS)
        judged.reasons.push_back(static_cast<gate_reason>(i));
      else
        judged.tallies.push_back(static_cast<gate_tally>(i - GATE_REASONS_SLOTS));
    }
  }
  judged.bytes = after.back() - before.back();
  return judged;
}

Changes Gate::answer(const Bytes& frame, std::uint32_t gso_segs, std::uint32_t came_in_by) {
  const Changes sizes = table_sizes();
  Bytes out;
  __sk_buff context{};
  context.gso_segs = gso_segs;
  context.ingress_ifindex = came_in_by;
  CHECK(run(egress_fd_, frame, out, &context, sizeof context) == tc_act_unspec);
  CHECK(hex(out) == hex(frame));
  return difference(table_sizes(), sizes);
}

gate_explain Gate::explain(const Bytes& frame, std::uint64_t now_boot_ns) {
  const Changes sizes = table_sizes();
  const auto before = counted();
  gate_explain told{};
  told.now_boot_ns = now_boot_ns;
  Bytes in(sizeof told);
  std::memcpy(in.data(), &told, sizeof told);
  in.insert(in.end(), frame.begin(), frame.end());
  xdp_md context{};
  context.data = sizeof told;
  context.data_end = static_cast<std::uint32_t>(in.size());
  Bytes out;
  const int action = run(explain_fd_, in, out, &context, sizeof context);
  CHECK((action == XDP_PASS || action == XDP_DROP));
  REQUIRE(out.size() >= sizeof told);
  std::memcpy(&told, out.data(), sizeof told);
  CHECK(difference(table_sizes(), sizes) == Changes{});
  CHECK(counted() == before);
  return told;
}

}  // namespace postern::test
