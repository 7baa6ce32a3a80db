// SPDX-License-Identifier: Apache-2.0
// What changes seldom and is small: machines, policies, switches, tokens. Every member throws SQLite::Exception or CorruptRow.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <vector>

#include "controlplane/core/model.hpp"

namespace postern::store {

class MachineTable {
 public:
  explicit MachineTable(SQLite::Database& database);
  void put(const core::Machine& machine);
  void erase(const std::string& id);
  std::vector<core::Machine> load();

 private:
  SQLite::Statement put_, erase_, load_;
};

class PolicyTable {
 public:
  explicit PolicyTable(SQLite::Database& database);
  void put(const core::Policy& policy);
  void erase(const core::PolicyId& id);
  std::vector<core::Policy> load();

 private:
  SQLite::Statement put_, erase_, load_;
};

class SwitchTable {
 public:
  explicit SwitchTable(SQLite::Database& database);
  void put(const core::Switch& each);
  std::vector<core::Switch> load();

 private:
  SQLite::Statement put_, load_;
};

class TokenTable {
 public:
  explicit TokenTable(SQLite::Database& database);
  void put(const core::Token& token);
  void erase(const std::string& id);
  std::vector<core::Token> load();

 private:
  SQLite::Statement put_, erase_, load_;
};

}  // namespace postern::store
