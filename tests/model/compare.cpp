// SPDX-License-Identifier: Apache-2.0
#include "tests/model/compare.hpp"

namespace postern::model {
namespace {

bool is_close(std::uint64_t left, std::uint64_t right) {
  return (left > right ? left - right : right - left) < tolerance_ns;
}

// Times that both sides read from a clock of their own need only be close.
bool same(const gate_flow& program, gate_flow model) {
  const auto align = [](std::uint64_t theirs, auto& ours) {
    if ((theirs == 0) == (ours == 0) && is_close(theirs, ours)) ours = theirs;
  };
  align(program.client.last_seen_coarse_ns, model.client.last_seen_coarse_ns);
  align(program.machine.last_seen_coarse_ns, model.machine.last_seen_coarse_ns);
  align(program.opened_coarse_ns, model.opened_coarse_ns);
  align(program.opened_boot_ns, model.opened_boot_ns);
  align(program.session_end_boot_ns, model.session_end_boot_ns);
  return std::memcmp(&program, &model, sizeof model) == 0;
}

bool same(const gate_fragment& program, gate_fragment model) {
  if (is_close(program.seen_coarse_ns, model.seen_coarse_ns)) model.seen_coarse_ns = program.seen_coarse_ns;
  return std::memcmp(&program, &model, sizeof model) == 0;
}

std::string text_of(const Bytes& bytes) {
  Step step{.verb = Step::in, .frame = bytes};
  return to_text({step}).substr(3, bytes.size() * 2);
}

std::string text_of(const gate_flow& flow) {
  const auto side = [](const gate_flow_side& one) {
    return "packets " + std::to_string(one.packets) + " bytes " + std::to_string(one.bytes) + " first " +
           std::to_string(one.seq_first) + " next " + std::to_string(one.seq_next) + " ack " + std::to_string(one.ack) +
           " flags " + std::to_string(one.flags) + " seen " + std::to_string(one.last_seen_coarse_ns);
  };
  return "tuple " + std::to_string(flow.tuple) + " serial " + std::to_string(flow.serial) + " slot " + std::to_string(flow.slot) + " service " +
         std::to_string(flow.service) + " flags " + std::to_string(flow.flags) + " generation " +
         std::to_string(flow.cut_generation) + " session end " + std::to_string(flow.session_end_boot_ns) +
         "\n    client " + side(flow.client) + "\n    machine " + side(flow.machine);
}

std::string text_of(const gate_fragment& fragment) {
  return name_of(static_cast<int>(fragment.reason)) + " ends " + std::to_string(fragment.data_end);
}

template <class Table>
std::string difference_of(const char* name, const Table& program, const Table& model) {
  for (const auto& [key, value] : program) {
    const auto found = model.find(key);
    const std::string where = std::string{name} + " " + text_of(bytes_of(key));
    if (found == model.end()) return where + " exists, for the model it does not: " + text_of(value);
    if (!same(value, found->second))
      return where + "\n  program: " + text_of(value) + "\n  model:   " + text_of(found->second);
  }
  for (const auto& [key, value] : model) {
    if (!program.contains(key))
      return std::string{name} + " " + text_of(bytes_of(key)) + " is missing, the model has: " + text_of(value);
  }
  return {};
}

std::string difference_of(const std::string& what, const gate_counter& program, const gate_counter& model) {
  if (program.packets == model.packets && program.bytes == model.bytes) return {};
  const auto text = [](const gate_counter& counter) {
    return std::to_string(counter.packets) + " (" + std::to_string(counter.bytes) + " bytes)";
  };
  return what + ": program " + text(program) + ", model " + text(model);
}

// Nobody reads the rings here, and how many drops are told is a matter of time.
bool is_of_rings(int tally) {
  return tally == gate_tally_drop_events_limited || tally == gate_tally_drop_events_lost ||
         tally == gate_tally_flow_events_lost;
}

std::string compare_counts(const Kernel& kernel, const Counted& before, Model& model) {
  const Counted now = counted(kernel);
  for (std::size_t i = 0; i < now.reasons.size(); ++i) {
    const gate_counter program{now.reasons[i].packets - before.reasons[i].packets,
                               now.reasons[i].bytes - before.reasons[i].bytes};
    const int reason = static_cast<int>(i);
    if (auto found = difference_of("counter " + name_of(reason), program, model.counters[reason]); !found.empty())
      return found;
  }
  for (std::size_t i = 0; i < now.tallies.size(); ++i) {
    if (is_of_rings(static_cast<int>(i))) continue;
    const gate_counter program{now.tallies[i].packets - before.tallies[i].packets, 0};
    const gate_counter expected{model.tallies[static_cast<int>(i)], 0};
    if (auto found = difference_of("tally " + std::to_string(i), program, expected); !found.empty()) return found;
  }
  gate_usage learned{};
  kernel.find(map_learned_usage, std::uint32_t{0}, learned);
  if (auto found = difference_of("learned flows", {learned.established, 0}, {model.tables.learned_usage[0].established, 0});
      !found.empty())
    return found;
  for (const auto& [slot, usage] : kernel.dump<std::uint32_t, gate_usage>(map_grant_usage)) {
    const std::string what = "established flows of slot " + std::to_string(slot);
    const gate_usage& expected = model.tables.grant_usage[slot];
    if (auto found = difference_of(what, {usage.established, 0}, {expected.established, 0}); !found.empty()) return found;
    const std::string admitted = "connections admitted under slot " + std::to_string(slot);
    if (auto found = difference_of(admitted, {usage.admitted, 0}, {expected.admitted, 0}); !found.empty()) return found;
  }
  return {};
}

}  // namespace

Counted counted(const Kernel& kernel) {
  return {kernel.totals(map_counters, GATE_REASONS_SLOTS), kernel.totals(map_tallies, GATE_TALLIES_SLOTS)};
}

std::string compare(const Kernel& kernel, const Counted& before, Model& model) {
  std::string found = compare_counts(kernel, before, model);
#define POSTERN_MODEL_COMPARE(name, key, value) \
  if (found.empty()) found = difference_of(#name, kernel.dump<key, value>(map_##name), model.tables.name);
  POSTERN_MODEL_COMPARE(half_open_v4, gate_flow_key_v4, gate_flow)
  POSTERN_MODEL_COMPARE(half_open_v6, gate_flow_key_v6, gate_flow)
  POSTERN_MODEL_COMPARE(learning_v4, gate_flow_key_v4, gate_flow)
  POSTERN_MODEL_COMPARE(learning_v6, gate_flow_key_v6, gate_flow)
  POSTERN_MODEL_COMPARE(established_v4, gate_flow_key_v4, gate_flow)
  POSTERN_MODEL_COMPARE(established_v6, gate_flow_key_v6, gate_flow)
  POSTERN_MODEL_COMPARE(fragments, gate_fragment_key, gate_fragment)
#undef POSTERN_MODEL_COMPARE
  return found;
}

std::string compare(const gate_explain& program, const Answer& model) {
  const auto line = [](bool passes, std::uint32_t reason, std::uint64_t serial, std::uint32_t slot,
                       std::uint32_t service) {
    return std::string{passes ? "pass " : "drop "} + name_of(static_cast<int>(reason)) + " serial " +
           std::to_string(serial) + " slot " + std::to_string(slot) + " service " + std::to_string(service);
  };
  const std::string theirs =
      line(program.verdict == GATE_PASS, program.reason, program.serial, program.slot, program.service);
  const std::string ours = line(model.passes, model.why, model.serial, model.slot, model.service);
  return theirs == ours ? "" : "explain: program " + theirs + "; model " + ours;
}

}  // namespace postern::model
