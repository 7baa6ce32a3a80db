// SPDX-License-Identifier: Apache-2.0
// The core's readers of text under libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer: addresses, blocks and sources,
// durations, times, resource ids. Whatever is read, written and read again is the same; nothing throws.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "controlplane/core/address.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"
#include "controlplane/core/time.hpp"

using namespace postern::core;

namespace {

void must(bool holds, const char* rule, std::string_view text) {
  if (holds) return;
  std::fprintf(stderr, "text_fuzz: broken rule: %s: \"%.*s\"\n", rule, static_cast<int>(text.size()), text.data());
  std::abort();
}

// Read, written, read again.
template <class Parse>
void round_trip(std::string_view text, const char* rule, Parse parse) {
  const auto read = parse(text);
  if (!read) {
    must(!read.error().message.empty(), "a refusal is a sentence", text);
    return;
  }
  const auto again = parse(to_string(*read));
  must(again && *again == *read, rule, text);
}

void read_addresses(std::string_view text) {
  round_trip(text, "an address that is written is read as itself", [](std::string_view t) { return parse_address(t); });
  round_trip(text, "a source that is written is read as itself", [](std::string_view t) { return parse_source(t); });
  round_trip(text, "a block that is written is read as itself", [](std::string_view t) { return parse_prefix(t); });
  const auto prefix = parse_prefix(text);
  if (!prefix) return;
  must(prefix->length <= (prefix->address.family == Family::ipv4 ? 32 : 128), "no block is longer than its address", text);
  must(prefix->contains(*prefix) && prefix->contains(prefix->address), "a block holds itself and its address", text);
}

void read_times(std::string_view text) {
  if (const auto duration = parse_duration(text)) {
    must(duration->count() >= 0, "no duration is negative", text);
    const auto again = parse_duration(format_duration(*duration));
    must(again && *again == *duration, "a duration that is written is read as itself", text);
  }
  if (const auto time = parse_time(text)) {
    const auto again = parse_time(format_time(*time));  // seven decimals
    must(again && std::chrono::abs(*again - *time) < std::chrono::nanoseconds(100), "a time that is written is read as itself", text);
  }
}

void read_ids(std::string_view text) {
  if (const auto id = parse_machine_id(text)) {
    const auto again = parse_machine_id(id->path());
    must(again && again->path() == id->path(), "a resource id that is written is read as itself", text);
    must(is_subscription(id->subscription) && is_resource_group(id->resource_group) && is_machine_name(id->name), "its parts are what they say", text);
  } else {
    must(!no_machine_id(text).empty(), "a refusal is a sentence", text);
  }
  (void)last_segment(text);
  (void)characters(text);
  (void)has_control_characters(text);
  Faults faults;
  check_policy_id({std::string(text), std::string(text), std::string(text), std::string(text)}, faults);
  (void)in_quotes(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string copy(reinterpret_cast<const char*>(data), size);  // a block of that size: one byte too far is seen
  read_addresses(copy);
  read_times(copy);
  read_ids(copy);
  return 0;
}
