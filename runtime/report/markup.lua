-- markup.lua - elements of HTML, SVG and XML. A string handed in is text and is escaped; only what `h` made is markup.
-- SPDX-License-Identifier: MIT
local need = ...
local escape = need "escape"

local M = {}

local element = {} -- the metatable of what is markup already

-- h.td { class = "number", "12 ", h.b { "ms" } }: fields are attributes, the rest is what stands inside: text, numbers,
-- elements and lists of these. `false` is left out.
M.h = setmetatable({}, {
  __index = function(_, name)
    return function(contents) return setmetatable({ name = name, contents = contents }, element) end
  end,
})

local is_void = { meta = true, input = true, br = true }
local write

local function write_element(out, node)
  if node.ready then
    out[#out + 1] = node.ready
    return
  end
  local names = {}
  for key, value in pairs(node.contents) do
    if type(key) == "string" and value then names[#names + 1] = key end
  end
  table.sort(names)
  out[#out + 1] = "<" .. node.name
  for _, name in ipairs(names) do
    out[#out + 1] = (' %s="%s"'):format(name, escape.markup(tostring(node.contents[name])))
  end
  if is_void[node.name] then
    out[#out + 1] = "/>"
    return
  end
  out[#out + 1] = ">"
  write(out, node.contents)
  out[#out + 1] = ("</%s>"):format(node.name)
end

function write(out, list)
  for _, each in ipairs(list) do
    if getmetatable(each) == element then
      write_element(out, each)
    elseif type(each) == "table" then
      write(out, each)
    elseif each then
      out[#out + 1] = escape.markup(tostring(each))
    end
  end
end

-- Markup that is ready: our own style sheet and pictures. What others have chosen must never get here.
function M.ready(text)
  return setmetatable({ ready = text }, element)
end

-- Of one element.
function M.text(node)
  local out = {}
  write_element(out, node)
  return table.concat(out)
end

return M
