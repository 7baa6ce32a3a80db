// SPDX-License-Identifier: Apache-2.0
// Opens the gate's pins. The map types stand here once more, because bpf/abi/maps.h is about layout only: a map that
// is missing below does not compile.
#include "loader/map_set.hpp"

#include <sys/epoll.h>
#include <sys/stat.h>

#include <cerrno>

namespace postern::loader {

namespace {

namespace kind {
constexpr auto guarded_ports = BPF_MAP_TYPE_ARRAY;
constexpr auto services_v4 = BPF_MAP_TYPE_HASH;
constexpr auto services_v6 = BPF_MAP_TYPE_HASH;
constexpr auto service_prefixes = BPF_MAP_TYPE_LPM_TRIE;
constexpr auto guarded_addresses = BPF_MAP_TYPE_LPM_TRIE;
constexpr auto failsafe_sources = BPF_MAP_TYPE_LPM_TRIE;
constexpr auto grants_v4 = BPF_MAP_TYPE_HASH;
constexpr auto grants_v6 = BPF_MAP_TYPE_HASH;
constexpr auto grant_records = BPF_MAP_TYPE_ARRAY;
constexpr auto grant_usage = BPF_MAP_TYPE_ARRAY;
constexpr auto half_open_v4 = BPF_MAP_TYPE_LRU_HASH;
constexpr auto half_open_v6 = BPF_MAP_TYPE_LRU_HASH;
constexpr auto learning_v4 = BPF_MAP_TYPE_LRU_HASH;
constexpr auto learning_v6 = BPF_MAP_TYPE_LRU_HASH;
constexpr auto learned_usage = BPF_MAP_TYPE_ARRAY;
constexpr auto established_v4 = BPF_MAP_TYPE_HASH;
constexpr auto established_v6 = BPF_MAP_TYPE_HASH;
constexpr auto fragments = BPF_MAP_TYPE_LRU_HASH;
constexpr auto counters = BPF_MAP_TYPE_PERCPU_ARRAY;
constexpr auto tallies = BPF_MAP_TYPE_PERCPU_ARRAY;
constexpr auto service_counters = BPF_MAP_TYPE_PERCPU_ARRAY;
constexpr auto drop_budget = BPF_MAP_TYPE_PERCPU_ARRAY;
constexpr auto config = BPF_MAP_TYPE_ARRAY;
constexpr auto control = BPF_MAP_TYPE_ARRAY;
constexpr auto watched_ports = BPF_MAP_TYPE_ARRAY;
constexpr auto answers = BPF_MAP_TYPE_LRU_HASH;
constexpr auto answer_peers = BPF_MAP_TYPE_LRU_HASH;
}  // namespace kind

constexpr const char* advice =
    ": install loader and daemon of one release and run `postern-loader attach`, which keeps what it can";

// Why v<ABI>/ cannot be opened: no gate at all, or one of another ABI.
LoaderError missing_folder(const std::filesystem::path& bpffs, const std::filesystem::path& folder, int why) {
  if (why != ENOENT) return system_error("opening the gate's maps in " + folder.string(), why);
  std::string others;
  std::error_code failed;
  for (std::filesystem::directory_iterator it(bpffs, failed), end; !failed && it != end; it.increment(failed)) {
    const std::string name = it->path().filename().string();
    if (name.size() > 1 && name[0] == 'v' && name.find_first_not_of("0123456789", 1) == std::string::npos)
      others += (others.empty() ? "" : ", ") + name;
  }
  if (others.empty())
    return {"no gate is loaded: " + folder.string() + " does not exist; start it with `postern-loader attach`", why};
  return {"the gate in " + bpffs.string() + " speaks ABI " + others + ", this program speaks v" +
              std::to_string(GATE_ABI) + advice,
          why};
}

}  // namespace

std::filesystem::path map_folder(const std::filesystem::path& bpffs) {
  return bpffs / ("v" + std::to_string(GATE_ABI));
}

bpf_map_type map_type(std::string_view name) {
#define POSTERN_MAP_TYPE(map, key, value) \
  if (name == #map) return kind::map;
  GATE_MAPS(POSTERN_MAP_TYPE)
#undef POSTERN_MAP_TYPE
#define POSTERN_RING_TYPE(ring, record) \
  if (name == #ring) return BPF_MAP_TYPE_RINGBUF;
  GATE_RINGS(POSTERN_RING_TYPE)
#undef POSTERN_RING_TYPE
  return BPF_MAP_TYPE_UNSPEC;
}

LoaderResult<MapSet> MapSet::open(const std::filesystem::path& bpffs) {
  const std::filesystem::path folder = map_folder(bpffs);
  struct stat there {};
  if (::stat(folder.c_str(), &there) != 0) return missing_folder(bpffs, folder, errno);
  MapSet maps;
#define POSTERN_OPEN_MAP(map, key, value)                                        \
  {                                                                              \
    auto opened = BpfMap<key, value>::open((folder / #map).string(), kind::map); \
    if (!opened) return opened.error();                                          \
    maps.map = std::move(*opened);                                               \
  }
  GATE_MAPS(POSTERN_OPEN_MAP)
#undef POSTERN_OPEN_MAP
  auto configured = maps.config.lookup(0);
  if (!configured) return configured.error();
  // 0: the loader has not configured the gate yet (it opens the maps before it writes the record).
  if (const std::uint32_t abi = *configured ? (*configured)->abi : 0; abi != 0 && abi != GATE_ABI)
    return LoaderError{"the gate in " + folder.string() + " was configured by a loader of ABI v" + std::to_string(abi) +
                           ", this program speaks v" + std::to_string(GATE_ABI) + advice,
                       EINVAL};
  return maps;
}

LoaderResult<RingSet> RingSet::open(const std::filesystem::path& bpffs) {
  const std::filesystem::path folder = map_folder(bpffs);
  RingSet rings;
  rings.readiness = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!rings.readiness.valid()) return system_error("making an epoll", errno);
#define POSTERN_OPEN_RING(ring, record)                              \
  {                                                                  \
    auto opened = Ring<record>::open((folder / #ring).string());     \
    if (!opened) return opened.error();                              \
    rings.ring = std::move(*opened);                                 \
    epoll_event event{};                                             \
    event.events = EPOLLIN;                                          \
    if (::epoll_ctl(rings.readiness.get(), EPOLL_CTL_ADD, rings.ring.readiness(), &event) != 0) \
      return system_error("watching the ring " #ring, errno);        \
  }
  GATE_RINGS(POSTERN_OPEN_RING)
#undef POSTERN_OPEN_RING
  return rings;
}

}  // namespace postern::loader
