// SPDX-License-Identifier: Apache-2.0
// Adoption: sessions that are open when a port becomes guarded become flows, so that they live on. Only adds entries, never
// changes or removes one, and touches nothing but the tables of established flows.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "loader/error.hpp"
#include "loader/instance.hpp"
#include "loader/map_set.hpp"

namespace postern::loader {

struct AdoptReport {
  std::size_t adopted = 0;
  std::size_t known = 0;       // had a flow already
  std::size_t not_stored = 0;  // the table is full
  std::vector<std::string> warnings;
};

// The open sessions of these services. Refused, and nothing done, if the maps do not have them all.
LoaderResult<AdoptReport> adopt(const MapSet& maps, const std::set<std::uint32_t>& services);
// The same in the maps of this instance, for root.
LoaderResult<AdoptReport> adopt(const Instance& instance, const std::set<std::uint32_t>& services);

// What `attach` adopts for: all services, as long as the programs of these maps have judged no packet; from then on none. What
// they cut, or saw the end of, is forgotten some time, while the kernel may go on tracking it: it must not come to life.
LoaderResult<std::set<std::uint32_t>> services_never_judged(const MapSet& maps);

// What a socket may say: "3 17 42\n", ids in decimal, nothing else. `line` is without its newline.
inline constexpr std::size_t adopt_line_max = 1 << 20;
LoaderResult<std::set<std::uint32_t>> parse_service_ids(const std::string& line);

}  // namespace postern::loader
