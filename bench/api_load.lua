-- SPDX-License-Identifier: Apache-2.0
-- For wrk: each request for access has a machine, a source and an id of its own; what was measured comes as one line of JSON.
-- arguments: what to call, the token, and (for requests) the policy's path and the number of the first source
local number = 0
local kind, token, path

function init(args)
  kind, token, path, number = args[1], args[2], args[3], tonumber(args[4] or "0")
  if kind ~= "initiate" then
    fixed = wrk.format("GET", path, {["Authorization"] = "Bearer " .. token})
  end
end

function request()
  if fixed then return fixed end
  number = number + 1
  local source = string.format("10.%d.%d.%d", math.floor(number / 65536) % 256, math.floor(number / 256) % 256, number % 256)
  local machine = string.format("/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/default/providers/Microsoft.Compute/virtualMachines/vm%d", number % 16)
  local body = '{"virtualMachines":[{"id":"' .. machine .. '","ports":[{"number":22,"duration":"PT30M","allowedSourceAddressPrefix":"' .. source .. '"}]}],"justification":"load"}'
  return wrk.format("POST", path, {["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json",
    ["x-ms-client-request-id"] = "load-" .. number}, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('JSON{"requests":%d,"seconds":%f,"failed":%d,"p50":%f,"p99":%f,"max":%f}\n', summary.requests,
    summary.duration / 1e6, errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
