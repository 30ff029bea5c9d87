-- The *.meta.lua files, which editors read, name exactly what the program has: the real names come from its tables,
-- from objects in a script's hand, and from its own messages.
local lu = require "luaunit"
local support = require "support"

local source = assert(os.getenv("STAFFETTA_SOURCE"), "STAFFETTA_SOURCE must name the source tree")
local list_methods = assert(os.getenv("STAFFETTA_LIST_METHODS"), "STAFFETTA_LIST_METHODS must name the helper")

local TestMeta = {}

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- Names of a description: classes[class][name] for fields and functions, aliases[alias][word]. Also checks that the
-- documented parameters of each function are its parameters.
local function parse(path)
  assert(loadfile(path, "t"))
  local classes, aliases, variables, params = {}, {}, {}, {}
  local class, alias
  for line in io.lines(path) do
    local word = line:match("^%-%-%-| \"([%w_]+)\"")
    if word then aliases[alias][word] = true end
    local name, rest = line:match("^%-%-%-@alias (%S+)(.*)")
    if name then
      alias, aliases[name] = name, {}
      for each in rest:gmatch("\"([%w_]+)\"") do aliases[name][each] = true end
    end
    name = line:match("^%-%-%-@class ([%w_%.]+)")
    if name then class, classes[name] = name, {} end
    name = line:match("^%-%-%-@field ([%w_]+)%??%s")
    if name then
      lu.assertNil(classes[class][name], ("%s: %s.%s twice"):format(path, class, name))
      classes[class][name] = true
    end
    name = line:match("^local ([%w_]+) = {}")
    if name then variables[name] = class end
    name = line:match("^%-%-%-@param (%S+)")
    if name then params[#params + 1] = name:match("^[^?]+") end
    local variable, method, arguments = line:match("^function ([%w_]+)[.:]([%w_]+)%((.-)%) end$")
    if variable then
      local owner = assert(variables[variable], path .. ": " .. line)
      lu.assertNil(classes[owner][method], ("%s: %s.%s twice"):format(path, owner, method))
      classes[owner][method] = true
      lu.assertEquals(table.concat(params, ", "), arguments, path .. ": " .. line)
      params = {}
    end
  end
  return classes, aliases
end

-- { "first", "second" } of "... 'first', 'second'" behind `mark` in a message.
local function quoted_after(message, mark)
  local at = select(2, message:find(mark, 1, true))
  lu.assertNotNil(at, message)
  local set = {}
  for name in message:sub(at + 1):gmatch("'([%w_%.]+)'") do set[name] = true end
  return set
end

function TestMeta:setUp()
  self.place = support.new_place()
  self.place:site_file()
  self.classes, self.aliases = parse(source .. "/runtime/ctx.meta.lua")
end

function TestMeta:tearDown()
  self.place:close()
end

-- What a playbook with the text is refused for.
function TestMeta:refusal(text)
  self.place:write("site/playbooks/try.lua", text)
  local answer = self.place:run("try")
  lu.assertEquals(answer.code, 1, answer.out .. answer.err)
  return answer.doc.error.message
end

function TestMeta:all_needs()
  local needs = quoted_after(self:refusal [[return { api = 1, name = "try", kind = "playbook", summary = "s",
    needs = { "qqqqqqqqqqqqqqqq" }, run = function() end }]], "there are ")
  lu.assertTrue(needs["registry.read"] and needs["files.read"] and needs["vip.move"])
  return sorted(needs)
end

-- ---- bindings ----

-- Lint goes by them.
function TestMeta:test_every_method_says_what_it_needs()
  local is_need, count = {}, 0
  for _, need in ipairs(self:all_needs()) do is_need[need] = true end
  for binding, method in support.shell("%s", list_methods):gmatch("method (%w+)%.([%w_]+)\n") do
    local file = assert(io.open(("%s/bindings/%s/%s.meta.lua"):format(source, binding, binding)))
    local above = file:read("a"):match(("^(.*)function %s:%s%%("):format(binding, method)):match(".*\n\n(.*)$")
    file:close()
    local need = above:gsub("\n%-%-%-", ""):match('Needs "([%w_.]+)"')
    lu.assertTrue(is_need[need], binding .. ":" .. method)
    lu.assertEquals(need:match("^[^.]+"), binding, method)
    count = count + 1
  end
  lu.assertTrue(count > 60, count)
end

function TestMeta:test_every_method_of_every_binding()
  local live = {}
  for binding, method in support.shell("%s", list_methods):gmatch("method (%w+)%.([%w_]+)\n") do
    live[binding] = live[binding] or {}
    live[binding][method] = true
  end
  lu.assertEquals(sorted(live), { "ipsec", "probe", "registry", "system", "vip", "wire" })
  for binding, methods in pairs(live) do
    local classes = parse(("%s/bindings/%s/%s.meta.lua"):format(source, binding, binding))
    lu.assertEquals(sorted(classes["staffetta." .. binding]), sorted(methods), binding)
  end
end

function TestMeta:test_every_kind_and_type()
  local live = { kind = {}, type = {} }
  for what, name in support.shell("%s", list_methods):gmatch("(%l+) ([%w_]+)\n") do
    if live[what] then live[what][name] = true end
  end
  lu.assertEquals(sorted(self.aliases["staffetta.kind"]), sorted(live.kind))
  local _, aliases = parse(source .. "/bindings/registry/registry.meta.lua")
  lu.assertEquals(sorted(aliases["staffetta.registry.type"]), sorted(live.type))
end

-- Every power named in words is one that a script can declare.
function TestMeta:test_every_power_named_is_there()
  local known = {}
  for _, need in ipairs(self:all_needs()) do known[need] = true end
  for path in support.shell("ls %s/bindings/*/*.meta.lua %s/runtime/ctx.meta.lua", source, source):gmatch("%S+") do
    for line in io.lines(path) do
      for sentence in line:gmatch("[Nn]eeds? (\"[^;%.]+%.?[^;%.]*\")") do
        for need in sentence:gmatch("\"([%l%.]+)\"") do lu.assertTrue(known[need], path .. ": " .. need) end
      end
    end
  end
end

-- The type that a line goes on with: up to the first blank that is in no bracket, beside no "|" and after no ":".
local function type_at(text)
  local at, size = 1, #text
  while at <= size do
    local _, last = text:find("^%b()", at)
    for _, pattern in ipairs { "^%b{}", "^%b<>", '^"[^"]*"', "^%s*|%s*", "^:%s*", "^[^%s(){}<>\"|:]+" } do
      if not last then _, last = text:find(pattern, at) end
    end
    if not last then break end
    at = last + 1
  end
  return text:sub(1, at - 1)
end

-- As lua-language-server has them: https://luals.github.io/wiki/annotations
function TestMeta:test_every_type_is_one()
  local known, used = {}, {}
  for word in ("nil any boolean string number integer function table fun userdata true false"):gmatch("%l+") do
    known[word] = true
  end
  for path in support.shell("ls %s/bindings/*/*.meta.lua %s/runtime/ctx.meta.lua", source, source):gmatch("%S+") do
    for line in io.lines(path) do
      local name = line:match("^%-%-%-@class ([%w_%.]+)") or line:match("^%-%-%-@alias ([%w_%.]+)")
      if name then known[name] = true end
      local text = line:match("^%-%-%-@field [%w_]+%?? (.+)") or line:match("^%-%-%-@param [%w_%.]+%?? (.+)")
        or line:match("^%-%-%-@return (.+)") or line:match("^%-%-%-@class [%w_%.]+%s*:%s*(.+)")
      lu.assertTrue(text ~= nil or not line:find("^%-%-%-@[fpr]"), path .. ": " .. line)
      local words = text and type_at(text):gsub('"[^"]*"', ""):gsub("([%w_]+)%??:%s", "") or ""
      for word in words:gmatch("[%a_][%w_%.]*") do used[word] = path .. ": " .. line end
    end
  end
  for word, where in pairs(used) do lu.assertTrue(known[word] or false, ("'%s' in %s"):format(word, where)) end
  lu.assertTrue(used["staffetta.err"] ~= nil and used.integer ~= nil)
end

-- ---- what a script holds in its hand ----

function TestMeta:test_every_name_of_ctx_site_cluster_and_host()
  self.place:site_file [[return { api = 1, name = "test", budgets = { crash_ms = 1 },
    hosts = {
      a = { role = "node", address = "192.0.2.1" }, b = { role = "node", address = "192.0.2.2" },
      f = { role = "front_end", address = "192.0.2.3", interface = "eth0", netns = "none", windows = "2003",
        ipsec = { vici = "x" }, registry = {}, groups = { "g" } } }, groups = { g = {} },
    clusters = { mail = { virtual_ip = "192.0.2.9", nodes = { "a", "b" }, front_ends = { "f" }, interface = "eth0",
      manager = "address", secret = "x" } } }]]
  local needs = ("needs = { '%s' },"):format(table.concat(self:all_needs(), "', '"))
  local names = [[
    local function names(object)
      local list = {}
      for name in pairs(object) do list[#list + 1] = name end
      table.sort(list)
      return list
    end
    local cluster, host, err = ctx.site.cluster("mail"), ctx.site.host("f"), select(2, ctx.files:read("none"))
    local all = { ctx = names(ctx), site = names(ctx.site), cluster = names(cluster), host = names(host),
      files = names(ctx.files), journal = names(ctx.journal), err = names(err) }
  ]]
  self.place:check("look", needs, names .. [[ return "pass", all ]])
  self.place:playbook("look", needs, names .. [[
    ctx:measure("all", all)
    ctx:checks("the same in a check", { { check = "look", host = host } })]])
  local answer = self.place:run("look")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  for class, live in pairs(answer.doc.checks[1].evidence) do
    lu.assertEquals(sorted(self.classes["staffetta." .. class]), live, class)
  end
  self.classes["staffetta.ctx"].host = nil -- a playbook has none
  for class, live in pairs(answer.doc.measures.all) do
    lu.assertEquals(sorted(self.classes["staffetta." .. class]), live, class)
  end
end

-- ---- what a script and a site file may say ----

function TestMeta:test_every_field_of_a_playbook()
  local message = self:refusal [[return { api = 1, name = "try", kind = "playbook", qqqqqqqqqqqqqqqq = 1 }]]
  lu.assertEquals(sorted(self.classes["staffetta.playbook"]), sorted(quoted_after(message, "expected ")))
end

function TestMeta:test_every_field_of_a_check_and_a_policy()
  for kind, class in pairs { check = "staffetta.check", policy = "staffetta.policy_file" } do
    local folder = kind == "check" and "checks" or "policies"
    self.place:write(("site/%s/try.lua"):format(folder),
      ([[return { api = 1, name = "try", kind = "%s", qqqqqqqqqqqqqqqq = 1 }]]):format(kind))
    local answer = self.place:json("scripts", "show", kind .. "/try")
    lu.assertEquals(answer.code, 1)
    lu.assertEquals(sorted(self.classes[class]), sorted(quoted_after(answer.doc.error.message, "expected ")), kind)
  end
end

function TestMeta:test_every_field_of_a_policy()
  local classes = parse(source .. "/bindings/ipsec/ipsec.meta.lua")
  local policy = self.place:json("scripts", "show", "policy/everything").doc.policy
  policy.name = "everything"
  lu.assertEquals(sorted(classes["staffetta.policy"]), sorted(policy))
end

function TestMeta:test_every_field_and_type_of_a_parameter()
  local text = [[return { api = 1, name = "try", kind = "playbook", summary = "s", run = function() end,
    params = { x = { doc = "d", %s } } }]]
  local message = self:refusal(text:format("qqqqqqqqqqqqqqqq = 1"))
  lu.assertEquals(sorted(self.classes["staffetta.param"]), sorted(quoted_after(message, "expected ")))
  message = self:refusal(text:format([[type = "qqqqqqqqqqqqqqqq"]]))
  lu.assertEquals(sorted(self.aliases["staffetta.param.type"]), sorted(quoted_after(message, "expected one of ")))
end

function TestMeta:test_every_field_of_a_site_file()
  local host, cluster, more = [[role = "node", address = "192.0.2.1"]], "virtual_ip = '192.0.2.9'", ""
  local function expected()
    local text = [[return { api = 1, name = "t", hosts = { a = { %s } }, clusters = { c = { %s } }, %s }]]
    self.place:site_file(text:format(host, cluster, more))
    local answer = self.place:json("verify")
    lu.assertEquals(answer.code, 1)
    return sorted(quoted_after(answer.doc.error.expected, ""))
  end
  more = "qqqqqqqqqqqqqqqq = 1"
  lu.assertEquals(sorted(self.classes["staffetta.site_file"]), expected())
  more, cluster = "", cluster .. ", qqqqqqqqqqqqqqqq = 1"
  lu.assertEquals(sorted(self.classes["staffetta.site_file.cluster"]), expected())
  host = host .. ", qqqqqqqqqqqqqqqq = 1"
  lu.assertEquals(sorted(self.classes["staffetta.site_file.host"]), expected())
end

return TestMeta
