// SPDX-License-Identifier: Apache-2.0
// The boot snapshot: what is guarded, in a file, so that the loader can guard before posternd runs. posternd writes it
// after each change; `attach` fills empty maps from it, without any grant. Beside it stands the one before it, for the
// case that the newest cannot be read.
//
// The file is a header and records of a fixed size, in the machine's byte order; the checksum covers all of both.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bpf/abi/maps.h"
#include "loader/error.hpp"
#include "loader/map_set.hpp"

namespace postern::loader {

enum class SnapshotKind : std::uint32_t { service = 1, address = 2, failsafe = 3 };

struct SnapshotRecord {
  SnapshotKind kind{};
  std::uint32_t id = 0;        // service
  std::uint32_t flags = 0;     // enum gate_service_flags or gate_address_flags
  std::uint32_t services = 0;  // address: how many
  gate_prefix_key key{};       // full length: exact
};
static_assert(sizeof(SnapshotRecord) == 40);

struct SnapshotHeader {
  std::uint64_t magic = 0x504f5354534e4150;  // "POSTSNAP"
  std::uint16_t version = 1;
  std::uint16_t abi = GATE_ABI;  // the records hold flags and keys as it numbers them
  std::uint32_t records = 0;
  std::uint64_t checksum = 0;  // FNV-1a, with this field 0
};
static_assert(sizeof(SnapshotHeader) == 24);

using Snapshot = std::vector<SnapshotRecord>;

// The default of posternd and of `attach`.
std::filesystem::path snapshot_path(const std::filesystem::path& state_folder, const std::string& instance);
inline constexpr const char* default_state_folder = "/var/lib/postern";

// Durable, and in one piece, when it returns; what stood there becomes the one before it, if it can be read.
LoaderResult<void> write_snapshot(const std::filesystem::path& path, const Snapshot& snapshot);

struct FoundSnapshot {
  Snapshot snapshot;
  std::string warning;  // if it is not the newest
};
// Nothing: there never was one. EBADMSG: there is one, and neither it nor the one before it can be read.
LoaderResult<std::optional<FoundSnapshot>> read_snapshot(const std::filesystem::path& path);

// Puts all of it into maps that nothing uses yet.
LoaderResult<void> fill_from_snapshot(const MapSet& maps, const Snapshot& snapshot);

}  // namespace postern::loader
