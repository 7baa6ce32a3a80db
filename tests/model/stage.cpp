// SPDX-License-Identifier: Apache-2.0
#include "tests/model/stage.hpp"

#include <ctime>

#include "tests/model/compare.hpp"
#include "tests/model/kernel.hpp"

namespace postern::model {
namespace {

constexpr std::size_t shortest_out = 54;  // newer kernels refuse to make an skb of less than Ethernet and IPv6

std::uint64_t clock_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

Clock now() {
  return {clock_ns(CLOCK_BOOTTIME), clock_ns(CLOCK_MONOTONIC_COARSE)};
}

// The story's ages as times.
template <class Value>
Value dated(Value value, Clock at) {
  each_coarse_time(value, [&](auto& time) {
    if (time != 0) time = at.coarse_ns - time;
  });
  return value;
}

template <class Table>
void write_entry(const Kernel& kernel, Table& table, const Step& step, Clock at) {
  const auto key = value_of<typename Table::key_type>(step.key);
  if (step.verb == Step::erase) {
    kernel.erase(step.map, key);
    table.erase(key);
    return;
  }
  const auto value = dated(value_of<typename Table::mapped_type>(step.value), at);
  kernel.put(step.map, key, value);
  table[key] = value;
}

template <class Table>
void make_older(const Kernel& kernel, int map, Table& table, std::uint64_t ns) {
  const auto older = [&](auto& value) {
    each_coarse_time(value, [&](auto& time) {
      if (time != 0) time -= ns;
    });
  };
  for (auto& [key, ours] : table) {
    auto theirs = ours;
    if (!kernel.find(map, key, theirs)) continue;
    older(theirs);
    older(ours);
    kernel.put(map, key, theirs);
  }
}

// Arrays are never empty: they start with zeros.
void begin(const Kernel& kernel, Tables& tables) {
  kernel.zero(map_grant_records, sizeof(gate_record));
  kernel.zero(map_grant_usage, sizeof(gate_usage));
  for (std::uint32_t slot = 0; slot < Kernel::slots; ++slot) {
    tables.grant_records[slot] = {};
    tables.grant_usage[slot] = {};
  }
  kernel.put(map_learned_usage, std::uint32_t{0}, gate_usage{});
  tables.learned_usage[0] = {};
}

void clear(const Kernel& kernel, Tables& tables, bool differs) {
  if (differs) {  // the model's keys may not be the programs'
    tables.half_open_v4 = kernel.dump<gate_flow_key_v4, gate_flow>(map_half_open_v4);
    tables.half_open_v6 = kernel.dump<gate_flow_key_v6, gate_flow>(map_half_open_v6);
    tables.learning_v4 = kernel.dump<gate_flow_key_v4, gate_flow>(map_learning_v4);
    tables.learning_v6 = kernel.dump<gate_flow_key_v6, gate_flow>(map_learning_v6);
    tables.established_v4 = kernel.dump<gate_flow_key_v4, gate_flow>(map_established_v4);
    tables.established_v6 = kernel.dump<gate_flow_key_v6, gate_flow>(map_established_v6);
    tables.fragments = kernel.dump<gate_fragment_key, gate_fragment>(map_fragments);
  }
  for (const auto& [word, bits] : tables.guarded_ports) kernel.put(map_guarded_ports, word, std::uint64_t{0});
  kernel.put(map_config, std::uint32_t{0}, gate_config{});
  kernel.put(map_control, std::uint32_t{0}, gate_control{});
  tables.guarded_ports.clear();
  tables.grant_records.clear();
  tables.grant_usage.clear();
  tables.learned_usage.clear();
  tables.config.clear();
  tables.control.clear();
#define POSTERN_MODEL_CLEAR(name, key, value) \
  for (const auto& entry : tables.name) kernel.erase(map_##name, entry.first);
  GATE_MAPS(POSTERN_MODEL_CLEAR)
#undef POSTERN_MODEL_CLEAR
}

// One step to both; what they say of it, if not the same.
std::string tell_step(const Kernel& kernel, Model& model, const Step& step) {
  const Clock at = now();
  Tables& tables = model.tables;
  switch (step.verb) {
    case Step::put:
    case Step::erase:
#define POSTERN_MODEL_WRITE(name, key, value) \
  if (step.map == map_##name) write_entry(kernel, tables.name, step, at);
      GATE_MAPS(POSTERN_MODEL_WRITE)
#undef POSTERN_MODEL_WRITE
      return {};
    case Step::age:
      make_older(kernel, map_half_open_v4, tables.half_open_v4, step.number);
      make_older(kernel, map_half_open_v6, tables.half_open_v6, step.number);
      make_older(kernel, map_learning_v4, tables.learning_v4, step.number);
      make_older(kernel, map_learning_v6, tables.learning_v6, step.number);
      make_older(kernel, map_established_v4, tables.established_v4, step.number);
      make_older(kernel, map_established_v6, tables.established_v6, step.number);
      make_older(kernel, map_fragments, tables.fragments, step.number);
      return {};
    case Step::in: {
      const bool passes = kernel.judge(step.frame);
      const Answer answer = model.judge(step.frame, at);
      if (passes == answer.passes) return {};
      return std::string{passes ? "the program lets it pass" : "the program drops it"} + ", the model says " +
             name_of(answer.final);
    }
    case Step::explain:
      return compare(kernel.explain(step.frame, step.number),
                     model.judge(step.frame, {step.number, at.coarse_ns}, true));
    case Step::out:
      if (step.frame.size() < shortest_out) return {};
      kernel.learn(step.frame, static_cast<std::uint32_t>(step.number), step.sent_back);
      model.learn(step.frame, static_cast<std::uint32_t>(step.number), step.sent_back, at);
      return {};
  }
  return {};
}

}  // namespace

Stage::Stage() : kernel_{std::make_unique<Kernel>()} {}
Stage::~Stage() = default;

Outcome Stage::tell(const Story& story, std::size_t compare_every) {
  Model model;
  Outcome outcome;
  const Clock start = now();
  begin(*kernel_, model.tables);
  const Counted before = counted(*kernel_);
  std::size_t since = 0;
  for (std::size_t i = 0; i < story.size() && outcome.difference.empty(); ++i) {
    outcome.difference = tell_step(*kernel_, model, story[i]);
    if (story[i].is_packet()) ++outcome.packets, ++since;
    if (outcome.difference.empty() && (since >= compare_every || i + 1 == story.size())) {
      since = 0;
      outcome.difference = compare(*kernel_, before, model);
    }
    if (!outcome.difference.empty()) outcome.difference = "step " + std::to_string(i + 1) + ": " + outcome.difference;
  }
  for (const auto& [reason, counter] : model.counters)
    if (counter.packets > 0) reasons_[reason] += counter.packets;
  outcome.too_slow = now().boot_ns - start.boot_ns > tolerance_ns;
  clear(*kernel_, model.tables, !outcome.difference.empty());
  return outcome;
}

}  // namespace postern::model
