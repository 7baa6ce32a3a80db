// SPDX-License-Identifier: Apache-2.0
// Fills a new store with live grants, by the store's own code: what bench/many_grants starts the daemon on.
// fill_store FILE GRANTS DUE DUE_AT: so many grants for eight hours, the first DUE of them only until DUE_AT (Unix time), each
// with a source, a request and an audit record of its own; on 1000 machines with four ports in ten policies.
#include <array>
#include <cstdlib>
#include <iostream>

#include "controlplane/daemon/system_clock.hpp"
#include "controlplane/store/sqlite_store.hpp"

using namespace postern;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t machines = 1000, policies = 10, grants_a_commit = 50000;
constexpr std::array<std::uint16_t, 4> ports{22, 3389, 5985, 5986};
const std::string group = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/default";

std::string machine_id(std::size_t number) {
  return group + "/providers/Microsoft.Compute/virtualMachines/vm" + std::to_string(number);
}

core::PolicyId policy_id(std::size_t number) {
  return {"00000000-0000-0000-0000-000000000000", "default", "local", "policy" + std::to_string(number)};
}

core::Prefix host(std::uint8_t network, std::size_t number) {
  const auto byte = [&](unsigned shift) { return static_cast<std::uint8_t>(number >> shift & 0xff); };
  return {{core::Family::ipv4, {network, byte(16), byte(8), byte(0)}}, 32};
}

core::ChangeSet inventory() {
  core::ChangeSet change;
  for (std::size_t p = 0; p < policies; ++p) change.put_policies.push_back({.id = policy_id(p), .generation = p + 1, .machines = {}});
  for (std::size_t m = 0; m < machines; ++m) {
    change.put_machines.push_back(
        {.id = machine_id(m), .name = "vm" + std::to_string(m), .os = "linux", .addresses = {host(172, m + (16U << 16))}, .forwards = {}, .excluded = ""});
    core::PolicyMachine named{.machine_id = machine_id(m), .ports = {}, .public_ip_address = ""};
    for (const auto port : ports)
      named.ports.push_back({.number = port, .sources = {core::Source{}}, .max_duration = 24h, .standing = {}});
    change.put_policies[m % policies].machines.push_back(std::move(named));
  }
  return change;
}

void add_grant(std::uint64_t serial, core::UtcTime end, const core::Clock& clock, const std::string& boot_id, core::ChangeSet& change) {
  const auto now = clock.now();
  const std::size_t machine = serial % machines;
  const auto policy = policy_id(machine % policies);
  const std::string requestor = "engineer" + std::to_string(serial % 500) + "@example.com";
  change.put_requests.push_back({serial, policy, machine % policies + 1, now.utc, requestor, "", "load-" + std::to_string(serial),
                                 std::string(64, 'a')});
  change.put_grants.push_back({.serial = serial,
                               .request = serial,
                               .machine_id = machine_id(machine),
                               .port = ports[serial / machines % ports.size()],
                               .protocol = core::Protocol::tcp,
                               .sources = {core::Source{host(10, serial)}},
                               .start = now.utc,
                               .end = end,
                               .boot_id = boot_id,
                               .boot_start = now.boot,
                               .ended_at = {},
                               .ended_by = "",
                               .extended = {}});
  core::AuditRecord record;
  record.time = now.utc;
  record.operation = "access.initiate";
  record.principal = requestor;
  record.policy = policy.path();
  record.machines = {machine_id(machine)};
  record.grants = {serial};
  record.detail = "Opens a port.";
  change.audit.push_back(std::move(record));
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) {
    std::cerr << "usage: fill_store FILE GRANTS DUE DUE_AT\n";
    return 2;
  }
  const auto grants = std::strtoull(words[2], nullptr, 10), due = std::strtoull(words[3], nullptr, 10);
  const core::UtcTime due_at{std::chrono::seconds(std::strtoll(words[4], nullptr, 10))};
  const daemon::SystemClock clock;
  const auto boot_id = clock.boot_id();
  auto store = store::SqliteStore::open(words[1], clock);
  auto written = store ? (*store)->commit({inventory()}) : core::Result<void>(store.error());
  for (std::uint64_t serial = 1; written && serial <= grants;) {
    core::ChangeSet change;
    for (std::size_t i = 0; i < grants_a_commit && serial <= grants; ++i, ++serial)
      add_grant(serial, serial <= due ? due_at : clock.now().utc + 8h, clock, boot_id, change);
    written = (*store)->commit({change});
  }
  if (!written) std::cerr << "fill_store: " << written.error().message << '\n';
  return written ? 0 : 1;
}
