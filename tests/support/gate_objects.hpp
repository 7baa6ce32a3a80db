// SPDX-License-Identifier: Apache-2.0
// The compiled BPF objects as bytes. The skeletons stay in the .cpp: that of gate_explain.bpf.c declares a struct of
// the same name as the ABI's gate_explain.
#pragma once

#include <array>
#include <cstddef>

namespace postern::test {

struct ObjectBytes {
  const char* name;
  const void* bytes;
  std::size_t size;
};

// Ingress, egress, explain.
std::array<ObjectBytes, 3> gate_objects();

}  // namespace postern::test
