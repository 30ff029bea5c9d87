-- docs.lua - the reference of what scripts can use, made of the comments in the *.meta.lua files: the one truth.
-- Trusted: a pure function of their text. Must never run them.
local sys = ...

-- ---- reading ----

-- The type at the front of `text`, which ends at a blank outside of all brackets and strings, and the words after it.
local function split_type(text)
  local depth, quote = 0, nil
  for i = 1, #text do
    local letter = text:sub(i, i)
    if quote then
      if letter == quote then quote = nil end
    elseif letter == '"' then
      quote = letter
    elseif letter:find("[%(%[{<]") then
      depth = depth + 1
    elseif letter:find("[%)%]}>]") then
      depth = depth - 1
    elseif letter == " " and depth == 0 and not text:sub(1, i - 1):find("[:,|]$") then
      return text:sub(1, i - 1), text:sub(i + 1)
    end
  end
  return text, ""
end

-- "name? type words" of a field or parameter.
local function named(text)
  local name, rest = text:match("^(%S+)%s+(.*)$")
  local kind, words = split_type(rest)
  return { name = name, type = kind, doc = words }
end

-- "type name? words" of a returned value.
local function returned(text)
  local kind, rest = split_type(text)
  local name, words = rest:match("^([%w_]+%??)%s*(.*)$")
  return { name = name or "", type = kind, doc = words or rest }
end

local tags = {}

function tags.class(state, rest)
  local name, parent = rest:match("^([%w_%.]+):?%s*(%S*)")
  state.entry = { kind = "class", name = name, parent = parent ~= "" and parent or nil, doc = state.doc, fields = {},
    functions = {} }
  table.insert(state.module.entries, state.entry)
  state.doc = {}
end

function tags.alias(state, rest)
  local name, values = rest:match("^(%S+)%s*(.*)$")
  state.entry = { kind = "alias", name = name, doc = state.doc, values = {} }
  if values ~= "" then state.entry.values[1] = values end
  table.insert(state.module.entries, state.entry)
  state.doc = {}
end

-- The item's words may go on in the next line.
local function add_item(state, list, item)
  table.insert(list, item)
  state.item = item
end

function tags.field(state, rest) add_item(state, state.entry.fields, named(rest)) end
function tags.param(state, rest) add_item(state, state.params, named(rest)) end
tags["return"] = function(state, rest) add_item(state, state.returns, returned(rest)) end
function tags.meta() end

local function add_function(state, owner, mark, name, arguments)
  table.insert(state.owners[owner].functions, { name = name, doc = state.doc, params = state.params,
    returns = state.returns, call = ("%s%s%s(%s)"):format(owner, mark, name, arguments) })
  state.doc, state.params, state.returns = {}, {}, {}
end

-- { name, doc, entries } of one file.
local function read_module(name, text)
  local module = { name = name, doc = {}, entries = {} }
  local state = { module = module, doc = {}, params = {}, returns = {}, owners = {} }
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local tag, rest = line:match("^%-%-%-@(%l+)%s*(.*)$")
    local owner, mark, method, arguments = line:match("^function ([%w_]+)([.:])([%w_]+)%((.-)%) end$")
    local item = state.item
    state.item = nil
    if tag then
      tags[tag](state, rest)
    elseif item and line:find("^%-%-%- ") then
      item.doc, state.item = item.doc .. line:match("^%-%-%-(.*)$"), item
    elseif line:find("^%-%-%-|") then
      table.insert(state.entry.values, line:match("^%-%-%-|%s*(.*)$"))
    elseif line:find("^%-%-%-") then
      table.insert(state.doc, line:match("^%-%-%-%s?(.*)$"))
    elseif owner then
      add_function(state, owner, mark, method, arguments)
    elseif line:find("^local [%w_]+ = {}") then
      state.owners[line:match("^local ([%w_]+)")] = state.entry
    elseif line == "" and #state.doc > 0 then
      table.move(state.doc, 1, #state.doc, #module.doc + 1, module.doc)
      state.doc = {}
    end
  end
  return module
end

-- ---- writing ----

local styles = {}

styles.text = {
  module = function(module) return module.name:upper() end,
  entry = function(entry) return entry.name .. (entry.parent and (": all of " .. entry.parent .. ", and") or "") end,
  call = function(call) return "  " .. call end,
  item = function(indent, item)
    local front = ("%s  %-18s %s"):format(indent, item.name, item.type)
    return item.doc ~= "" and ("%s\n%s      %s"):format(front, indent, item.doc) or front
  end,
  value = function(value) return "  " .. value end,
  words = function(indent, words) return indent .. words end,
}

styles.markdown = {
  module = function(module) return "## " .. module.name .. "\n" end,
  entry = function(entry)
    return ("### %s\n%s"):format(entry.name, entry.parent and "\nAll of `" .. entry.parent .. "`, and:\n" or "")
  end,
  call = function(call) return "#### `" .. call .. "`\n" end,
  item = function(_, item)
    return ("- %s`%s`%s"):format(item.name ~= "" and ("`%s` "):format(item.name) or "", item.type,
      item.doc ~= "" and ": " .. item.doc or "")
  end,
  value = function(value) return "- `" .. value:gsub("^(\"[^\"]*\")%s+(.+)$", "%1`: %2"):gsub("([^`])$", function(last)
    return value:find("^\"[^\"]*\"%s") and last or last .. "`"
  end) end,
  words = function(_, words) return words end,
}

local function add_list(out, style, indent, items)
  for _, item in ipairs(items) do out[#out + 1] = style.item(indent, item) end
  if #items > 0 then out[#out + 1] = "" end
end

local function add_words(out, style, indent, lines)
  for _, line in ipairs(lines) do out[#out + 1] = style.words(indent, line) end
  if #lines > 0 then out[#out + 1] = "" end
end

local function add_function_text(out, style, each)
  out[#out + 1] = style.call(each.call)
  add_words(out, style, "      ", each.doc)
  add_list(out, style, "    ", each.params)
  local returns = {}
  for i, value in ipairs(each.returns) do
    returns[i] = { name = "returns", type = value.type, doc = (value.name .. " " .. value.doc):match("^%s*(.-)%s*$") }
  end
  add_list(out, style, "    ", returns)
end

local function add_entry(out, style, entry)
  out[#out + 1] = style.entry(entry)
  add_words(out, style, "  ", entry.doc)
  for _, value in ipairs(entry.values or {}) do out[#out + 1] = style.value(value) end
  if entry.values then out[#out + 1] = "" end
  add_list(out, style, "  ", entry.fields or {})
  for _, each in ipairs(entry.functions or {}) do add_function_text(out, style, each) end
end

local function add_module(out, style, module)
  out[#out + 1] = style.module(module)
  add_words(out, style, "", module.doc)
  for _, entry in ipairs(module.entries) do add_entry(out, style, entry) end
end

-- ---- looking up ----

-- What `name` means: a module, the class or alias staffetta.NAME with all below it, or one function "ipsec:initiate".
local function add_named(out, style, modules, name)
  local known, found = {}, false
  local function is_meant(candidate)
    known[#known + 1] = candidate
    return candidate == name
  end
  for _, module in ipairs(modules) do
    if is_meant(module.name) then
      add_module(out, style, module)
      return
    end
  end
  for _, module in ipairs(modules) do
    for _, entry in ipairs(module.entries) do
      local short = entry.name:gsub("^staffetta%.", "")
      if is_meant(short) or entry.name == name or short:sub(1, #name + 1) == name .. "." then
        add_entry(out, style, entry)
        found = true
      end
      for _, each in ipairs(entry.functions or {}) do
        local path = each.call:match("^[^(]+")
        if is_meant(path) or path:gsub(":", ".") == name or each.name == name then
          add_function_text(out, style, each)
          found = true
        end
      end
    end
  end
  if found then return end
  local nearest = sys.nearest(name, known)
  error({ kind = "not_found", op = "docs", subject = name, message = ("there is nothing named '%s'%s"):format(name,
    nearest and ("; did you mean '" .. nearest .. "'?") or "; `staffetta docs` lists what there is") }, 0)
end

local function add_overview(out, modules)
  for _, module in ipairs(modules) do
    local words = module.doc
    for _, entry in ipairs(module.entries) do
      if #words == 0 and entry.name == "staffetta." .. module.name then words = entry.doc end
    end
    out[#out + 1] = ("  %-10s %s"):format(module.name, table.concat(words, " "):match("^(.-)%.[ \n]") or words[1] or "")
  end
  out[#out + 1] = "\n`staffetta docs NAME` tells all of one; NAME may also be a type or a function: docs ipsec:initiate"
end

local front_page = [[
# Reference of the script API

Made by `staffetta docs --markdown` from the `*.meta.lua` files, which editors read too: `staffetta docs --luacats DIR`
writes them for yours. Do not edit this page.
]]

-- { name = what is asked for or nil, form = "text" | "markdown" } -> { text }
return function(input)
  local modules, out = {}, {}
  for i, file in ipairs(sys.meta()) do modules[i] = read_module(file.name, file.text) end
  local style = styles[input.form]
  if input.name then
    add_named(out, style, modules, input.name)
  elseif input.form == "text" then
    add_overview(out, modules)
  else
    out[1] = front_page
    for _, module in ipairs(modules) do add_module(out, style, module) end
  end
  return { text = (table.concat(out, "\n"):gsub("\n+$", "")) .. "\n" }
end
