// SPDX-License-Identifier: Apache-2.0
// See boot_snapshot.hpp.
#include "loader/boot_snapshot.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "loader/fd.hpp"

namespace postern::loader {
namespace fs = std::filesystem;
namespace {

// The tables hold fewer than 300,000 elements. An unprivileged user writes the file, root reads it.
constexpr off_t largest_file = off_t{1} << 24;
constexpr std::uint32_t known_service_flags = GATE_SERVICE_ENFORCE | GATE_SERVICE_FAILSAFE | GATE_SERVICE_LEARN;
constexpr std::uint32_t known_address_flags = GATE_ADDRESS_ENFORCE | GATE_ADDRESS_TUNNELS;

fs::path one_before(const fs::path& path) {
  return path.string() + ".last";
}

std::uint64_t checksum(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const std::byte byte : bytes) sum = (sum ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3;
  return sum;
}

std::vector<std::byte> encode(const Snapshot& snapshot) {
  SnapshotHeader header;
  header.records = static_cast<std::uint32_t>(snapshot.size());
  const auto records = std::as_bytes(std::span(snapshot));
  std::vector<std::byte> bytes(sizeof header + records.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  std::copy(records.begin(), records.end(), bytes.begin() + sizeof header);
  header.checksum = checksum(bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

bool is_sound(const SnapshotRecord& record) {
  const gate_prefix_key& key = record.key;
  const unsigned longest = key.family == GATE_IPV4 ? 32U : key.family == GATE_IPV6 ? 128U : 0U;
  if (longest == 0 || key.length_bits < GATE_PREFIX_KEY_FIXED_BITS ||
      key.length_bits > GATE_PREFIX_KEY_FIXED_BITS + longest)
    return false;
  switch (record.kind) {
    case SnapshotKind::service:
      return record.id != 0 && (record.flags & ~known_service_flags) == 0 &&
             (key.protocol == IPPROTO_TCP || key.protocol == IPPROTO_UDP);
    case SnapshotKind::address:
      return (record.flags & ~known_address_flags) == 0 && key.protocol == 0 && key.port_be == 0;
    case SnapshotKind::failsafe:
      return key.protocol == 0 && key.port_be == 0;
  }
  return false;
}

LoaderError unreadable(const fs::path& path, const std::string& why) {
  return {path.string() + " " + why, EBADMSG};
}

LoaderResult<Snapshot> decode(const fs::path& path, std::vector<std::byte> bytes) {
  SnapshotHeader header;
  if (bytes.size() < sizeof header) return unreadable(path, "is cut off");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != SnapshotHeader{}.magic) return unreadable(path, "is no boot snapshot");
  if (header.version != SnapshotHeader{}.version)
    return unreadable(path, "has version " + std::to_string(header.version) + ", which this postern-loader cannot read");
  if (header.abi != GATE_ABI)
    return unreadable(path, "is of ABI " + std::to_string(header.abi) + ", and this postern-loader speaks ABI " +
                                std::to_string(GATE_ABI));
  if (bytes.size() != sizeof header + std::size_t{header.records} * sizeof(SnapshotRecord))
    return unreadable(path, "is cut off or too long");
  const std::uint64_t expected = std::exchange(header.checksum, 0);
  std::memcpy(bytes.data(), &header, sizeof header);
  if (checksum(bytes) != expected) return unreadable(path, "is damaged (its checksum is wrong)");
  Snapshot snapshot(header.records);
  if (!snapshot.empty())
    std::memcpy(static_cast<void*>(snapshot.data()), bytes.data() + sizeof header, bytes.size() - sizeof header);
  if (!std::all_of(snapshot.begin(), snapshot.end(), is_sound)) return unreadable(path, "holds what cannot be guarded");
  return snapshot;
}

// ENOENT: there is none.
LoaderResult<Snapshot> read_one(const fs::path& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid() && errno == ENOENT) return LoaderError{path.string() + " does not exist", ENOENT};
  struct stat found {};
  if (!file.valid() || ::fstat(file.get(), &found) != 0)
    return unreadable(path, std::string("cannot be opened: ") + std::strerror(errno));  // NOLINT: one thread
  if (!S_ISREG(found.st_mode) || found.st_size > largest_file) return unreadable(path, "is no boot snapshot");
  std::vector<std::byte> bytes(static_cast<std::size_t>(found.st_size));
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t got = ::read(file.get(), bytes.data() + at, bytes.size() - at);
    if (got <= 0) return unreadable(path, "cannot be read to its end");
    at += static_cast<std::size_t>(got);
  }
  return decode(path, std::move(bytes));
}

bool write_durably(const fs::path& path, const std::vector<std::byte>& bytes) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return false;
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t put = ::write(file.get(), bytes.data() + at, bytes.size() - at);
    if (put <= 0) return false;
    at += static_cast<std::size_t>(put);
  }
  return ::fsync(file.get()) == 0;
}

bool sync_folder(const fs::path& folder) {
  const Fd opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return opened.valid() && ::fsync(opened.get()) == 0;
}

// Puts a second name on the file, in place of what has that name.
bool name_also(const fs::path& path, const fs::path& name) {
  const fs::path fresh = name.string() + ".new";
  ::unlink(fresh.c_str());
  return ::link(path.c_str(), fresh.c_str()) == 0 && ::rename(fresh.c_str(), name.c_str()) == 0;
}

LoaderResult<void> put_service(const MapSet& maps, const SnapshotRecord& record) {
  const gate_prefix_key& key = record.key;
  gate_service service{};
  service.id = record.id;
  service.flags = record.flags;
  const unsigned length = key.length_bits - GATE_PREFIX_KEY_FIXED_BITS;
  if (key.family == GATE_IPV4 && length == 32) {
    gate_service_key_v4 exact{};
    std::memcpy(&exact.address, key.address, sizeof exact.address);
    exact.port_be = key.port_be;
    exact.protocol = key.protocol;
    if (auto put = maps.services_v4.update(exact, service); !put) return put;
  } else if (key.family == GATE_IPV6 && length == 128) {
    gate_service_key_v6 exact{};
    std::memcpy(exact.address, key.address, sizeof exact.address);
    exact.port_be = key.port_be;
    exact.protocol = key.protocol;
    if (auto put = maps.services_v6.update(exact, service); !put) return put;
  } else if (auto put = maps.service_prefixes.update(key, service); !put) {
    return put;
  }
  const std::uint32_t port = ntohs(key.port_be);
  const std::uint32_t word = port / 64 + (key.protocol == IPPROTO_UDP ? GATE_GUARDED_PORTS_UDP_WORD : 0);
  const auto bits = maps.guarded_ports.lookup(word);
  if (!bits) return bits.error();
  return maps.guarded_ports.update(word, bits->value_or(0) | std::uint64_t{1} << port % 64);
}

LoaderResult<void> put(const MapSet& maps, const SnapshotRecord& record) {
  switch (record.kind) {
    case SnapshotKind::service:
      return put_service(maps, record);
    case SnapshotKind::address:
      return maps.guarded_addresses.update(record.key, {record.flags, record.services});
    case SnapshotKind::failsafe:
      return maps.failsafe_sources.update(record.key, {GATE_FAILSAFE_ADMIN});
  }
  return {};
}

// The control record's flags say which tables must be asked.
LoaderResult<void> set_flags(const MapSet& maps, const Snapshot& snapshot) {
  const auto control = maps.control.lookup(0);
  if (!control) return control.error();
  gate_control flagged = control->value_or(gate_control{});
  for (const SnapshotRecord& record : snapshot) {
    const bool exact = record.key.length_bits - GATE_PREFIX_KEY_FIXED_BITS == (record.key.family == GATE_IPV4 ? 32U : 128U);
    if (record.kind == SnapshotKind::failsafe) flagged.flags |= GATE_CONTROL_FAILSAFE_SOURCES;
    if (record.kind == SnapshotKind::service && !exact) flagged.flags |= GATE_CONTROL_SERVICE_PREFIXES;
  }
  return maps.control.update(0, flagged);
}

}  // namespace

fs::path snapshot_path(const fs::path& state_folder, const std::string& instance) {
  return state_folder / (instance + ".snapshot");
}

LoaderResult<void> write_snapshot(const fs::path& path, const Snapshot& snapshot) {
  const fs::path fresh = path.string() + ".new";
  const auto failed = [&path] { return system_error("write the boot snapshot " + path.string(), errno); };
  if (!write_durably(fresh, encode(snapshot))) return failed();
  if (read_one(path) && !name_also(path, one_before(path))) return failed();
  if (::rename(fresh.c_str(), path.c_str()) != 0 || !sync_folder(path.parent_path())) return failed();
  return {};
}

LoaderResult<std::optional<FoundSnapshot>> read_snapshot(const fs::path& path) {
  auto newest = read_one(path);
  if (newest) return std::optional(FoundSnapshot{*std::move(newest), ""});
  auto last = read_one(one_before(path));
  if (last)
    return std::optional(FoundSnapshot{*std::move(last), "the boot snapshot " + newest.error().sentence +
                                                             "; the gate guards by the one before it until posternd runs"});
  if (newest.error().errno_value == ENOENT && last.error().errno_value == ENOENT)
    return std::optional<FoundSnapshot>();
  return LoaderError{"the boot snapshot " + newest.error().sentence + ", and the one before it, " + last.error().sentence +
                         ": nothing was attached, since nobody knows what is to be guarded; start posternd and " +
                         "`attach --no-snapshot`, or remove both",
                     EBADMSG};
}

LoaderResult<void> fill_from_snapshot(const MapSet& maps, const Snapshot& snapshot) {
  if (auto flagged = set_flags(maps, snapshot); !flagged) return flagged;
  for (const SnapshotRecord& record : snapshot)
    if (auto done = put(maps, record); !done) return done;
  return {};
}

}  // namespace postern::loader
