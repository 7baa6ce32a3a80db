// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/reload.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <optional>

namespace postern::daemon {
namespace {

constexpr std::string_view about = "configuration";  // of the status's warning
constexpr std::size_t told_max = 300;                // of a value, in the record

std::string shortened(std::string text) {
  if (text.size() <= told_max) return text;
  return text.substr(0, told_max) + "…";
}

// "failsafe_sources (now ["192.0.2.1"])": the value only if it is no secret.
std::string told(const Option& option, const Given& next) {
  const std::string name(option.key);
  if (option.reload != Reload::taken_and_told) return name;
  return name + " (now " + shortened(value_of(option, next).dump(-1, ' ', false, Json::error_handler_t::replace)) + ")";
}

void append(std::string& list, const std::string& element) {
  list += (list.empty() ? "" : ", ") + element;
}

bool is_of_tls(const Option& option) {
  return option.key.starts_with("tls_");
}

}  // namespace

http::ApiOptions api_options(const Config& config) {
  http::ApiOptions options;
  options.identity = {.users = config.users,
                      .certificates = config.certificate_users,
                      .admin_group = config.socket_group.value_or(getegid()),
                      .trusted_proxies = config.trusted_proxies};
  options.public_url = config.public_url;
  options.caller_rate = config.caller_rate;
  options.stranger_rate = config.stranger_rate;
  return options;
}

Reloader::Changes Reloader::changes(const Given& next) const {
  Changes found{running_.given, "", ""};
  for (const Option& option : option_table()) {
    if (value_of(option, running_.given) == value_of(option, next)) continue;
    // Without the listener they are nobody's; the one that runs keeps its own.
    const bool listener_stays = tls_ && is_of_tls(option) && value_of(option, next) == Json("");
    if (option.reload == Reload::needs_restart || listener_stays || (!tls_ && is_of_tls(option))) {
      append(found.restart, std::string(option.key));
      continue;
    }
    append(found.taken, told(option, next));
    found.given.values.insert_or_assign(std::string(option.key), Given::Value{value_of(option, next), place_of(option.key, next)});
  }
  return found;
}

void Reloader::operator()() {
  const auto next = read_();
  if (!next) return refuse(next.error());
  const Changes found = changes(next->given);
  if (!found.taken.empty()) {
    if (const auto done = take(found.given, found.taken); !done) return refuse(done.error());
  } else if (tls_) {
    tls_->refresh(true);
  }
  spdlog::info("The configuration was read again. changed=\"{}\" needs_restart=\"{}\"", found.taken, found.restart);
  if (!found.restart.empty()) spdlog::warn("Options that need a restart have changed and are not in force. options=\"{}\"", found.restart);
  gatekeeper_.warn(std::string(about), found.restart.empty() ? "" : "The configuration asks for a restart of posternd: " + found.restart + ".");
}

core::Result<void> Reloader::take(const Given& given, const std::string& taken) {
  auto config = make_config(given);
  if (!config) return config.error();
  std::optional<http::TlsIdentity> tls;
  if (tls_) {
    auto loaded = http::TlsIdentity::load(config->tls);
    if (!loaded) return loaded.error();
    tls = *std::move(loaded);
  }
  if (const auto done = gatekeeper_.reconfigure(config->settings, "Changes " + taken + "."); !done) return done;
  if (tls) *tls_ = *std::move(tls);
  api_.set_options(api_options(*config));
  spdlog::set_level(spdlog::level::from_str(config->log_level));
  running_ = {given, *std::move(config)};
  return {};
}

void Reloader::refuse(const core::Error& error) {
  std::string faults;
  for (const auto& fault : error.faults) {
    spdlog::error("The configuration has a fault. place=\"{}\" fault=\"{}\"", fault.target, fault.message);
    append(faults, fault.target + ": " + fault.message);
  }
  const std::string why = faults.empty() ? error.message : faults;
  spdlog::error("The configuration was not taken over; the one before stays in force. faults={} why=\"{}\"", error.faults.size(), error.message);
  gatekeeper_.refuse_configuration(shortened(why));
  gatekeeper_.warn(std::string(about), "The configuration was not taken over when it was read again; the one before stays in force: " + shortened(why));
}

}  // namespace postern::daemon
