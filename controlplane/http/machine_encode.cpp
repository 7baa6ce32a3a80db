// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/machine_encode.hpp"

#include "controlplane/http/own_encode.hpp"

namespace postern::http {

Json encode_switch(const core::Switch& each) {
  Json json{{"name", each.subscription.empty() ? "global" : each.subscription}, {"enforcing", each.enforcing}};
  if (!each.reason.empty()) json["reason"] = each.reason;
  if (each.by.empty()) return json;
  json["by"] = each.by;
  json["sinceUtc"] = core::format_time(each.since);
  return json;
}

Json encode_endpoints(const std::vector<core::Endpoint>& endpoints) {
  Json list = Json::array();
  for (const core::Endpoint& each : endpoints)
    list.push_back(Json{{"address", core::to_string(each.address)},
                        {"port", each.port},
                        {"protocol", core::wire_name(each.protocol)},
                        {"forward", each.forward}});
  return list;
}

Json encode_exposure(const core::ExposureView& view) {
  Json json;
  if (!view.machine_id.empty()) {
    json["machine"] = view.machine_id;
    json["machineName"] = view.machine_name;
  }
  json["severity"] = core::wire_name(view.severity);
  Json& services = json["services"] = Json::array();
  for (const core::ExposedService& service : view.services) {
    Json& entry = services.emplace_back(Json{{"address", core::to_string(service.address)},
                                             {"port", service.port},
                                             {"protocol", "TCP"},
                                             {"severity", core::wire_name(service.severity)},
                                             {"firstUtc", core::format_time(service.first)},
                                             {"lastUtc", core::format_time(service.last)},
                                             {"answers", service.count},
                                             {"sources", Json::array()}});
    for (const core::ExposurePeer& peer : service.peers)
      entry["sources"].push_back(Json{{"address", core::to_string(peer.address)},
                                      {"lastUtc", core::format_time(peer.last)},
                                      {"answers", peer.count}});
  }
  return json;
}

Json encode_connection(const core::ConnectionView& view) {
  Json json{{"machine", view.machine.id}, {"machineName", view.machine.name}, {"ports", Json::array()}};
  if (!view.machine.os.empty()) json["os"] = view.machine.os;
  for (const core::ConnectionPort& port : view.ports) {
    Json& entry = json["ports"].emplace_back(Json{{"number", port.number}, {"protocol", core::wire_name(port.protocol)}});
    entry["endpoints"] = encode_endpoints(port.endpoints);
    if (!port.grant) continue;
    const auto& [grant, request] = view.grants.at(*port.grant);
    entry["grant"] = encode_grant(grant, request);
  }
  return json;
}

}  // namespace postern::http
