// SPDX-License-Identifier: Apache-2.0
// How a request is read from the wire: Beast's parser with our bounds, and what is made of its message or its fault. For the
// session and the fuzzer, which knows no sockets; it and session.cpp are the only files that know Beast.
#pragma once

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "controlplane/core/model.hpp"
#include "controlplane/http/problem.hpp"
#include "controlplane/http/server.hpp"

namespace postern::http {

using WireParser = boost::beast::http::request_parser<boost::beast::http::string_body>;

inline void set_limits(WireParser& parser, const ServerLimits& limits) {
  parser.header_limit(limits.header_bytes);
  parser.body_limit(limits.body_bytes);
}

inline HttpRequest taken(WireParser& parser) {
  auto& message = parser.get();
  HttpRequest request{.method = std::string(message.method_string()),
                      .target = std::string(message.target()),
                      .headers = {},
                      .body = std::move(message.body())};
  for (const auto& field : message)
    request.headers.emplace_back(core::folded(std::string_view(field.name_string())), std::string(field.value()));
  return request;
}

// What a request that cannot be read is answered with; none if the peer left or was too slow.
inline std::optional<HttpResponse> refusal_of(const boost::system::error_code& error, WireParser& parser,
                                              const ServerLimits& limits) {
  namespace wire = boost::beast::http;
  const std::string target(parser.get().target());
  if (error == wire::error::body_limit)
    return refusal(413, "RequestEntityTooLarge",
                   "The body is larger than " + std::to_string(limits.body_bytes) + " bytes.", target);
  if (error == wire::error::header_limit || error == wire::error::buffer_overflow)
    return refusal(431, "RequestHeaderFieldsTooLarge",
                   "The header is larger than " + std::to_string(limits.header_bytes) + " bytes.", target);
  const bool malformed = error.category() == wire::make_error_code(wire::error::bad_method).category() &&
                         error != wire::error::end_of_stream && error != wire::error::partial_message;
  if (malformed)
    return refusal(400, "BadRequest", "The request is not valid HTTP/1.1: " + error.message() + ".", target);
  return std::nullopt;
}

}  // namespace postern::http
