// SPDX-License-Identifier: Apache-2.0
// Rows of machines, policies, switches and tokens.
#include "controlplane/store/catalog_tables.hpp"

#include "controlplane/store/statement.hpp"
#include "controlplane/store/text_forms.hpp"

namespace postern::store {

MachineTable::MachineTable(SQLite::Database& database)
    : put_(database,
           "INSERT INTO machines(key, id, name, os, addresses, forwards, excluded) VALUES (?, ?, ?, ?, ?, ?, ?) "
           "ON CONFLICT(key) DO UPDATE SET id = excluded.id, name = excluded.name, os = excluded.os, "
           "addresses = excluded.addresses, forwards = excluded.forwards, excluded = excluded.excluded"),
      erase_(database, "DELETE FROM machines WHERE key = ?"),
      load_(database, "SELECT id, name, os, addresses, forwards, excluded FROM machines ORDER BY key") {}

void MachineTable::put(const core::Machine& machine) {
  Run(put_)
      .text(core::folded(machine.id))
      .text(machine.id)
      .text(machine.name)
      .text(machine.os)
      .text(to_text(machine.addresses))
      .text(to_text(machine.forwards))
      .text(machine.excluded)
      .execute();
}

void MachineTable::erase(const std::string& id) {
  Run(erase_).text(core::folded(id)).execute();
}

std::vector<core::Machine> MachineTable::load() {
  std::vector<core::Machine> machines;
  for (Run row(load_); row.next();) {
    core::Machine machine;
    machine.id = row.text();
    machine.name = row.text();
    machine.os = row.text();
    machine.addresses = prefixes_from(row.text());
    machine.forwards = forwards_from(row.text());
    machine.excluded = row.text();
    machines.push_back(std::move(machine));
  }
  return machines;
}

PolicyTable::PolicyTable(SQLite::Database& database)
    : put_(database,
           "INSERT INTO policies(key, subscription, resource_group, location, name, generation, kind, machines, mode) "
           "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET subscription = excluded.subscription, "
           "resource_group = excluded.resource_group, location = excluded.location, name = excluded.name, "
           "generation = excluded.generation, kind = excluded.kind, machines = excluded.machines, "
           "mode = excluded.mode"),
      erase_(database, "DELETE FROM policies WHERE key = ?"),
      load_(database,
            "SELECT subscription, resource_group, location, name, generation, kind, machines, mode FROM policies "
            "ORDER BY key") {}

void PolicyTable::put(const core::Policy& policy) {
  Run(put_)
      .text(policy.id.key())
      .text(policy.id.subscription)
      .text(policy.id.resource_group)
      .text(policy.id.location)
      .text(policy.id.name)
      .number(policy.generation)
      .text(policy.kind)
      .text(to_text(policy.machines))
      .choice(policy.mode)
      .execute();
}

void PolicyTable::erase(const core::PolicyId& id) {
  Run(erase_).text(id.key()).execute();
}

std::vector<core::Policy> PolicyTable::load() {
  std::vector<core::Policy> policies;
  for (Run row(load_); row.next();) {
    core::Policy policy;
    policy.id.subscription = row.text();
    policy.id.resource_group = row.text();
    policy.id.location = row.text();
    policy.id.name = row.text();
    policy.generation = row.number();
    policy.kind = row.text();
    policy.machines = policy_machines_from(row.text());
    policy.mode = row.enumerator(core::Mode::monitor);
    policies.push_back(std::move(policy));
  }
  return policies;
}

SwitchTable::SwitchTable(SQLite::Database& database)
    : put_(database,
           "INSERT INTO switches(key, subscription, enforcing, reason, principal, since_ns) VALUES (?, ?, ?, ?, ?, ?) "
           "ON CONFLICT(key) DO UPDATE SET subscription = excluded.subscription, enforcing = excluded.enforcing, "
           "reason = excluded.reason, principal = excluded.principal, since_ns = excluded.since_ns"),
      load_(database, "SELECT subscription, enforcing, reason, principal, since_ns FROM switches ORDER BY key") {}

void SwitchTable::put(const core::Switch& each) {
  Run(put_)
      .text(core::folded(each.subscription))
      .text(each.subscription)
      .choice(each.enforcing)
      .text(each.reason)
      .text(each.by)
      .time(each.since)
      .execute();
}

std::vector<core::Switch> SwitchTable::load() {
  std::vector<core::Switch> switches;
  for (Run row(load_); row.next();) {
    core::Switch each;
    each.subscription = row.text();
    each.enforcing = row.number() != 0;
    each.reason = row.text();
    each.by = row.text();
    each.since = row.time();
    switches.push_back(std::move(each));
  }
  return switches;
}

TokenTable::TokenTable(SQLite::Database& database)
    : put_(database,
           "INSERT INTO tokens(id, hash, principal, assignments, created_ns, expires_ns, vouched) VALUES (?, ?, ?, ?, ?, ?, ?) "
           "ON CONFLICT(id) DO UPDATE SET hash = excluded.hash, principal = excluded.principal, "
           "assignments = excluded.assignments, created_ns = excluded.created_ns, expires_ns = excluded.expires_ns, "
           "vouched = excluded.vouched"),
      erase_(database, "DELETE FROM tokens WHERE id = ?"),
      load_(database,
            "SELECT id, hash, principal, assignments, created_ns, expires_ns, vouched FROM tokens ORDER BY created_ns, id") {}

void TokenTable::put(const core::Token& token) {
  Run(put_)
      .text(token.id)
      .text(token.hash)
      .text(token.principal.name)
      .text(to_text(token.principal.assignments))
      .time(token.created)
      .time(token.expires)
      .text(to_text(token.principal.vouched))
      .execute();
}

void TokenTable::erase(const std::string& id) {
  Run(erase_).text(id).execute();
}

std::vector<core::Token> TokenTable::load() {
  std::vector<core::Token> tokens;
  for (Run row(load_); row.next();) {
    core::Token token;
    token.id = row.text();
    token.hash = row.text();
    token.principal.name = row.text();
    token.principal.assignments = assignments_from(row.text());
    token.created = row.time();
    token.expires = row.optional_time();
    token.principal.vouched = texts_from(row.text());
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace postern::store
