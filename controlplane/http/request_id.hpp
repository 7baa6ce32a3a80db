// SPDX-License-Identifier: Apache-2.0
// What joins an answer, its line in the log and its audit record; and what of a request may stand in that line.
#pragma once

#include <string>
#include <string_view>

namespace postern::http {

std::string new_request_id();  // a random GUID

// A quoted word that stays on one line, whatever a client sent.
std::string one_line(std::string_view text);

}  // namespace postern::http
