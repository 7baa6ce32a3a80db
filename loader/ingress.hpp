// SPDX-License-Identifier: Apache-2.0
// The ingress program at an interface's XDP hook, by one of two ways: libxdp's dispatcher, beside other programs, where
// the kernel has freplace; else a pinned bpf_link, alone. Which way is the caller's choice; these are the steps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "loader/attach_record.hpp"
#include "loader/error.hpp"
#include "loader/interface.hpp"
#include "loader/program.hpp"

namespace postern::loader {

// What stands at the XDP hook, whoever put it there. A dispatcher is one program here.
struct XdpHook {
  std::uint32_t program = 0;  // kernel id; 0: empty
  std::string name;
  bool dispatcher = false;  // libxdp's, so other programs may join
};
LoaderResult<XdpHook> xdp_hook(const Interface& interface);

// ── the pinned link ──
struct LinkState {
  int interface_index = 0;  // 0: the interface is gone
  std::uint32_t program = 0;
};
std::optional<LinkState> read_link(const std::filesystem::path& pin);
// EOPNOTSUPP: the driver has no native XDP.
LoaderResult<void> attach_link(const Interface& interface, Mode mode, int program_fd, const std::filesystem::path& pin);
// Atomic: every packet is judged by the old or the new program.
LoaderResult<void> update_link(const std::filesystem::path& pin, int program_fd);
// Takes the program off at once and removes the pin. Fine if there is none.
LoaderResult<void> detach_link(const std::filesystem::path& pin);

// ── the dispatcher ──
// Loads the (opened, configured) object as an extension and adds it; a refusal to share leaves the hook as it was.
LoaderResult<std::uint32_t> attach_dispatched(const Interface& interface, Mode mode, const GateObject& object);
bool is_dispatched(const Interface& interface, std::uint32_t program);
// Takes one program out of the dispatcher; the others stay. Fine if it is not there.
LoaderResult<void> detach_dispatched(const Interface& interface, std::uint32_t program);

}  // namespace postern::loader
