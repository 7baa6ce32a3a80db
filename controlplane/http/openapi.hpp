// SPDX-License-Identifier: Apache-2.0
// The description of our own API in OpenAPI 3.1, as openapi.json has it. Written by hand: tests hold it against the route
// table (unit.http.openapi) and against what a running daemon answers (e2e.openapi).
#pragma once

#include <string_view>

namespace postern::http {

extern const std::string_view openapi_document;

}  // namespace postern::http
