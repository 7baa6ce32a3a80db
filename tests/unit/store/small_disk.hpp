// SPDX-License-Identifier: Apache-2.0
// A tmpfs of a given size, mounted in the test's own mount namespace, so that nothing outside sees it and nothing
// stays behind. Needs the right to mount: mounted() says whether it worked.
#pragma once

#include <sched.h>
#include <sys/mount.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/unit/store/fixture.hpp"

namespace postern::store_test {

// Catch2 2.13 cannot skip: CTest takes the exit code 77 for it.
inline void skip_unless(bool possible, const char* why) {
  if (possible) return;
  std::fprintf(stderr, "skipped: %s\n", why);
  std::exit(77);
}

class SmallDisk {
 public:
  explicit SmallDisk(std::size_t size_bytes) {
    const std::string options = "size=" + std::to_string(size_bytes);
    mounted_ = ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::mount("tmpfs", path().c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) ::umount2(path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  bool make_read_only() { return ::mount(nullptr, path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0; }
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TempFolder folder_;
  bool mounted_ = false;
};

}  // namespace postern::store_test
