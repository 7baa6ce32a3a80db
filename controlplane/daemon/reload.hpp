// SPDX-License-Identifier: Apache-2.0
// The configuration, read again while the daemon runs (SIGHUP). What can change does, all of it or nothing: read whole, the
// new TLS files too, recorded, then in force. What cannot is named until a restart. A faulty configuration changes nothing;
// the log has every fault, the status warns.
#pragma once

#include <functional>
#include <string>

#include "controlplane/core/access.hpp"
#include "controlplane/daemon/options.hpp"
#include "controlplane/http/api.hpp"
#include "controlplane/http/tls.hpp"

namespace postern::daemon {

struct Loaded {
  Given given;
  Config config;
};
using Reader = std::function<core::Result<Loaded>()>;  // reads file and flags; the error has every fault

http::ApiOptions api_options(const Config& config);

class Reloader {
 public:
  // `tls`: null while no https is served. All of them outlive this.
  Reloader(Loaded running, Reader read, core::Gatekeeper& gatekeeper, http::Api& api, http::TlsIdentity* tls)
      : running_(std::move(running)), read_(std::move(read)), gatekeeper_(gatekeeper), api_(api), tls_(tls) {}

  void operator()();

 private:
  struct Changes {
    Given given;  // what is in force afterwards: of options that need a restart the value that runs
    std::string taken, restart;  // options, for people
  };
  Changes changes(const Given& next) const;
  core::Result<void> take(const Given& given, const std::string& taken);
  void refuse(const core::Error& error);

  Loaded running_;
  Reader read_;
  core::Gatekeeper& gatekeeper_;
  http::Api& api_;
  http::TlsIdentity* tls_;
};

}  // namespace postern::daemon
