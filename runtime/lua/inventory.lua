-- inventory.lua - hosts by group: what the groups of site.lua say of their hosts, and the hosts of an inventory that
-- somebody else keeps, which join the site where a group that site.lua names gives them a role.
-- Trusted: runs with `sys`. Must never choose between two groups that contradict each other.
local sys = ...

-- Ansible's variables that mean something here.
local meanings = {
  ansible_host = "host", ansible_ssh_host = "host", ansible_port = "port", ansible_ssh_port = "port",
  ansible_user = "user", ansible_ssh_user = "user", ansible_ssh_private_key_file = "key",
  ansible_private_key_file = "key", ansible_ssh_common_args = "args", ansible_ssh_extra_args = "args",
  ansible_connection = "connection", ansible_group_priority = "priority",
}
local connections = { ssh = true, smart = true, paramiko = true, paramiko_ssh = true, libssh = true, ["local"] = true }
-- What else an inventory may say of a host: staffetta_address and so on.
local own_fields = { "address", "interface", "windows", "transport", "undo_dir" }

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local function is_map(value)
  return type(value) == "table" and value[1] == nil
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local to = {}
  for key, each in pairs(value) do to[key] = copy(each) end
  return to
end

-- The words of a command line, as a shell takes them apart.
local function words_of(text)
  local words, word, quote = {}, nil, nil
  local at = 1
  while at <= #text do
    local letter = text:sub(at, at)
    if letter == quote then
      quote = nil
    elseif quote and (quote == "'" or letter ~= "\\") then
      word = word .. letter
    elseif letter == "\\" then
      at = at + 1
      word = (word or "") .. text:sub(at, at)
    elseif letter == "'" or letter == '"' then
      quote, word = letter, word or ""
    elseif letter:find("%s") then
      words[#words + 1], word = word, nil
    else
      word = (word or "") .. letter
    end
    at = at + 1
  end
  words[#words + 1] = word
  return words
end

-- ---- groups of the inventory ----

-- The groups of an inventory as a tree: groups_of[host] = set of names, and how deep a group lies, as Ansible counts.
local function tree_of(inventory, fail)
  local parents, depths, above, groups_of = {}, {}, {}, {}
  for _, name in ipairs(sorted_keys(inventory.groups)) do
    for child in pairs(inventory.groups[name].children) do
      parents[child] = parents[child] or {}
      table.insert(parents[child], name)
    end
  end
  local function climb(name)
    if above[name] == false then fail("inventory: the group '%s' is a part of itself", name) end
    if above[name] then return end
    above[name] = false
    local all, depth = { [name] = true }, name == "all" and 0 or 1
    for _, parent in ipairs(parents[name] or {}) do
      climb(parent)
      depth = math.max(depth, depths[parent] + 1)
      for each in pairs(above[parent]) do all[each] = true end
    end
    above[name], depths[name] = all, depth
  end
  for name, group in pairs(inventory.groups) do
    climb(name)
    for host in pairs(group.hosts) do
      groups_of[host] = groups_of[host] or { all = true }
      for each in pairs(above[name]) do groups_of[host][each] = true end
    end
  end
  return groups_of, depths
end

-- The variables of a host: a deeper group's win over another's, of equals the later name's, and its own over all.
local function vars_of(inventory, name, groups, depths)
  local order, vars = {}, {}
  for group in pairs(groups) do
    local found = inventory.groups[group]
    if found then
      order[#order + 1] = { name = group, vars = found.vars, depth = depths[group],
        priority = tonumber(found.vars.ansible_group_priority) or 1 }
    end
  end
  table.sort(order, function(a, b)
    if a.depth ~= b.depth then return a.depth < b.depth end
    if a.priority ~= b.priority then return a.priority < b.priority end
    return a.name < b.name
  end)
  for _, group in ipairs(order) do
    for key, value in pairs(group.vars) do vars[key] = value end
  end
  for key, value in pairs(inventory.hosts[name]) do vars[key] = value end
  return vars
end

-- How often variables of Ansible stand there that mean nothing here.
local function unused_of(inventory)
  local unused = {}
  for _, part in ipairs { inventory.hosts, inventory.groups } do
    for _, each in pairs(part) do
      for key in pairs(part == inventory.hosts and each or each.vars) do
        if key:find("^ansible_") and not meanings[key] then unused[key] = (unused[key] or 0) + 1 end
      end
    end
  end
  return unused
end

-- ---- a host of the inventory as one of site.lua ----

local function is_address(text)
  return text:find("^%d+%.%d+%.%d+%.%d+$") ~= nil or text:find(":", 1, true) ~= nil
end

-- What its variables mean: { host, port, ... }, and its fields.
local function read_vars(name, vars, fail)
  local said, fields = {}, {}
  for _, key in ipairs(sorted_keys(vars)) do
    local value, own, meaning = vars[key], key:match("^staffetta_(.*)$"), meanings[key]
    if own or meaning then
      if type(value) ~= "string" then fail("hosts['%s']: %s of the inventory is no text", name, key) end
      if value:find("{{", 1, true) then
        fail("hosts['%s']: %s is a template, which only Ansible can fill in", name, key)
      end
    end
    if own then
      local is_known = false
      for _, field in ipairs(own_fields) do is_known = is_known or field == own end
      if not is_known then
        local nearest = sys.nearest(own, own_fields)
        fail("hosts['%s']: there is no variable '%s'%s", name, key,
          nearest and ("; did you mean 'staffetta_" .. nearest .. "'?") or "")
      end
      fields[own] = value
    elseif meaning == "args" then
      said.args = said.args or {}
      for _, word in ipairs(words_of(value)) do table.insert(said.args, word) end
    elseif meaning then
      said[meaning] = value
    end
  end
  return said, fields
end

-- Its settings in site.lua's words, and whether it is this machine.
local function settings_of(name, vars, fail)
  local said, settings = read_vars(name, vars, fail)
  if said.connection and not connections[said.connection] then
    fail("hosts['%s']: ansible_connection is '%s'; hosts are reached by ssh, or 'local'", name, said.connection)
  end
  for _, address in ipairs { said.host or name, name } do
    settings.address = settings.address or is_address(address) and address or nil
  end
  if said.connection == "local" then return settings, true end
  if said.port and not math.tointeger(tonumber(said.port)) then
    fail("hosts['%s']: ansible_port is '%s'; expected a number", name, said.port)
  end
  settings.ssh = { host = said.host or name, port = math.tointeger(tonumber(said.port)), user = said.user,
    key = said.key, args = said.args }
  return settings, false
end

-- ---- inheritance ----

-- Takes over into `to` what `from` says and `to` does not. `origins` has the group that each path came from: what two
-- groups say differently, and the host itself does not say, is nobody's to choose.
local function inherit(to, from, group, origins, where, fail)
  for _, key in ipairs(sorted_keys(from)) do
    local path, value = where .. "." .. tostring(key), from[key]
    if to[key] == nil then
      to[key] = is_map(value) and {} or copy(value)
      origins[path] = group
    end
    if is_map(value) and is_map(to[key]) then
      inherit(to[key], value, group, origins, path, fail)
    elseif origins[path] and not same(to[key], value) then
      fail("%s: the groups '%s' and '%s' say different things; let the host say it itself", path, origins[path], group)
    end
  end
end

-- One host with all that it inherits, as a table of its own.
local function complete(name, own, imported, groups, site, fail)
  local host, origins, is_here = copy(own or {}), {}, false
  local where = ("hosts['%s']"):format(name)
  if imported then
    local settings
    settings, is_here = settings_of(name, imported, fail)
    inherit(host, settings, nil, {}, where, fail)
  end
  local hidden = is_here and { transport = host.transport, ssh = host.ssh }
  for _, group in ipairs(groups) do inherit(host, site.groups[group] or {}, group, origins, where, fail) end
  if hidden then host.transport, host.ssh = hidden.transport, hidden.ssh end
  if imported and not is_here and host.transport == nil then
    host.transport = host.ssh.args and "openssh" or "libssh"
  end
  host.groups = #groups > 0 and groups or nil
  return host
end

-- ---- the whole ----

-- The names of a host's groups, sorted: those that it says itself, and the inventory's.
local function group_names(name, own, found, site, fail)
  local set = {}
  for group in pairs(found or {}) do
    if group ~= "all" and group ~= "ungrouped" then set[group] = true end
  end
  for _, group in ipairs(own and own.groups or {}) do
    if not site.groups[group] then
      local nearest = sys.nearest(tostring(group), sorted_keys(site.groups))
      fail("hosts['%s'].groups has '%s', which is none of the site's groups%s", name, tostring(group),
        nearest and ("; did you mean '" .. nearest .. "'?") or "")
    end
    set[group] = true
  end
  return sorted_keys(set)
end

-- Every group has to be somebody's; afterwards site.groups has all there are, and what they said is with the hosts.
local function settle_groups(site, inventory, fail)
  local used = {}
  for _, host in pairs(site.hosts) do
    for _, group in ipairs(host.groups or {}) do used[group] = {} end
  end
  local known = {}
  for group in pairs(inventory.groups) do known[#known + 1] = group end
  table.sort(known)
  for _, group in ipairs(sorted_keys(site.groups)) do
    if not used[group] and not inventory.groups[group] then
      local nearest = sys.nearest(group, known)
      fail("groups['%s']: no host is in it%s", group, nearest and ("; did you mean '" .. nearest .. "'?") or "")
    end
    used[group] = {}
  end
  for group in pairs(used) do
    if site.hosts[group] then fail("'%s' is the name of a host and of a group: rename one of them", group) end
  end
  site.groups = next(used) and used or nil
end

-- Completes site.hosts and site.groups in place. `site` has both as tables of tables. What an inventory has beyond that
-- comes back: { hosts = how many, left_out = names, unused = { variable = count } }.
return function(site, fail)
  local inventory, err = { hosts = {}, groups = {} }
  if site.inventory then inventory, err = sys.inventory(site.inventory) end
  if not inventory then error(err, 0) end
  local groups_of, depths = tree_of(inventory, fail)
  local hosts, left_out = {}, {}
  for name, own in pairs(site.hosts) do
    local found = groups_of[name]
    hosts[name] = complete(name, own, found and vars_of(inventory, name, found, depths),
      group_names(name, own, found, site, fail), site, fail)
  end
  for _, name in ipairs(sorted_keys(groups_of)) do
    if not hosts[name] then
      local host = complete(name, nil, vars_of(inventory, name, groups_of[name], depths),
        group_names(name, nil, groups_of[name], site, fail), site, fail)
      if host.role then hosts[name] = host else left_out[#left_out + 1] = name end
    end
  end
  local summary = site.inventory and { hosts = #sorted_keys(groups_of), left_out = left_out,
    unused = unused_of(inventory) }
  site.hosts, site.inventory = hosts, nil
  settle_groups(site, inventory, fail)
  return summary
end
