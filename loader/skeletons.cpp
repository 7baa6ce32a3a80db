// SPDX-License-Identifier: Apache-2.0
// The only place that includes the skeletons of the gate, see skeletons.hpp.
#include "loader/skeletons.hpp"

#include <gate_egress.skel.h>
#include <gate_explain.skel.h>
#include <gate_ingress.skel.h>

#include <array>
#include <cstddef>

namespace postern::loader {
namespace {

// Skeletons are structs of different types with the same members.
#define POSTERN_OPEN(skeleton_name, program_name)                                                             \
  [](const bpf_object_open_opts* options) -> std::optional<OpenedSkeleton> {                                  \
    struct skeleton_name* skeleton = skeleton_name##__open_opts(options);                                     \
    if (!skeleton) return std::nullopt;                                                                       \
    return OpenedSkeleton{skeleton,                                                                           \
                          [](void* it) { skeleton_name##__destroy(static_cast<struct skeleton_name*>(it)); }, \
                          skeleton->obj, skeleton->progs.program_name, skeleton->rodata->gate_abi};           \
  }

struct PartRow {
  const char* name;
  std::optional<OpenedSkeleton> (*open)(const bpf_object_open_opts*);
};

const PartRow& row(Part part) {
  static const std::array<PartRow, 3> rows = {{
      {"gate_ingress", POSTERN_OPEN(gate_ingress, postern_ingress)},
      {"gate_egress", POSTERN_OPEN(gate_egress, postern_egress)},
      {"gate_explain", POSTERN_OPEN(gate_explain, postern_explain)},
  }};
  return rows[static_cast<std::size_t>(part)];
}

}  // namespace

const char* object_name(Part part) {
  return row(part).name;
}

std::optional<OpenedSkeleton> open_skeleton(Part part, const bpf_object_open_opts* options) {
  return row(part).open(options);
}

}  // namespace postern::loader
