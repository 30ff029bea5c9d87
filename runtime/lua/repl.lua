-- repl.lua - the prompt of `staffetta repl`: what is typed runs in the sandbox of scripts, in a task of its own, with
-- every power that the site does not forbid.
-- Trusted: runs with `sys`, the prompt, and the other files here. Must never run anything to complete a word, nor give
-- the history a line that may hold a secret.
local sys, prompt, ctxs, worlds, trusted = ...

local help = [[
An expression prints its value, a statement is run; one that is not complete goes on in the next line.
  host("NAME")      a host of the site, and what it can: host("fe1").registry:get(key, name)
  cluster("NAME")   a cluster; policy("NAME") a policy in its normal form
  site              the site: site.hosts(), site.budgets
  ctx               what a playbook holds: ctx:step, ctx:checks, ctx:wait_until, ...
  print(...)        its arguments; a name without `local` stays for the lines that follow
  .hosts            the hosts, and what each can be asked
  .docs [NAME]      the reference; NAME is a module, a type or a function: .docs registry:get
  .help             this text
Tab completes, Ctrl-C gives up the line or ends the call, Ctrl-D ends. A line that begins with a blank, or may hold a
secret, is not kept in the history.]]

local command_names = { ".docs", ".help", ".hosts" }

-- ---- values as text ----

local width = 100

local escapes = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

local function quote(text)
  local pattern = utf8.len(text) and '[%c"\\]' or '[%c"\\\128-\255]'
  return '"' .. text:gsub(pattern, function(letter)
    return escapes[letter] or ("\\x%02x"):format(letter:byte())
  end) .. '"'
end

local function by_type_and_value(a, b)
  if type(a) ~= type(b) then return type(a) < type(b) end
  if type(a) == "number" or type(a) == "string" then return a < b end
  return tostring(a) < tostring(b)
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys, by_type_and_value)
  return keys
end

local show

local function key_text(key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then return key .. " = " end
  return "[" .. show(key, "", {}) .. "] = "
end

local function show_table(value, indent, above)
  local parts, deeper, count = {}, indent .. "  ", rawlen(value)
  above[value] = true
  for i = 1, count do parts[i] = show(value[i], deeper, above) end
  for _, key in ipairs(sorted_keys(value)) do
    if math.type(key) ~= "integer" or key < 1 or key > count then
      parts[#parts + 1] = key_text(key) .. show(value[key], deeper, above)
    end
  end
  above[value] = nil
  local line = #parts > 0 and "{ " .. table.concat(parts, ", ") .. " }" or "{}"
  if #indent + #line <= width and not line:find("\n", 1, true) then return line end
  return "{\n" .. deeper .. table.concat(parts, ",\n" .. deeper) .. "\n" .. indent .. "}"
end

-- What the site is made of is only named inside of something else, since each leads to all others; so is what holds
-- itself.
local function is_only_named(value, above)
  return above[value] or (next(above) and getmetatable(value) == false)
end

function show(value, indent, above)
  if type(value) == "string" then return quote(value) end
  if type(value) == "function" then return "function" end
  if type(value) ~= "table" then return tostring(value) end
  if is_only_named(value, above) then return "<" .. tostring(value) .. ">" end
  return show_table(value, indent, above)
end

-- The same as what JSON can say.
local function plain(value, above)
  if type(value) == "function" then return "function" end
  if type(value) == "userdata" then return tostring(value) end
  if type(value) ~= "table" then return value end
  if is_only_named(value, above) then return tostring(value) end
  local copy = {}
  above[value] = true
  for key, each in pairs(value) do copy[key] = plain(each, above) end
  above[value] = nil
  return copy
end

-- ---- a statement ----

local function is_error(value)
  return type(value) == "table" and type(rawget(value, "kind")) == "string" and
    type(rawget(value, "message")) == "string"
end

-- The body of a statement's task: what it gives, as text; nothing for a statement, or an expression without a value.
local function evaluate(chunk)
  local values = table.pack(chunk())
  if values[1] == nil and is_error(values[2]) then error(values[2], 0) end
  if values.n == 0 then return nil end
  if prompt.is_json then return sys.json(plain(values.n == 1 and values[1] or { table.unpack(values) }, {})) end
  local texts = {}
  for i = 1, values.n do texts[i] = show(values[i], "", {}) end
  return table.concat(texts, "\n")
end

-- In a file of lines, messages count them; at a terminal there is only the one that was just typed.
local function compile(text, first_line, globals)
  local front, name = "", "=prompt"
  if not prompt.is_interactive then front, name = ("\n"):rep(first_line - 1), "=line" end
  local chunk = sys.load(front .. "return " .. text, name, globals)
  if chunk then return chunk end
  return sys.load(front .. text, name, globals)
end

-- nil, or what went wrong, as { error, traceback } of its own lines.
local function run(chunk, step)
  local task = sys.spawn(step, evaluate, chunk)
  prompt.line(task)
  local ok, result = sys.join(task)
  prompt.line(nil)
  if ok then
    if result then prompt.answer(result) end
    return nil
  end
  return result or { error = { kind = "timeout", op = "run", subject = "", message = "interrupted" } }
end

-- Ends a session that nobody sits at. Where the error is a mistake in the lines, the report tells their traceback.
local function give_up(failure)
  local err = failure.error
  if type(err) == "string" then
    err = { kind = "invalid_data", op = "run", subject = "", message = err, traceback = failure.traceback or "" }
  end
  error(err, 0)
end

-- ---- the history ----

-- What is written where a secret stands, or may stand: it is better to lose a line than to keep one too many.
local secret_words = { "secret", "psk", "passw", "passphrase", "private", "credential", "token", "login", "send",
  "input" }

local function may_hold_secret(text)
  local small = text:lower()
  for _, word in ipairs(secret_words) do
    if small:find(word, 1, true) then return true end
  end
  return false
end

local function remember(text)
  if text:find("^%s") or may_hold_secret(text) then return end
  for line in text:gmatch("[^\n]+") do prompt.remember(line) end
end

-- ---- commands ----

local commands = {}

function commands.help()
  return help
end

function commands.docs(name)
  return (trusted("docs.luac")(sys) { name = name ~= "" and name or nil, form = "text" }.text:gsub("\n$", ""))
end

function commands.hosts(_, ctx)
  local lines = {}
  for i, host in ipairs(ctx.site.hosts()) do
    local powers = {}
    for _, binding in ipairs(sys.bindings()) do
      if host[binding] then powers[#powers + 1] = binding end
    end
    lines[i] = ("%-12s %-17s %-16s %s"):format(host.name, host.role, host.address or "", table.concat(powers, " "))
  end
  return #lines > 0 and table.concat(lines, "\n") or "there is no site: name its folder with --site"
end

-- ".docs registry:get"; nil, or what went wrong.
local function command(line, ctx)
  local name, rest = line:match("^%.(%S*)%s*(.-)%s*$")
  if not commands[name] then
    local nearest = sys.nearest("." .. name, command_names)
    return { error = { kind = "not_found", op = "run", subject = "." .. name,
      message = ("there is no command '.%s'; %s"):format(name, nearest and "did you mean '" .. nearest .. "'?"
        or "there are " .. table.concat(command_names, ", ")) } }
  end
  local ok, result = pcall(commands[name], rest, ctx)
  if not ok then return { error = result } end
  prompt.answer(prompt.is_json and sys.json(result) or result)
  return nil
end

-- ---- completion ----

-- What an expression names, without a call of anything but the site's look-ups; nil when it is more than names.
local function value_of(text, globals, look_ups)
  local name, rest = text:match("^([%a_][%w_]*)(.*)$")
  local value = name and prompt.members(globals)[name]
  while value ~= nil and rest ~= "" do
    local word, more = rest:match("^[%.:]([%a_][%w_]*)(.*)$")
    local _, argument, after = rest:match("^%s*%(?%s*([\"'])([^\"']*)%1%s*%)?(.*)$")
    if word then
      value, rest = prompt.members(value)[word], more
    elseif argument and look_ups[value] then
      local ok, found = pcall(value, argument)
      value, rest = ok and found or nil, after
    else
      return nil
    end
  end
  return value
end

-- The longest end of the text that names something.
local function last_value(text, globals, look_ups)
  for start in text:gmatch("()[%a_]") do
    if not text:sub(1, start - 1):find("[%w_%.:]$") then
      local value = value_of(text:sub(start), globals, look_ups)
      if value ~= nil then return value end
    end
  end
end

-- Sorted, those of the words that begin like `front`; each with `close` at its end.
local function beginning(words, front, close)
  local found = {}
  for _, word in ipairs(words) do
    if word:sub(1, #front) == front then found[#found + 1] = word .. close end
  end
  table.sort(found)
  return found
end

local keywords = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
  "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

-- The names that can follow `mark` behind the value: behind a colon only what can be called. Keys that are no names are
-- what a host may have written, and nothing that could be typed there.
local function names_in(value, mark)
  local names = {}
  for name, member in pairs(prompt.members(value)) do
    local is_wanted = mark ~= ":" or type(member) == "function"
    if is_wanted and name:find("^[%a_][%w_]*$") then names[#names + 1] = name end
  end
  return names
end

local function names_of_site(ctx)
  local names = { host = {}, cluster = {}, policy = sys.names("policies"), require = sys.names("lib") }
  for i, each in ipairs(ctx.site.hosts()) do names.host[i] = each.name end
  for i, each in ipairs(ctx.site.clusters()) do names.cluster[i] = each.name end
  return names
end

local function names_of_docs()
  local names = {}
  for i, file in ipairs(sys.meta()) do names[i] = file.name end
  return names
end

-- complete(text) -> how many bytes of its end the words replace, the words
local function new_completer(globals, ctx)
  local look_ups = { [globals.host] = true, [globals.cluster] = true }
  local of_site = names_of_site(ctx)
  return function(text)
    local word = text:match("^%.%l*$")
    if word then return #word, beginning(command_names, word, "") end
    word = text:match("^%.docs%s+([%w_]*)$")
    if word then return #word, beginning(names_of_docs(), word, "") end
    local call, mark
    call, mark, word = text:match("([%a_][%w_]*)%s*%(?%s*([\"'])([^\"'()]*)$")
    if of_site[call] then return #word, beginning(of_site[call], word, mark) end
    local before
    before, mark, word = text:match("^(.*)([%.:])([%w_]*)$")
    if before then
      local value = last_value(before, globals, look_ups)
      return #word, value == nil and {} or beginning(names_in(value, mark), word, "")
    end
    word = text:match("[%w_]*$")
    local names = names_in(globals, ".")
    table.move(keywords, 1, #keywords, #names + 1, names)
    return #word, beginning(names, word, "")
  end
end

-- ---- the session ----

local function granted_needs()
  local forbidden, needs = { ["journal.rollback"] = true }, {}
  for _, need in ipairs((sys.site() or {}).forbid or {}) do forbidden[need] = true end
  for _, need in ipairs(sys.needs()) do
    if not forbidden[need] then needs[#needs + 1] = need end
  end
  return needs
end

local function new_globals(ctx)
  local globals = sys.load("return _G", "=prompt")()
  globals.ctx, globals.site = ctx, ctx.site
  globals.host, globals.cluster, globals.policy = ctx.site.host, ctx.site.cluster, ctxs.load_policy
  function globals.print(...)
    local texts = table.pack(...)
    for i = 1, texts.n do texts[i] = tostring(texts[i]) end
    prompt.answer(prompt.is_json and sys.json(table.concat(texts, "\t")) or table.concat(texts, "\t"))
  end
  return globals
end

-- A statement of one line or more: the chunk, or nil and why it is none; its text; false when it was given up. nil at
-- the end of the input.
local function read_statement(lines, globals)
  local text, chunk, message
  repeat
    local line = prompt.read(text ~= nil)
    if line == false then return false end
    if line == nil and not text then return nil end
    if line == nil then break end
    lines.count = lines.count + 1
    text = text and text .. "\n" .. line or line
    if text:find("^%.%l") then return text end
    chunk, message = compile(text, lines.count - select(2, text:gsub("\n", "")), globals)
  until chunk or not message:find("<eof>$")
  return text, chunk, message
end

local M = { undone = function() end }

-- The body of the session's coroutine.
function M.main()
  local needs = granted_needs()
  local world = worlds.new(needs, ctxs.load_policy)
  local ctx = ctxs.new(world, { needs = needs })
  local globals, lines = new_globals(ctx), { count = 0 }
  sys.begin(needs)
  ctxs.hold()
  prompt.complete_with(new_completer(globals, ctx))
  for text, chunk, message in function() return read_statement(lines, globals) end do
    local failure
    if text and text:find("^%.%l") then
      failure = command(text, ctx)
    elseif chunk then
      failure = run(chunk, ("line %d"):format(lines.count))
    elseif text then
      failure = { error = message }
    end
    if text then remember(text) end
    if failure and not prompt.is_interactive then give_up(failure) end
    if failure then prompt.fail(failure) end
    if prompt.is_interactive then prompt.confirm() end
  end
  for _, host in ipairs(ctx.site.hosts()) do
    if sys.change_count(host.name) > 0 then sys.outcome(host.name, "done", "repl") end
  end
end

return M
