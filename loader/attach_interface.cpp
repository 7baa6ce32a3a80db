// SPDX-License-Identifier: Apache-2.0
// Planning and doing the attach of one interface, see attach_interface.hpp.
#include "loader/attach_interface.hpp"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "loader/map_set.hpp"

namespace postern::loader {
namespace {

LoaderError taken(const InterfacePlan& plan, const XdpHook& hook, bool dispatcher) {
  const std::string& name = plan.interface.name;
  const std::string who = "the XDP program " + (hook.name.empty() ? "" : "\"" + hook.name + "\" ") + "(id " +
                          std::to_string(hook.program) + ")";
  if (hook.name == "postern_ingress")
    return {"interface \"" + name + "\" is held by another gate (" + who +
                "): detach that one first (`postern-loader detach --instance …`)",
            EBUSY};
  const std::string why = hook.dispatcher
                              ? "libxdp's dispatcher, which this kernel or --no-dispatcher keeps us from using"
                          : dispatcher ? "no dispatcher of libxdp, so it cannot be shared"
                                       : "and the gate cannot share an interface here (no libxdp dispatcher)";
  return {"interface \"" + name + "\" already runs " + who + ", " + why + ": take it off first (`ip link set dev " +
              name + " xdp off`, or the tool that loaded it), then attach again",
          EBUSY};
}

LoaderResult<void> plan_ingress(const Instance& instance, InterfacePlan& plan, bool dispatcher) {
  const auto hook = xdp_hook(plan.interface);
  if (!hook) return hook.error();
  if (const auto link = read_link(instance.ingress_link(plan.interface.name))) {
    if (link->interface_index == plan.interface.index && link->program == hook->program) {
      plan.ingress = link->program;
      return {};
    }
    plan.stale_link = true;
  }
  if (plan.before && plan.before->way == Way::dispatcher &&
      is_dispatched(plan.interface, plan.before->ingress_program)) {
    plan.way = Way::dispatcher;
    plan.ingress = plan.before->ingress_program;
    return {};
  }
  if (hook->program != 0 && !(hook->dispatcher && dispatcher)) return taken(plan, *hook, dispatcher);
  plan.way = dispatcher ? Way::dispatcher : Way::link;
  return {};
}

LoaderResult<void> plan_egress(const Instance& instance, InterfacePlan& plan) {
  plan.egress = egress_program(plan.interface);
  if (!plan.egress) return {};
  if (is_ours(instance, *plan.egress, plan.before ? plan.before->egress_program : 0)) return {};
  return LoaderError{"the gate's place in the egress hook of \"" + plan.interface.name + "\" is held by the program " +
                         std::to_string(*plan.egress) + ", which is not of this gate: detach the other gate, or `tc " +
                         "qdisc del dev " + plan.interface.name + " clsact` if it is a left-over",
                     EBUSY};
}

std::string lock_out_warning(const std::string& interface) {
  return "interface \"" + interface +
         "\" has no native XDP, so the gate runs in GENERIC mode there: much slower, and "
         "after the kernel has already built a socket buffer for each packet";
}

// Native, or generic if that was asked for or is allowed; says which it became.
template <class AttachAs>
auto attach_in_mode(const InterfacePlan& plan, std::vector<std::string>& warnings, Mode& mode, AttachAs attach_as)
    -> decltype(attach_as(Mode::native)) {
  mode = plan.mode == ModeChoice::generic ? Mode::generic : Mode::native;
  auto done = attach_as(mode);
  if (done || mode == Mode::generic) return done;
  if (plan.mode == ModeChoice::automatic) {
    mode = Mode::generic;
    auto generic = attach_as(mode);
    if (generic) warnings.push_back(lock_out_warning(plan.interface.name));
    return generic;
  }
  LoaderError error = done.error();
  error.sentence += "\nif the driver has no native XDP, --mode generic works everywhere, but is slower";
  return error;
}

LoaderResult<void> put_egress(const LoadedGate& gate, const InterfacePlan& plan, AttachRecord& record, Undo& undo) {
  std::shared_ptr<Fd> old;  // copied into the undo step
  if (plan.egress) {
    auto opened = open_program(*plan.egress);
    if (!opened) return opened.error();
    old = std::make_shared<Fd>(std::move(*opened));
  }
  auto put = attach_egress(plan.interface, gate.egress_fd());
  if (!put) return put.error();
  record.egress_program = put->program.value_or(0);
  record.clsact_ours = (plan.before && plan.before->clsact_ours) || put->clsact_made;
  undo.add([interface = plan.interface, old, made = put->clsact_made] {
    if (old)
      static_cast<void>(attach_egress(interface, old->get()));
    else
      static_cast<void>(detach_egress(interface, made));
  });
  return {};
}

LoaderResult<void> put_link(const Instance& instance, const LoadedGate& gate, const InterfacePlan& plan,
                            AttachRecord& record, Undo& undo, std::vector<std::string>& warnings) {
  const auto pin = instance.ingress_link(plan.interface.name);
  if (const auto info = program_info(gate.ingress_fd())) record.ingress_program = info->id;
  if (plan.replaces()) {
    auto opened = open_program(*plan.ingress);
    if (!opened) return opened.error();
    const auto old = std::make_shared<Fd>(std::move(*opened));
    if (auto updated = update_link(pin, gate.ingress_fd()); !updated) return updated;
    undo.add([pin, old] { static_cast<void>(update_link(pin, old->get())); });
    return {};
  }
  if (plan.stale_link)
    if (auto gone = detach_link(pin); !gone) return gone;
  auto attached = attach_in_mode(plan, warnings, record.mode,
                                 [&](Mode mode) { return attach_link(plan.interface, mode, gate.ingress_fd(), pin); });
  if (!attached) return attached;
  undo.add([pin] { static_cast<void>(detach_link(pin)); });
  return {};
}

LoaderResult<void> put_dispatched(const InterfacePlan& plan, AttachRecord& record, Undo& undo,
                                  std::vector<std::string>& warnings) {
  const auto attach_as = [&](Mode mode) { return attach_dispatched(plan.interface, mode, *plan.dispatched); };
  auto attached = plan.replaces() ? attach_as(record.mode) : attach_in_mode(plan, warnings, record.mode, attach_as);
  if (!attached) return attached.error();
  record.ingress_program = *attached;
  undo.add(
      [interface = plan.interface, program = *attached] { static_cast<void>(detach_dispatched(interface, program)); });
  return {};
}

}  // namespace

// Brings record and pin of an interface that was renamed under its new name.
LoaderResult<void> follow_rename(const Instance& instance, const Interface& interface, gid_t group) {
  if (read_attach_record(instance, interface.name)) return {};
  for (AttachRecord record : read_attach_records(instance)) {
    if (record.index != interface.index || record.network_namespace != network_namespace()) continue;
    const std::string former = record.interface;
    const auto from = instance.ingress_link(former), to = instance.ingress_link(interface.name);
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
      return system_error("rename the pin " + from.string() + " as its interface was", errno);
    record.interface = interface.name;
    if (auto noted = write_record(instance, record, group); !noted) return noted;
    remove_attach_record(instance, former);
  }
  return {};
}

LoaderResult<InterfacePlan> plan_interface(const Instance& instance, const Interface& interface, ModeChoice mode,
                                           bool dispatcher) {
  InterfacePlan plan;
  plan.interface = interface;
  plan.mode = mode;
  if (auto record = read_attach_record(instance, interface.name)) {
    const bool here = record->network_namespace == network_namespace();
    if (!here && network_namespace_lives(record->network_namespace))
      return LoaderError{"the gate \"" + instance.name + "\" holds an interface \"" + interface.name +
                             "\" of another network namespace: give this one an --instance of its own",
                         EBUSY};
    if (here && record->index == interface.index) plan.before = std::move(record);
  }
  if (auto ingress = plan_ingress(instance, plan, dispatcher); !ingress) return ingress.error();
  if (auto egress = plan_egress(instance, plan); !egress) return egress.error();
  if (plan.replaces() && plan.before && mode != ModeChoice::automatic &&
      (mode == ModeChoice::generic) != (plan.before->mode == Mode::generic))
    return LoaderError{"interface \"" + interface.name + "\" is attached in " + to_string(plan.before->mode) +
                           " mode, and replacing keeps the mode: say --mode auto, or detach first",
                       EBUSY};
  return plan;
}

LoaderResult<LoadedGate> LoadedGate::load(const Instance& instance, const TableSizes& sizes,
                                          std::vector<InterfacePlan> plans) {
  LoadedGate gate;
  gate.plans_ = std::move(plans);
  const auto ready = [&](Part part, bool load) -> LoaderResult<GateObject> {
    auto object = GateObject::open(part);
    if (!object) return object;
    if (auto done = object->configure(instance, sizes); !done) return done.error();
    if (load)
      if (auto done = object->load(); !done) return done.error();
    return object;
  };
  bool link = false;
  for (InterfacePlan& plan : gate.plans_) {
    link = link || plan.way == Way::link;
    if (plan.way == Way::link) continue;
    auto object = ready(Part::ingress, false);  // libxdp loads it, as an extension
    if (!object) return object.error();
    plan.dispatched = std::move(*object);
  }
  for (const auto& [part, place, wanted] :
       {std::tuple(Part::egress, &gate.egress_, true), std::tuple(Part::explain, &gate.explain_, true),
        std::tuple(Part::ingress, &gate.ingress_, link)}) {
    if (!wanted) continue;
    auto object = ready(part, true);
    if (!object) return object.error();
    *place = std::move(*object);
  }
  return gate;
}

LoaderResult<void> LoadedGate::pin_explain(const Instance& instance, gid_t group, Undo& undo) const {
  const auto old = std::make_shared<Fd>(bpf_obj_get(instance.explain().c_str()));
  undo.add([path = instance.explain(), old, group] {
    if (!old->valid())
      ::unlink(path.c_str());
    else
      static_cast<void>(pin_program(old->get(), path, group));
  });
  return pin_program(explain_->program_fd(), instance.explain(), group);
}

LoaderResult<AttachRecord> attach_interface(const Instance& instance, const LoadedGate& gate, const InterfacePlan& plan,
                                            gid_t group, Undo& undo, std::vector<std::string>& warnings) {
  AttachRecord record = plan.before.value_or(AttachRecord{});
  record.interface = plan.interface.name;
  record.index = plan.interface.index;
  record.network_namespace = network_namespace();
  record.way = plan.way;
  undo.add([&instance, before = plan.before, name = plan.interface.name, group] {
    if (before)
      static_cast<void>(write_record(instance, *before, group));
    else
      remove_attach_record(instance, name);
  });
  // Written before the programs stand as well, so that a detach after a crash knows where to look: also of the qdisc
  // that is going to be made.
  record.clsact_ours = record.clsact_ours || !has_clsact(plan.interface);
  if (auto noted = write_record(instance, record, group); !noted) return noted.error();
  if (auto put = put_egress(gate, plan, record, undo); !put) return put.error();
  if (auto noted = write_record(instance, record, group); !noted) return noted.error();
  auto put = plan.way == Way::link ? put_link(instance, gate, plan, record, undo, warnings)
                                   : put_dispatched(plan, record, undo, warnings);
  if (!put) return put.error();
  if (auto noted = write_record(instance, record, group); !noted) return noted.error();
  return record;
}

LoaderResult<void> retire_replaced(const InterfacePlan& plan) {
  if (plan.way != Way::dispatcher || !plan.replaces()) return {};
  return detach_dispatched(plan.interface, *plan.ingress);
}

}  // namespace postern::loader
