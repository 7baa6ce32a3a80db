// SPDX-License-Identifier: Apache-2.0
// The wording of failed system calls.
#include "loader/error.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace postern::loader {

namespace {

// The kernel's own ENOTSUPP, which libc does not know and which bpf() returns.
constexpr int kernel_enotsupp = 524;

std::string errno_text(int value) {
  if (value == kernel_enotsupp) return "Operation not supported by this kernel (ENOTSUPP)";
  std::string text = std::strerror(value);  // one thread talks to the kernel
  if (const char* name = strerrorname_np(value)) text += std::string(" (") + name + ")";
  return text;
}

}  // namespace

LoaderError system_error(std::string_view step, int errno_value) {
  const int value = std::abs(errno_value);
  return {std::string(step) + ": " + errno_text(value), value};
}

}  // namespace postern::loader
