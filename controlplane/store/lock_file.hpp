// SPDX-License-Identifier: Apache-2.0
// One daemon per store: an flock on FILE.lock, held for life and released by the kernel however the process ends.
// The lock file is never removed, for a removal would race with the next daemon.
#pragma once

#include <filesystem>

#include "controlplane/core/result.hpp"

namespace postern::store {

class LockFile {
 public:
  // Fails with the holder's process id if another process (or this one) has it.
  static core::Result<LockFile> take(const std::filesystem::path& store_file);

  LockFile(LockFile&& other) noexcept;
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace postern::store
