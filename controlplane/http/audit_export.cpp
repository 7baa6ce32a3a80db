// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/audit_export.hpp"

#include <algorithm>

#include "controlplane/http/csv.hpp"
#include "controlplane/http/own_encode.hpp"

namespace postern::http {
namespace {

constexpr std::size_t records_a_part = 500;
constexpr std::uint64_t numbers_a_part = 5000;  // looked at, whether or not they are wanted

template <class List, class Text>
std::string joined(const List& list, Text text) {
  std::string result;
  for (const auto& element : list) result += (result.empty() ? "" : " ") + text(element);
  return result;
}

std::string csv_of(const core::AuditRecord& record) {
  return csv_row({std::to_string(record.sequence), core::format_time(record.time), record.operation,
                  std::string(core::wire_name(record.outcome)), record.principal, record.source, record.request_id,
                  record.client_request_id, record.policy,
                  joined(record.machines, [](const std::string& id) { return id; }),
                  joined(record.grants, [](std::uint64_t serial) { return std::to_string(serial); }), record.code,
                  record.detail});
}

std::string protocol_of(const core::FlowRecord& record) {
  const auto known = static_cast<core::Protocol>(record.protocol);
  if (known == core::Protocol::tcp || known == core::Protocol::udp) return std::string(core::wire_name(known));
  return std::to_string(record.protocol);
}

std::string address_of(const core::PacketEnd& end) {
  return end.address ? core::to_string(*end.address) : "";
}

std::string origin_of(const core::FlowRecord& record) {
  return record.adopted ? "adopted" : record.machine_opened ? "machineOpened" : record.picked_up ? "pickedUp" : "";
}

std::string csv_of(const core::FlowRecord& record) {
  const auto number = [](std::uint64_t value) { return value == 0 ? "" : std::to_string(value); };
  return csv_row({std::to_string(record.id), core::format_time(record.opened),
                  record.closed ? core::format_time(*record.closed) : "", record.end, address_of(record.client),
                  number(record.client.port), address_of(record.machine), number(record.machine.port),
                  protocol_of(record), record.machine_id, number(record.grant), record.standing ? "yes" : "",
                  number(record.request), record.requestor, std::to_string(record.client_packets),
                  std::to_string(record.client_bytes), std::to_string(record.machine_packets),
                  std::to_string(record.machine_bytes), core::format_time(record.as_of), origin_of(record)});
}

// JSON lets three more line ends stand as they are, and there are readers that divide at them.
std::string json_line(const Json& json) {
  std::string text = to_text(json);
  for (const auto& [end, escape] : {std::pair("\u0085", "\\u0085"), std::pair("\u2028", "\\u2028"), std::pair("\u2029", "\\u2029")})
    for (auto at = text.find(end); at != std::string::npos; at = text.find(end, at)) text.replace(at, std::string_view(end).size(), escape);
  return text + "\n";
}

std::uint64_t number_of(const core::AuditRecord& record) {
  return record.sequence;
}
std::uint64_t number_of(const core::FlowRecord& record) {
  return record.id;
}

// Goes down the numbers from below `before` on. Records are never renumbered, so it may take its time.
// read(before, from, limit): those with before > number ≥ from.
template <class Read, class Text>
BodyParts parts_of(std::uint64_t before, std::size_t wanted, Read read, Text text) {
  return [before, wanted, read, text]() mutable -> core::Result<BodyPart> {
    const std::size_t limit = std::min(wanted, records_a_part);
    const std::uint64_t from = before > numbers_a_part ? before - numbers_a_part : 1;
    const auto records = read(before, from, limit);
    if (!records) return records.error();
    BodyPart part;
    for (const auto& record : *records) part.text += text(record);
    wanted -= records->size();
    before = records->size() == limit && limit > 0 ? number_of(records->back()) : from;
    part.last = wanted == 0 || before <= 1;
    return part;
  };
}

HttpResponse answer(AuditFormat format, const std::string& name, const std::vector<std::string>& heads) {
  const bool csv = format == AuditFormat::csv;
  HttpResponse response;
  response.content_type = csv ? csv_content_type : "application/x-ndjson";
  response.headers.emplace_back("Content-Disposition",
                                "attachment; filename=\"postern-" + name + (csv ? ".csv\"" : ".jsonl\""));
  if (csv) response.body = csv_row(heads);
  return response;
}

// The first number that is not wanted.
template <class List>
std::uint64_t begin_below(const List& newest, std::uint64_t asked) {
  const std::uint64_t end = newest.empty() ? 1 : number_of(newest.front()) + 1;
  return asked == 0 ? end : std::min(end, asked);
}

}  // namespace

core::Result<HttpResponse> export_audit(core::Gatekeeper& gatekeeper, const core::Caller& caller,
                                        const AuditAsked& asked) {
  core::AuditQuery newest;
  newest.limit = 1;
  const auto top = gatekeeper.audit(caller, newest);  // refuses, too, whoever may not read it
  if (!top) return top.error();
  HttpResponse response =
      answer(asked.format, "audit",
             {"sequence", "timeUtc", "operation", "outcome", "principal", "source", "requestId", "clientRequestId",
              "policy", "machines", "grants", "code", "detail"});
  const auto read = [&gatekeeper, caller, query = asked.query](std::uint64_t before, std::uint64_t from,
                                                               std::size_t limit) mutable {
    query.before_sequence = before;
    query.from_sequence = from;
    query.limit = limit;
    return gatekeeper.audit(caller, query);
  };
  const bool csv = asked.format == AuditFormat::csv;
  const auto text = [csv](const core::AuditRecord& record) {
    return csv ? csv_of(record) : json_line(encode_record(record));
  };
  response.parts = parts_of(begin_below(*top, asked.query.before_sequence), asked.query.limit, read, text);
  return response;
}

core::Result<HttpResponse> export_flows(core::Gatekeeper& gatekeeper, const core::Caller& caller,
                                        const FlowsAsked& asked) {
  core::FlowQuery newest;
  newest.limit = 1;
  const auto top = gatekeeper.flows(caller, newest);
  if (!top) return top.error();
  HttpResponse response =
      answer(asked.format, "sessions",
             {"id", "openedUtc", "closedUtc", "end", "client", "clientPort", "machineAddress", "machinePort", "protocol",
              "machine", "grant", "standing", "request", "requestor", "clientPackets", "clientBytes", "machinePackets",
              "machineBytes", "asOfUtc", "origin"});
  const auto read = [&gatekeeper, caller, query = asked.query](std::uint64_t before, std::uint64_t from,
                                                               std::size_t limit) mutable {
    query.before_id = before;
    query.from_id = from;
    query.limit = limit;
    return gatekeeper.flows(caller, query);
  };
  const bool csv = asked.format == AuditFormat::csv;
  const auto text = [csv](const core::FlowRecord& record) {
    return csv ? csv_of(record) : json_line(encode_flow(record));
  };
  response.parts = parts_of(begin_below(*top, asked.query.before_id), asked.query.limit, read, text);
  return response;
}

Json encode_flow(const core::FlowRecord& record) {
  const auto put = [](Json& json, const char* name, const std::string& text) {
    if (!text.empty()) json[name] = text;
  };
  Json json{{"id", record.id}, {"openedUtc", core::format_time(record.opened)}};
  if (record.closed) json["closedUtc"] = core::format_time(*record.closed);
  put(json, "end", record.end);
  put(json, "client", address_of(record.client));
  json["clientPort"] = record.client.port;
  put(json, "machineAddress", address_of(record.machine));
  json["machinePort"] = record.machine.port;
  json["protocol"] = protocol_of(record);
  put(json, "machine", record.machine_id);
  put(json, "machineName", record.machine_id.substr(record.machine_id.rfind('/') + 1));
  if (record.grant != 0) json["grant"] = record.grant;
  if (record.standing) json["standing"] = true;
  if (record.request != 0) json["request"] = record.request;
  put(json, "requestor", record.requestor);
  json["clientPackets"] = record.client_packets;
  json["clientBytes"] = record.client_bytes;
  json["machinePackets"] = record.machine_packets;
  json["machineBytes"] = record.machine_bytes;
  json["asOfUtc"] = core::format_time(record.as_of);
  put(json, "origin", origin_of(record));
  return json;
}

}  // namespace postern::http
