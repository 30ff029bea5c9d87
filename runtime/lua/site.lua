-- site.lua - checks the table that an operator's site.lua returned, and brings it into the form that everybody else
-- reads: hosts with all that their groups say, clusters of hosts. An error names the field, what stood there and what
-- was expected.
-- Trusted: runs with `sys` and the loader of the other files here. Must never act on a host.
local sys, trusted = ...

local site_fields = { "api", "name", "hosts", "groups", "inventory", "clusters", "budgets", "confirm_within_ms",
  "forks", "on_gate_fail", "forbid", "facts", "lab" }
local host_fields = { "role", "address", "interface", "netns", "windows", "ipsec", "registry",
  "transport", "ssh", "undo_dir", "groups" }
local cluster_fields = { "virtual_ip", "prefix_length", "interface", "nodes", "front_ends", "manager", "ipsec_id",
  "secret", "domain_controllers" }
local roles = { "front_end", "node", "witness", "domain_controller" }
local windows_versions = { "2000", "2003", "2008", "2008r2", "2012", "2012r2", "2016", "2019", "2022" }
-- What drills measure: a budget for anything else would never be compared with a figure.
local budget_names = { "planned_move_ms", "failback_ms", "crash_ms", "restart_ms", "flap_ms" }
local gate_answers = { "rollback", "hold" }
local drivers = { "strongswan", "windows" }
local managers = { "address", "keepalived", "pacemaker", "windows_cluster" }
-- What a node's `vip` has to name, so that its cluster manager can be asked.
local manager_fields = { pacemaker = "resource", windows_cluster = "group" }
local manager_examples = { pacemaker = "virtual_ip", windows_cluster = "Mail" }
local transports = { "agent", "libssh", "openssh" }

local function raise(message, expected, found)
  error({ kind = "invalid_data", op = "load", subject = "site.lua", message = "site.lua: " .. message,
    expected = expected, found = found, remedy = "correct it: `man staffetta-site` tells what each field takes" }, 0)
end

local function fail(format, ...)
  raise(format:format(...))
end

local function fail_value(where, expected, found)
  raise(where .. " has a wrong value", expected, tostring(found))
end

local function quoted(list)
  return "'" .. table.concat(list, "', '") .. "'"
end

local function contains(list, value)
  for _, each in ipairs(list) do
    if each == value then return true end
  end
  return false
end

local function expect(value, wanted, where)
  if type(value) ~= wanted then fail_value(where, "a " .. wanted, type(value)) end
end

local function check_fields(table_, known, where)
  expect(table_, "table", where)
  for key in pairs(table_) do
    if type(key) ~= "string" or not contains(known, key) then
      local nearest = type(key) == "string" and sys.nearest(key, known)
      raise(("%s has an unknown field '%s'%s"):format(where, tostring(key),
        nearest and ("; did you mean '" .. nearest .. "'?") or ""), quoted(known))
    end
  end
end

local function check_choice(value, choices, where)
  if not contains(choices, value) then
    fail_value(where, "one of " .. quoted(choices), value)
  end
end

-- The part of a host's table that says how its IPsec is reached; the binding checks the rest of it.
local function check_driver(host, where)
  local ipsec = host.ipsec or {}
  check_choice(ipsec.driver or "strongswan", drivers, where .. ".ipsec.driver")
  check_choice(ipsec.ike_version or 2, { 1, 2 }, where .. ".ipsec.ike_version")
  if ipsec.driver ~= "windows" then return end
  if host.role == "node" then fail("%s.ipsec.driver is 'windows'; a node needs 'strongswan'", where) end
  for _, field in ipairs { "windows", "address" } do
    if not host[field] then fail("%s.%s is missing: the driver 'windows' needs it", where, field) end
  end
end

-- A binding of the operator's own program may read a part of its own, so the known fields are the core's plus those.
local function known_host_fields()
  local known = { table.unpack(host_fields) }
  for _, binding in ipairs(sys.bindings()) do known[#known + 1] = binding end
  return known
end

local function check_host(name, host)
  local where = ("hosts['%s']"):format(tostring(name))
  if type(name) ~= "string" or not name:match("^[%w][%w%-%.]*$") then
    fail("%s: a host's name has letters, digits, '-' and '.'", where)
  end
  check_fields(host, known_host_fields(), where)
  check_choice(host.role, roles, where .. ".role")
  if host.windows ~= nil then check_choice(host.windows, windows_versions, where .. ".windows") end
  if not host.windows and not host.address then fail("%s.address is missing: expected an IP address", where) end
  for _, field in ipairs { "address", "interface", "netns", "undo_dir" } do
    if host[field] ~= nil then expect(host[field], "string", where .. "." .. field) end
  end
  if host.transport ~= nil then check_choice(host.transport, transports, where .. ".transport") end
  for _, field in ipairs { "ipsec", "registry", "ssh" } do
    if host[field] ~= nil then expect(host[field], "table", where .. "." .. field) end
  end
  check_driver(host, where)
end

-- Names of connections are made of hosts' names, in small letters and with '-' for what is neither letter nor digit.
local function check_names_differ(hosts)
  local names, taken = {}, {}
  for name in pairs(hosts) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local folded = name:lower():gsub("[^a-z0-9]", "-")
    if taken[folded] then
      fail("hosts['%s'] and hosts['%s'] differ in case and punctuation only; rename one of them", taken[folded], name)
    end
    taken[folded] = name
  end
end

-- What stands there before hosts and groups are put together.
local function check_groups(site)
  site.hosts = site.hosts or (site.inventory and {})
  site.groups = site.groups or {}
  expect(site.hosts, "table", "hosts")
  expect(site.groups, "table", "groups")
  if site.inventory ~= nil then expect(site.inventory, "table", "inventory") end
  for name, host in pairs(site.hosts) do
    local where = ("hosts['%s']"):format(tostring(name))
    expect(host, "table", where)
    if host.groups ~= nil then expect(host.groups, "table", where .. ".groups") end
  end
  for name, group in pairs(site.groups) do
    local where = ("groups['%s']"):format(tostring(name))
    expect(name, "string", "the name of " .. where)
    check_fields(group, known_host_fields(), where)
    if group.groups then fail("%s.groups: only hosts are in groups", where) end
  end
end

-- Puts hosts and groups together; what an inventory has beyond that comes back. A site that has neither of the two does
-- not wait at each start for the file that reads them.
local function complete_hosts(site)
  local has_groups = site.inventory or next(site.groups)
  for _, host in pairs(site.hosts) do has_groups = has_groups or host.groups end
  if has_groups then return trusted("inventory.luac")(sys)(site, fail) end
  site.groups = nil
end

-- The hosts of a group, sorted; nil where there is no such group.
local function hosts_of_group(site, group)
  if not (site.groups or {})[group] then return nil end
  local names = {}
  for name, host in pairs(site.hosts) do
    if contains(host.groups or {}, group) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function no_such_member(site, where, name)
  local names = {}
  for _, known in ipairs { site.hosts, site.groups or {} } do
    for each in pairs(known) do names[#names + 1] = each end
  end
  local nearest = sys.nearest(tostring(name), names)
  fail("%s names '%s', which is no host and no group%s", where, tostring(name),
    nearest and ("; did you mean '" .. nearest .. "'?") or "")
end

-- The names of hosts that a list has, each once, with the hosts in place of the groups that it names.
local function members_of(site, list, where, role)
  expect(list, "table", where)
  local members, has = {}, {}
  for _, named in ipairs(list) do
    local names = site.hosts[named] and { named } or hosts_of_group(site, named) or no_such_member(site, where, named)
    for _, name in ipairs(names) do
      local found = site.hosts[name].role
      if found ~= role then fail("%s names '%s', whose role is '%s'; expected '%s'", where, name, found, role) end
      if not has[name] then members[#members + 1], has[name] = name, true end
    end
  end
  return members
end

local function check_manager(site, cluster, where)
  local manager = cluster.manager or "address"
  check_choice(manager, managers, where .. ".manager")
  local field = manager_fields[manager]
  for _, name in ipairs(field and cluster.nodes or {}) do
    if not (site.hosts[name].vip or {})[field] then
      fail("%s.manager is '%s', so hosts['%s'] needs for instance vip = { %s = \"%s\" }", where, manager, name, field,
        manager_examples[manager])
    end
  end
end

local function check_cluster(site, name, cluster)
  local where = ("clusters['%s']"):format(tostring(name))
  if type(name) ~= "string" or not name:match("^[a-z0-9][a-z0-9-]*$") then
    fail("%s: a cluster's name has small letters, digits and '-'", where)
  end
  check_fields(cluster, cluster_fields, where)
  expect(cluster.virtual_ip, "string", where .. ".virtual_ip")
  cluster.nodes = members_of(site, cluster.nodes, where .. ".nodes", "node")
  cluster.front_ends = members_of(site, cluster.front_ends, where .. ".front_ends", "front_end")
  cluster.domain_controllers = cluster.domain_controllers and
    members_of(site, cluster.domain_controllers, where .. ".domain_controllers", "domain_controller")
  if #cluster.nodes < 2 then fail("%s.nodes has %d; a failover needs 2 or more", where, #cluster.nodes) end
  if #cluster.front_ends < 1 then fail("%s.front_ends is empty; expected 1 or more", where) end
  check_manager(site, cluster, where)
  if cluster.secret ~= nil then expect(cluster.secret, "string", where .. ".secret") end
end

return function(site)
  expect(site, "table", "what it returns")
  check_fields(site, site_fields, "the site")
  if site.api ~= sys.api_version then
    fail("api is %s; this program reads site files of api %d", tostring(site.api), sys.api_version)
  end
  if type(site.name) ~= "string" or not site.name:match("^[a-z0-9][a-z0-9-]*$") then
    fail_value("name", "small letters, digits and '-'", site.name)
  end
  expect(site.forbid or {}, "table", "forbid")
  check_choice(site.on_gate_fail or "rollback", gate_answers, "on_gate_fail")
  local within_ms = site.confirm_within_ms
  if within_ms ~= nil and (math.type(within_ms) ~= "integer" or within_ms < 1000) then
    fail_value("confirm_within_ms", "a whole number of milliseconds, 1000 or more", within_ms)
  end
  if site.forks ~= nil and (math.type(site.forks) ~= "integer" or site.forks < 1) then
    fail_value("forks", "how many hosts may be worked on at once, 1 or more", site.forks)
  end
  check_fields(site.facts or {}, { "max_age_ms" }, "facts")
  local age_ms = (site.facts or {}).max_age_ms
  if age_ms ~= nil and (math.type(age_ms) ~= "integer" or age_ms < 0) then
    fail("facts.max_age_ms is '%s'; expected a whole number of milliseconds", tostring(age_ms))
  end
  for _, need in ipairs(site.forbid or {}) do check_choice(need, sys.needs(), "forbid") end
  check_groups(site)
  local summary = complete_hosts(site)
  expect(site.clusters, "table", "clusters")
  for name, host in pairs(site.hosts) do check_host(name, host) end
  check_names_differ(site.hosts)
  for name, cluster in pairs(site.clusters) do check_cluster(site, name, cluster) end
  check_fields(site.budgets or {}, budget_names, "budgets")
  for name, budget in pairs(site.budgets or {}) do
    if math.type(budget) ~= "integer" or budget <= 0 then
      fail_value("budgets." .. tostring(name), "a whole number of milliseconds", budget)
    end
  end
  return site, summary
end
