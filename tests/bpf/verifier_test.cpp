// SPDX-License-Identifier: Apache-2.0
// Every program of every object passes the verifier of the running kernel, and shares its maps by the names of the ABI.
// Prints how many instructions the verifier walked: its limit is a million, and older kernels walk more; and how much
// stack the deepest chain of calls takes.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "tests/support/expect.hpp"
#include "tests/support/gate_objects.hpp"

using namespace postern::test;

namespace {

struct Closed {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, Closed>;

// What the verifier says goes to `log`.
Object load(const ObjectBytes& bytes, std::vector<char>& log) {
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = bytes.name, .kernel_log_buf = log.data(),
              .kernel_log_size = log.size(), .kernel_log_level = 4);  // 4: statistics alone
  Object object{bpf_object__open_mem(bytes.bytes, bytes.size, &options)};
  REQUIRE(object);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object.get()) {
    if (bpf_map__max_entries(map) > 4096) bpf_map__set_max_entries(map, 4096);
  }
  REQUIRE(bpf_object__load(object.get()) == 0);
  return object;
}

struct Frame {
  std::string function;
  std::uint32_t first_instruction = 0, bytes = 0;
  std::vector<std::size_t> calls;  // indices of frames
};

// The functions of a program that was loaded, in their order: what the verifier left of them.
std::vector<Frame> frames_of(const bpf_program* program, const btf* types, const std::string& log) {
  const int fd = bpf_program__fd(program);
  bpf_prog_info size{};
  std::uint32_t length = sizeof size;
  REQUIRE(bpf_obj_get_info_by_fd(fd, &size, &length) == 0);
  REQUIRE(size.jited_prog_len > 0);  // a call then names its function by index
  std::vector<bpf_insn> code(size.xlated_prog_len / sizeof(bpf_insn));
  std::vector<bpf_func_info> functions(size.nr_func_info);
  bpf_prog_info info{};
  info.xlated_prog_len = size.xlated_prog_len;
  info.xlated_prog_insns = reinterpret_cast<std::uintptr_t>(code.data());
  info.nr_func_info = size.nr_func_info;
  info.func_info_rec_size = sizeof(bpf_func_info);
  info.func_info = reinterpret_cast<std::uintptr_t>(functions.data());
  REQUIRE(bpf_obj_get_info_by_fd(fd, &info, &length) == 0);

  std::vector<Frame> frames;
  for (const bpf_func_info& function : functions)
    frames.push_back(
        {btf__name_by_offset(types, btf__type_by_id(types, function.type_id)->name_off), function.insn_off, 0, {}});
  std::size_t caller = 0;
  for (std::uint32_t i = 0; i < code.size(); ++i) {
    if (caller + 1 < frames.size() && i == frames[caller + 1].first_instruction) ++caller;
    if (code[i].code == (BPF_JMP | BPF_CALL) && code[i].src_reg == BPF_PSEUDO_CALL)
      frames[caller].calls.push_back(static_cast<std::size_t>(code[i].imm));
  }
  const std::string heading = "stack depth ";
  const std::size_t at = log.find(heading);
  REQUIRE(at != std::string::npos);
  std::istringstream depths{log.substr(at + heading.size())};
  for (Frame& frame : frames) {
    REQUIRE(depths >> frame.bytes);
    depths.ignore();  // +
  }
  return frames;
}

struct Chain {
  std::uint32_t bytes = 0;
  std::string functions;
};

// Each frame rounded up to 32 bytes: no kernel rounds more coarsely.
Chain deepest(const std::vector<Frame>& frames, std::size_t from = 0) {
  Chain below;
  for (const std::size_t callee : frames.at(from).calls) {
    Chain chain = deepest(frames, callee);
    if (chain.bytes > below.bytes) below = std::move(chain);
  }
  const std::uint32_t own = (std::max(frames[from].bytes, 1U) + 31) / 32 * 32;
  return {own + below.bytes,
          "\n  " + std::to_string(frames[from].bytes) + " " + frames[from].function + below.functions};
}

}  // namespace

TEST_CASE("every program loads with room to spare") {
  Gate::fresh();  // skips where there is no root
  constexpr std::uint32_t walked_max = 500'000;
  constexpr std::uint32_t stack_max = 512 - 32;  // the verifier allows 512; one step is kept for what comes
  for (const ObjectBytes& bytes : gate_objects()) {
    INFO(bytes.name);
    std::vector<char> log(1U << 16);
    const Object object = load(bytes, log);
    const bpf_program* program = bpf_object__next_program(object.get(), nullptr);
    REQUIRE(program);
    REQUIRE_FALSE(bpf_object__next_program(object.get(), const_cast<bpf_program*>(program)));
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    REQUIRE(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0);
    const Chain stack = deepest(frames_of(program, bpf_object__btf(object.get()), log.data()));
    std::printf("%-18s %6u instructions, verifier walked %7u, %6u bytes of machine code, stack %u:%s\n",
                bpf_program__name(program), info.xlated_prog_len / 8, info.verified_insns, info.jited_prog_len,
                stack.bytes, stack.functions.c_str());
    CHECK(info.verified_insns < walked_max);
    CHECK(stack.bytes <= stack_max);
  }
  std::fflush(stdout);
}

TEST_CASE("the objects have the maps of the ABI, with its sizes, and say which ABI they were built for") {
  Gate::fresh();
  for (const ObjectBytes& bytes : gate_objects()) {
    INFO(bytes.name);
    const Object object{bpf_object__open_mem(bytes.bytes, bytes.size, nullptr)};
    REQUIRE(object);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object.get()) {
      const std::string name = bpf_map__name(map);
#define POSTERN_TEST_SIZES(map_name, key, value)      \
  if (name == #map_name) {                            \
    CHECK(bpf_map__key_size(map) == sizeof(key));     \
    CHECK(bpf_map__value_size(map) == sizeof(value)); \
  }
      GATE_MAPS(POSTERN_TEST_SIZES)
#undef POSTERN_TEST_SIZES
      // Nothing that admits may be evicted.
      if (name.starts_with("grants_") || name.starts_with("established_") || name.starts_with("services_")) {
        CHECK(bpf_map__type(map) == BPF_MAP_TYPE_HASH);
      }
    }
  }
}
