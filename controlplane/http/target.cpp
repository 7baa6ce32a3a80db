// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/target.hpp"

#include "controlplane/core/text.hpp"

namespace postern::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

core::Error bad_target(std::string message) {
  return core::Error{core::ErrorCode::invalid_request_content, std::move(message), "", {}};
}

core::Result<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return bad_target("The URL has a '%' that no two hex digits follow.");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return bad_target("The URL contains a control character.");
    decoded.push_back(c);
  }
  if (!is_utf8(decoded)) return bad_target("The URL is not valid UTF-8.");
  return decoded;
}

core::Result<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    auto segment = percent_decode(path.substr(0, slash));
    if (!segment) return segment.error();
    segments.push_back(std::move(*segment));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return segments;
}

core::Result<std::vector<std::pair<std::string, std::string>>> split_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals));
    auto value = percent_decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1));
    if (!name) return name.error();
    if (!value) return value.error();
    if (!name->empty()) parameters.emplace_back(std::move(*name), std::move(*value));
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return parameters;
}

}  // namespace

std::optional<std::string> Target::parameter(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (core::same_folded(key, name)) return value;
  return std::nullopt;
}

bool is_azure_path(std::string_view target) {
  constexpr std::string_view root = "/subscriptions";
  if (!core::same_folded(target.substr(0, root.size()), root)) return false;
  return target.size() == root.size() || target[root.size()] == '/' || target[root.size()] == '?';
}

core::Result<Target> parse_target(std::string_view target) {
  if (target.empty() || target.front() != '/') return bad_target("The request target must begin with '/'.");
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  Target parsed;
  parsed.raw_path = target.substr(0, question);
  auto segments = split_path(parsed.raw_path);
  if (!segments) return segments.error();
  parsed.segments = std::move(*segments);
  if (question != std::string_view::npos) {
    auto query = split_query(target.substr(question + 1));
    if (!query) return query.error();
    parsed.query = std::move(*query);
  }
  return parsed;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool unreserved = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved) {
      encoded.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return encoded;
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const int follow = lead >= 0xc2 && lead <= 0xdf   ? 1
                       : lead >= 0xe0 && lead <= 0xef ? 2
                       : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                      : 0;
    if (follow == 0) return false;
    for (int k = 0; k < follow; ++k, ++i) {
      const auto next = i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
      if ((next & 0xc0U) != 0x80U) return false;
      // Overlong forms, surrogates and what lies beyond U+10FFFF differ in the second byte.
      if (k == 0 && ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next > 0x9f) || (lead == 0xf0 && next < 0x90) ||
                     (lead == 0xf4 && next > 0x8f)))
        return false;
    }
  }
  return true;
}

}  // namespace postern::http
