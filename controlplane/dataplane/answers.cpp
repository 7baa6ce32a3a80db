// SPDX-License-Identifier: Apache-2.0
// Two maps put together: what answered, and whom.
#include "controlplane/dataplane/answers.hpp"

#include <arpa/inet.h>

#include <map>

#include "controlplane/dataplane/bytes.hpp"
#include "controlplane/dataplane/failure.hpp"

namespace postern::dataplane {

core::Result<void> watch_ports(const loader::MapSet& maps, const std::vector<std::uint16_t>& ports) {
  std::vector<__u64> wanted(GATE_WATCHED_PORTS_WORDS, 0);
  for (const auto port : ports) wanted[port / 64U] |= std::uint64_t{1} << (port % 64U);
  for (__u32 word = 0; word < wanted.size(); ++word) {
    const auto held = maps.watched_ports.lookup(word);
    if (!held) return gate_error(held.error());
    if (held->value_or(0) == wanted[word]) continue;
    if (auto put = maps.watched_ports.update(word, wanted[word]); !put) return gate_error(put.error());
  }
  return {};
}

core::Result<std::vector<core::Answer>> read_answers(const loader::MapSet& maps) {
  std::map<std::pair<core::Address, std::uint16_t>, core::Answer> found;
  const auto take = [&](const gate_answer_key& key, const gate_answer& value) {
    const auto machine = address(key.family, key.address);
    const std::uint16_t port = ntohs(key.port_be);
    found[{machine, port}] = {machine, port, deadline(value.first_boot_ns), deadline(value.last_boot_ns), value.count, {}};
  };
  if (auto walked = maps.answers.for_each(take); !walked) return gate_error(walked.error());
  const auto take_peer = [&](const gate_answer_peer_key& key, const gate_answer& value) {
    const auto answer = found.find({address(key.family, key.address), ntohs(key.port_be)});
    if (answer == found.end()) return;
    answer->second.peers.push_back(
        {address(key.family, key.peer), deadline(value.first_boot_ns), deadline(value.last_boot_ns), value.count});
  };
  if (auto walked = maps.answer_peers.for_each(take_peer); !walked) return gate_error(walked.error());
  std::vector<core::Answer> answers;
  for (auto& [key, answer] : found) answers.push_back(std::move(answer));
  return answers;
}

}  // namespace postern::dataplane
