// SPDX-License-Identifier: Apache-2.0
// The composition root: the one place that makes parts, in order; they go in reverse. Nothing here decides anything.
#include "controlplane/daemon/posternd.hpp"

#include <grp.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <iostream>

#include "controlplane/daemon/audit_keeping.hpp"
#include "controlplane/daemon/audit_push.hpp"
#include "controlplane/daemon/event_pump.hpp"
#include "controlplane/daemon/issuer_keys.hpp"
#include "controlplane/daemon/local_addresses.hpp"
#include "controlplane/daemon/randomness.hpp"
#include "controlplane/daemon/system_clock.hpp"
#include "controlplane/daemon/watch.hpp"
#include "controlplane/dataplane/map_dataplane.hpp"
#include "controlplane/http/api.hpp"
#include "controlplane/http/endpoint.hpp"
#include "controlplane/http/server.hpp"
#include "controlplane/http/tls.hpp"
#include "controlplane/store/sqlite_store.hpp"
#include "loader/boot_snapshot.hpp"

namespace postern::daemon {
namespace {

namespace asio = boost::asio;
constexpr std::chrono::milliseconds flow_sweep_period{1000};
constexpr std::chrono::milliseconds certificate_look_period{1000};

void start_log(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_logger_st("posternd"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  spdlog::set_level(spdlog::level::from_str(level));
}

Exit failed(const std::string& what, const core::Error& error) {
  std::cerr << "posternd: " << what << ": " << error.message << '\n';
  return Exit::failed;
}

core::Result<void> listen(http::Server& server, const Config& config, std::uint32_t group, http::TlsIdentity* tls) {
  const std::filesystem::path folder = config.socket.parent_path();
  std::error_code ignored;  // where the loader has been, the folder is there
  std::filesystem::create_directory(folder, ignored);
  if (!std::filesystem::is_directory(folder, ignored))
    return core::Error{core::ErrorCode::service_unavailable,
                       "There is no folder '" + folder.string() + "' for the socket; `postern-loader attach` makes it.",
                       "",
                       {}};
  auto local = http::listen_unix(config.socket.string(), group);
  if (!local) return local.error();
  if (config.listen) {
    auto tcp = http::listen_tcp(config.listen->first, config.listen->second);
    if (!tcp) return tcp.error();
    server.add(*std::move(tcp));
  }
  if (config.listen_https) {
    auto tcp = http::listen_tcp(config.listen_https->first, config.listen_https->second, http::Reach::anywhere);
    if (!tcp) return tcp.error();
    server.add(*std::move(tcp), tls);
  }
  server.add(*std::move(local));
  return {};
}

core::Result<std::optional<http::TlsIdentity>> tls_identity(const Config& config) {
  if (!config.listen_https) return std::optional<http::TlsIdentity>();
  auto loaded = http::TlsIdentity::load(config.tls);
  if (!loaded) return loaded.error();
  return std::optional(*std::move(loaded));
}

core::Result<void> sign_heads(store::SqliteStore& store, const Config& config) {
  auto key = store::HeadKey::load_or_make(config.audit_key());
  if (!key) return key.error();
  spdlog::info("Heads of the audit are signed. key={} public={}", key->id(), store::hex(key->public_key()));
  return store.sign_with(*std::move(key));
}

std::string shown(const std::optional<std::pair<core::Address, std::uint16_t>>& endpoint) {
  return endpoint ? http::endpoint_text(endpoint->first, endpoint->second) : "off";
}

// Tells the log when the gate comes and goes, once each time.
class ReadyLog {
 public:
  void note(const core::Result<void>& ready) {
    const std::string trouble = ready ? "" : ready.error().message;
    const bool fell = noted_ && before_.empty();
    noted_ = true;
    if (trouble == before_) return;
    before_ = trouble;
    if (ready) {
      spdlog::info("The gate is ready.");
    } else if (fell) {
      spdlog::critical("ALARM: the gate is not ready any more; if it was taken off, `postern-loader ensure` puts it back. why=\"{}\"", trouble);
    } else {
      spdlog::warn("The gate is not ready; trying again every second. why=\"{}\"", trouble);
    }
  }

 private:
  std::string before_;
  bool noted_ = false;
};

// Tells the log, loudly and again and again, that switches are off: what is guarded stands open then.
class SwitchLog {
 public:
  explicit SwitchLog(const core::Gatekeeper& gatekeeper) : gatekeeper_(gatekeeper) {}

  void look() {
    auto off = gatekeeper_.switched_off();
    const bool again = !off.empty() && std::chrono::steady_clock::now() - told_ >= period;
    if (off == before_ && !again) return;
    for (const auto& sentence : off) spdlog::critical("{}", sentence);
    if (off.empty()) spdlog::warn("All switches are on: policies are enforced again.");
    told_ = std::chrono::steady_clock::now();
    before_ = std::move(off);
  }

 private:
  static constexpr std::chrono::minutes period{10};
  const core::Gatekeeper& gatekeeper_;
  std::vector<std::string> before_;
  std::chrono::steady_clock::time_point told_{};
};

// Keeps the machine that is this host registered with the host's addresses, also when somebody changed or removed it. An
// address that another machine has is left to that one; what the gatekeeper refuses is tried again, and until then what was
// guarded stays guarded.
class HostMachine {
 public:
  HostMachine(core::Gatekeeper& gatekeeper, std::string name) : gatekeeper_(gatekeeper), name_(std::move(name)) {}

  void follow() {
    auto addresses = local_addresses();
    const bool same = addresses && tried_ == *addresses;
    if (same && !trouble_.empty() && ++waited_ % calls_between_tries != 0) return;
    const auto changed = addresses ? put(*addresses) : core::Result<bool>(addresses.error());
    if (!changed) {
      if (trouble_ != changed.error().message)
        spdlog::error("This host's addresses are not guarded as they are now. machine={} why=\"{}\"", name_, changed.error().message);
    } else if (*changed || !same) {
      spdlog::info("This host is guarded. machine={} addresses={}", name_, addresses->size() - left_out_.size());
    }
    trouble_ = changed ? "" : changed.error().message;
    gatekeeper_.warn("host", warning());
    if (addresses) tried_ = *std::move(addresses);
  }

 private:
  static constexpr unsigned calls_between_tries = 30;  // each refusal leaves a record

  std::string warning() const {
    if (!trouble_.empty()) return "This host's addresses are not guarded as they are now: " + trouble_;
    if (left_out_.empty()) return "";
    std::string sentence = "Addresses of this host belong to other machines and are guarded as theirs only:";
    for (const auto& address : left_out_) sentence += (address == left_out_.front() ? " " : ", ") + address;
    return sentence + ".";
  }

  // Whether anything had to be changed.
  core::Result<bool> put(const std::vector<core::Address>& addresses) {
    const core::Caller self{{std::string(core::own_name), {{"admin", "/"}}}, std::nullopt, "", ""};
    core::MachineDraft draft;
    draft.name = name_;
    const auto before = gatekeeper_.get_machine(self, name_);
    if (!before && before.error().code != core::ErrorCode::machine_not_found) return before.error();  // two of that name
    if (before) {
      draft.id = before->machine.id;
      draft.name.reset();
      draft.os = before->machine.os;
      for (const auto& forward : before->machine.forwards)
        draft.forwards.push_back({core::to_string(forward.address), std::to_string(forward.port),
                                  std::string(core::wire_name(forward.protocol)), std::to_string(forward.machine_port)});
    }
    const auto machines = gatekeeper_.list_machines(self);
    if (!machines) return machines.error();
    left_out_.clear();
    for (const auto& address : addresses) {
      if (const auto* other = owner(*machines, before ? before->machine.id : "", address)) {
        left_out_.push_back(core::to_string(address));
        if (tried_ != addresses)
          spdlog::error("An address of this host belongs to another machine and is guarded as that one's only. address={} machine={}",
                        core::to_string(address), other->id);
      } else {
        draft.addresses.push_back(core::to_string(address));
      }
    }
    if (before && draft.addresses == texts(before->machine.addresses)) return false;
    if (const auto done = gatekeeper_.put_machine(self, draft); !done) return done.error();
    return true;
  }

  static const core::Machine* owner(const std::vector<core::MachineView>& machines, const std::string& own_id,
                                    const core::Address& address) {
    const core::Prefix exact{address, static_cast<std::uint8_t>(address.family == core::Family::ipv4 ? 32 : 128)};
    for (const auto& view : machines)
      for (const auto& prefix : view.machine.addresses)
        if (view.machine.id != own_id && prefix.contains(exact)) return &view.machine;
    return nullptr;
  }

  static std::vector<std::string> texts(const std::vector<core::Prefix>& prefixes) {
    std::vector<std::string> result;
    for (const auto& prefix : prefixes) result.push_back(core::to_string(prefix));
    return result;
  }

  core::Gatekeeper& gatekeeper_;
  std::string name_, trouble_;
  std::optional<std::vector<core::Address>> tried_;
  std::vector<std::string> left_out_;  // addresses that other machines have
  unsigned waited_ = 0;
};

// Tells the log, once each time, and the status that open sessions could not be taken over, or would not be.
class AdoptionLog {
 public:
  explicit AdoptionLog(core::Gatekeeper& gatekeeper) : gatekeeper_(gatekeeper) {}

  void note(const std::string& trouble) {
    if (trouble == before_) return;
    if (!trouble.empty()) spdlog::warn("{}", trouble);
    gatekeeper_.warn("adoption", trouble);
    before_ = trouble;
  }

 private:
  core::Gatekeeper& gatekeeper_;
  std::string before_;
};

void sweep_flows(core::Dataplane& dataplane) {
  const auto swept = dataplane.sweep_flows();  // a gate that is away is the gatekeeper's to report
  if (swept && *swept > 0) spdlog::debug("Flows swept. count={}", *swept);
}

}  // namespace

Exit run(const Loaded& loaded, Reader reread) {
  const Config& config = loaded.config;
  start_log(config.log_level);
  std::signal(SIGPIPE, SIG_IGN);  // a reader of our log that is gone shall not end us
  umask(0077);
  const std::uint32_t group = config.socket_group.value_or(getegid());

  asio::io_context io(1);                                      // everything runs on this one thread
  SystemClock clock;                                           // wall and boot time
  SystemRandomness randomness;                                 // secrets, hashes
  auto tls = tls_identity(config);                             // certificate and key of https
  if (!tls) return failed("https cannot be served", tls.error());
  auto store = store::SqliteStore::open(config.state, clock);  // the truth; also keeps a second daemon out
  if (!store) return failed("the store cannot be opened", store.error());
  dataplane::MapDataplane dataplane({.run_dir = config.run_dir,
                                     .instance = config.instance,  // the maps, and the boot snapshot
                                     .adoption_socket = config.adoption_socket,
                                     .snapshot = loader::snapshot_path(config.state.parent_path(), config.instance),
                                     .watched_ports = config.settings.recommended_ports});
  core::Gatekeeper gatekeeper(config.settings, clock, randomness, **store, dataplane);          // who decides
  gatekeeper.keep_flows((*store)->flows());
  gatekeeper.keep_reviews((*store)->reviews());
  if (const auto started = gatekeeper.start(); !started) return failed("cannot start", started.error());
  AuditKeeping audit_keeping(**store, gatekeeper, clock, config.audit_retention);
  AuditPush audit_push(io, **store, clock, gatekeeper, config);  // who is told of the audit
  http::Api api(gatekeeper, api_options(config));  // routes
  http::Server server(io, [&api](const std::vector<http::Arrival>& arrivals) { return api.handle(arrivals); });
  if (const auto listening = listen(server, config, group, *tls ? &**tls : nullptr); !listening)
    return failed("cannot listen", listening.error());
  if (const auto signing = sign_heads(**store, config); !signing) return failed("cannot sign the audit", signing.error());

  AdoptionLog adoption_log(gatekeeper);
  SwitchLog switch_log(gatekeeper);
  ReadyLog ready_log;  // the timers: deadlines, the clock, flows
  Watch watch(io, clock);
  watch.deadlines([&] { return gatekeeper.next_deadline(); },
                  [&] {
                    gatekeeper.sweep();
                    switch_log.look();
                    ready_log.note(gatekeeper.ready());
                  });
  watch.clock([&] {
    spdlog::info("The clock was set; deadlines are computed anew.");
    gatekeeper.clock_changed();
  });
  EventPump events(io, dataplane, gatekeeper.event_log());  // what the gate tells
  watch.links([&] { ready_log.note(gatekeeper.ready()); });
  HostMachine host(gatekeeper, config.host_machine);
  if (!config.host_machine.empty()) {
    host.follow();
    watch.addresses([&] { host.follow(); });
  }
  watch.every(flow_sweep_period, [&] {
    sweep_flows(dataplane);
    adoption_log.note(dataplane.adoption_trouble());
    events.look();
    gatekeeper.write_flows();
    audit_keeping.turn();
    audit_push.turn();
  });
  adoption_log.note(dataplane.adoption_trouble());
  events.look();
  const auto look_at_certificate = [&] {
    (*tls)->refresh(false);
    gatekeeper.warn("certificate", (*tls)->warning());
  };
  if (*tls) {
    look_at_certificate();
    watch.every(certificate_look_period, [&] { look_at_certificate(); });
  }

  OidcLogin oidc(io, config.oidc, clock, gatekeeper);  // access tokens of an issuer
  if (!config.oidc.rules.issuer.empty()) {
    oidc.look();
    watch.every(certificate_look_period, [&] { oidc.look(); });
    api.set_access_tokens([&](std::string_view token) { return oidc.principal_of(token); });
  }

  Reloader reload(loaded, std::move(reread), gatekeeper, api, *tls ? &**tls : nullptr);
  asio::signal_set hangup(io, SIGHUP);
  std::function<void(boost::system::error_code, int)> on_hangup = [&](boost::system::error_code error, int) {
    if (error) return;
    reload();
    if (*tls) look_at_certificate();
    hangup.async_wait(on_hangup);
  };
  hangup.async_wait(on_hangup);

  asio::signal_set signals(io, SIGTERM, SIGINT);  // the first asks, the second insists
  std::function<void(boost::system::error_code, int)> on_signal = [&](boost::system::error_code error, int number) {
    if (error) return;
    if (watch.stopped()) return io.stop();
    spdlog::info("Stopping. signal={}", number);
    watch.stop();
    events.stop();
    audit_push.stop();
    oidc.stop();
    hangup.cancel();
    server.stop([&] { signals.cancel(); });
    signals.async_wait(on_signal);
  };
  signals.async_wait(on_signal);

  const auto ready = gatekeeper.ready();
  ready_log.note(ready);
  std::cout << "posternd: ready socket=" << config.socket.string() << " listen=" << shown(config.listen)
            << " https=" << shown(config.listen_https) << " gate=" << (ready ? "ready" : "away") << std::endl;
  io.run();
  gatekeeper.write_flows();
  audit_keeping.stop();
  spdlog::info("Stopped.");
  return Exit::stopped;
}

}  // namespace postern::daemon
