// SPDX-License-Identifier: Apache-2.0
// A gate's status for people and as JSON, see status.hpp.
#include <nlohmann/json.hpp>
#include <sstream>

#include "loader/status.hpp"

namespace postern::loader {
namespace {

using nlohmann::json;

std::string state_of(const InterfaceStatus& status) {
  if (status.elsewhere) return "in another network namespace";
  if (status.made_anew) return "NOT ATTACHED any more, the interface was made anew: attach again";
  if (!status.present) return "the interface is gone";
  if (status.ingress && status.egress)
    return status.name_now == status.record.interface ? "attached" : "attached, now called " + status.name_now;
  if (!status.ingress && !status.egress) return "NOT ATTACHED any more: attach again";
  return status.ingress ? "egress program MISSING: attach again"
                        : "ingress program MISSING, nothing is judged: attach again";
}

std::uint64_t seconds_left(const GateStatus& status) {
  return status.stands_open() ? 0 : (status.unconfirmed_boot_ns - status.now_boot_ns + 999'999'999) / 1'000'000'000;
}

json counters_json(const std::vector<CounterStatus>& counters, bool verdicts) {
  json list = json::array();
  for (const CounterStatus& it : counters) {
    json entry = {{"name", it.name}, {"packets", it.packets}, {"meaning", it.meaning}};
    if (verdicts) {
      entry["bytes"] = it.bytes;
      entry["verdict"] = it.drops ? "drop" : "pass";
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

std::string as_text(const GateStatus& status) {
  std::ostringstream out;
  if (!status.attached()) out << "gate " << status.instance.name << ": not attached\n";
  for (const InterfaceStatus& it : status.interfaces)
    out << "gate " << status.instance.name << ": " << it.record.interface << " " << state_of(it) << ", "
        << to_string(it.record.mode) << ", by " << to_string(it.record.way) << "\n";
  if (status.abi == 0) return out.str();
  out << "abi " << status.abi << ", maps in " << status.instance.maps().string() << "\n";
  if (status.stands_open())
    out << "NOT CONFIRMED in time: everything passes; `postern-loader confirm` or `detach`\n";
  else if (status.unconfirmed())
    out << "to be confirmed within " << seconds_left(status)
        << " s (`postern-loader confirm`), else it undoes itself\n";
  else
    out << "confirmed\n";
  for (const TableStatus& it : status.tables)
    out << "table " << it.name << ": " << it.entries << " of " << it.room << "\n";
  for (const CounterStatus& it : status.reasons)
    out << (it.drops ? "drop " : "pass ") << it.name << ": " << it.packets << " packets, " << it.bytes << " bytes ("
        << it.meaning << ")\n";
  for (const CounterStatus& it : status.tallies) out << "tally " << it.name << ": " << it.packets << "\n";
  return out.str();
}

std::string as_json(const GateStatus& status) {
  json all = {{"instance", status.instance.name},
              {"abi", status.abi},
              {"attached", status.attached()},
              {"whole", status.whole()},
              {"confirmed", !status.unconfirmed()},
              {"interfaces", json::array()},
              {"tables", json::array()}};
  if (status.unconfirmed()) all["secondsLeft"] = seconds_left(status);
  for (const InterfaceStatus& it : status.interfaces)
    all["interfaces"].push_back({{"name", it.record.interface},
                                 {"state", state_of(it)},
                                 {"mode", to_string(it.record.mode)},
                                 {"way", to_string(it.record.way)},
                                 {"ingress", it.ingress},
                                 {"egress", it.egress},
                                 {"ingressProgram", it.record.ingress_program},
                                 {"egressProgram", it.record.egress_program}});
  for (const TableStatus& it : status.tables)
    all["tables"].push_back({{"name", it.name}, {"entries", it.entries}, {"room", it.room}});
  all["reasons"] = counters_json(status.reasons, true);
  all["tallies"] = counters_json(status.tallies, false);
  return all.dump(2) + "\n";
}

}  // namespace postern::loader
