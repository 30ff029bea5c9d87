-- prediction.lua - the outage to expect of a failover, as a sum of named terms, each with its source.
-- Pure arithmetic over what is published (docs/sources.md) and what was measured; touches no host.
--
-- A term: { name, min_ms, max_ms, source }. A prediction: { case, terms, min_ms, max_ms }, or, where a term has no
-- published or measured figure, { case, terms, unknown = "why" }, or { case, terms, never = "why" }.
local tuning = require "failover_tuning"

local M = {}

M.cases = { "planned_move", "crash", "failback" }

local minute_ms = 60 * 1000

local function term(name, min_ms, max_ms, source)
  return { name = name, min_ms = min_ms, max_ms = max_ms, source = source }
end

local function sum(case, terms)
  local prediction = { case = case, terms = terms, min_ms = 0, max_ms = 0 }
  for _, each in ipairs(terms) do
    prediction.min_ms = prediction.min_ms + each.min_ms
    prediction.max_ms = prediction.max_ms + each.max_ms
  end
  return prediction
end

-- ---- Windows front ends ----

-- The idle timer after which the front end drops the SAs of a dead peer.
local function idle_timer(windows, values)
  if windows == "2003" and values.NLBSFlags == 1 then
    return term("idle timer, NLBSFlags = 1", minute_ms, minute_ms, "KB 821839")
  end
  if windows == "2000" or windows == "2003" then
    return term("idle timer", 5 * minute_ms, 5 * minute_ms, "KB 821839")
  end
end

local function windows(case, front_end)
  if case ~= "crash" then
    return sum(case, { term("address moves, SAs are negotiated anew", 3000, 6000, "KB 821839") })
  end
  local idle = idle_timer(front_end.windows, front_end.values or {})
  if not idle then
    return { case = case, terms = {},
      unknown = ("no source says how long Windows %s keeps the SAs of a dead peer"):format(front_end.windows) }
  end
  return sum(case, { idle, term("IKE negotiation", minute_ms, minute_ms, "KB 821839") })
end

-- ---- strongSwan ----

-- How long charon retransmits before it gives a peer up: timeout * (1 + base + base^2 + ... + base^tries).
function M.retransmission_ms(settings)
  local total, wait = 0, settings.retransmit_timeout_ms
  for _ = 0, settings.retransmit_tries do
    total = total + wait
    wait = wait * settings.retransmit_base
  end
  return math.floor(total + 0.5)
end

-- charon's own defaults (strongswan.conf(5)): 4 s, base 1.8, 5 tries, which is 165 s.
M.charon_defaults = { retransmit_timeout_ms = 4000, retransmit_base = 1.8, retransmit_tries = 5 }

-- What a handshake and a move of the address cost; measured in the lab, userland ESP on two cores.
M.measured = {
  takeover = term("address on the new node, announced", 1, 5, "measured, lab"),
  handshake = term("handshake, IKE_SA_INIT and IKE_AUTH", 4, 30, "measured, lab"),
}

local function planned(case, front_end)
  if front_end.has_windows_nodes then
    return { case = case, terms = {}, unknown = "no source says how a strongSwan front end fares with Windows nodes" }
  end
  if front_end.initiator then return sum(case, { M.measured.takeover, M.measured.handshake }) end
  return { case = case, terms = {}, never =
    "the front end negotiates with the old holder while the address moves, and repeats itself to the new one" }
end

-- The new holder knows that it holds the address. Nobody tells a front end: it has dead-peer detection.
local function crash(front_end, manager)
  local measured = M.measured
  if front_end.initiator == "new_holder" then
    if not manager.detection_ms then
      return { case = "crash", terms = { measured.takeover, measured.handshake },
        unknown = "who notices the crash is not said: give detection_ms" }
    end
    return sum("crash", { term("the manager notices", 0, manager.detection_ms, "its configuration"), measured.takeover,
      measured.handshake })
  end
  local delay_ms = front_end.dpd_delay_ms or 0
  if delay_ms == 0 then
    return { case = "crash", terms = {},
      never = "nobody looks for a dead peer, so the SAs stay for their whole life" }
  end
  local give_up_ms = M.retransmission_ms(front_end.retransmit_timeout_ms and front_end or M.charon_defaults)
  return sum("crash", {
    term("dead-peer detection asks", math.max(0, delay_ms - 1000), delay_ms + 1000,
      "dpd_delay, give or take charon's clock of whole seconds"),
    term("the front end gives the peer up", give_up_ms, give_up_ms, "retransmission schedule, strongswan.conf(5)"),
    measured.handshake,
  })
end

-- `front_end` says what it runs: { windows = "2003", values = { NLBSFlags = 1 } }, or of strongSwan { dpd_delay_ms,
-- retransmit_timeout_ms, retransmit_base, retransmit_tries, initiator, has_windows_nodes }, where `initiator` is who is
-- told to negotiate, as in a policy's failover, or nil. `manager`: { detection_ms } of the cluster manager.
function M.of(case, front_end, manager)
  if front_end.windows then return windows(case, front_end) end
  if case == "crash" then return crash(front_end, manager or {}) end
  return planned(case, front_end)
end

-- ---- what a policy makes of a front end ----

-- A strongSwan front end with these timers (nil: charon's own) and this delay: who initiates is what the policy says,
-- where the nodes have a charon that can be told.
function M.of_strongswan(policy, cluster, timers, dpd_delay_ms)
  local has_windows_nodes = #cluster:with("ipsec", cluster.nodes) < #cluster.nodes
  timers = timers or M.charon_defaults
  return {
    dpd_delay_ms = dpd_delay_ms,
    retransmit_timeout_ms = timers.retransmit_timeout_ms,
    retransmit_base = timers.retransmit_base,
    retransmit_tries = timers.retransmit_tries,
    initiator = has_windows_nodes and "front_end" or policy.failover.initiator,
    has_windows_nodes = has_windows_nodes,
  }
end

-- What a host runs after a rollout of the policy, for M.of.
function M.under(policy, cluster, host)
  if host.windows then
    local values = {}
    for _, wanted in ipairs(tuning.values_for(host.windows)) do values[wanted.name] = wanted.value end
    return { windows = host.windows, values = values }
  end
  local is_timed = host.has.ipsec and host.has.ipsec.charon_conf
  return M.of_strongswan(policy, cluster, is_timed and policy.failover or nil, policy.dpd_delay_ms)
end

-- ---- words ----

local function duration(ms)
  if ms >= minute_ms then
    local minutes = ms / minute_ms
    return (minutes == math.floor(minutes) and "%d min" or "%.1f min"):format(minutes)
  end
  if ms >= 1000 then return (ms % 1000 == 0 and "%d s" or "%.1f s"):format(ms / 1000) end
  return ("%d ms"):format(ms)
end

local function range(min_ms, max_ms)
  local low, high = duration(min_ms), duration(max_ms)
  if low == high then return low end
  local low_number, low_unit = low:match("^(%S+) (.*)$")
  return (low_unit == high:match("^%S+ (.*)$") and low_number or low) .. " to " .. high
end

-- "5 to 35 ms"
function M.total(prediction)
  if prediction.never then return "never" end
  if prediction.unknown then return "unknown" end
  return range(prediction.min_ms, prediction.max_ms)
end

-- "2 min = idle timer, NLBSFlags = 1: 1 min [KB 821839] + IKE negotiation: 1 min [KB 821839]"
function M.words(prediction)
  if prediction.never then return "does not recover by itself: " .. prediction.never end
  if prediction.unknown then return "unknown: " .. prediction.unknown end
  local parts = {}
  for _, each in ipairs(prediction.terms) do
    parts[#parts + 1] = ("%s: %s [%s]"):format(each.name, range(each.min_ms, each.max_ms), each.source)
  end
  return ("%s = %s"):format(M.total(prediction), table.concat(parts, " + "))
end

return M
