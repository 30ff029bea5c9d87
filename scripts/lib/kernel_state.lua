-- kernel_state.lua - what the kernels had before a run changed anything, noted in the run's journal, and the checks
-- that compare with it after a rollback: a daemon that stops is known to leave policies behind (FACTS.md 3).
local M = {}

local measure = "kernel_before"

local function look(host)
  local snapshot, err = host.ipsec:kernel_snapshot()
  if snapshot then return snapshot end
  if err.kind == "unsupported" then return nil end -- another kind of host has no such kernel
  return { reason = tostring(err) }
end

-- Before the first change: notes the IPsec state of the kernels of `hosts`. A run that goes on has noted it already.
function M.note(ctx, hosts)
  if ctx:measured()[measure] then return end
  local before, count, policies, sas = {}, 0, 0, 0
  ctx:act("note what the kernels have", hosts, function(host)
    before[host.name] = look(host)
  end)
  for _, snapshot in pairs(before) do
    count = count + 1
    policies, sas = policies + #(snapshot.policies or {}), sas + #(snapshot.sas or {})
  end
  if count == 0 then return end
  ctx:measure(measure, { hosts = before, summary = ("%d hosts, %d policies, %d SAs"):format(count, policies, sas) })
end

-- The rows for ctx:checks that compare with what a run has noted in its measures; none when it has noted nothing.
function M.rows(ctx, measures)
  local noted = measures[measure]
  local rows = {}
  for _, host in ipairs(noted and ctx.site.hosts() or {}) do
    local before = noted.hosts[host.name]
    if before then rows[#rows + 1] = { check = "kernel-as-before", host = host, params = { before = before } } end
  end
  return rows
end

return M
