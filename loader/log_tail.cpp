// SPDX-License-Identifier: Apache-2.0
// The last lines of libbpf and libxdp, see log_tail.hpp.
#include "loader/log_tail.hpp"

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <deque>

namespace postern::loader {
namespace {

constexpr std::size_t lines_kept = 64;

std::deque<std::string>& kept() {
  static std::deque<std::string> lines;
  return lines;
}

__attribute__((format(printf, 1, 0))) int keep(const char* format, std::va_list arguments) {
  std::array<char, 8192> buffer{};
  // A verifier log is longer than any buffer here and its end is what matters: measure first.
  std::va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(buffer.data(), buffer.size(), format, arguments);
  std::string text(buffer.data());
  if (length >= static_cast<int>(buffer.size())) {
    text.resize(static_cast<std::size_t>(length) + 1);
    std::vsnprintf(text.data(), text.size(), format, again);
    text.pop_back();
  }
  va_end(again);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) kept().push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  while (kept().size() > lines_kept) kept().pop_front();
  return 0;
}

__attribute__((format(printf, 2, 0))) int from_libbpf(libbpf_print_level level, const char* format,
                                                      std::va_list arguments) {
  return level == LIBBPF_WARN ? keep(format, arguments) : 0;
}

__attribute__((format(printf, 2, 0))) int from_libxdp(libxdp_print_level level, const char* format,
                                                      std::va_list arguments) {
  return level == LIBXDP_WARN ? keep(format, arguments) : 0;
}

}  // namespace

void keep_library_logs() {
  libbpf_set_print(from_libbpf);
  libxdp_set_print(from_libxdp);
}

void forget_library_logs() {
  kept().clear();
}

std::string library_log_tail(std::size_t lines) {
  std::string tail;
  const auto& all = kept();
  for (std::size_t i = all.size() > lines ? all.size() - lines : 0; i < all.size(); ++i) tail += "\n  | " + all[i];
  return tail;
}

LoaderError library_error(std::string_view step, int errno_value) {
  LoaderError error = system_error(step, errno_value);
  error.sentence += library_log_tail();
  return error;
}

}  // namespace postern::loader
