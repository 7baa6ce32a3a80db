// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/metrics.hpp"

#include <initializer_list>
#include <string_view>
#include <utility>

namespace postern::http {
namespace {

using Labels = std::initializer_list<std::pair<const char*, std::string>>;

class Exposition {
 public:
  void family(const char* name, const char* type, const char* help) {
    name_ = name;
    text_ += std::string("# HELP ") + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n';
  }

  void sample(Labels labels, std::uint64_t value) {
    text_ += name_;
    const char* before = "{";
    for (const auto& [label, word] : labels) {
      text_ += std::string(before) + label + "=\"" + escaped(word) + '"';
      before = ",";
    }
    text_ += (labels.size() > 0 ? "} " : " ") + std::to_string(value) + '\n';
  }

  void single(const char* name, const char* type, const char* help, std::uint64_t value) {
    family(name, type, help);
    sample({}, value);
  }

  std::string take() && { return std::move(text_); }

 private:
  static std::string escaped(std::string_view word) {
    std::string result;
    for (const char c : word) {
      if (c == '\\' || c == '"') result += '\\';
      if (c == '\n') {
        result += "\\n";
      } else {
        result += c;
      }
    }
    return result;
  }

  std::string text_, name_;
};

void add_reasons(Exposition& out, const core::GateStatus& status) {
  const auto all = [&](const char* name, const char* help, std::uint64_t core::ReasonCount::* count) {
    out.family(name, "counter", help);
    for (const auto& reason : status.reasons)
      out.sample({{"reason", reason.name}, {"verdict", reason.pass ? "pass" : "drop"}}, reason.*count);
  };
  all("postern_packets_total",
      "Packets by what the gate found. What dropped is the sum of the verdict drop less the reasons monitored and "
      "unconfirmed, which count such packets once more.",
      &core::ReasonCount::packets);
  all("postern_bytes_total", "IP bytes of the same packets.", &core::ReasonCount::bytes);
  out.family("postern_tallies_total", "counter", "What happened beside verdicts: flows begun and ended, events lost.");
  for (const auto& tally : status.tallies) out.sample({{"name", tally.name}}, tally.packets);
}

void add_services(Exposition& out, std::span<const core::ServiceCount> services) {
  const auto all = [&](const char* name, const char* type, const char* help, auto value) {
    out.family(name, type, help);
    for (const auto& service : services)
      out.sample({{"address", core::to_string(service.key.address)},
                  {"port", std::to_string(service.key.port)},
                  {"protocol", std::string(core::wire_name(service.key.protocol))}},
                 value(service));
  };
  using Service = core::ServiceCount;
  all("postern_service_enforced", "gauge", "Whether packets without a grant are dropped (else only counted).",
      [](const Service& service) { return std::uint64_t{service.enforce}; });
  all("postern_service_dropped_packets_total", "counter", "Packets to the service that were dropped.",
      [](const Service& service) { return service.dropped; });
  all("postern_service_would_be_dropped_packets_total", "counter", "Packets that passed only because it is monitored.",
      [](const Service& service) { return service.would_be_dropped; });
  all("postern_service_admitted_connections_total", "counter", "New connections that grants let in.",
      [](const Service& service) { return service.admitted; });
}

void add_trail(Exposition& out, const core::TrailCounts& trail) {
  out.family("postern_flow_records_total", "counter", "Openings and ends of connections, written for the auditor or lost.");
  out.sample({{"outcome", "written"}}, trail.flows_written);
  out.sample({{"outcome", "lost"}}, trail.flows_lost);
  if (trail.pushes.empty()) return;
  const auto all = [&](const char* name, const char* type, const char* help, std::uint64_t core::PushCount::* count) {
    out.family(name, type, help);
    for (const auto& [to, push] : trail.pushes) out.sample({{"to", to}}, push.*count);
  };
  all("postern_audit_pushed_total", "counter", "Audit records that somebody outside has taken.", &core::PushCount::delivered);
  all("postern_audit_push_failures_total", "counter", "Tries that failed.", &core::PushCount::failed);
  all("postern_audit_push_waiting", "gauge", "Audit records that he has not taken yet.", &core::PushCount::waiting);
}

}  // namespace

std::string metrics_text(bool ready, const CallCounts& calls, const core::GateStatus* status,
                         std::span<const core::ServiceCount> services, const core::TrailCounts& trail) {
  Exposition out;
  out.single("postern_ready", "gauge", "Whether the gate guards as it should (as /readyz).", ready ? 1 : 0);
  out.single("postern_failed_logins_total", "counter", "Calls that named nobody known.", calls.failed_logins);
  out.family("postern_limited_calls_total", "counter", "Calls answered with 429: of known callers, and of sources that named nobody known.");
  out.sample({{"limit", "caller"}}, calls.limited_callers);
  out.sample({{"limit", "source"}}, calls.limited_sources);
  add_trail(out, trail);
  if (!status) return std::move(out).take();
  out.family("postern_gate_info", "gauge", "The gate whose maps these are.");
  out.sample({{"instance", status->instance}, {"abi", std::to_string(status->abi)}}, 1);
  out.single("postern_grants", "gauge", "Grants that run.", status->grants);
  out.single("postern_unconfirmed", "gauge", "Whether the gate undoes itself unless confirmed.",
             status->unconfirmed_until ? 1 : 0);
  out.single("postern_warnings", "gauge", "What status warns of.", status->warnings.size());
  out.single("postern_one_way_connections", "gauge", "Connections whose answers leave past the gate.",
             status->one_way_connections);
  add_reasons(out, *status);
  add_services(out, services);
  return std::move(out).take();
}

}  // namespace postern::http
