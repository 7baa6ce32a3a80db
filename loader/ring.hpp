// SPDX-License-Identifier: Apache-2.0
// A BPF ring buffer as a typed, owning handle: Ring<Record> over the untyped RingHandle. One reader for a ring: what
// one has read no other sees. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include "loader/error.hpp"
#include "loader/fd.hpp"

struct ring_buffer;

namespace postern::loader {

class RingHandle {
 public:
  RingHandle();
  RingHandle(RingHandle&&) noexcept;
  RingHandle& operator=(RingHandle&&) noexcept;
  ~RingHandle();

  static LoaderResult<RingHandle> open(const std::string& pin_path);
  static LoaderResult<RingHandle> adopt(Fd fd, std::string name);

  // Readable (poll, epoll) while records wait. Lent; -1 if nothing is open.
  int readiness() const;
  // Hands up to `at_most` waiting records to `visit`, oldest first; returns how many.
  LoaderResult<std::size_t> read(std::size_t at_most, const std::function<void(const void*, std::size_t)>& visit) const;

 private:
  struct Reading;
  struct Free {
    void operator()(ring_buffer* ring) const;
  };
  std::string name_;
  Fd fd_;
  std::unique_ptr<Reading> reading_;  // what libbpf hands to the callback
  std::unique_ptr<ring_buffer, Free> ring_;
};

template <class Record>
class Ring {
  static_assert(std::is_trivially_copyable_v<Record>);

 public:
  static LoaderResult<Ring> open(const std::string& pin_path) { return wrap(RingHandle::open(pin_path)); }
  static LoaderResult<Ring> adopt(Fd fd, std::string name) { return wrap(RingHandle::adopt(std::move(fd), std::move(name))); }

  int readiness() const { return handle_.readiness(); }
  // Records of another size are passed over: the ABI's number in the pin's path keeps them away.
  template <class Visit>
  LoaderResult<std::size_t> read(std::size_t at_most, Visit visit) const {
    return handle_.read(at_most, [&](const void* bytes, std::size_t size) {
      Record record;
      if (size != sizeof record) return;
      std::memcpy(&record, bytes, sizeof record);
      visit(static_cast<const Record&>(record));
    });
  }

 private:
  static LoaderResult<Ring> wrap(LoaderResult<RingHandle> handle) {
    if (!handle) return handle.error();
    Ring ring;
    ring.handle_ = std::move(*handle);
    return ring;
  }
  RingHandle handle_;
};

}  // namespace postern::loader
