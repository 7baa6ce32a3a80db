// SPDX-License-Identifier: Apache-2.0
// The configuration record and failsafe sources, see settings.hpp.
#include "loader/settings.hpp"

#include <arpa/inet.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>

namespace postern::loader {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::array<std::uint8_t, 12> mapped_ipv4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void mask(__u8* bytes, unsigned size, unsigned length_bits) {
  for (unsigned i = 0; i < size; ++i) {
    const unsigned kept = length_bits > i * 8 ? length_bits - i * 8 : 0;
    if (kept < 8) bytes[i] = static_cast<__u8>(bytes[i] & (0xff00u >> kept));
  }
}

LoaderResult<void> set_failsafe_flag(const MapSet& maps, bool on) {
  auto config = read_config(maps);
  if (!config) return config.error();
  constexpr __u32 flag = GATE_CONFIG_FAILSAFE_SOURCES;
  config->flags = on ? config->flags | flag : config->flags & ~flag;
  return maps.config.update(0, *config);
}

std::string environment_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/environ", std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

pid_t parent_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/status");
  for (std::string word; file >> word;)
    if (pid_t parent = 0; word == "PPid:" && file >> parent) return parent;
  return 0;
}

std::string ssh_connection() {
  if (const char* own = std::getenv("SSH_CONNECTION")) return own;  // NOLINT: one thread
  constexpr std::string_view name = "SSH_CONNECTION=";
  for (pid_t process = ::getppid(); process > 1; process = parent_of(process)) {
    const std::string environment = environment_of(process);
    for (std::size_t at = 0; at < environment.size(); at = environment.find('\0', at) + 1) {
      if (environment.compare(at, name.size(), name) == 0) return environment.c_str() + at + name.size();
      if (environment.find('\0', at) == std::string::npos) break;
    }
  }
  return "";
}

std::uint64_t nanoseconds(std::chrono::milliseconds time) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
}

}  // namespace

std::uint64_t boot_time_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * second_ns + static_cast<std::uint64_t>(now.tv_nsec);
}

gate_config default_config() {
  gate_config config{};
  config.abi = GATE_ABI;
  config.tcp_half_open_idle_ns = 60 * second_ns;
  config.tcp_established_idle_ns = 5 * 24 * 3600 * second_ns;
  config.tcp_closed_linger_ns = 120 * second_ns;
  config.udp_half_open_idle_ns = 30 * second_ns;
  config.udp_established_idle_ns = 120 * second_ns;
  config.fragment_idle_ns = 30 * second_ns;
  config.udp_without_grant_session_ns = 3600 * second_ns;
  return config;
}

LoaderResult<gate_config> read_config(const MapSet& maps) {
  auto found = maps.config.lookup(0);
  if (!found) return found.error();
  return found->value_or(gate_config{});
}

LoaderResult<void> write_config(const MapSet& maps, std::uint64_t unconfirmed_boot_ns, const FlowLimits& limits) {
  const auto before = read_config(maps);
  if (!before) return before.error();
  gate_config config = before->abi == 0 ? default_config() : *before;
  config.abi = GATE_ABI;
  config.flags = before->flags;
  const std::size_t room = std::min(maps.established_v4.info().max_entries, maps.established_v6.info().max_entries);
  const auto eighth = static_cast<__u32>(std::clamp<std::size_t>(room / 8, 1, GATE_LEARNED_MAX));
  config.learned_max = eighth;
  if (config.established_per_grant_max == 0) config.established_per_grant_max = eighth;
  if (limits.per_grant) config.established_per_grant_max = *limits.per_grant;
  if (limits.tcp_idle) config.tcp_established_idle_ns = nanoseconds(*limits.tcp_idle);
  if (limits.tcp_half_open_idle) config.tcp_half_open_idle_ns = nanoseconds(*limits.tcp_half_open_idle);
  if (limits.udp_idle) config.udp_established_idle_ns = nanoseconds(*limits.udp_idle);
  if (before->abi == 0 && ::getrandom(config.flow_seeds, sizeof config.flow_seeds, 0) != sizeof config.flow_seeds)
    return system_error("getting random numbers for the tables of flows", errno);
  config.unconfirmed_boot_ns = unconfirmed_boot_ns;
  return maps.config.update(0, config);
}

LoaderResult<gate_prefix_key> parse_failsafe(std::string_view text) {
  const LoaderError wrong{
      "\"" + std::string(text) + "\" is no address or prefix (192.0.2.7, 192.0.2.0/24, 2001:db8::/32)", EINVAL};
  const auto slash = text.find('/');
  const std::string address(text.substr(0, slash));
  std::array<std::uint8_t, 16> bytes{};
  const bool v4 = ::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1;
  if (!v4 && ::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return wrong;
  unsigned length = v4 ? 32 : 128;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    unsigned given = 0;
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), given);
    if (fault != std::errc() || end != digits.data() + digits.size() || given > length) return wrong;
    length = given;
  }
  gate_prefix_key key{};
  const bool mapped = !v4 && length >= 96 && std::equal(mapped_ipv4.begin(), mapped_ipv4.end(), bytes.begin());
  key.family = v4 || mapped ? GATE_IPV4 : GATE_IPV6;
  if (mapped) length -= 96;
  const unsigned size = key.family == GATE_IPV4 ? 4 : 16;
  std::memcpy(key.address, bytes.data() + (mapped ? 12 : 0), size);
  mask(key.address, size, length);
  key.length_bits = GATE_PREFIX_KEY_FIXED_BITS + length;
  return key;
}

// An LPM look-up finds the longest prefix, so whether exactly this one is there is told by NOEXIST.
LoaderResult<bool> add_failsafe(const MapSet& maps, const gate_prefix_key& source) {
  const gate_failsafe ours{GATE_FAILSAFE_LOADER};
  if (auto put = maps.failsafe_sources.update(source, ours, BPF_NOEXIST); !put) {
    if (put.error().errno_value == EEXIST) return false;
    return put.error();
  }
  if (auto flagged = set_failsafe_flag(maps, true); !flagged) return flagged.error();
  return true;
}

LoaderResult<void> remove_failsafe(const MapSet& maps, const gate_prefix_key& source) {
  bool ours = false, others = false;
  const auto same = [&source](const gate_prefix_key& key) { return std::memcmp(&key, &source, sizeof key) == 0; };
  auto seen = maps.failsafe_sources.for_each([&](const gate_prefix_key& key, const gate_failsafe& value) {
    if (value.owner == GATE_FAILSAFE_LOADER) (same(key) ? ours : others) = true;
  });
  if (!seen) return seen;
  if (ours)
    if (auto erased = maps.failsafe_sources.erase(source); !erased) return erased.error();
  return others ? LoaderResult<void>() : set_failsafe_flag(maps, false);
}

std::optional<std::string> ssh_client() {
  std::string client = ssh_connection();
  client.resize(std::min(client.find(' '), client.size()));
  client.resize(std::min(client.find('%'), client.size()));  // a link-local address names its interface
  if (client.empty() || !parse_failsafe(client)) return {};
  return client;
}

}  // namespace postern::loader
