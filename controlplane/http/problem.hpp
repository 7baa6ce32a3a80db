// SPDX-License-Identifier: Apache-2.0
// Errors as answers: the one table from code to HTTP status, and the two bodies (Azure's error object, RFC 9457).
#pragma once

#include <string>
#include <string_view>

#include "controlplane/core/result.hpp"
#include "controlplane/http/message.hpp"

namespace postern::http {

enum class Dialect { azure, own };

int status_of(core::ErrorCode code);
std::string_view status_text(int status);

HttpResponse error_response(const core::Error& error, Dialect dialect);

// What the transport refuses before there is a request to route, logged; the connection closes after it.
HttpResponse refusal(int status, std::string_view code, const std::string& message, std::string_view target);

}  // namespace postern::http
