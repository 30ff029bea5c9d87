-- manifest.lua - what a script says of itself, checked before any of it runs; and its parameters, converted.
-- Trusted: runs with `sys`. Must never call into the script it checks.
local sys = ...

local M = {}

local folders = { playbook = "playbooks", check = "checks", policy = "policies" }

local fields = {
  playbook = { "api", "name", "kind", "summary", "needs", "params", "run", "undone", "overrides" },
  check = { "api", "name", "kind", "summary", "needs", "params", "run", "overrides" },
  policy = { "api", "name", "kind", "summary", "policy", "extends", "overrides" },
}

local param_fields = { "type", "default", "min", "max", "choices", "doc", "optional" }

local function quoted(list)
  return "'" .. table.concat(list, "', '") .. "'"
end

local function raise(script, parts)
  parts.kind, parts.op, parts.subject = "invalid_data", "load", script.path
  parts.message = script.path .. ": " .. parts.message
  error(parts, 0)
end

local function fail(script, format, ...)
  raise(script, { message = format:format(...) })
end

local function contains(list, value)
  for _, each in ipairs(list) do
    if each == value then return true end
  end
  return false
end

local function check_fields(script, table_, known, what)
  for key in pairs(table_) do
    if type(key) ~= "string" or not contains(known, key) then
      local nearest = type(key) == "string" and sys.nearest(key, known)
      fail(script, "%s has an unknown field '%s'%s", what, tostring(key),
        nearest and ("; did you mean '" .. nearest .. "'?") or "; expected " .. quoted(known))
    end
  end
end

local function expect(script, value, wanted, field)
  if type(value) ~= wanted then
    fail(script, "field '%s' must be a %s, found %s", field, wanted, type(value))
  end
end

-- ---- types of parameters: each turns what was given (typed data, or text from a command line) into the value ----

local function to_integer(given)
  local number = type(given) == "string" and tonumber(given) or given
  return math.type(number) == "integer" and number or nil
end

local converters = {
  string = function(given) return type(given) == "string" and given or nil end,
  integer = to_integer,
  boolean = function(given)
    if given == true or given == "true" or given == "yes" then return true end
    if given == false or given == "false" or given == "no" then return false end
  end,
  choice = function(given, spec) return contains(spec.choices, given) and given or nil end,
  run = function(given)
    local number = given ~= "last" and to_integer(given) or nil
    if not number and given ~= "last" then return nil end
    local run, err = sys.find_run(number)
    return run or error(err, 0)
  end,
  policy = function(given, _, world)
    if type(given) == "string" then return world.policy(given) end
    return type(given) == "table" and given.traffic and given or nil
  end,
  cluster = function(given, _, world) return world.cluster(type(given) == "table" and given.name or given) end,
  host = function(given, _, world) return world.host(type(given) == "table" and given.name or given) end,
  table = function(given) return type(given) == "table" and given or nil end,
}

local type_names = {}
for name in pairs(converters) do type_names[#type_names + 1] = name end
table.sort(type_names)

local function describe(spec)
  if spec.type == "choice" then return "one of " .. quoted(spec.choices) end
  if spec.type == "integer" and (spec.min or spec.max) then
    return ("an integer from %s to %s"):format(spec.min or "-", spec.max or "-")
  end
  if spec.type == "run" then return "a run's number, or 'last'" end
  if spec.type == "integer" then return "an integer" end
  return "a " .. spec.type
end

local function check_param(script, name, spec)
  local what = ("parameter '%s'"):format(tostring(name))
  if type(name) ~= "string" or not name:match("^[a-z][a-z0-9_]*$") then
    fail(script, "%s: expected a name of small letters, digits and '_'", what)
  end
  expect(script, spec, "table", "params." .. name)
  check_fields(script, spec, param_fields, what)
  if not converters[spec.type] then
    fail(script, "%s has the type '%s'; expected one of %s", what, tostring(spec.type), quoted(type_names))
  end
  expect(script, spec.doc, "string", "params." .. name .. ".doc")
  if spec.type == "choice" then expect(script, spec.choices, "table", "params." .. name .. ".choices") end
end

-- ---- the whole ----

-- Runs the chunk of `script` (which has no effects: it has no powers yet) and checks the table that it returns.
function M.load(script, kind)
  local chunk, message = sys.load(script.text, "@" .. script.path)
  if not chunk then
    error({ kind = "invalid_data", op = "load", subject = script.path, message = message }, 0)
  end
  local manifest = chunk()
  if type(manifest) ~= "table" then
    fail(script, "a script returns one table, this one returned %s", type(manifest))
  end
  if manifest.kind ~= kind then
    fail(script, "field 'kind' must be '%s' in the folder %s, found '%s'", kind, folders[kind], tostring(manifest.kind))
  end
  check_fields(script, manifest, fields[kind], "the script")
  if manifest.api ~= sys.api_version then
    fail(script, "field 'api' is %s; this program runs scripts of api %d", tostring(manifest.api), sys.api_version)
  end
  if manifest.name ~= script.name then
    fail(script, "field 'name' is '%s', but the file is named '%s'", tostring(manifest.name), script.name)
  end
  expect(script, manifest.summary, "string", "summary")
  if script.is_shadowing and manifest.overrides ~= script.name then
    fail(script, "it hides the %s script of the same name: say overrides = \"%s\" if that is meant, or rename it",
      kind, script.name)
  end
  if kind == "policy" then
    expect(script, manifest.policy, "table", "policy")
    return manifest
  end
  expect(script, manifest.run, "function", "run")
  if manifest.undone ~= nil then expect(script, manifest.undone, "function", "undone") end
  manifest.needs = manifest.needs or {}
  expect(script, manifest.needs, "table", "needs")
  local known = sys.needs()
  for _, need in ipairs(manifest.needs) do
    if not contains(known, need) then
      local nearest = type(need) == "string" and sys.nearest(need, known)
      fail(script, "needs '%s', which no binding offers%s", tostring(need),
        nearest and ("; did you mean '" .. nearest .. "'?") or "; there are " .. quoted(known))
    end
  end
  manifest.params = manifest.params or {}
  expect(script, manifest.params, "table", "params")
  for name, spec in pairs(manifest.params) do check_param(script, name, spec) end
  return manifest
end

-- What to choose from, where the site is what has it.
local function choice_of(spec, world)
  if spec.type ~= "cluster" and spec.type ~= "host" then return "" end
  if not world.name then return "; there is no site: name its folder with --site" end
  local names = {}
  for i, each in ipairs(spec.type == "cluster" and world.clusters() or world.hosts()) do names[i] = each.name end
  return #names > 0 and "; the site has " .. quoted(names) or ("; the site has no " .. spec.type)
end

-- The values of all parameters, or an error that names the parameter, what was given and what was expected.
function M.params(script, manifest, given, world)
  local names = {}
  for name in pairs(manifest.params) do names[#names + 1] = name end
  table.sort(names)
  for name in pairs(given) do
    if not manifest.params[name] then
      local nearest = sys.nearest(name, names)
      fail(script, "there is no parameter '%s'%s", name, nearest and ("; did you mean '" .. nearest .. "'?")
        or (#names > 0 and "; it has " .. quoted(names) or "; it has none"))
    end
  end
  local values = {}
  for _, name in ipairs(names) do
    local spec, value = manifest.params[name], given[name]
    if value == nil then value = spec.default end
    if value == nil and spec.type == "cluster" then value = world.only_cluster() end
    if value == nil then
      if not spec.optional then
        raise(script, { message = ("parameter '%s' is missing: %s"):format(name, spec.doc),
          expected = describe(spec) .. choice_of(spec, world), remedy = ("--param %s=..."):format(name) })
      end
    else
      local converted = converters[spec.type](value, spec, world)
      local in_range = converted ~= nil and (spec.type ~= "integer" or
        ((not spec.min or converted >= spec.min) and (not spec.max or converted <= spec.max)))
      if not in_range then
        raise(script, { message = ("parameter '%s' has a wrong value"):format(name), expected = describe(spec),
          found = tostring(value) })
      end
      values[name] = converted
    end
  end
  return values
end

return M
