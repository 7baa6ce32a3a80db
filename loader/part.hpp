// SPDX-License-Identifier: Apache-2.0
// Which of the gate's programs.
#pragma once

namespace postern::loader {

enum class Part { ingress, egress, explain };

}  // namespace postern::loader
