-- lint.lua - powers that a script declares and does not use, or uses and does not declare, as far as its text tells.
-- Trusted: runs with `sys`. Must never run the script: it looks for words, and a power that is handed on escapes it.
local sys = ...

local M = {}

-- What in a text shows that it uses the powers of a binding, or one of ctx's own.
local function pattern_of(binding)
  return "%." .. binding .. "%f[^%w_]"
end

-- cluster:holder() asks every node for its addresses.
local also = { vip = ":holder%f[^%w_]", files = "ctx%.files%f[^%w_]", journal = "ctx%.journal%f[^%w_]" }

local function uses(text, binding)
  return text:find(pattern_of(binding)) ~= nil or (also[binding] ~= nil and text:find(also[binding]) ~= nil)
end

-- Without comments, and without the questions for what the site has (host.has.ipsec).
local function code_of(text)
  return (text:gsub("%-%-[^\n]*", ""):gsub("%.has%.[%w_]+", ""))
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

-- A list of sentences, empty when there is nothing to say. A library may use more than the scripts that share it need,
-- so only the script's own text tells what it does not declare.
function M.look(script, manifest)
  local own = code_of(script.text)
  local all = with_libraries(own, {})
  local found, declared = {}, {}
  for _, need in ipairs(manifest.needs or {}) do
    local binding = need:match("^[^.]+")
    declared[binding] = true
    if not uses(all, binding) then
      found[#found + 1] = ("declares '%s', and nothing in it or its libraries uses %s"):format(need, binding)
    end
  end
  for _, binding in ipairs(sys.bindings()) do
    if uses(own, binding) and not declared[binding] then
      found[#found + 1] = ("uses %s, and declares no need of it"):format(binding)
    end
  end
  return found
end

return M
