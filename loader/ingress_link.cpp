// SPDX-License-Identifier: Apache-2.0
// The XDP hook and the pinned bpf_link on it, see ingress.hpp.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include <cerrno>
#include <memory>

#include "loader/ingress.hpp"
#include "loader/log_tail.hpp"

namespace postern::loader {

LoaderResult<XdpHook> xdp_hook(const Interface& interface) {
  LIBBPF_OPTS(bpf_xdp_query_opts, found);
  if (const int fault = bpf_xdp_query(interface.index, 0, &found))
    return system_error("ask what runs at the XDP hook of " + interface.name, fault);
  XdpHook hook;
  hook.program = found.drv_prog_id ? found.drv_prog_id : found.skb_prog_id ? found.skb_prog_id : found.hw_prog_id;
  if (hook.program == 0) return hook;
  if (auto program = open_program(hook.program))
    if (auto info = program_info(program->get())) hook.name = info->name;
  const std::unique_ptr<xdp_multiprog, void (*)(xdp_multiprog*)> all(xdp_multiprog__get_from_ifindex(interface.index),
                                                                     xdp_multiprog__close);
  if (libxdp_get_error(all.get()) == 0) hook.dispatcher = !xdp_multiprog__is_legacy(all.get());
  return hook;
}

std::optional<LinkState> read_link(const std::filesystem::path& pin) {
  const Fd link(bpf_obj_get(pin.c_str()));
  if (!link.valid()) return {};
  bpf_link_info info{};
  __u32 length = sizeof info;
  if (bpf_obj_get_info_by_fd(link.get(), &info, &length) != 0) return {};
  return LinkState{static_cast<int>(info.xdp.ifindex), info.prog_id};
}

LoaderResult<void> attach_link(const Interface& interface, Mode mode, int program_fd,
                               const std::filesystem::path& pin) {
  forget_library_logs();
  LIBBPF_OPTS(bpf_link_create_opts, options,
              .flags = static_cast<__u32>(mode == Mode::native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE));
  const Fd link(bpf_link_create(program_fd, interface.index, BPF_XDP, &options));
  if (!link.valid())
    return library_error(std::string("attach the ingress program to ") + interface.name + " (" + to_string(mode) + ")",
                         errno);
  if (const int fault = bpf_obj_pin(link.get(), pin.c_str())) return system_error("pin " + pin.string(), fault);
  return {};
}

LoaderResult<void> update_link(const std::filesystem::path& pin, int program_fd) {
  const Fd link(bpf_obj_get(pin.c_str()));
  if (!link.valid()) return system_error("open " + pin.string(), errno);
  if (const int fault = bpf_link_update(link.get(), program_fd, nullptr))
    return system_error("replace the program of " + pin.string(), fault);
  return {};
}

LoaderResult<void> detach_link(const std::filesystem::path& pin) {
  if (const Fd link(bpf_obj_get(pin.c_str())); link.valid()) {
    // Without this the program would stay until the kernel's worker gets to free the link. ENOLINK: interface gone.
    if (const int fault = bpf_link_detach(link.get()); fault != 0 && fault != -ENOLINK)
      return system_error("detach " + pin.string(), fault);
  } else if (errno != ENOENT) {
    return system_error("open " + pin.string(), errno);
  }
  ::unlink(pin.c_str());
  return {};
}

}  // namespace postern::loader
