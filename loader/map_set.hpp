// SPDX-License-Identifier: Apache-2.0
// All maps of the gate, opened from their pins with the types bpf/abi/maps.h gives them. Opening is the handshake:
// another ABI is refused with a sentence that says what to do. Needs no right but that to read and write the pins.
#pragma once

#include <filesystem>

#include "bpf/abi/maps.h"
#include "loader/bpf_map.hpp"
#include "loader/error.hpp"
#include "loader/ring.hpp"

namespace postern::loader {

struct MapSet {
#define POSTERN_MAP_MEMBER(name, key, value) BpfMap<key, value> name;
  GATE_MAPS(POSTERN_MAP_MEMBER)
#undef POSTERN_MAP_MEMBER

  // `bpffs`: the instance's own bpffs; the maps stand in v<ABI>/ below it.
  static LoaderResult<MapSet> open(const std::filesystem::path& bpffs);
};

// The gate's rings. For the one process that reads them: two would each see a part.
struct RingSet {
#define POSTERN_RING_MEMBER(name, record) Ring<record> name;
  GATE_RINGS(POSTERN_RING_MEMBER)
#undef POSTERN_RING_MEMBER

  Fd readiness;  // readable while records wait in any of them

  static LoaderResult<RingSet> open(const std::filesystem::path& bpffs);
};

// The folder of this program's maps: bpffs/v<ABI>.
std::filesystem::path map_folder(const std::filesystem::path& bpffs);
// What kind of map `name` is; UNSPEC for a name that bpf/abi/maps.h does not have.
bpf_map_type map_type(std::string_view name);

}  // namespace postern::loader
