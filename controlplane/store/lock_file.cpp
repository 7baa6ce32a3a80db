// SPDX-License-Identifier: Apache-2.0
// The lock on a store.
#include "controlplane/store/lock_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "controlplane/store/failure.hpp"

namespace postern::store {

namespace {

std::string holder(int fd) {
  std::array<char, 32> text{};
  const ssize_t length = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string pid(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "another process" : "process " + pid;
}

}  // namespace

core::Result<LockFile> LockFile::take(const std::filesystem::path& store_file) {
  const std::string path = store_file.string() + ".lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return store_error("the lock file " + path + " could not be opened: " + std::strerror(errno) + " (its folder must exist, and " +
                       "user " + std::to_string(::geteuid()) + " must be able to write there)");
  LockFile lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return store_error("the store " + store_file.string() + " is in use by " + holder(fd) +
                         ": only one posternd may work on it");
    return store_error("the lock file " + path + " could not be locked: " + std::strerror(errno));
  }
  // Only for the sentence above; a full disk must not keep the daemon from starting.
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) == 0 && ::pwrite(fd, pid.data(), pid.size(), 0) < 0) errno = 0;
  return lock;
}

LockFile::LockFile(LockFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

LockFile::~LockFile() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace postern::store
