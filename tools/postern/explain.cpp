// SPDX-License-Identifier: Apache-2.0
// postern explain: what would happen to a packet, and why.
#include "tools/postern/verbs.hpp"
#include "tools/postern/words.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

bool is_address(const std::string& text) {
  return text.find(':') != std::string::npos || text.find_first_not_of("0123456789.") == std::string::npos;
}

// A machine by name is its first address of the source's family.
std::string address_of(const GateClient& gate, const std::string& name, bool v6) {
  const json machine = gate.get("/v1/machines/" + encoded(name));
  for (const json& address : machine.value("addresses", json::array())) {
    const std::string text = address;
    if ((text.find(':') != std::string::npos) == v6 && text.find('/') == std::string::npos) return text;
  }
  throw Failure(Exit::usage, name + " has no single " + (v6 ? "IPv6" : "IPv4") + " address; write the one you mean");
}

void print_explanation(const Printer& out, const json& told) {
  const std::string over = text_of(told, "overruledBy");
  if (over.empty()) {
    out.line("verdict   " + text_of(told, "verdict") + ", " + text_of(told, "reason") + ": " +
             text_of(told, "sentence"));
  } else {
    out.line("verdict   pass, " + over + ": " + text_of(told, "overruledSentence"));
    out.line("else      drop, " + text_of(told, "reason") + ": " + text_of(told, "sentence"));
  }
  if (told.contains("service")) {
    const json& service = told["service"];
    out.line("service   " + text_of(service, "machineName") + " port " + text_of(service, "machinePort") + "/" +
             text_of(service, "protocol") + " by " + text_of(service, "address") + " port " + text_of(service, "port"));
  }
  for (const json& policy : told.value("policies", json::array()))
    out.line("policy    " + text_of(policy, "id") + " (" + text_of(policy, "mode") + ")");
  if (told.contains("grant")) {
    const json& grant = told["grant"];
    const std::string end = text_of(grant, "endTimeUtc");
    out.line("grant     " + text_of(grant, "serial") + " of " + text_of(grant, "requestor") + " for " +
             text_of(grant, "sources") + " until " + local_time(end) + " (" + time_left(end) + "), " +
             text_of(grant, "state"));
  }
  if (told.contains("standing"))
    out.line("standing  rule " + text_of(told["standing"], "serial") + " for " + text_of(told["standing"], "sources"));
  if (const std::string hint = text_of(told, "hint"); !hint.empty()) out.line("grant     none. " + hint);
}

}  // namespace

ExplainVerb::ExplainVerb(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("explain",
                                      "What would happen to a packet, and why: verdict, reason, policy, grant. Nothing "
                                      "is sent and nothing\nis counted. Without options the packet opens a connection");
  verb->add_option("SOURCE", source_, "Address it comes from")->required();
  verb->add_option("DESTINATION", destination_, "ADDRESS:PORT/tcp, [IPv6]:PORT/udp or MACHINE:PORT; TCP if not said")
      ->required();
  CLI::Option* established =
      verb->add_flag("--established", established_, "A packet in mid-connection (flag ACK) instead of a new one");
  verb->add_option("--flags", flags_, "TCP flags, as SYN,ACK")->excludes(established);
  verb->add_option("--source-port", source_port_, "Port it comes from: an open connection is known by it");
  verb->add_option("--at", at_,
                   "Another time, as 2026-11-23T08:30:00Z: grants are judged as of then, open connections as of now");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { run(desk); }; });
}

void ExplainVerb::run(const Desk& desk) const {
  DestinationWord there = destination_word(destination_);
  if (!is_address(there.host)) there.host = address_of(desk.gate, there.host, source_.find(':') != std::string::npos);
  std::string target = "/v1/gate/explain?source=" + encoded(source_) + "&destination=" + encoded(there.host) +
                       "&port=" + std::to_string(there.port) + "&protocol=" + there.protocol;
  if (established_) target += "&flags=ACK";
  if (!flags_.empty()) target += "&flags=" + encoded(flags_);
  if (!source_port_.empty()) target += "&sourcePort=" + encoded(source_port_);
  if (!at_.empty()) target += "&at=" + encoded(at_);
  const json told = desk.gate.get(target);
  if (desk.out.json()) return desk.out.document(told);
  print_explanation(desk.out, told);
}

}  // namespace postern::cli
