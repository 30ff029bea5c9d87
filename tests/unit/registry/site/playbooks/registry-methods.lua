-- Every method of host.registry through the real host, planned, applied and rolled back by test_registry_script.c.
local key = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\New\\Key"

local function same(found, wanted, what)
  if found ~= wanted then error(what .. ": found " .. tostring(found) .. ", wanted " .. tostring(wanted), 2) end
end

local function changed(outcome, err)
  return assert(outcome, tostring(err)).changed
end

-- Set twice, read back.
local function round_trip(registry, name, type, value)
  same(changed(registry:set(key, name, type, value)), true, name .. " is set")
  same(changed(registry:set(key, name, type, value)), false, name .. " is set again")
  local found = assert(registry:get(key, name))
  same(found.type, type, name .. ", type")
  same(found.value, value, name .. ", value")
  same(found.raw, nil, name .. ", raw")
end

local function types(registry)
  round_trip(registry, "", "sz", "Grüße 😀")
  round_trip(registry, "expand_sz", "expand_sz", "%SystemRoot%")
  round_trip(registry, "link", "link", "\\Registry\\Machine")
  round_trip(registry, "dword", "dword", 4294967295)
  round_trip(registry, "big", "dword_big_endian", 7)
  round_trip(registry, "qword", "qword", math.mininteger)
  round_trip(registry, "binary", "binary", "\0\255")
  round_trip(registry, "none", "none", "")
  round_trip(registry, "unknown", 0x1234, "\1\2")

  changed(registry:set(key, "list", "multi_sz", { "a", "b" }))
  same(table.concat(registry:get(key, "list").value, "|"), "a|b", "multi_sz")
  changed(registry:set(key, "empty list", "multi_sz", {}))
  same(#registry:get(key, "empty list").value, 0, "empty multi_sz")

  changed(registry:set(key, "no NUL", "sz", { raw = "a\0" }))
  local found = registry:get(key, "no NUL")
  same(found.value, "a", "text without a NUL")
  same(found.raw, "a\0", "raw of text without a NUL")

  local type, bytes = registry:get_raw(key, "dword")
  same(type, 4, "type of get_raw")
  same(bytes, "\255\255\255\255", "bytes of get_raw")

  local odd = registry:get("HKLM\\SYSTEM\\ControlSet001\\Services", "Odd") -- an unpaired surrogate
  same(odd.type, "sz", "type of bad text")
  same(odd.value, nil, "value of bad text")
  same(odd.raw, "\x3d\xd8", "raw of bad text")
end

local function absence(registry)
  same(select("#", registry:get(key, "absent")), 1, "an absent value is one nil")
  same(registry:get(key, "absent"), nil, "an absent value")
  same(registry:get_raw(key, "absent"), nil, "an absent raw value")
  same(registry:list("HKLM\\SYSTEM\\Nothing"), nil, "an absent key")
  same(changed(registry:delete("HKLM\\SYSTEM\\Nothing", "absent")), false, "deleting below an absent key")
  same(changed(registry:delete_key("HKLM\\SYSTEM\\Nothing\\Deep")), false, "deleting an absent key")
  local found, err = registry:get("HKLM\\SOFTWARE", "x")
  same(found, nil, "a value in no store")
  same(err.kind, "unsupported", "a key in no store")
end

local function raises(pattern, method, ...)
  local ok, err = pcall(method, ...)
  same(ok, false, "it raises " .. pattern)
  if not tostring(err):find(pattern, 1, true) then error("raised " .. tostring(err) .. ", wanted " .. pattern, 2) end
end

local function mistakes(registry)
  raises("0 to 4294967295", registry.set, registry, key, "v", "dword", -1)
  raises("0 to 4294967295", registry.set, registry, key, "v", 4294967296, "")
  raises("no registry type", registry.set, registry, key, "v", "DWORD", 1)
  raises("needs an integer", registry.set, registry, key, "v", "dword", "1")
  raises("UTF-8", registry.set, registry, key, "v", "sz", "\255")
  raises("a list of strings", registry.set, registry, key, "v", "multi_sz", "a")
  raises("must be of strings", registry.set, registry, key, "v", "multi_sz", { 1 })
  raises("not empty", registry.set, registry, key, "v", "multi_sz", { "" })
  raises("expected an integer", registry.set, registry, key, "v", "sz", true)
  raises("unknown field 'rwa'", registry.set, registry, key, "v", "sz", { raw = "a", rwa = "a" })
  raises("must be a string of bytes", registry.set, registry, key, "v", "sz", { raw = 1 })
  raises("string expected", registry.get, registry, nil, "v")
end

return {
  api = 1,
  name = "registry-methods",
  kind = "playbook",
  summary = "Every method of host.registry",
  needs = { "registry.read", "registry.write" },
  params = { listing = { type = "boolean", default = false, doc = "look at what was really written" } },

  run = function(ctx, p)
    ctx:step("use all of host.registry", ctx.site.hosts(), function(host)
      local registry = host.registry
      absence(registry)
      types(registry)
      mistakes(registry)
      same(changed(registry:delete(key, "dword")), true, "deleting")
      same(changed(registry:delete(key, "dword")), false, "deleting again")
      same(registry:get(key, "dword"), nil, "a deleted value")
      same(changed(registry:create_key("HKLM\\SYSTEM\\Some\\Key")), true, "creating a key")
      same(changed(registry:create_key("HKLM\\SYSTEM\\Some\\Key")), false, "creating a key again")
      same(changed(registry:delete_key("HKLM\\SYSTEM\\ControlSet001\\Old")), true, "deleting a key")
      same(changed(registry:delete_key("HKLM\\SYSTEM\\ControlSet001\\Old")), false, "deleting a key again")
      if p.listing then
        local listing = registry:list(key)
        same(#listing.keys, 0, "subkeys")
        same(#listing.values, 11, "values")
        same(listing.values[1].name, "", "the default value is first")
        same(listing.values[1].value, "Grüße 😀", "the default value")
        same(table.concat(registry:list("HKLM\\SYSTEM").keys, "|"), "ControlSet001|Select|Some", "keys")
      end
    end)
  end,
}
