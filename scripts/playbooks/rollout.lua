local connections = require "connections"
local forecast = require "forecast"
local kernel_state = require "kernel_state"
local tuning = require "failover_tuning"

return {
  api = 1,
  name = "rollout",
  kind = "playbook",
  summary = "Put a policy on every host of a cluster, stage by stage, and prove it",
  needs = { "registry.read", "registry.write", "ipsec.read", "ipsec.write", "ipsec.initiate", "vip.read" },
  params = {
    policy = { type = "policy", default = "mail-passwords", doc = "what to protect" },
    cluster = { type = "cluster", doc = "whose traffic; the site's only one when left out" },
    initiate_timeout_ms = { type = "integer", default = 5000, min = 100, max = 60000,
      doc = "how long the first negotiation may take" },
    detection_ms = { type = "integer", optional = true, min = 1, max = 3600000,
      doc = "how long the cluster manager takes to notice a crash, for the plan's prediction" },
  },

  undone = function(ctx)
    return kernel_state.rows(ctx, ctx:measured())
  end,

  run = function(ctx, p)
    local policy, cluster = p.policy, p.cluster
    local speakers = connections.speakers(policy, cluster)

    local function guard(host)
      local engine = assert(host.ipsec:capabilities()).engine
      for _, each in ipairs(connections.guards(policy, cluster, host, engine)) do
        assert(host.ipsec:set_guard(each.name, each.state))
      end
    end

    -- What a host, or its version of IKE, can not do is told before any host is touched.
    for _, host in ipairs(ctx:limited(speakers)) do
      for _, connection in ipairs(connections.of(policy, cluster, host, policy.action)) do
        assert(host.ipsec:check(connection.name, connection.document))
      end
    end

    -- A policy that only passes or drops has no SAs to negotiate.
    if connections.is_bare(policy) then
      ctx:step(("%s the traffic"):format(policy.action), speakers, function(host)
        for _, connection in ipairs(connections.of(policy, cluster, host, policy.action)) do
          assert(host.ipsec:set(connection.name, connection.document))
        end
        guard(host)
      end)
      ctx:gate("the policy stands", {
        { check = "policy-in-place", hosts = speakers, params = { policy = policy, cluster = cluster } },
      })
      return
    end

    -- A host that requires protection already is not taken back to permitting it: a second rollout changes nothing.
    local is_new = {}
    local function permit(host)
      for i, final in ipairs(connections.of(policy, cluster, host, policy.action)) do
        local found, err = host.ipsec:get(final.name)
        if err then error(err) end
        if not found or ctx.differs(final.document, found) or ctx.differs(found, final.document) then
          local permitted = connections.of(policy, cluster, host, "permit")[i]
          assert(host.ipsec:set(permitted.name, permitted.document))
          is_new[permitted.name] = true
        end
      end
    end

    local function require_protection(host)
      for _, connection in ipairs(connections.of(policy, cluster, host, "require")) do
        assert(host.ipsec:set(connection.name, connection.document))
      end
      guard(host)
    end

    if ctx.is_planning then forecast.tell(ctx, p) end
    kernel_state.note(ctx, speakers)
    ctx:step("shorten the idle timer of Windows front ends", cluster:with("registry"), function(host)
      for _, value in ipairs(tuning.values_for(host.windows)) do
        assert(host.registry:set(value.key, value.name, value.type, value.value))
      end
    end)

    -- Before the first negotiation: an IKE SA keeps the timers under which it has begun.
    ctx:step("set the timers of a failover", connections.with_charon(speakers), function(host)
      if not host.has.ipsec.charon_conf then
        ctx:say("%s: the site names no ipsec.charon_conf, charon's own timers hold", host.name)
        return
      end
      local timers = connections.timers(policy)
      assert(host.ipsec:set_timers(timers))
      if assert(host.ipsec:capabilities()).engine == "kernel" then
        assert(host.ipsec:set_acquire_expires { acquire_expires_ms = timers.acquire_expires_ms })
      end
    end)

    -- Receivers accept before senders insist: the nodes first, and nobody drops anything yet.
    ctx:step("give every member its secret", speakers, function(host)
      for _, each in ipairs(connections.secrets(policy, cluster, host)) do
        assert(host.ipsec:set_secret(each.name, each.secret))
      end
    end)
    local front_ends, askers = cluster:with("ipsec", cluster.front_ends), connections.askers(cluster)
    local receivers = {}
    for _, host in ipairs(speakers) do
      if host.role ~= "front_end" then receivers[#receivers + 1] = host end
    end
    ctx:step("receivers permit protected traffic", receivers, permit)
    ctx:step("front ends permit protected traffic", front_ends, permit)

    -- Each connection has one initiator: the node that holds the address for all of its own, the client for the others.
    -- SAs of a definition that has changed go; the others stay.
    local holder = assert(cluster:holder())
    local function negotiates(host, ends)
      if host.name == holder.name then return true end
      local is_virtual = ends.local_address == cluster.virtual_ip or ends.remote_address == cluster.virtual_ip
      return ends.side == "client" and not is_virtual and ends.remote_address ~= holder.address
    end
    local function negotiate(host)
      local sas = assert(host.ipsec:sas())
      for _, connection in ipairs(connections.of(policy, cluster, host, "permit")) do
        if negotiates(host, connection.document) then
          if is_new[connection.name] then
            assert(host.ipsec:terminate { connection = connection.name, force = true, timeout_ms = 500 })
          end
          if is_new[connection.name] or #connections.installed(sas, connection.name) == 0 then
            assert(host.ipsec:initiate { connection = connection.name, timeout_ms = p.initiate_timeout_ms })
          end
        end
      end
    end
    local others = {}
    for _, host in ipairs(connections.with_charon(speakers)) do
      for _, connection in ipairs(host.name == holder.name and {} or connections.of(policy, cluster, host, "permit")) do
        if negotiates(host, connection.document) and others[#others] ~= host then others[#others + 1] = host end
      end
    end
    ctx:act("negotiate the SAs", { holder }, negotiate)
    if #others > 0 then ctx:act("negotiate those of the hosts' own addresses", others, negotiate) end
    ctx:gate("protection stands before it is required", {
      { check = "sa-installed", hosts = { holder }, params = { policy = policy, cluster = cluster } },
      { check = "answers-protected", hosts = askers, params = { policy = policy, cluster = cluster } },
    })

    if policy.action == "permit" then return end -- nothing is insisted on

    -- Senders insist first, one of them before the others: what goes wrong there cuts off one front end.
    ctx:step("front ends require protection", front_ends, require_protection, {
      serial = { 1, "10%", "100%" },
      gate = function(batch)
        local params = { policy = policy, cluster = cluster }
        return {
          { check = "policy-in-place", hosts = batch, params = params },
          { check = "answers-protected", hosts = connections.askers(cluster, batch), params = params },
        }
      end,
    })
    ctx:step("receivers require protection", receivers, require_protection)
    ctx:gate("the policy protects", {
      { check = "tuning-set", hosts = cluster:with("registry") },
      { check = "policy-in-place", hosts = speakers, params = { policy = policy, cluster = cluster } },
      { check = "timers-set", hosts = connections.with_charon(speakers), params = { policy = policy } },
      { check = "answers-protected", hosts = askers, params = { policy = policy, cluster = cluster } },
      { check = "no-clear-text", params = { policy = policy, cluster = cluster } },
    })
  end,
}
