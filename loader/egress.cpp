// SPDX-License-Identifier: Apache-2.0
// The tc filter of the egress program, see egress.hpp.
#include "loader/egress.hpp"

#include <bpf/libbpf.h>

#include <cerrno>

#include "loader/log_tail.hpp"

namespace postern::loader {
namespace {

bpf_tc_hook hook_on(const Interface& interface, bpf_tc_attach_point point) {
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface.index, .attach_point = point);
  return hook;
}

}  // namespace

LoaderResult<EgressAttachment> attach_egress(const Interface& interface, int program_fd) {
  forget_library_logs();
  EgressAttachment attachment;
  bpf_tc_hook hook = hook_on(interface, BPF_TC_EGRESS);
  const int made = bpf_tc_hook_create(&hook);
  if (made != 0 && made != -EEXIST) {
    LoaderError error = library_error("make the clsact qdisc on " + interface.name, made);
    if (made == -ENOENT || made == -EOPNOTSUPP) error.sentence += "; the kernel needs CONFIG_NET_SCH_INGRESS";
    return error;
  }
  attachment.clsact_made = made == 0;
  LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE, .handle = egress_handle,
              .priority = egress_priority);
  if (const int fault = bpf_tc_attach(&hook, &options)) {
    LoaderError error = library_error("attach the egress program to " + interface.name, fault);
    if (fault == -EINVAL || fault == -EEXIST)
      error.sentence += "; priority 1 of the egress hook must be free or hold BPF filters only (`tc filter show dev " +
                        interface.name + " egress`)";
    if (attachment.clsact_made) static_cast<void>(detach_egress(interface, true));
    return error;
  }
  attachment.program = options.prog_id;
  return attachment;
}

LoaderResult<void> detach_egress(const Interface& interface, bool clsact_ours) {
  forget_library_logs();
  const bpf_tc_hook hook = hook_on(interface, BPF_TC_EGRESS);
  if (egress_program(interface)) {
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = egress_handle, .priority = egress_priority);
    if (const int fault = bpf_tc_detach(&hook, &options); fault != 0 && fault != -ENOENT)
      return library_error("detach the egress program from " + interface.name, fault);
  }
  if (!clsact_ours || has_filters(interface)) return {};
  bpf_tc_hook both = hook_on(interface, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
  if (const int fault = bpf_tc_hook_destroy(&both); fault != 0 && fault != -ENOENT && fault != -EINVAL)
    return library_error("remove the clsact qdisc from " + interface.name, fault);
  return {};
}

}  // namespace postern::loader
