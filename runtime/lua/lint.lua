-- lint.lua - powers that a script declares and does not use, or uses and does not declare, as far as its text tells.
-- Trusted: runs with `sys`. Must never run the script: it looks for words, and a method that is called by another name
-- than its own escapes it.
local sys = ...

local M = {}

-- What the descriptions for editors say that each method needs: needs_of[binding][method] = { "registry.read", ... }.
local function read_needs()
  local needs_of, is_need = {}, {}
  for _, need in ipairs(sys.needs()) do is_need[need] = true end
  for _, name in ipairs(sys.bindings()) do needs_of[name] = {} end
  for _, file in ipairs(sys.meta()) do
    local comment = ""
    for line in file.text:gmatch("[^\n]*") do
      local binding, method = line:match("^function ([%w_]+):([%w_]+)%(")
      if needs_of[binding] then
        local list = {}
        local words = comment:match('Needs ("[%w_." ]*)') or ""
        for need in words:gmatch('"([%w_.]+)"') do list[#list + 1] = is_need[need] and need or nil end
        needs_of[binding][method] = list
      end
      comment = line:match("^%-%-%-[^@]") and comment .. line:sub(4) or line:match("^%-%-%-") and comment or ""
    end
  end
  return needs_of
end

local needs_of -- read when a script is first looked at: most runs look at none

-- What in a text shows that it uses the powers of a binding, or one of ctx's own.
local also = { files = "ctx%.files%f[^%w_]", journal = "ctx%.journal%f[^%w_]" }

local function uses(text, binding)
  return text:find("%." .. binding .. "%f[^%w_]") ~= nil or (also[binding] ~= nil and text:find(also[binding]) ~= nil)
end

-- Without comments, and without the questions for what the site has (host.has.ipsec). cluster:holder() asks every node
-- whether it has the address.
local function code_of(text)
  return (text:gsub("%-%-[^\n]*", ""):gsub("%.has%.[%w_]+", ""):gsub(":holder%f[^%w_]", ".vip:holds"))
end

-- The text with that of all libraries which it requires, each once.
local function with_libraries(text, seen)
  local parts = { text }
  for name in text:gmatch('require%s*%(?%s*"([%w_]+)"') do
    local library = not seen[name] and sys.find("lib", name)
    seen[name] = true
    if library then parts[#parts + 1] = with_libraries(code_of(library.text), seen) end
  end
  return table.concat(parts, "\n")
end

-- Whether the method is called in the text on the binding, or on a variable that may hold it.
local function calls(text, binding, method)
  for object in text:gmatch("([%w_]*)%s*:%s*" .. method .. "%f[^%w_]") do
    if object == binding or not needs_of[object] then return true end
  end
  return false
end

-- Whether a method that needs this is called.
local function calls_for(text, binding, need)
  for method, needs in pairs(needs_of[binding]) do
    for _, each in ipairs(needs) do
      if each == need and calls(text, binding, method) then return true end
    end
  end
  return false
end

local function look_at_declared(text, needs, found)
  for _, need in ipairs(needs) do
    local binding = need:match("^[^.]+")
    if not uses(text, binding) then
      found[#found + 1] = ("declares '%s', and nothing in it or its libraries uses %s"):format(need, binding)
    elseif needs_of[binding] and not calls_for(text, binding, need) then
      found[#found + 1] = ("declares '%s', and no method of %s that it or its libraries call needs that"):format(need,
        binding)
    end
  end
end

local function look_at_used(text, binding, declared, found)
  local told = {}
  for method in text:gmatch("%." .. binding .. "%s*:%s*([%w_]+)") do
    for _, need in ipairs(needs_of[binding][method] or {}) do
      if not declared[need] and not told[need] then
        told[need] = true
        found[#found + 1] = ("calls %s:%s, and does not declare '%s'"):format(binding, method, need)
      end
    end
  end
  if not next(told) and uses(text, binding) and not declared[binding] then
    found[#found + 1] = ("uses %s, and declares no need of it"):format(binding)
  end
end

-- A list of sentences, empty when there is nothing to say. A library may use more than the scripts that share it need,
-- so only the script's own text tells what it does not declare.
function M.look(script, manifest)
  needs_of = needs_of or read_needs()
  local own = code_of(script.text)
  local found, declared, needs = {}, {}, manifest.needs or {}
  for _, need in ipairs(needs) do declared[need], declared[need:match("^[^.]+")] = true, true end
  look_at_declared(with_libraries(own, {}), needs, found)
  for _, binding in ipairs(sys.bindings()) do look_at_used(own, binding, declared, found) end
  return found
end

return M
