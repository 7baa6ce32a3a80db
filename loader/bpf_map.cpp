// SPDX-License-Identifier: Apache-2.0
// The untyped half of BpfMap: every bpf() call on a map and the wording of its failures.
#include "loader/bpf_map.hpp"

#include <bpf/libbpf.h>

#include <cerrno>
#include <filesystem>

namespace postern::loader {

namespace {

constexpr int kernel_enotsupp = 524;

std::string type_text(bpf_map_type type) {
  const char* text = libbpf_bpf_map_type_str(type);
  return text ? text : "type " + std::to_string(static_cast<int>(type));
}

std::optional<LoaderError> mismatch(const MapInfo& info, bpf_map_type type, std::size_t key_size,
                                    std::size_t value_size) {
  if (type != BPF_MAP_TYPE_UNSPEC && info.type != type)
    return LoaderError{"map " + info.name + " is a " + type_text(info.type) + " where this program expects a " +
                           type_text(type) + ": loader and daemon are of different releases",
                       EINVAL};
  if (info.key_size == key_size && info.value_size == value_size) return std::nullopt;
  return LoaderError{"map " + info.name + " has keys of " + std::to_string(info.key_size) + " and values of " +
                         std::to_string(info.value_size) + " bytes where this program expects " +
                         std::to_string(key_size) + " and " + std::to_string(value_size) +
                         ": loader and daemon are of different releases",
                     EINVAL};
}

}  // namespace

LoaderResult<MapHandle> MapHandle::open(const std::string& pin_path, bpf_map_type type, std::size_t key_size,
                                        std::size_t value_size) {
  Fd fd(bpf_obj_get(pin_path.c_str()));
  if (!fd.valid()) return system_error("opening the pinned map " + pin_path, errno);
  return adopt(std::move(fd), std::filesystem::path(pin_path).filename().string(), type, key_size, value_size);
}

LoaderResult<MapHandle> MapHandle::adopt(Fd fd, std::string name, bpf_map_type type, std::size_t key_size,
                                         std::size_t value_size) {
  bpf_map_info raw{};
  std::uint32_t length = sizeof(raw);
  if (bpf_obj_get_info_by_fd(fd.get(), &raw, &length) != 0)
    return system_error("asking the kernel about map " + name, errno);
  MapHandle map;
  map.fd_ = std::move(fd);
  map.info_ = {std::move(name), static_cast<bpf_map_type>(raw.type),
               raw.key_size,    raw.value_size,
               raw.max_entries, raw.map_flags,
               raw.id};
  if (auto wrong = mismatch(map.info_, type, key_size, value_size)) return *wrong;
  return map;
}

bool MapHandle::per_cpu() const {
  return info_.type == BPF_MAP_TYPE_PERCPU_ARRAY || info_.type == BPF_MAP_TYPE_PERCPU_HASH ||
         info_.type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

LoaderError MapHandle::error(std::string_view step, int errno_value) const {
  LoaderError result = system_error("map " + info_.name + ", " + std::string(step), errno_value);
  if (result.errno_value == E2BIG || result.errno_value == ENOSPC)
    result.sentence += ": it is full or the key is beyond its " + std::to_string(info_.max_entries) + " entries";
  return result;
}

LoaderResult<bool> MapHandle::lookup(const void* key, void* value) const {
  // The kernel would write every CPU's value behind the one the caller has room for.
  if (per_cpu()) return error("look-up of one value in a per-CPU map", EINVAL);
  if (bpf_map_lookup_elem(fd_.get(), key, value) == 0) return true;
  if (errno == ENOENT) return false;
  return error("look-up", errno);
}

LoaderResult<void> MapHandle::update(const void* key, const void* value, std::uint64_t flags) const {
  if (per_cpu()) return error("update of one value in a per-CPU map", EINVAL);
  if (bpf_map_update_elem(fd_.get(), key, value, flags) == 0) return {};
  return error("update", errno);
}

LoaderResult<bool> MapHandle::erase(const void* key) const {
  if (bpf_map_delete_elem(fd_.get(), key) == 0) return true;
  if (errno == ENOENT) return false;
  return error("erase", errno);
}

LoaderResult<bool> MapHandle::next_key(const void* key, void* next) const {
  if (bpf_map_get_next_key(fd_.get(), key, next) == 0) return true;
  if (errno == ENOENT) return false;
  return error("next key", errno);
}

LoaderResult<std::uint32_t> MapHandle::read_batch(BatchCursor& cursor, void* keys, void* values,
                                                  std::uint32_t count) const {
  if (cursor.done_) return 0U;
  if (per_cpu()) return error("batch look-up in a per-CPU map", EINVAL);
  std::vector<std::byte> token(std::max<std::size_t>(info_.key_size, sizeof(std::uint32_t)));
  std::uint32_t read = count;
  const int failed = bpf_map_lookup_batch(fd_.get(), cursor.token_.empty() ? nullptr : cursor.token_.data(),
                                          token.data(), keys, values, &read, nullptr);
  const int why = errno;
  if (failed != 0 && why == kernel_enotsupp) return error("batch look-up", EOPNOTSUPP);
  if (failed != 0 && why != ENOENT) return error("batch look-up", why);
  cursor.token_ = std::move(token);
  cursor.done_ = failed != 0;  // ENOENT is the normal end, and its last elements count
  return read;
}

LoaderResult<void> MapHandle::update_batch(const void* keys, const void* values, std::uint32_t count,
                                           std::uint64_t flags, std::uint32_t& written) const {
  written = 0;
  if (count == 0) return {};
  if (per_cpu()) return error("batch update of a per-CPU map", EINVAL);
  LIBBPF_OPTS(bpf_map_batch_opts, options, .elem_flags = flags);
  std::uint32_t done = count;
  if (bpf_map_update_batch(fd_.get(), keys, values, &done, &options) == 0) {
    written = count;
    return {};
  }
  const int why = errno;
  if (why != kernel_enotsupp) {
    written = done < count ? done : 0;
    return error("batch update", why);
  }
  for (; written < count; ++written) {  // e.g. a trie before 5.19
    auto put = update(static_cast<const std::byte*>(keys) + std::size_t{written} * info_.key_size,
                      static_cast<const std::byte*>(values) + std::size_t{written} * info_.value_size, flags);
    if (!put) return put;
  }
  return {};
}

std::size_t possible_cpus() {
  const int count = libbpf_num_possible_cpus();
  return count > 0 ? static_cast<std::size_t>(count) : 1;
}

LoaderResult<void> clear_per_cpu(const MapHandle& map, const void* key) {
  if (!map.per_cpu()) return LoaderError{"map " + map.info().name + " is not a per-CPU map", EINVAL};
  const std::vector<std::byte> zeros((std::size_t{map.info().value_size} + 7) / 8 * 8 * possible_cpus());
  if (bpf_map_update_elem(map.fd(), key, zeros.data(), BPF_ANY) == 0) return {};
  return system_error("map " + map.info().name + ", clearing", errno);
}

LoaderResult<bool> lookup_per_cpu(const MapHandle& map, const void* key, std::vector<std::byte>& buffer) {
  if (!map.per_cpu()) return LoaderError{"map " + map.info().name + " is not a per-CPU map", EINVAL};
  const std::size_t stride = (std::size_t{map.info().value_size} + 7) / 8 * 8;
  buffer.assign(stride * possible_cpus(), std::byte{});
  if (bpf_map_lookup_elem(map.fd(), key, buffer.data()) == 0) return true;
  if (errno == ENOENT) return false;
  return system_error("map " + map.info().name + ", look-up", errno);
}

}  // namespace postern::loader
