-- Prints the site document of site.lua for the lab's own tests, which run without the program's runtime.
-- usage: lua5.4 site_to_json.lua SITE.LUA
local escapes = { ['"'] = '\\"', ["\\"] = "\\\\" }

local function to_json(value)
  if type(value) ~= "table" then
    return type(value) == "string" and '"' .. value:gsub('["\\]', escapes) .. '"' or tostring(value)
  end
  local parts = {}
  if #value > 0 then
    for _, item in ipairs(value) do
      parts[#parts + 1] = to_json(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, item in pairs(value) do
    parts[#parts + 1] = to_json(key) .. ":" .. to_json(item)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- No globals: a site is data.
print(to_json(assert(loadfile(arg[1], "t", {}))()))
