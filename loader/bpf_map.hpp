// SPDX-License-Identifier: Apache-2.0
// A BPF map as a typed, owning handle: BpfMap<Key, Value> over the untyped MapHandle, whose sizes were compared with
// the ABI's structs when it was opened. Nothing throws for what may fail; an error names the step and the map.
// Not thread-safe beyond what the kernel gives each call. Keys and values are bytes as the ABI headers say.
#pragma once

#include <bpf/bpf.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "loader/error.hpp"
#include "loader/fd.hpp"

namespace postern::loader {

// What the kernel says of a map. Of a per-CPU map, value_size is that of one CPU's value.
struct MapInfo {
  std::string name;
  bpf_map_type type = BPF_MAP_TYPE_UNSPEC;
  std::uint32_t key_size = 0, value_size = 0, max_entries = 0, flags = 0, id = 0;
};

// Where a walk by batches stands. A walk may miss or repeat what changes meanwhile, never what stays.
class BatchCursor {
 public:
  bool done() const { return done_; }
  void restart() { *this = BatchCursor(); }

 private:
  friend class MapHandle;
  std::vector<std::byte> token_;  // the kernel's; empty: at the start
  bool done_ = false;
};

class MapHandle {
 public:
  MapHandle() = default;

  // Opens a pin. Fails if the map's type or sizes are others than expected (type UNSPEC: any).
  static LoaderResult<MapHandle> open(const std::string& pin_path, bpf_map_type type, std::size_t key_size,
                                      std::size_t value_size);
  // Takes over the descriptor of a map just created or loaded; the same checks.
  static LoaderResult<MapHandle> adopt(Fd fd, std::string name, bpf_map_type type, std::size_t key_size,
                                       std::size_t value_size);

  const MapInfo& info() const { return info_; }
  int fd() const { return fd_.get(); }  // lent
  bool per_cpu() const;

  // Untyped calls: sizes are the map's. lookup and erase give false if there is no such key.
  LoaderResult<bool> lookup(const void* key, void* value) const;
  LoaderResult<void> update(const void* key, const void* value, std::uint64_t flags) const;
  LoaderResult<bool> erase(const void* key) const;
  LoaderResult<bool> next_key(const void* key, void* next) const;  // key nullptr: the first

  // Reads up to `count` elements into the buffers; returns how many. After the last one the cursor is done. ENOSPC
  // means that a hash bucket is longer than `count`: ask for more at once. EOPNOTSUPP: this kernel has no batch
  // call for this type.
  LoaderResult<std::uint32_t> read_batch(BatchCursor& cursor, void* keys, void* values, std::uint32_t count) const;
  // Writes the elements in order; an error stops there, `written` says how many are in force.
  LoaderResult<void> update_batch(const void* keys, const void* values, std::uint32_t count, std::uint64_t flags,
                                  std::uint32_t& written) const;

 private:
  LoaderError error(std::string_view step, int errno_value) const;

  Fd fd_;
  MapInfo info_;
};

LoaderResult<void> clear_per_cpu(const MapHandle& map, const void* key);

template <class Key, class Value>
class BpfMap {
  static_assert(std::is_trivially_copyable_v<Key> && std::is_trivially_copyable_v<Value>);
  static_assert(std::has_unique_object_representations_v<Key>, "a key with hidden padding never compares equal");

 public:
  using key_type = Key;
  using value_type = Value;

  BpfMap() = default;

  static LoaderResult<BpfMap> open(const std::string& pin_path, bpf_map_type type) {
    return wrap(MapHandle::open(pin_path, type, sizeof(Key), sizeof(Value)));
  }
  static LoaderResult<BpfMap> adopt(Fd fd, std::string name, bpf_map_type type) {
    return wrap(MapHandle::adopt(std::move(fd), std::move(name), type, sizeof(Key), sizeof(Value)));
  }

  const MapHandle& handle() const { return handle_; }
  const MapInfo& info() const { return handle_.info(); }
  int fd() const { return handle_.fd(); }

  LoaderResult<std::optional<Value>> lookup(const Key& key) const {
    Value value{};
    auto found = handle_.lookup(&key, &value);
    if (!found) return found.error();
    return *found ? std::optional<Value>(value) : std::nullopt;
  }
  // flags: BPF_ANY, BPF_NOEXIST or BPF_EXIST. A full map gives E2BIG.
  LoaderResult<void> update(const Key& key, const Value& value, std::uint64_t flags = BPF_ANY) const {
    return handle_.update(&key, &value, flags);
  }
  LoaderResult<bool> erase(const Key& key) const { return handle_.erase(&key); }

  // Of a per-CPU map: the value of each possible CPU.
  LoaderResult<std::vector<Value>> lookup_per_cpu(const Key& key) const;
  // Sets all bytes of every CPU's value to 0.
  LoaderResult<void> clear_per_cpu(const Key& key) const { return loader::clear_per_cpu(handle_, &key); }

  // Fills the vectors (resized to what was read) with the next elements; empty and cursor.done() at the end.
  LoaderResult<void> read_batch(BatchCursor& cursor, std::vector<Key>& keys, std::vector<Value>& values,
                                std::uint32_t count = 4096) const;
  // Calls visit(key, value) for every element, by batches, or key by key where the kernel has no batch call.
  template <class Visit>
  LoaderResult<void> for_each(Visit visit) const;

  LoaderResult<void> update_batch(std::span<const Key> keys, std::span<const Value> values, std::uint32_t& written,
                                  std::uint64_t flags = BPF_ANY) const {
    return handle_.update_batch(keys.data(), values.data(),
                                static_cast<std::uint32_t>(std::min(keys.size(), values.size())), flags, written);
  }

 private:
  static LoaderResult<BpfMap> wrap(LoaderResult<MapHandle> handle) {
    if (!handle) return handle.error();
    BpfMap map;
    map.handle_ = std::move(*handle);
    return map;
  }
  template <class Visit>
  LoaderResult<void> for_each_key(Visit& visit) const;

  MapHandle handle_;
};

// How many values a look-up in a per-CPU map returns; at least 1.
std::size_t possible_cpus();
// Untyped part of lookup_per_cpu: values stand `stride` = roundup(value size, 8) apart. `buffer` is resized.
LoaderResult<bool> lookup_per_cpu(const MapHandle& map, const void* key, std::vector<std::byte>& buffer);

template <class Key, class Value>
LoaderResult<std::vector<Value>> BpfMap<Key, Value>::lookup_per_cpu(const Key& key) const {
  std::vector<std::byte> buffer;
  auto found = loader::lookup_per_cpu(handle_, &key, buffer);
  if (!found) return found.error();
  std::vector<Value> values;
  if (!*found) return values;
  constexpr std::size_t stride = (sizeof(Value) + 7) / 8 * 8;
  values.resize(buffer.size() / stride);
  for (std::size_t cpu = 0; cpu < values.size(); ++cpu)
    std::copy_n(buffer.data() + cpu * stride, sizeof(Value), reinterpret_cast<std::byte*>(&values[cpu]));
  return values;
}

template <class Key, class Value>
LoaderResult<void> BpfMap<Key, Value>::read_batch(BatchCursor& cursor, std::vector<Key>& keys,
                                                  std::vector<Value>& values, std::uint32_t count) const {
  for (;; count *= 2) {
    keys.resize(count);
    values.resize(count);
    auto read = handle_.read_batch(cursor, keys.data(), values.data(), count);
    if (!read && read.error().errno_value == ENOSPC && count < info().max_entries) continue;
    keys.resize(read ? *read : 0);
    values.resize(keys.size());
    if (!read) return read.error();
    return {};
  }
}

template <class Key, class Value>
template <class Visit>
LoaderResult<void> BpfMap<Key, Value>::for_each(Visit visit) const {
  BatchCursor cursor;
  std::vector<Key> keys;
  std::vector<Value> values;
  while (!cursor.done()) {
    auto read = read_batch(cursor, keys, values);
    if (!read && read.error().errno_value == EOPNOTSUPP) return for_each_key(visit);
    if (!read) return read.error();
    for (std::size_t i = 0; i < keys.size(); ++i) visit(keys[i], values[i]);
  }
  return {};
}

template <class Key, class Value>
template <class Visit>
LoaderResult<void> BpfMap<Key, Value>::for_each_key(Visit& visit) const {
  Key key{}, next{};
  bool first = true;
  for (;; key = next, first = false) {
    auto more = handle_.next_key(first ? nullptr : &key, &next);
    if (!more) return more.error();
    if (!*more) return {};
    auto value = lookup(next);
    if (!value) return value.error();
    if (*value) visit(static_cast<const Key&>(next), static_cast<const Value&>(**value));
  }
}

}  // namespace postern::loader
