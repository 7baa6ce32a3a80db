// SPDX-License-Identifier: Apache-2.0
// Reading by libbpf's ring_buffer, which maps the ring and knows its format.
#include "loader/ring.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <filesystem>

namespace postern::loader {

struct RingHandle::Reading {
  const std::function<void(const void*, std::size_t)>* visit = nullptr;
  std::size_t count = 0, at_most = 0;

  static int take(void* context, void* bytes, std::size_t size) {
    auto& self = *static_cast<Reading*>(context);
    if (self.visit) (*self.visit)(bytes, size);
    return ++self.count < self.at_most ? 0 : -ECANCELED;  // this record still counts as read
  }
};

void RingHandle::Free::operator()(ring_buffer* ring) const {
  ring_buffer__free(ring);
}

RingHandle::RingHandle() = default;
RingHandle::RingHandle(RingHandle&&) noexcept = default;
RingHandle& RingHandle::operator=(RingHandle&&) noexcept = default;
RingHandle::~RingHandle() = default;

LoaderResult<RingHandle> RingHandle::open(const std::string& pin_path) {
  Fd fd(bpf_obj_get(pin_path.c_str()));
  if (!fd.valid()) return system_error("opening the pinned ring " + pin_path, errno);
  return adopt(std::move(fd), std::filesystem::path(pin_path).filename().string());
}

LoaderResult<RingHandle> RingHandle::adopt(Fd fd, std::string name) {
  RingHandle handle;
  handle.name_ = std::move(name);
  handle.fd_ = std::move(fd);
  handle.reading_ = std::make_unique<Reading>();
  handle.ring_.reset(ring_buffer__new(handle.fd_.get(), Reading::take, handle.reading_.get(), nullptr));
  if (!handle.ring_) return system_error("reading the ring " + handle.name_, errno);
  return handle;
}

int RingHandle::readiness() const {
  return ring_ ? ring_buffer__epoll_fd(ring_.get()) : -1;
}

LoaderResult<std::size_t> RingHandle::read(std::size_t at_most,
                                           const std::function<void(const void*, std::size_t)>& visit) const {
  if (!ring_ || at_most == 0) return std::size_t{0};
  *reading_ = {&visit, 0, at_most};
  const int done = ring_buffer__consume(ring_.get());
  reading_->visit = nullptr;
  if (done < 0 && done != -ECANCELED) return system_error("reading the ring " + name_, -done);
  return reading_->count;
}

}  // namespace postern::loader
