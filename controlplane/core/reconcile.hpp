// SPDX-License-Identifier: Apache-2.0
// The one repair path: what the maps hold, what they should hold, and the ordered steps from one to the other. Pure;
// used for single requests (on the few keys they touch) and for whole tables (start-up, after errors) alike.
#pragma once

#include "controlplane/core/ports.hpp"

namespace postern::core {

// Order, and what it keeps at every moment between two steps (I1–I3):
//   failsafe sources → live records → entries → services (prefix lengths) → addresses → port bits set
//   → port bits cleared → addresses, services, entries erased → records of ended grants → cut generation → failsafe
//   sources erased. What is in both is changed in place, never erased and put.
Plan plan_between(const Projection& held, const Projection& desired);

// The effect of one step on a projection.
void play(const Step& step, Projection& projection);

}  // namespace postern::core
