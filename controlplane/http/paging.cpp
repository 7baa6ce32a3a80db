// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/paging.hpp"

#include <algorithm>

namespace postern::http {
namespace {

// Hex: clients get it as one opaque word that needs no escaping.
std::string to_hex(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    hex += {digits[byte >> 4], digits[byte & 15]};
  }
  return hex;
}

std::string filter_text(const core::PolicyFilter& filter) {
  return core::folded(filter.subscription + "\n" + filter.resource_group + "\n" + filter.location) + "\n";
}

core::Result<std::string> last_key(std::string_view token, std::string_view filter) {
  const std::string bound = to_hex(filter);
  const std::string folded = core::folded(token);
  const bool hex = folded.size() % 2 == 0 && folded.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!hex || !folded.starts_with(bound))
    return core::Error{
        core::ErrorCode::invalid_request_content, "The $skipToken does not belong to this list.", "$skipToken", {}};
  std::string key;
  for (std::size_t i = bound.size(); i < folded.size(); i += 2)
    key.push_back(static_cast<char>(std::stoi(folded.substr(i, 2), nullptr, 16)));
  return key;
}

}  // namespace

core::Result<PolicyPage> page_of(std::vector<core::PolicyView> policies, const core::PolicyFilter& filter,
                                 const Target& target, const ListLinks& links) {
  const auto key = [](const core::PolicyView& view) { return view.policy.id.key(); };
  std::sort(policies.begin(), policies.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
  if (const auto token = target.parameter("$skipToken")) {
    const auto last = last_key(*token, filter_text(filter));
    if (!last) return last.error();
    std::erase_if(policies, [&](const auto& view) { return key(view) <= *last; });
  }
  PolicyPage page;
  const bool more = policies.size() > links.page_size;
  if (more) policies.resize(links.page_size);
  page.policies = std::move(policies);
  if (more) {
    page.next_link = links.base + std::string(target.raw_path) +
                     "?api-version=" + percent_encode(target.parameter("api-version").value_or("2020-01-01")) +
                     "&$skipToken=" + to_hex(filter_text(filter) + key(page.policies.back()));
  }
  return page;
}

}  // namespace postern::http
