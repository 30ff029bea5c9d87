local connections = require "connections"
local faults = require "faults"
local keepalived = require "keepalived"
local outage = require "outage"
local prediction = require "prediction"
local takeover = require "takeover"

-- What each case is held to, of the site's budgets.
local budgets = { planned_move = "planned_move_ms", failback = "failback_ms", crash = "crash_ms",
  restart = "restart_ms", flap = "flap_ms" }

-- One drill: the nodes, and the figures so far, name -> list of all that were measured, of which a round may have
-- several; the names in their order. drill.round counts the repetitions.
local function new_drill(ctx, p)
  local holder, others = assert(p.cluster:holder())
  local drill = { ctx = ctx, p = p, holder = holder, standby = others[1], measured = {}, names = {} }

  function drill.measured_as(name, fn)
    local figures = outage.watch(ctx, p, fn)
    if not figures then return end
    if figures.is_open then
      error { kind = "gate_fail", message = name .. ": the traffic has not come back" }
    end
    if not drill.measured[name] then
      drill.measured[name] = {}
      table.insert(drill.names, name)
    end
    outage.add(drill.measured[name], figures)
    if p.repetitions > 1 then
      ctx:say("round %d of %d, %s: %.1f ms", drill.round, p.repetitions, name, figures.outage_us / 1000)
    end
  end

  return drill
end

local function move(drill, from, to)
  return function() takeover.move(drill.ctx, drill.p, from, to) end
end

local function fail_back(drill)
  drill.measured_as("failback", move(drill, drill.standby, drill.holder))
end

local cases = {}

function cases.move(drill)
  drill.measured_as("planned_move", move(drill, drill.holder, drill.standby))
  fail_back(drill)
end

function cases.failback(drill)
  move(drill, drill.holder, drill.standby)()
  fail_back(drill)
end

-- Who notices is the cluster manager, or, where Staffetta moves the address itself, the drill. What is measured begins
-- with the crash; after_takeover_us when the address is to be, or is seen, on the standby.
function cases.crash(drill)
  local ctx, p, link = drill.ctx, drill.p, nil
  local has_keepalived = p.cluster.manager == "keepalived"
  drill.measured_as("crash", function(marks)
    link = faults.crash(ctx, p, drill.holder)
    if has_keepalived then
      marks.takeover_ns = keepalived.await(ctx, p.cluster, nil, drill.standby)
    else
      marks.takeover_ns = ctx.now_ns()
      takeover.move(ctx, p, nil, drill.standby)
    end
  end)
  if has_keepalived then
    drill.measured_as("failback", function()
      faults.come_back(ctx, p, drill.holder, link)
      keepalived.await(ctx, p.cluster, drill.standby, drill.holder)
    end)
  else
    takeover.let_go(ctx, p, drill.holder)
    faults.come_back(ctx, p, drill.holder, link)
    fail_back(drill)
  end
end

function cases.restart(drill)
  drill.measured_as("restart", function() faults.restart(drill.ctx, drill.p, drill.holder) end)
end

function cases.flap(drill)
  drill.measured_as("flap", function() faults.flap(drill.ctx, drill.p, drill.holder) end)
end

-- What was to be expected of the orders that were given; a drill's other cases are no failovers that a source predicts.
local function expected(p, name)
  if name ~= "planned_move" and name ~= "failback" then return nil end
  return prediction.of(name, prediction.under(p.policy, p.cluster, p.front_end))
end

-- In the order of a growing fault.
local all = { "move", "restart", "flap", "crash" }

-- A cluster manager that fences ends a node whose link is down, and one that does not leaves both nodes the address.
local function refuse_crash(p)
  local manager = p.cluster.manager or "address"
  if (p.case == "crash" or p.case == "all") and manager ~= "address" and manager ~= "keepalived" then
    error { kind = "unsupported", message = ("a drill can not crash a node of a cluster that %s manages: let it fence "
      .. "the node by its own tools; the cases move, failback, restart and flap can be drilled"):format(manager) }
  end
end

-- Steps leave out hosts outside a limit; a move that did not happen would cost nothing, and pass.
local function refuse_limit(ctx, p)
  if #ctx:limited(p.cluster.nodes) < #p.cluster.nodes or #ctx:limited { p.front_end } == 0 then
    error { kind = "denied", message = ("a drill moves the address between all nodes, and measures from %s: the limit "
      .. "leaves one of them out"):format(p.front_end.name) }
  end
end

return {
  api = 1,
  name = "drill",
  kind = "playbook",
  summary = "Make the virtual IP fail over on purpose, measure the outage, and put all back",
  needs = { "ipsec.read", "ipsec.initiate", "ipsec.fail", "vip.read", "vip.move", "vip.fail", "probe", "wire" },
  params = {
    case = { type = "choice", choices = { "move", "crash", "restart", "flap", "failback", "all" }, default = "move",
      doc = "what happens to the holder: a planned move, a crash, a restarted daemon, a link flap, a failback alone" },
    repetitions = { type = "integer", default = 1, min = 1, max = 1000, doc = "how often; median and worst are told" },
    policy = { type = "policy", default = "mail-passwords", doc = "the policy that stands" },
    cluster = { type = "cluster", doc = "which virtual IP; the site's only one when left out" },
    front_end = { type = "host", optional = true,
      doc = "where to measure; the cluster's first with IPsec when left out" },
    port = { type = "integer", optional = true, min = 1, max = 65535,
      doc = "which port; the policy's first when left out" },
    interval_us = { type = "integer", default = 5000, min = 200, max = 1000000, doc = "time between two attempts" },
    steady_ms = { type = "integer", default = 1000, min = 100, max = 60000, doc = "how long to look before and after" },
    flap_ms = { type = "integer", default = 200, min = 1, max = 60000, doc = "how long the link of a flap is down" },
    initiate_timeout_ms = { type = "integer", default = 5000, min = 100, max = 60000, doc = "limit of a negotiation" },
  },

  run = function(ctx, p)
    local askers = connections.askers(p.cluster)
    p.front_end = p.front_end or ctx:limited(askers)[1] or askers[1]
    p.port = p.port or connections.ports(p.policy)[1]
    refuse_crash(p)
    refuse_limit(ctx, p)
    local drill = new_drill(ctx, p)
    local params = { policy = p.policy, cluster = p.cluster }
    ctx:gate("the standby is ready", {
      { check = "policy-in-place", hosts = { drill.holder, drill.standby }, params = params },
      { check = "standby-ready", hosts = { drill.standby }, params = params },
    })
    for round = 1, p.repetitions do
      drill.round = round
      for _, case in ipairs(p.case == "all" and all or { p.case }) do cases[case](drill) end
    end
    for _, name in ipairs(drill.names) do
      ctx:measure(name, outage.of_all(drill.measured[name], ctx.site.budgets[budgets[name]], expected(p, name)))
    end
    ctx:gate("steady again, inside the budget", {
      { check = "answers-protected", hosts = { p.front_end }, params = params },
      { check = "steady-around", params = { figures = ctx:measured() } },
      { check = "within-budget", params = { figures = ctx:measured() } },
    })
  end,
}
