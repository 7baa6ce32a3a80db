// SPDX-License-Identifier: Apache-2.0
// attach: probe, prepare, load, configure, attach; every step adds what undoes it. See gate.hpp.
#include <algorithm>
#include <cerrno>
#include <set>

#include "loader/adopt.hpp"
#include "loader/attach_interface.hpp"
#include "loader/boot_snapshot.hpp"
#include "loader/gate.hpp"
#include "loader/probe.hpp"
#include "loader/settings.hpp"
#include "loader/undo.hpp"

namespace postern::loader {
namespace {

class Attach {
 public:
  explicit Attach(const AttachOptions& options) : options_(options), instance_(options.instance) {}

  LoaderResult<void> run();
  AttachReport keep() {
    undo_.keep();
    return std::move(report_);
  }

 private:
  LoaderResult<void> check();
  LoaderResult<void> prepare();
  LoaderResult<void> shake_hands() const;
  LoaderResult<void> load();
  LoaderResult<void> fill();
  LoaderResult<void> configure();
  LoaderResult<void> add_failsafes(InstanceRecord& record);
  LoaderResult<void> find_unjudged();
  LoaderResult<void> adopt_open();
  LoaderResult<void> attach_all();
  LoaderResult<void> start_timer();

  const AttachOptions& options_;
  const Instance& instance_;
  AttachReport report_;
  SignalsHeld signals_;
  std::optional<InstanceLock> lock_;  // outlives the undoing
  std::vector<Interface> interfaces_;
  std::vector<gate_prefix_key> failsafe_;
  std::set<std::uint32_t> adopt_for_;  // ids of services
  bool dispatcher_ = false;
  Made made_;
  std::optional<LoadedGate> gate_;
  std::optional<MapSet> maps_;
  Undo undo_;
};

LoaderResult<void> Attach::run() {
  using Step = LoaderResult<void> (Attach::*)();
  for (const Step step : {&Attach::check, &Attach::prepare, &Attach::load, &Attach::fill, &Attach::configure, &Attach::find_unjudged,
                          &Attach::adopt_open, &Attach::attach_all, &Attach::adopt_open, &Attach::start_timer}) {
    if (auto done = (this->*step)(); !done) return done;
    if (signals_.waiting()) return LoaderError{"interrupted: everything is as it was before", EINTR};
  }
  return {};
}

// Nothing is touched here.
LoaderResult<void> Attach::check() {
  if (auto named = check_instance_name(instance_.name); !named) return named;
  for (const std::string& name : options_.interfaces) {
    auto interface = find_interface(name);
    if (!interface) return interface.error();
    const auto same = [&](const Interface& other) { return other.index == interface->index; };
    if (std::any_of(interfaces_.begin(), interfaces_.end(), same)) continue;  // named twice
    interfaces_.push_back(std::move(*interface));
  }
  for (const std::string& text : options_.failsafe) {
    auto key = parse_failsafe(text);
    if (!key) return LoaderError{"--failsafe: " + key.error().sentence, EINVAL};
    failsafe_.push_back(*key);
  }
  if (auto able = check_needed_features(); !able) return able;
  dispatcher_ = options_.dispatcher && freplace_works();
  return {};
}

LoaderResult<void> Attach::prepare() {
  // Whatever of these was made goes again, if no interface holds the instance.
  undo_.add([this] {
    if (!made_.folder && !made_.mount && !made_.maps) return;
    if (!read_attach_records(instance_).empty()) return;
    remove_instance_record(instance_);
    static_cast<void>(remove_instance(instance_, made_.run_dir));
  });
  auto lock = prepare_instance(instance_, options_.group, made_);
  if (!lock) return lock.error();
  lock_ = std::move(*lock);
  if (auto understood = shake_hands(); !understood) return understood;
  return prepare_pins(instance_, options_.group, made_);
}

LoaderResult<void> Attach::shake_hands() const {
  for (const std::uint32_t abi : abis_present(instance_)) {
    if (abi == GATE_ABI) continue;
    return LoaderError{"the gate \"" + instance_.name + "\" holds maps of ABI " + std::to_string(abi) + " in " +
                           instance_.bpffs().string() + ", and this postern-loader speaks ABI " +
                           std::to_string(GATE_ABI) +
                           ": nothing was changed; `postern-loader detach` (grants and flows " +
                           "are forgotten), then attach again, or use the postern-loader that attached it",
                       EPROTO};
  }
  return {};
}

LoaderResult<void> Attach::load() {
  // Before anything is loaded: an interface that cannot be had is refused without a map made.
  std::vector<InterfacePlan> plans;
  for (const Interface& interface : interfaces_) {
    if (auto followed = follow_rename(instance_, interface, options_.group); !followed) return followed;
    auto plan = plan_interface(instance_, interface, options_.mode, dispatcher_);
    if (!plan) return plan.error();
    plans.push_back(std::move(*plan));
  }
  auto gate = LoadedGate::load(instance_, options_.sizes, std::move(plans));
  if (!gate) return gate.error();
  gate_ = std::move(*gate);
  if (auto pinned = gate_->pin_explain(instance_, options_.group, undo_); !pinned) return pinned;
  if (auto given = give_pins_to_group(instance_, options_.group); !given) return given;
  auto maps = MapSet::open(instance_.bpffs());
  if (!maps) return maps.error();
  maps_ = std::move(*maps);
  return {};
}

// Maps that were just made guard nothing. After them the configuration is written, so what a killed attach began is begun
// again; and posternd leaves the maps alone until then.
LoaderResult<void> Attach::fill() {
  if (!options_.snapshot) return {};
  const auto config = read_config(*maps_);
  if (!config) return config.error();
  if (config->abi != 0) return {};
  const auto found = read_snapshot(*options_.snapshot);
  if (!found) return found.error();
  report_.no_snapshot = !*found;
  if (!*found) return {};
  if (!(*found)->warning.empty()) report_.warnings.push_back((*found)->warning);
  report_.from_snapshot = (*found)->snapshot.size();
  return fill_from_snapshot(*maps_, (*found)->snapshot);
}

LoaderResult<void> Attach::configure() {
  const auto before = read_config(*maps_);
  if (!before) return before.error();
  undo_.add([this, old = *before] { static_cast<void>(maps_->config.update(0, old)); });
  InstanceRecord record = read_instance_record(instance_).value_or(InstanceRecord{});
  undo_.add([this, old = record] {
    if (old.abi != 0) static_cast<void>(write_record(instance_, old));
  });
  record.abi = GATE_ABI;
  record.group = options_.group;
  record.run_dir_ours = record.run_dir_ours || made_.run_dir;

  const std::uint64_t now = boot_time_ns();
  std::uint64_t unconfirmed = before->unconfirmed_boot_ns > now ? before->unconfirmed_boot_ns : 0;
  if (options_.confirm_within)
    unconfirmed = now + static_cast<std::uint64_t>(std::chrono::nanoseconds(*options_.confirm_within).count());
  else if (unconfirmed)
    report_.warnings.push_back("an earlier attach still waits for `postern-loader confirm`; its deadline stays");
  if (auto written = write_config(*maps_, unconfirmed, options_.limits); !written) return written;
  report_.unconfirmed_boot_ns = unconfirmed;
  if (auto added = add_failsafes(record); !added) return added;
  return write_record(instance_, record);
}

LoaderResult<void> Attach::add_failsafes(InstanceRecord& record) {
  const auto add = [this](const gate_prefix_key& key) -> LoaderResult<bool> {
    auto added = add_failsafe(*maps_, key);
    if (added && *added) undo_.add([this, key] { static_cast<void>(remove_failsafe(*maps_, key)); });
    return added;
  };
  for (const gate_prefix_key& key : failsafe_)
    if (auto added = add(key); !added) return added.error();
  if (!options_.confirm_within) return {};
  const auto client = ssh_client();
  if (!client) return {};
  auto added = add(*parse_failsafe(*client));
  if (!added) return added.error();
  if (*added) record.until_confirmed.push_back(*client);
  report_.ssh_client = client;
  return {};
}

// Also what an attach that was killed has filled, or posternd after it.
LoaderResult<void> Attach::find_unjudged() {
  auto found = services_never_judged(*maps_);
  if (!found) return found.error();
  adopt_for_ = std::move(*found);
  return {};
}

// What the maps guard already is enforced from the programs' first packet on, so that nobody comes in by the switch. Sessions
// that are open become flows before it, those that opened just before it after it: none of them opened through the gate. It is
// no reason not to guard if they cannot be found.
LoaderResult<void> Attach::adopt_open() {
  if (adopt_for_.empty()) return {};
  const auto adopted = adopt(*maps_, adopt_for_);
  const bool first = report_.interfaces.empty();
  if (adopted) report_.adopted += adopted->adopted;
  if (first) return {};
  if (!adopted)
    report_.warnings.push_back("open sessions were not taken over: " + adopted.error().sentence);
  else
    report_.warnings.insert(report_.warnings.end(), adopted->warnings.begin(), adopted->warnings.end());
  return {};
}

LoaderResult<void> Attach::attach_all() {
  for (InterfacePlan& plan : gate_->plans()) {
    if (signals_.waiting()) return LoaderError{"interrupted: everything is as it was before", EINTR};
    auto record = attach_interface(instance_, *gate_, plan, options_.group, undo_, report_.warnings);
    if (!record) return record.error();
    report_.interfaces.push_back({std::move(*record), plan.replaces()});
  }
  return {};
}

LoaderResult<void> Attach::start_timer() {
  if (options_.confirm_within)
    if (auto started = start_expiry(instance_, report_.unconfirmed_boot_ns); !started) return started;
  // No way back from here: the programs that were replaced behind a dispatcher leave it.
  for (const InterfacePlan& plan : gate_->plans())
    if (auto left = retire_replaced(plan); !left) report_.warnings.push_back(left.error().sentence);
  return {};
}

}  // namespace

LoaderResult<AttachReport> attach(const AttachOptions& options) {
  Attach attempt(options);
  if (auto done = attempt.run(); !done) return done.error();
  return attempt.keep();
}

}  // namespace postern::loader
