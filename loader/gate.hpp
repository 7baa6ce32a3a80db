// SPDX-License-Identifier: Apache-2.0
// What can be done with a gate: attach (or replace), detach, confirm, let expire. Each verb waits for its turn (one
// loader at a time for an instance), does all or nothing, and answers with what it did.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "loader/attach_record.hpp"
#include "loader/error.hpp"
#include "loader/instance.hpp"
#include "loader/program.hpp"
#include "loader/settings.hpp"

namespace postern::loader {

enum class ModeChoice { native, generic, automatic };

struct AttachOptions {
  Instance instance;
  std::vector<std::string> interfaces;
  gid_t group = 0;
  ModeChoice mode = ModeChoice::native;
  std::optional<std::chrono::milliseconds> confirm_within;
  TableSizes sizes;
  FlowLimits limits;
  std::vector<std::string> failsafe;
  std::optional<std::filesystem::path> snapshot;  // what new maps are filled from; none: they stay empty
  bool dispatcher = true;  // use libxdp's where the kernel can
};

struct Attached {
  AttachRecord record;
  bool replaced = false;  // the programs took the place of older ones
};

struct AttachReport {
  std::vector<Attached> interfaces;
  std::vector<std::string> warnings;
  std::optional<std::size_t> from_snapshot;  // records that the new maps were filled with
  std::size_t adopted = 0;                   // sessions that were open and go on
  bool no_snapshot = false;                  // there was none to fill them from
  std::uint64_t unconfirmed_boot_ns = 0;
  std::optional<std::string> ssh_client;  // made a failsafe source until confirmed
};

// Egress first, then ingress, on every interface; on interfaces that are attached already, the programs are replaced
// and maps and flows kept. After an error, or a signal, everything is as before.
LoaderResult<AttachReport> attach(const AttachOptions& options);

struct EnsureReport {
  std::vector<std::string> attached;  // were not whole
  std::vector<std::string> gone;      // there is no such interface now
  std::vector<std::string> warnings;
};

// Attaches again, each as it was, the interfaces whose records say that the gate stands there and where it does not, or
// not whole. An attach that nobody confirmed in time is left alone. ENOENT: nothing was attached.
LoaderResult<EnsureReport> ensure(const Instance& instance, const std::filesystem::path& snapshot);

struct DetachOptions {
  Instance instance;
  std::vector<std::string> interfaces;  // none: all
  bool keep_maps = false;
};

struct DetachReport {
  std::vector<std::string> detached, not_attached;
  bool removed = false;  // the last interface went, and maps, bpffs and folders with it
};

// Fine if nothing is attached. An error names the first thing that could not be done; the rest was done.
LoaderResult<DetachReport> detach(const DetachOptions& options);

// Lifts the condition that --confirm-within made, and takes away the failsafe source it came with. False: it was
// confirmed already. ENOENT: nothing is attached.
LoaderResult<bool> confirm(const Instance& instance);

// Waits until `unconfirmed_boot_ns` and detaches everything, unless the gate was confirmed, detached or given another
// deadline meanwhile. True if it detached.
LoaderResult<bool> expire(const Instance& instance, std::uint64_t unconfirmed_boot_ns);
// Starts `postern-loader expire` so that it outlives this process, its terminal and its session.
LoaderResult<void> start_expiry(const Instance& instance, std::uint64_t unconfirmed_boot_ns);

// The detach of one who holds the instance's lock.
LoaderResult<DetachReport> detach_locked(const DetachOptions& options);

// Whether a program found in our place is this gate's: known by its record, or by the maps it uses.
bool is_ours(const Instance& instance, std::uint32_t program, std::uint32_t recorded);

}  // namespace postern::loader
