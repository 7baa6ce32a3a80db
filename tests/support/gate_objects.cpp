// SPDX-License-Identifier: Apache-2.0
// The only file of the tests that sees the skeletons.
#include "tests/support/gate_objects.hpp"

#include "gate_egress.skel.h"
#include "gate_explain.skel.h"
#include "gate_ingress.skel.h"

namespace postern::test {

std::array<ObjectBytes, 3> gate_objects() {
  std::array<ObjectBytes, 3> out{
      {{"gate_ingress", nullptr, 0}, {"gate_egress", nullptr, 0}, {"gate_explain", nullptr, 0}}};
  out[0].bytes = gate_ingress__elf_bytes(&out[0].size);
  out[1].bytes = gate_egress__elf_bytes(&out[1].size);
  out[2].bytes = gate_explain__elf_bytes(&out[2].size);
  return out;
}

}  // namespace postern::test
