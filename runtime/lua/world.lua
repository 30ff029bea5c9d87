-- world.lua - the site as one script sees it: hosts that carry the powers which that script declared, and clusters.
-- Trusted: runs with `sys`. Must never hand a script a power that it did not declare.
local sys = ...

local M = {}

local function read_only(fields, what)
  return setmetatable({}, {
    __index = fields,
    __newindex = function() error(what .. " is read-only", 2) end,
    __pairs = function()
      return function(_, key) return next(fields, key) end -- never hands out `fields` itself
    end,
    __name = what,
    __tostring = function() return fields.name or what end,
    __metatable = false,
  })
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function not_found(what, name, known)
  local nearest = sys.nearest(tostring(name), known)
  local hint = nearest and ("did you mean '%s'?"):format(nearest)
    or #known > 0 and "there are: " .. table.concat(known, ", ") or "it has none"
  error({ kind = "not_found", op = "look up", subject = tostring(name),
    message = ("there is no %s '%s' in the site; %s"):format(what, tostring(name), hint) }, 0)
end

-- A host: its fields of site.lua, its name, and one field for each binding of which a power was declared. A binding
-- that reads a part of the host's table in site.lua (ipsec, registry) is only there when that part is.
local function new_host(name, config, needs)
  local fields = { name = name }
  for key, value in pairs(config) do fields[key] = value end
  fields.has = read_only(config, "host.has")
  local configured = { ipsec = true, registry = true }
  for _, binding in ipairs(sys.bindings()) do
    local is_declared = false
    for _, need in ipairs(needs) do
      is_declared = is_declared or need == binding or need:sub(1, #binding + 1) == binding .. "."
    end
    if is_declared and (not configured[binding] or config[binding]) then
      fields[binding] = sys.power(name, binding, needs)
    elseif configured[binding] or is_declared then
      fields[binding] = nil
    end
  end
  return read_only(fields, "host")
end

local function new_cluster(world, name, config)
  local fields = { name = name }
  for key, value in pairs(config) do fields[key] = value end
  fields.ipsec_id = config.ipsec_id or name
  fields.prefix_length = config.prefix_length or (config.virtual_ip:find(":", 1, true) and 128 or 32)
  fields.nodes, fields.front_ends, fields.domain_controllers, fields.members = {}, {}, {}, {}
  for _, group in ipairs { "front_ends", "nodes", "domain_controllers" } do
    for _, member in ipairs(config[group] or {}) do
      local host = world.host(member)
      table.insert(fields[group], host)
      table.insert(fields.members, host)
    end
  end

  -- The hosts of `list` (default: all members) whose site.lua has a part for `binding`: cluster:with("ipsec").
  function fields.with(_, binding, list)
    local found = {}
    for _, host in ipairs(list or fields.members) do
      if host.has[binding] then found[#found + 1] = host end
    end
    return found
  end

  -- Nothing of ours looks at the addresses of a Windows node: its cluster says whose group it is.
  local function holds(node)
    if config.manager ~= "windows_cluster" then return node.vip:holds(config.virtual_ip) end
    local owner, err = node.vip:owner(config.virtual_ip)
    if not owner then return nil, err end
    return owner.node == (node.has.vip.node or node.name)
  end

  -- The node that holds the virtual IP now, and the others; nil and an error when a node can not be asked.
  function fields.holder()
    local holder, others = nil, {}
    for _, node in ipairs(fields.nodes) do
      local is_holder, err = holds(node)
      if is_holder == nil then return nil, err end
      if is_holder and holder then
        error({ kind = "conflict", op = "holder", subject = config.virtual_ip,
          message = ("both %s and %s hold %s"):format(holder.name, node.name, config.virtual_ip) }, 0)
      elseif is_holder then
        holder = node
      else
        others[#others + 1] = node
      end
    end
    if holder then return holder, others end
    return nil, { kind = "not_found", op = "holder", subject = config.virtual_ip,
      message = ("no node of the cluster %s holds %s"):format(name, config.virtual_ip) }
  end

  return read_only(fields, "cluster")
end

-- `load_policy(name)` comes from ctx.lua.
function M.new(needs, load_policy)
  local site = sys.site() or { hosts = {}, clusters = {} }
  local hosts, clusters = {}, {}
  local world = { policy = load_policy, name = site.name, budgets = site.budgets or {} }

  function world.host(name)
    if not site.hosts[name] then not_found("host", name, sorted_keys(site.hosts)) end
    hosts[name] = hosts[name] or new_host(name, site.hosts[name], needs)
    return hosts[name]
  end

  function world.cluster(name)
    if not site.clusters[name] then not_found("cluster", name, sorted_keys(site.clusters)) end
    clusters[name] = clusters[name] or new_cluster(world, name, site.clusters[name])
    return clusters[name]
  end

  -- The default of a cluster parameter: only clear when the site has just one.
  function world.only_cluster()
    local names = sorted_keys(site.clusters)
    return #names == 1 and names[1] or nil
  end

  function world.hosts(role)
    local list = {}
    for _, name in ipairs(sorted_keys(site.hosts)) do
      if not role or site.hosts[name].role == role then list[#list + 1] = world.host(name) end
    end
    return list
  end

  -- The hosts of a group, sorted by name.
  function world.group(name)
    if not (site.groups or {})[name] then not_found("group", name, sorted_keys(site.groups)) end
    local list = {}
    for _, host in ipairs(world.hosts()) do
      for _, group in ipairs(host.groups or {}) do list[#list + 1] = group == name and host or nil end
    end
    return list
  end

  function world.clusters()
    local list = {}
    for _, name in ipairs(sorted_keys(site.clusters)) do list[#list + 1] = world.cluster(name) end
    return list
  end

  return world
end

M.read_only = read_only

return M
