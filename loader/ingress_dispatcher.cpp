// SPDX-License-Identifier: Apache-2.0
// The ingress program behind libxdp's dispatcher, see ingress.hpp. libxdp keeps its own pins below /sys/fs/bpf/xdp:
// that place is shared by all programs that use it, so an instance's own bpffs cannot serve.
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "loader/ingress.hpp"
#include "loader/log_tail.hpp"

namespace postern::loader {
namespace {

// Before the default of 50, so that no program that redirects or passes on its own authority comes first.
constexpr unsigned run_priority = 10;

using Multiprog = std::unique_ptr<xdp_multiprog, void (*)(xdp_multiprog*)>;

xdp_attach_mode libxdp_mode(Mode mode) {
  return mode == Mode::native ? XDP_MODE_NATIVE : XDP_MODE_SKB;
}

// Null if nothing, or nothing of libxdp's, stands there.
Multiprog dispatcher_on(const Interface& interface) {
  Multiprog all(xdp_multiprog__get_from_ifindex(interface.index), xdp_multiprog__close);
  if (libxdp_get_error(all.get()) != 0)
    all.release();  // NOLINT: an error code in a pointer's clothes
  else if (xdp_multiprog__is_legacy(all.get()))
    all.reset();
  return all;
}

xdp_program* find_in(const xdp_multiprog* all, std::uint32_t program) {
  for (xdp_program* it = xdp_multiprog__next_prog(nullptr, all); it; it = xdp_multiprog__next_prog(it, all))
    if (xdp_program__id(it) == program) return it;
  return nullptr;
}

}  // namespace

LoaderResult<std::uint32_t> attach_dispatched(const Interface& interface, Mode mode, const GateObject& object) {
  forget_library_logs();
  ::setenv("LIBXDP_BPFFS_AUTOMOUNT", "1", 0);
  xdp_program* raw = xdp_program__from_bpf_obj(object.object(), "xdp");
  if (const long fault = libxdp_get_error(raw))
    return library_error("hand the ingress program to libxdp", static_cast<int>(fault));
  // libxdp may hold the object's own descriptor and would close it a second time: then the object does it.
  const auto close = [&object](xdp_program* program) {
    if (xdp_program__fd(program) < 0 || xdp_program__fd(program) != object.program_fd()) xdp_program__close(program);
  };
  const std::unique_ptr<xdp_program, decltype(close)> program(raw, close);
  xdp_program__set_run_prio(program.get(), run_priority);
  xdp_program__set_chain_call_enabled(program.get(), XDP_PASS, true);
  const std::string step =
      std::string("attach to libxdp's dispatcher on ") + interface.name + " (" + to_string(mode) + ")";
  if (const int fault = xdp_program__attach(program.get(), interface.index, libxdp_mode(mode), 0))
    return library_error(step, fault);
  const auto info = program_info(object.program_fd());
  if (!info) return info.error();
  // Success is claimed also when one bare program was attached, which could never be replaced or shared.
  if (!is_dispatched(interface, info->id)) {
    xdp_program__detach(program.get(), interface.index, libxdp_mode(mode), 0);
    return LoaderError{
        step + ": libxdp attached the program without its dispatcher; use --no-dispatcher" + library_log_tail(),
        EOPNOTSUPP};
  }
  return info->id;
}

bool is_dispatched(const Interface& interface, std::uint32_t program) {
  const Multiprog all = dispatcher_on(interface);
  return all && find_in(all.get(), program) != nullptr;
}

LoaderResult<void> detach_dispatched(const Interface& interface, std::uint32_t program) {
  forget_library_logs();
  const Multiprog all = dispatcher_on(interface);
  xdp_program* ours = all ? find_in(all.get(), program) : nullptr;
  if (!ours) return {};
  if (const int fault = xdp_program__detach(ours, interface.index, xdp_multiprog__attach_mode(all.get()), 0))
    return library_error("take the ingress program out of the dispatcher on " + interface.name, fault);
  return {};
}

}  // namespace postern::loader
