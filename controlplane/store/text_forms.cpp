// SPDX-License-Identifier: Apache-2.0
// Column text of lists and nested objects.
#include "controlplane/store/text_forms.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

#include "controlplane/store/failure.hpp"

namespace postern::store {

namespace {

using nlohmann::json;

template <class List, class ToText>
std::string join(const List& list, ToText to_text_of) {
  std::string text;
  for (const auto& item : list) {
    if (!text.empty()) text += ',';
    text += to_text_of(item);
  }
  return text;
}

template <class Item, class Parse>
std::vector<Item> split(std::string_view text, Parse parse) {
  std::vector<Item> list;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    list.push_back(parse(text.substr(0, comma)));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return list;
}

// Unwraps what the core parsed; a row that does not parse was not written by us.
template <class T>
T wanted(core::Result<T> parsed) {
  if (!parsed) throw CorruptRow("a row cannot be read: " + parsed.error().message);
  return *std::move(parsed);
}

template <class Read>
auto from_json(const std::string& text, Read read) -> std::vector<decltype(read(json()))> {
  try {
    std::vector<decltype(read(json()))> list;
    for (const json& item : json::parse(text)) list.push_back(read(item));
    return list;
  } catch (const json::exception& failure) {
    throw CorruptRow(std::string("a row holds broken JSON: ") + failure.what());
  }
}

core::Protocol protocol_from(unsigned number) {
  switch (number) {
    case 0:
      return core::Protocol::any;
    case 6:
      return core::Protocol::tcp;
    case 17:
      return core::Protocol::udp;
    default:
      throw CorruptRow("a row holds the unknown protocol " + std::to_string(number));
  }
}

core::Ending ending_from(unsigned number) {
  if (number > 1) throw CorruptRow("a row holds the unknown ending " + std::to_string(number));
  return static_cast<core::Ending>(number);
}

// A member that older rows lack: they read as the first choice.
template <class Choice>
Choice choice_from(const json& item, const char* name, Choice last) {
  const auto number = item.value(name, 0U);
  if (number > static_cast<unsigned>(last))
    throw CorruptRow("a row holds the unknown " + std::string(name) + " " + std::to_string(number));
  return static_cast<Choice>(number);
}

json rule_json(const core::PortRule& rule) {
  return {{"number", rule.number},
          {"protocol", static_cast<unsigned>(rule.protocol)},
          {"sources", to_text(rule.sources)},
          {"maxSeconds", rule.max_duration.count()},
          {"ending", static_cast<unsigned>(rule.ending)},
          {"maxSessionSeconds", rule.max_session.count()},
          {"standing", to_text(rule.standing)},
          {"standingSerial", rule.standing_serial},
          {"justification", static_cast<unsigned>(rule.justification)},
          {"approval", static_cast<unsigned>(rule.approval)}};
}

core::PortRule rule_from(const json& item) {
  core::PortRule rule;
  rule.number = item.at("number").get<std::uint16_t>();
  rule.protocol = protocol_from(item.at("protocol").get<unsigned>());
  rule.sources = sources_from(item.at("sources").get<std::string>());
  rule.max_duration = std::chrono::seconds(item.at("maxSeconds").get<std::int64_t>());
  rule.ending = ending_from(item.at("ending").get<unsigned>());
  rule.max_session = std::chrono::seconds(item.value("maxSessionSeconds", std::int64_t{0}));  // these since version 2
  rule.standing = sources_from(item.value("standing", std::string()));
  rule.standing_serial = item.value("standingSerial", std::uint64_t{0});
  rule.approval = choice_from(item, "approval", core::Approval::approve);
  rule.justification = choice_from(item, "justification", core::Justification::required);
  return rule;
}

}  // namespace

std::string to_text(const std::vector<core::Source>& sources) {
  return join(sources, [](const core::Source& source) { return core::to_string(source); });
}

std::vector<core::Source> sources_from(std::string_view text) {
  return split<core::Source>(text, [](std::string_view item) { return wanted(core::parse_source(item)); });
}

std::string to_text(const std::vector<core::Prefix>& prefixes) {
  return join(prefixes, [](const core::Prefix& prefix) { return core::to_string(prefix); });
}

std::vector<core::Prefix> prefixes_from(std::string_view text) {
  return split<core::Prefix>(text, [](std::string_view item) { return wanted(core::parse_prefix(item)); });
}

std::string to_text(const std::vector<std::uint64_t>& numbers) {
  return join(numbers, [](std::uint64_t number) { return std::to_string(number); });
}

std::vector<std::uint64_t> numbers_from(std::string_view text) {
  return split<std::uint64_t>(text, [](std::string_view item) {
    std::uint64_t number = 0;
    const auto [end, failed] = std::from_chars(item.data(), item.data() + item.size(), number);
    if (failed != std::errc() || end != item.data() + item.size())
      throw CorruptRow("a row holds \"" + std::string(item) + "\" where a number belongs");
    return number;
  });
}

std::string to_text(const std::vector<std::string>& texts) {
  return json(texts).dump();
}

std::vector<std::string> texts_from(const std::string& text) {
  return from_json(text, [](const json& item) { return item.get<std::string>(); });
}

std::string to_text(const std::vector<core::Forward>& forwards) {
  json list = json::array();
  for (const core::Forward& forward : forwards)
    list.push_back({{"address", core::to_string(forward.address)},
                    {"port", forward.port},
                    {"protocol", static_cast<unsigned>(forward.protocol)},
                    {"machinePort", forward.machine_port}});
  return list.dump();
}

std::vector<core::Forward> forwards_from(const std::string& text) {
  return from_json(text, [](const json& item) {
    core::Forward forward;
    forward.address = wanted(core::parse_address(item.at("address").get<std::string>()));
    forward.port = item.at("port").get<std::uint16_t>();
    forward.protocol = protocol_from(item.at("protocol").get<unsigned>());
    forward.machine_port = item.at("machinePort").get<std::uint16_t>();
    return forward;
  });
}

std::string to_text(const std::vector<core::PolicyMachine>& machines) {
  json list = json::array();
  for (const core::PolicyMachine& machine : machines) {
    json ports = json::array();
    for (const core::PortRule& rule : machine.ports) ports.push_back(rule_json(rule));
    list.push_back({{"id", machine.machine_id}, {"publicIpAddress", machine.public_ip_address}, {"ports", ports}});
  }
  return list.dump();
}

std::vector<core::PolicyMachine> policy_machines_from(const std::string& text) {
  return from_json(text, [](const json& item) {
    core::PolicyMachine machine;
    machine.machine_id = item.at("id").get<std::string>();
    machine.public_ip_address = item.at("publicIpAddress").get<std::string>();
    for (const json& rule : item.at("ports")) machine.ports.push_back(rule_from(rule));
    return machine;
  });
}

std::string to_text(const std::vector<core::Assignment>& assignments) {
  json list = json::array();
  for (const core::Assignment& assignment : assignments)
    list.push_back({{"role", assignment.role}, {"scope", assignment.scope}});
  return list.dump();
}

std::vector<core::Assignment> assignments_from(const std::string& text) {
  return from_json(text, [](const json& item) {
    return core::Assignment{item.at("role").get<std::string>(), item.at("scope").get<std::string>()};
  });
}

}  // namespace postern::store
