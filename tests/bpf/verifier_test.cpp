// SPDX-License-Identifier: Apache-2.0
// Every program of every object passes the verifier of the running kernel, and shares its maps by the names of the ABI.
// Prints how many instructions the verifier walked: its limit is a million, and older kernels walk more.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdio>
#include <cstring>

#include "tests/support/expect.hpp"
#include "tests/support/gate_objects.hpp"

using namespace postern::test;

namespace {

struct Closed {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

}  // namespace

TEST_CASE("every program loads with room to spare") {
  Gate::fresh();  // skips where there is no root
  constexpr std::uint32_t walked_max = 500'000;
  for (const ObjectBytes& bytes : gate_objects()) {
    INFO(bytes.name);
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = bytes.name);
    const std::unique_ptr<bpf_object, Closed> object{bpf_object__open_mem(bytes.bytes, bytes.size, &options)};
    REQUIRE(object);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object.get()) {
      if (bpf_map__max_entries(map) > 4096) bpf_map__set_max_entries(map, 4096);
    }
    REQUIRE(bpf_object__load(object.get()) == 0);
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object.get()) {
      bpf_prog_info info{};
      std::uint32_t size = sizeof info;
      REQUIRE(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0);
      std::printf("%-18s %6u instructions, verifier walked %7u, %6u bytes of machine code\n",
                  bpf_program__name(program), info.xlated_prog_len / 8, info.verified_insns, info.jited_prog_len);
      CHECK(info.verified_insns < walked_max);
    }
  }
  std::fflush(stdout);
}

TEST_CASE("the objects have the maps of the ABI, with its sizes, and say which ABI they were built for") {
  Gate::fresh();
  for (const ObjectBytes& bytes : gate_objects()) {
    INFO(bytes.name);
    const std::unique_ptr<bpf_object, Closed> object{bpf_object__open_mem(bytes.bytes, bytes.size, nullptr)};
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
