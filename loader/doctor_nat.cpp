// SPDX-License-Identifier: Apache-2.0
// NAT rules that lead to a guarded port by an address or a port that the gate does not know, see doctor.hpp. The gate
// judges packets before they are translated. Rules are read as nft and iptables-save print them.
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include <nlohmann/json.hpp>

#include "loader/doctor.hpp"
#include "loader/settings.hpp"

namespace postern::loader {
namespace {

using nlohmann::json;

struct Ports {
  unsigned low = 0, high = 65535;
  bool contains(unsigned port) const { return port >= low && port <= high; }
};

struct NatRule {
  std::string place;             // "table ip lab, chain before"
  std::vector<Address> at;       // destination addresses it takes; this host's own if the rule does not say
  std::vector<Ports> from;       // destination ports it takes; none: any
  std::vector<Address> to;       // this host's own for a redirect
  std::optional<Ports> to_port;  // none: as it came
  bool readable = true;
};

// Nothing if there is no such program.
std::optional<std::string> output_of(const std::string& command) {
  FILE* const pipe = ::popen(("PATH=/usr/sbin:/usr/bin:/sbin:/bin; " + command + " 2>/dev/null").c_str(), "re");
  if (!pipe) return {};
  std::string text;
  std::array<char, 65536> buffer{};
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), size);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status) && (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127))
    return {};  // as the shell says it
  return text;
}

// "22", "2000-2010", "2000:2010"
std::optional<Ports> parse_ports(const std::string& text) {
  Ports ports;
  const char* const end = text.data() + text.size();
  auto [next, fault] = std::from_chars(text.data(), end, ports.low);
  if (fault != std::errc{}) return {};
  ports.high = ports.low;
  if (next != end && (*next == '-' || *next == ':'))
    std::tie(next, fault) = [&] {
      const auto [at, wrong] = std::from_chars(next + 1, end, ports.high);
      return std::tuple(at, wrong);
    }();
  if (fault != std::errc{} || next != end) return {};
  return ports;
}

std::optional<Address> parse_address(const std::string& text) {
  const auto key = parse_failsafe(text);
  if (!key) return {};
  return address_of(*key);
}

// 22, {"range": [2000, 2010]}, {"set": […]}
bool read_ports(const json& value, std::vector<Ports>& ports) {
  if (value.is_number_unsigned()) return ports.push_back({value.get<unsigned>(), value.get<unsigned>()}), true;
  if (!value.is_object()) return false;
  if (const auto range = value.find("range"); range != value.end() && range->is_array() && range->size() == 2 &&
                                              (*range)[0].is_number_unsigned() && (*range)[1].is_number_unsigned())
    return ports.push_back({(*range)[0].get<unsigned>(), (*range)[1].get<unsigned>()}), true;
  const auto set = value.find("set");
  return set != value.end() && set->is_array() &&
         std::all_of(set->begin(), set->end(), [&ports](const json& it) { return read_ports(it, ports); });
}

void read_target(const json& target, bool redirect, NatRule& rule) {
  if (redirect)
    rule.to = local_addresses();
  else if (const auto address = target.find("addr"); address != target.end() && address->is_string()) {
    if (auto parsed = parse_address(address->get<std::string>())) rule.to.push_back(*parsed);
  }
  rule.readable = !rule.to.empty();
  const auto port = target.find("port");
  if (port == target.end()) return;
  std::vector<Ports> ports;
  if (read_ports(*port, ports) && ports.size() == 1)
    rule.to_port = ports.front();
  else
    rule.readable = false;
}

void read_match(const json& match, NatRule& rule) {
  const std::string field = match.value("/left/payload/field"_json_pointer, "");
  const json right = match.value("right", json());
  if (field == "dport" && !read_ports(right, rule.from)) rule.from.clear();
  if (field == "daddr" && right.is_string())
    if (auto address = parse_address(right.get<std::string>())) rule.at.push_back(*address);
}

bool is_foreign(const std::string& kind, const json& body) {
  if (kind != "xt" || !body.is_object()) return false;
  const std::string name = body.value("name", "");
  return name == "DNAT" || name == "REDIRECT";
}

// Targets of iptables, which nft only names, are unreadable unless iptables-save tells them.
std::optional<NatRule> rule_of_nft(const json& rule, bool with_iptables) {
  NatRule found;
  bool translates = false;
  found.place =
      "table " + rule.value("family", "") + " " + rule.value("table", "") + ", chain " + rule.value("chain", "");
  for (const json& expression : rule.value("expr", json::array())) {
    if (!expression.is_object() || expression.empty()) continue;
    const std::string kind = expression.begin().key();
    const json& body = expression.begin().value();
    if (kind == "match" && body.value("op", "") != "!=") read_match(body, found);
    if (is_foreign(kind, body) && !with_iptables) {
      found.readable = false;
      translates = true;
    }
    if (kind != "dnat" && kind != "redirect") continue;
    translates = true;
    read_target(body.is_object() ? body : json::object(), kind == "redirect", found);
  }
  return translates ? std::optional(found) : std::nullopt;
}

std::vector<NatRule> rules_of_nft(const std::string& ruleset, bool with_iptables) {
  std::vector<NatRule> rules;
  const json list = json::parse(ruleset, nullptr, false);
  if (!list.is_object()) return rules;
  for (const json& item : list.value("nftables", json::array()))
    if (item.is_object() && item.contains("rule") && item["rule"].is_object())
      if (auto rule = rule_of_nft(item["rule"], with_iptables)) rules.push_back(*rule);
  return rules;
}

// "203.0.113.10:2203", "[2001:db8::1]:22", "203.0.113.10-203.0.113.20"
void read_destination(std::string text, NatRule& rule) {
  const bool brackets = !text.empty() && text.front() == '[';
  const auto colon = brackets                                         ? text.find("]:")
                     : std::count(text.begin(), text.end(), ':') == 1 ? text.find(':')
                                                                      : std::string::npos;
  if (colon != std::string::npos) {
    rule.to_port = parse_ports(text.substr(colon + (brackets ? 2 : 1)));
    rule.readable = rule.to_port.has_value();
    text.resize(colon + (brackets ? 1 : 0));
  }
  if (brackets) text = text.substr(1, text.size() - 2);
  if (auto address = parse_address(text))
    rule.to.push_back(*address);
  else
    rule.readable = false;
}

// A line of iptables-save: "-A PREROUTING -p tcp -m tcp --dport 2222 -j DNAT --to-destination 192.0.2.10:22"
std::optional<NatRule> rule_of_iptables(const std::string& line, const char* program) {
  NatRule rule;
  bool translates = false;
  std::istringstream words(line);
  for (std::string word, value; words >> word;) {
    if (word == "-A" && words >> value) rule.place = std::string(program) + ", chain " + value;
    if (word == "-d" && words >> value)
      if (auto address = parse_address(value)) rule.at.push_back(*address);
    if (word == "-j" && words >> value) translates = value == "DNAT" || value == "REDIRECT";
    if (word == "-j" && value == "REDIRECT") rule.to = local_addresses();
    if (word == "--to-destination" && words >> value) read_destination(value, rule);
    if (word == "--to-ports" && words >> value) rule.to_port = parse_ports(value);
    if ((word == "--dport" || word == "--dports") && words >> value) {
      std::istringstream list(value);
      for (std::string part; std::getline(list, part, ',');)
        if (auto ports = parse_ports(part)) rule.from.push_back(*ports);
    }
  }
  return translates ? std::optional(rule) : std::nullopt;
}

std::vector<NatRule> rules_of_iptables(const std::string& saved, const char* program) {
  std::vector<NatRule> rules;
  std::istringstream lines(saved);
  for (std::string line; std::getline(lines, line);)
    if (auto rule = rule_of_iptables(line, program)) rules.push_back(*rule);
  return rules;
}

bool hits(const NatRule& rule, const GuardedService& service) {
  if (std::none_of(rule.to.begin(), rule.to.end(), [&](const Address& to) { return service.address.contains(to); }))
    return false;
  if (rule.to_port) return rule.to_port->contains(service.port);
  return rule.from.empty() ||
         std::any_of(rule.from.begin(), rule.from.end(), [&](const Ports& it) { return it.contains(service.port); });
}

// A forward is a service of its own, with the port and the address that clients use.
bool is_declared(const NatRule& rule, const GuardedService& hit, const GuardedServices& services) {
  return std::any_of(services.begin(), services.end(), [&](const GuardedService& other) {
    if (other.tcp != hit.tcp || (other.address == hit.address && other.port == hit.port)) return false;
    if (std::none_of(rule.at.begin(), rule.at.end(), [&](const Address& at) { return other.address.contains(at); }))
      return false;
    if (rule.from.empty()) return other.port == hit.port;
    return std::any_of(rule.from.begin(), rule.from.end(), [&](const Ports& it) { return it.contains(other.port); });
  });
}

}  // namespace

void examine_nat(const GuardedServices& services, Findings& findings) {
  if (services.empty()) return;
  const auto ruleset = output_of("nft -j list ruleset");
  if (!ruleset)
    findings.push_back({Level::warning, "nat_rule", "nft",
                        "there is no program nft, so NAT rules of nftables are not known",
                        "install nftables and ask again, or declare each forward that leads to a guarded port"});
  std::vector<NatRule> rules;
  bool with_iptables = true;
  for (const char* program : {"iptables", "ip6tables"}) {
    const auto saved = output_of(std::string(program) + "-save");  // all tables that are there: -t would make one
    with_iptables = with_iptables && saved;
    for (NatRule& rule : rules_of_iptables(saved.value_or(""), program)) rules.push_back(std::move(rule));
  }
  for (NatRule& rule : rules_of_nft(ruleset.value_or(""), with_iptables)) rules.push_back(std::move(rule));
  for (NatRule& rule : rules) {
    if (rule.at.empty()) rule.at = local_addresses();
    if (!rule.readable) {
      findings.push_back({Level::warning, "nat_rule", rule.place,
                          "a NAT rule (" + rule.place + ") takes its target from where doctor cannot read it",
                          "declare a forward for each target that is a guarded port"});
      continue;
    }
    for (const GuardedService& service : services) {
      if (!hits(rule, service) || is_declared(rule, service, services)) continue;
      findings.push_back({Level::warning, "nat_rule", rule.place,
                          "a NAT rule (" + rule.place + ") leads to the guarded port " + std::to_string(service.port) +
                              " of " + service.address.text() +
                              " by an address that is not guarded: the gate judges what stood there before",
                          "declare the forward: `postern machine add --help`, forwards"});
    }
  }
}

}  // namespace postern::loader
