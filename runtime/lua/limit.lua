-- limit.lua - which hosts a pattern means: names, shell patterns and groups, as Ansible's --limit has them.
-- Trusted: runs with `sys`. Must never take a word that means no host for one that means all.
local sys = ...

local function fail(pattern, format, ...)
  error({ kind = "not_found", op = "limit", subject = pattern,
    message = ("--limit '%s': "):format(pattern) .. format:format(...) }, 0)
end

-- "web*", "fe[12]", "node-?" as a pattern of Lua.
local function lua_pattern(glob)
  local made = glob:gsub("[%^%$%(%)%%%.%+%-]", "%%%0"):gsub("%*", ".*"):gsub("%?", "."):gsub("%[!", "[^")
  made = made:gsub("%b[]", function(set) return (set:gsub("%%%-", "-")) end)
  return "^" .. made .. "$"
end

-- The hosts that one word means, as a set; an empty one where there is none.
local function hosts_of(word, site, pattern)
  local found, glob = {}, word == "all" and "*" or word
  if glob:gsub("%[!?[^%[%]!][^%[%]]*%]", ""):find("[%[%]]") then
    fail(pattern, "'%s' is no pattern; expected brackets such as [1-3] or [!ab]", word)
  end
  local function matches(name) return name:find(lua_pattern(glob)) ~= nil end
  for name, host in pairs(site.hosts) do
    found[name] = matches(name) or nil
    for _, group in ipairs(host.groups or {}) do found[name] = found[name] or matches(group) or nil end
  end
  return found
end

local function nearest_to(word, site)
  local known = {}
  for name in pairs(site.hosts) do known[#known + 1] = name end
  for name in pairs(site.groups or {}) do known[#known + 1] = name end
  table.sort(known)
  return sys.nearest(word, known)
end

-- { site = document, pattern = "web*,&dc1,!web7" } -> { name = true, ... }: what any plain word means, without words
-- all of the site; of that what every & means, and what no ! means; whatever the order.
return function(input)
  local site, pattern = input.site, input.pattern
  local chosen, kept, has_plain = {}, {}, false
  for word in pattern:gmatch("[^,]+") do
    word = word:match("^%s*(.-)%s*$")
    local sign, rest = word:match("^([!&]?)(.*)$")
    local found = hosts_of(rest, site, pattern)
    if not next(found) then
      local nearest = nearest_to(rest, site)
      fail(pattern, "no host and no group is '%s'%s", rest, nearest and ("; did you mean '" .. nearest .. "'?") or "")
    end
    if sign == "" then
      has_plain = true
      for name in pairs(found) do chosen[name] = true end
    else
      kept[#kept + 1] = { hosts = found, is_wanted = sign == "&" }
    end
  end
  if not has_plain and #kept > 0 then chosen = hosts_of("all", site, pattern) end
  for _, each in ipairs(kept) do
    for name in pairs(chosen) do
      if (each.hosts[name] == true) ~= each.is_wanted then chosen[name] = nil end
    end
  end
  if not next(chosen) then fail(pattern, "it leaves no host of the site") end
  return chosen
end
