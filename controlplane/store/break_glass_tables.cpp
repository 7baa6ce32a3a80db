// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/break_glass_tables.hpp"

#include "controlplane/store/statement.hpp"
#include "controlplane/store/text_forms.hpp"

namespace postern::store {

BreakGlassTables::BreakGlassTables(SQLite::Database& database)
    : put_arming_(database,
                  "INSERT INTO armings(id, principal, scope, reason, armed_by, start_ns, end_ns, boot_id, boot_start_ns, "
                  "grant_max_s, disarmed_ns, disarmed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                  "ON CONFLICT(id) DO UPDATE SET disarmed_ns = excluded.disarmed_ns, disarmed_by = excluded.disarmed_by"),
      put_use_(database,
               "INSERT INTO break_glass_uses(request, arming, time_ns, principal, detail, grants, reviewed_ns, reviewed_by, "
               "note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(request) DO UPDATE SET "
               "reviewed_ns = excluded.reviewed_ns, reviewed_by = excluded.reviewed_by, note = excluded.note"),
      load_armings_(database,
                    "SELECT id, principal, scope, reason, armed_by, start_ns, end_ns, boot_id, boot_start_ns, grant_max_s, "
                    "disarmed_ns, disarmed_by FROM armings ORDER BY id"),
      load_uses_(database,
                 "SELECT request, arming, time_ns, principal, detail, grants, reviewed_ns, reviewed_by, note "
                 "FROM break_glass_uses ORDER BY request") {}

void BreakGlassTables::put(const core::Arming& arming) {
  Run(put_arming_)
      .number(arming.id)
      .text(arming.principal)
      .text(arming.scope)
      .text(arming.reason)
      .text(arming.armed_by)
      .time(arming.start)
      .time(arming.end)
      .text(arming.boot_id)
      .boot_time(arming.boot_start)
      .number(static_cast<std::uint64_t>(arming.grant_max.count()))
      .time(arming.disarmed)
      .text(arming.disarmed_by)
      .execute();
}

void BreakGlassTables::put(const core::BreakGlassUse& use) {
  Run(put_use_)
      .number(use.request)
      .number(use.arming)
      .time(use.time)
      .text(use.principal)
      .text(use.detail)
      .text(to_text(use.grants))
      .time(use.reviewed)
      .text(use.reviewed_by)
      .text(use.note)
      .execute();
}

std::vector<core::Arming> BreakGlassTables::load_armings() {
  std::vector<core::Arming> armings;
  for (Run row(load_armings_); row.next();) {
    core::Arming arming;
    arming.id = row.number();
    arming.principal = row.text();
    arming.scope = row.text();
    arming.reason = row.text();
    arming.armed_by = row.text();
    arming.start = row.time();
    arming.end = row.time();
    arming.boot_id = row.text();
    arming.boot_start = row.boot_time();
    arming.grant_max = std::chrono::seconds(row.number());
    arming.disarmed = row.optional_time();
    arming.disarmed_by = row.text();
    armings.push_back(std::move(arming));
  }
  return armings;
}

std::vector<core::BreakGlassUse> BreakGlassTables::load_uses() {
  std::vector<core::BreakGlassUse> uses;
  for (Run row(load_uses_); row.next();) {
    core::BreakGlassUse use;
    use.request = row.number();
    use.arming = row.number();
    use.time = row.time();
    use.principal = row.text();
    use.detail = row.text();
    use.grants = numbers_from(row.text());
    use.reviewed = row.optional_time();
    use.reviewed_by = row.text();
    use.note = row.text();
    uses.push_back(std::move(use));
  }
  return uses;
}

}  // namespace postern::store
