// SPDX-License-Identifier: Apache-2.0
// What the auditor asks for, and in which form.
#include "controlplane/core/text.hpp"
#include "controlplane/http/object_reader.hpp"
#include "controlplane/http/own_decode.hpp"
#include "controlplane/http/parameters.hpp"

namespace postern::http {
namespace {

constexpr std::uint64_t document_max = 1000;  // records

// The first of the media types in Accept that we have; their weights are not looked at.
AuditFormat accepted_format(std::string_view accept) {
  for (const auto each : core::split(accept, ',')) {
    std::string type = core::folded(each.substr(0, each.find(';')));
    std::erase(type, ' ');
    if (type == "text/csv") return AuditFormat::csv;
    if (type == "application/x-ndjson" || type == "application/jsonl") return AuditFormat::json_lines;
    if (type == "application/json" || type == "*/*") return AuditFormat::json;
  }
  return AuditFormat::json;
}

core::Result<AuditFormat> read_format(const Target& target, std::string_view accept) {
  const auto text = target.parameter("format");
  if (!text) return accepted_format(accept);
  if (*text == "json") return AuditFormat::json;
  if (*text == "csv") return AuditFormat::csv;
  if (*text == "jsonl") return AuditFormat::json_lines;
  const std::string message = "'format' must be json, csv or jsonl, not " + core::in_quotes(*text) + ".";
  return core::Error{core::ErrorCode::invalid_input, message, "format", {{message, "format"}}};
}

core::Result<std::size_t> read_limit(const Target& target, AuditFormat format) {
  const bool document = format == AuditFormat::json;
  std::uint64_t limit = document ? 100 : SIZE_MAX;
  if (const auto read = read_parameter(target, "limit", document ? document_max : UINT32_MAX, limit); !read)
    return read.error();
  return static_cast<std::size_t>(limit);
}

}  // namespace

core::Result<AuditAsked> decode_audit_query(const Target& target, std::string_view accept) {
  const auto known = refuse_unknown_parameters(
      target, {"machine", "principal", "operation", "from", "to", "before", "limit", "format"});
  if (!known) return known.error();
  const auto format = read_format(target, accept);
  if (!format) return format.error();
  AuditAsked asked{.query = {}, .format = *format};
  core::AuditQuery& query = asked.query;
  query.machine = target.parameter("machine").value_or("");
  query.principal = target.parameter("principal").value_or("");
  query.operation = target.parameter("operation").value_or("");
  if (const auto read = read_parameter(target, "from", query.from); !read) return read.error();
  if (const auto read = read_parameter(target, "to", query.to); !read) return read.error();
  if (const auto read = read_parameter(target, "before", UINT64_MAX, query.before_sequence); !read) return read.error();
  const auto limit = read_limit(target, *format);
  if (!limit) return limit.error();
  query.limit = *limit;
  return asked;
}

core::Result<FlowsAsked> decode_flow_query(const Target& target, std::string_view accept) {
  const auto known = refuse_unknown_parameters(
      target, {"grant", "machine", "principal", "from", "to", "open", "before", "limit", "format"});
  if (!known) return known.error();
  const auto format = read_format(target, accept);
  if (!format) return format.error();
  FlowsAsked asked{.query = {}, .format = *format};
  core::FlowQuery& query = asked.query;
  query.machine = target.parameter("machine").value_or("");
  query.requestor = target.parameter("principal").value_or("");
  const std::string open = core::folded(target.parameter("open").value_or("false"));
  if (open != "true" && open != "false" && !open.empty())
    return core::Error{core::ErrorCode::invalid_input, "'open' must be true or false, not '" + open + "'.", "open", {}};
  query.only_open = open != "false";
  if (const auto read = read_parameter(target, "grant", UINT64_MAX, query.grant); !read) return read.error();
  if (const auto read = read_parameter(target, "from", query.from); !read) return read.error();
  if (const auto read = read_parameter(target, "to", query.to); !read) return read.error();
  if (const auto read = read_parameter(target, "before", UINT64_MAX, query.before_id); !read) return read.error();
  const auto limit = read_limit(target, *format);
  if (!limit) return limit.error();
  query.limit = *limit;
  return asked;
}

core::Result<ReviewAsked> decode_review_query(const Target& target, std::string_view accept) {
  if (const auto known = refuse_unknown_parameters(target, {"from", "to", "format"}); !known) return known.error();
  const auto format = read_format(target, accept);
  if (!format) return format.error();
  if (*format == AuditFormat::json_lines)
    return core::Error{core::ErrorCode::invalid_input, "A review is json or csv.", "format", {}};
  ReviewAsked asked;
  asked.csv = *format == AuditFormat::csv;
  if (const auto read = read_parameter(target, "from", asked.from); !read) return read.error();
  if (const auto read = read_parameter(target, "to", asked.to); !read) return read.error();
  return asked;
}

core::Result<std::vector<std::string>> decode_heads(std::string_view body) {
  const auto json = parse_json(body);
  if (!json || !json->is_object())
    return core::Error{core::ErrorCode::invalid_request_content,
                       json ? "The body must be a JSON object." : json.error().message,
                       "",
                       {}};
  std::vector<core::Fault> faults;
  ObjectReader reader(*json, "", Manner::strict, faults);
  if (!reader.find("heads")) reader.fault("heads", "'heads' is required: the lines that were kept.");
  auto lines = reader.texts("heads").value_or(std::vector<std::string>{});
  reader.refuse_unknown();
  if (faults.empty()) return lines;
  return core::Error{core::ErrorCode::invalid_input, faults.front().message, faults.front().target, faults};
}

}  // namespace postern::http
