// SPDX-License-Identifier: Apache-2.0
// The values of an mmap-able BPF array as memory: what is stored there the programs see at once, without a system
// call, and field by field with atomic stores. Owns the mapping; the map itself may be closed.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <span>
#include <utility>

#include "controlplane/core/result.hpp"
#include "controlplane/dataplane/failure.hpp"
#include "loader/bpf_map.hpp"

namespace postern::dataplane {

template <class Value>
class MappedArray {
  static_assert(sizeof(Value) % 8 == 0, "elements of a BPF array stand 8-byte aligned");

 public:
  static core::Result<MappedArray> open(const loader::BpfMap<__u32, Value>& map) {
    const std::size_t size = map.info().max_entries;
    void* memory = ::mmap(nullptr, bytes(size), PROT_READ | PROT_WRITE, MAP_SHARED, map.fd(), 0);
    if (memory == MAP_FAILED) return gate_error(loader::system_error("map " + map.info().name + ", mmap", errno));
    return MappedArray({static_cast<Value*>(memory), size});
  }
  MappedArray(MappedArray&& other) noexcept : values_(std::exchange(other.values_, {})) {}
  MappedArray& operator=(MappedArray&& other) noexcept {
    std::swap(values_, other.values_);
    return *this;
  }
  ~MappedArray() {
    if (!values_.empty()) ::munmap(values_.data(), bytes(values_.size()));
  }

  std::size_t size() const { return values_.size(); }
  Value& operator[](std::size_t index) const { return values_[index]; }  // index < size()

 private:
  explicit MappedArray(std::span<Value> values) : values_(values) {}
  static std::size_t bytes(std::size_t size) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (size * sizeof(Value) + page - 1) / page * page;
  }
  std::span<Value> values_;
};

// Fields that the programs read meanwhile: each in one store or load, in the order of the source.
template <class T>
void publish(T& field, T value) {
  std::atomic_ref<T>(field).store(value, std::memory_order_seq_cst);
}
template <class T>
T observe(T& field) {
  return std::atomic_ref<T>(field).load(std::memory_order_seq_cst);
}

}  // namespace postern::dataplane
