// SPDX-License-Identifier: Apache-2.0
// The bytes of the three objects, as bpftool's skeletons carry them. Apart from program.cpp because a skeleton's name
// (gate_explain) may be that of an ABI struct: nothing of bpf/abi can be included where the skeletons are.
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <optional>

#include "loader/part.hpp"

namespace postern::loader {

struct OpenedSkeleton {
  void* skeleton;
  void (*close)(void*);
  bpf_object* object;
  bpf_program* program;
  std::uint32_t abi;  // that the object was built for
};

const char* object_name(Part part);
// Nothing, and errno: libbpf refused it.
std::optional<OpenedSkeleton> open_skeleton(Part part, const bpf_object_open_opts* options);

}  // namespace postern::loader
