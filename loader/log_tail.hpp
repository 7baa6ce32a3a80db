// SPDX-License-Identifier: Apache-2.0
// What libbpf and libxdp had to say lately. Both print to stderr by default; the loader keeps the last lines instead
// and shows them only beside a failure (the verifier's verdict is in them). Process-wide, as the libraries' hooks are.
#pragma once

#include <cstddef>
#include <string>

#include "loader/error.hpp"

namespace postern::loader {

// Takes over the print hooks of libbpf and libxdp. Once, at the start of the program.
void keep_library_logs();
// Forgets what was kept: called before a step whose failure would be explained by these lines.
void forget_library_logs();
// The last lines, each indented on a line of its own and after a line feed; "" if there are none.
std::string library_log_tail(std::size_t lines = 12);
// system_error() with the tail behind it.
LoaderError library_error(std::string_view step, int errno_value);

}  // namespace postern::loader
