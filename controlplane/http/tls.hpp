// SPDX-License-Identifier: Apache-2.0
// What the https listener shows and proves: certificate chain and private key (and whose client certificates it takes),
// read whole and checked together, and read again when the files change. A reload that fails leaves in use what was
// loaded, and is tried again; connections keep what they began with, unless it is clients of a CA that is not the one any
// more. On the io_context's one thread.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <ctime>
#include <string>
#include <vector>

#include "controlplane/core/result.hpp"
#include "controlplane/http/endpoint.hpp"

namespace postern::http {

class TlsIdentity {
 public:
  // The error names the file and its fault.
  static core::Result<TlsIdentity> load(TlsFiles files);

  // Reads the files again if they changed since they were read, or if `asked`. Tells the log what became of it.
  void refresh(bool asked);

  // For the status: that the files cannot be read, that the certificate ends soon. Empty: neither.
  std::string warning() const;

  boost::asio::ssl::context& context() { return loaded_.context; }
  const std::vector<std::string>& names() const { return loaded_.names; }  // in the certificate, in lower case
  std::size_t trust() const { return loaded_.trust; }  // another number for another client CA

 private:
  struct Loaded {
    boost::asio::ssl::context context;
    std::vector<std::string> names;
    std::time_t end = 0;  // of the validity of certificate or chain, whichever ends first
    std::size_t trust = 0;
  };
  TlsIdentity(TlsFiles files, std::string seen, Loaded loaded)
      : files_(std::move(files)), seen_(std::move(seen)), loaded_(std::move(loaded)) {}
  static core::Result<Loaded> read(const TlsFiles& files);
  void use(Loaded loaded);
  std::string end_warning() const;
  void tell_of_end();

  TlsFiles files_;
  std::string seen_;  // what the file system said of the files before they were last read with success
  std::string trouble_;   // why they could not be read since
  std::string told_end_;  // what the log says of the certificate's end
  Loaded loaded_;
};

}  // namespace postern::http
