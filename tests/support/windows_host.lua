-- windows_host.lua - stands in for the netsh and the PowerShell of a Windows host in tests, as there is no Windows
-- here. It keeps its objects in a folder, and knows just the documented command forms that Staffetta uses: anything
-- else is refused, so that a test can not pass with a command that Windows does not have. What it prints has the form
-- of Microsoft's samples (netsh advfirewall) and of published transcripts (netsh ipsec). What a real Windows would do
-- with these commands it can not tell. SPDX-License-Identifier: MIT
--
-- lua5.4 windows_host.lua FOLDER netsh [-f FILE | WORDS]       lua5.4 windows_host.lua FOLDER powershell -Command -
-- In FOLDER: `objects`, a line "kind|name|member=value|.." each, which a test may edit as an administrator would;
-- `fail_at`, a number: the change of that number from now on fails, and netsh goes on with the next command, as
-- nothing says that it does not; `log`, the commands that changed something, without keys;
-- `argv`, all words it was called with.
local folder, tool = arg[1], arg[2]

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

local function write_file(path, text, mode)
  local file = assert(io.open(path, mode or "wb"))
  file:write(text)
  file:close()
end

-- ---- the objects ----

local objects, has_failed = {}, false

local function load_objects()
  for line in (read_file(folder .. "/objects") or ""):gmatch("[^\n]+") do
    local object = {}
    for each in (line .. "|"):gmatch("([^|]*)|") do
      local key, value = each:match("^([^=]+)=(.*)$")
      if key then object[key] = value else object[#object + 1] = each end
    end
    objects[#objects + 1] = { kind = object[1], name = object[2], members = object }
  end
end

local function save_objects()
  local lines = {}
  for _, object in ipairs(objects) do
    local keys, line = {}, { object.kind, object.name }
    for key in pairs(object.members) do
      if type(key) == "string" then keys[#keys + 1] = key end
    end
    table.sort(keys)
    for _, key in ipairs(keys) do line[#line + 1] = key .. "=" .. object.members[key] end
    lines[#lines + 1] = table.concat(line, "|") .. "\n"
  end
  write_file(folder .. "/objects", table.concat(lines))
end

local function find(kind, name)
  for i, object in ipairs(objects) do
    if object.kind == kind and (not name or object.name == name) then return object, i end
  end
end

local function all(kind)
  local list = {}
  for _, object in ipairs(objects) do
    if object.kind == kind then list[#list + 1] = object end
  end
  return list
end

local function remove_if(test)
  for i = #objects, 1, -1 do
    if test(objects[i]) then table.remove(objects, i) end
  end
end

-- A command that the documentation does not have, or not with these words: a bug of ours, not a fact of the host.
local function refuse(what)
  io.stderr:write("windows_host.lua does not know this form: " .. what .. "\n")
  os.exit(87)
end

-- Whether this change is the one that is to fail.
local function is_to_fail()
  local left = tonumber(read_file(folder .. "/fail_at") or "")
  if not left then return false end
  if left > 1 then
    write_file(folder .. "/fail_at", tostring(left - 1))
    return false
  end
  os.remove(folder .. "/fail_at")
  has_failed = true
  return true
end

local function log(text)
  write_file(folder .. "/log", text .. "\n", "ab")
end

-- ---- netsh ----

-- The words of a line; quotes hold words together and are not part of them.
local function split(line)
  local words, word, is_quoted = {}, "", false
  for char in (line .. " "):gmatch(".") do
    if char == '"' then
      is_quoted = not is_quoted
    elseif char == " " and not is_quoted then
      if word ~= "" then words[#words + 1] = word end
      word = ""
    else
      word = word .. char
    end
  end
  if is_quoted then refuse("an open quotation mark: " .. line:gsub("psk=.*", "")) end
  return words
end

-- key=value words as a table. `known`: key -> pattern that the value must have; those with "!" in front are required.
local function options(words, first, known, line)
  local given = {}
  for i = first, #words do
    local key, value = words[i]:match("^(%w+)=(.*)$")
    local pattern = key and (known[key] or known["!" .. key])
    if not pattern or given[key] then refuse(line) end
    if not value:match("^" .. pattern .. "$") then refuse(("%s=%s in %s"):format(key, value, line)) end
    given[key] = value
  end
  for key in pairs(known) do
    if key:sub(1, 1) == "!" and not given[key:sub(2)] then refuse("without " .. key:sub(2) .. ": " .. line) end
  end
  return given
end

local yes_no, any_name, address = "[yn][eo]s?", "[^|]+", "[%x.:]+"

local forms = {}

local function error_line(format, ...)
  print(("ERR IPsec[" .. format):format(...))
  has_failed = true
end

local function add_object(kind, name, members)
  objects[#objects + 1] = { kind = kind, name = name, members = members }
end

-- "netsh ipsec static", Microsoft TechNet cc739550
forms["ipsec static add policy"] = function(words, line)
  local given = options(words, 5, { ["!name"] = any_name, activatedefaultrule = yes_no, assign = yes_no,
    mmpfs = yes_no, mmlifetime = "%d+", mmsecmethods = "[%w%- ]+" }, line)
  for method in (given.mmsecmethods or "3DES-SHA1-2"):gmatch("%S+") do
    local cipher, hash, group = method:match("^(%w+)%-(%w+)%-([123])$")
    if not (cipher == "DES" or cipher == "3DES") or not (hash == "MD5" or hash == "SHA1") or not group then
      refuse("method " .. method)
    end
  end
  if find("policy", given.name) then return error_line("05010] : A policy of that name exists") end
  add_object("policy", given.name, { assigned = given.assign, lifetime = given.mmlifetime })
end

forms["ipsec static add filter"] = function(words, line)
  local given = options(words, 5, { ["!filterlist"] = any_name, ["!srcaddr"] = address, ["!dstaddr"] = address,
    protocol = "%u+", mirrored = yes_no, srcmask = "%d+", dstmask = "%d+", srcport = "%d+", dstport = "%d+" }, line)
  if not find("filterlist", given.filterlist) then add_object("filterlist", given.filterlist, {}) end
  given.protocol, given.name = given.protocol or "ANY", nil
  add_object("filter", given.filterlist, given)
end

forms["ipsec static add filteraction"] = function(words, line)
  local given = options(words, 5, { ["!name"] = any_name, qmpfs = yes_no, inpass = yes_no, soft = yes_no,
    ["!action"] = "[a-z]+", qmsecmethods = "[%w%[%],:/ ]+" }, line)
  if not ("negotiate permit block"):find(given.action, 1, true) then refuse(line) end
  for method in (given.qmsecmethods or ""):gmatch("%S+") do
    if not method:match("^ESP%[3?DES,%u+%d*%]:%d+k/%d+s$") then refuse("method " .. method) end
  end
  if find("filteraction", given.name) then return error_line("05014] : A filter action of that name exists") end
  add_object("filteraction", given.name, given)
end

forms["ipsec static add rule"] = function(words, line)
  local given = options(words, 5, { ["!name"] = any_name, ["!policy"] = any_name, ["!filterlist"] = any_name,
    ["!filteraction"] = any_name, conntype = "all", kerberos = yes_no, psk = any_name, rootca = any_name }, line)
  for kind, key in pairs { policy = "policy", filterlist = "filterlist", filteraction = "filteraction" } do
    if not find(kind, given[key]) then return error_line("05030] : no %s named %s", kind, given[key]) end
  end
  if given.psk then write_file(folder .. "/key", given.psk) end
  given.psk = given.psk and "yes"
  add_object("staticrule", given.name, given)
end

forms["ipsec static set policy"] = function(words, line)
  local given = options(words, 5, { ["!name"] = any_name, ["!assign"] = yes_no }, line)
  local policy = find("policy", given.name)
  if not policy then return error_line("05072] : no policy named %s", given.name) end
  for _, each in ipairs(given.assign == "yes" and all("policy") or {}) do each.members.assigned = "no" end
  policy.members.assigned = given.assign
end

local function delete_static(kind)
  return function(words, line)
    local name = options(words, 5, { ["!name"] = any_name }, line).name
    local object = find(kind, name)
    if not object then return error_line("05072] : no %s named %s", kind, name) end
    for _, rule in ipairs(all("staticrule")) do
      if kind ~= "policy" and rule.members[kind] == name then return error_line("05080] : %s is in use", name) end
    end
    remove_if(function(each)
      return each == object or (kind == "policy" and each.kind == "staticrule" and each.members.policy == name)
        or (kind == "filterlist" and each.kind == "filter" and each.name == name)
    end)
  end
end

for _, kind in ipairs { "policy", "filterlist", "filteraction" } do
  forms["ipsec static delete " .. kind] = delete_static(kind)
end

local function show(label, value)
  print(("%-25s: %s"):format(label, value))
end

local function show_filterlist(list)
  show("FilterList Name", list.name)
  show("Description", "NONE")
  print("Filter(s)\n---------")
  for _, filter in ipairs(all("filter")) do
    if filter.name == list.name then
      local given = filter.members
      local function port(text) return (text or "0") == "0" and "ANY" or text end
      show("Description", "NONE")
      show("Mirrored", (given.mirrored or "yes"):upper())
      show("Source IP Address", given.srcaddr)
      show("Source Mask", "255.255.255.255")
      show("Destination IP Address", given.dstaddr)
      show("Destination Mask", "255.255.255.255")
      show("Protocol", given.protocol)
      show("Source Port", port(given.srcport))
      show("Destination Port", port(given.dstport))
    end
  end
  print()
end

local function show_filteraction(action)
  local given = action.members
  show("FilterAction Name", action.name)
  show("Description", "NONE")
  if given.action == "negotiate" then
    show("Action", "NEGOTIATE SECURITY")
    show("AllowUnsecure(Fallback)", given.soft:upper())
    show("Inbound Passthrough", given.inpass:upper())
    show("QMPFS", given.qmpfs:upper())
  else
    show("Action", given.action:upper())
  end
  print()
end

local function show_policy(policy)
  show("Policy Name", policy.name)
  show("Description", "NONE")
  show("Last Modified", "11/23/2026 10:00:00 AM")
  show("Assigned", policy.members.assigned:upper())
  show("Master PFS", "NO")
  print("\nRule Details\n------------")
  for i, rule in ipairs(all("staticrule")) do
    if rule.members.policy == policy.name then
      show("Rule ID", ("%d, GUID = {00000000-0000-0000-0000-%012d}"):format(i, i))
      show("Rule Name", rule.name)
      show("Activated", "YES")
      if rule.members.psk then show("    Preshared Key", read_file(folder .. "/key")) end
      show_filterlist(find("filterlist", rule.members.filterlist))
      show_filteraction(find("filteraction", rule.members.filteraction))
    end
  end
  print()
end

local function show_all(kind, show_one)
  return function(words)
    if words[5] ~= "all" or words[6] ~= "level=verbose" or words[7] then refuse(table.concat(words, " ")) end
    for _, object in ipairs(all(kind)) do show_one(object) end
    if not find(kind) then error_line("05067] : There is nothing of that kind in the policy store") end
  end
end

forms["ipsec static show policy"] = show_all("policy", show_policy)
forms["ipsec static show filterlist"] = show_all("filterlist", show_filterlist)
forms["ipsec static show filteraction"] = show_all("filteraction", show_filteraction)

-- "netsh advfirewall consec" and "mainmode", Microsoft TechNet dd736198 and dd736066
local proof = { auth1 = "computer%w+", auth1psk = any_name, auth1ca = any_name }

local function with(base, more)
  for key, value in pairs(base) do more[key] = value end
  return more
end

local function add_rule(kind, given)
  if given.auth1psk then write_file(folder .. "/key", given.auth1psk) end
  given.auth1psk = given.auth1psk and "yes"
  add_object(kind, given.name, given)
  print("Ok.\n")
end

forms["advfirewall consec add rule"] = function(words, line)
  local given = options(words, 5, with(proof, { ["!name"] = any_name, ["!endpoint1"] = address,
    ["!endpoint2"] = address, ["!action"] = "%l+", mode = "t%l+", port1 = "[%d,%-]+", port2 = "[%d,%-]+",
    protocol = "%w+", localtunnelendpoint = address, remotetunnelendpoint = address,
    qmpfs = "%w+", qmsecmethods = "[%w:%-+,]+" }), line)
  for method in (given.qmsecmethods or ""):gmatch("[^,]+") do
    if not method:match("^esp:%w+%-%w+%+%d+min%+%d+kb$") then refuse("method " .. method) end
  end
  if not ("requireinrequestout requestinrequestout requireinrequireout noauthentication"):find(given.action, 1, true)
    or not ("tcp udp icmpv4 icmpv6 any"):find(given.protocol or "any", 1, true) then
    refuse(line)
  end
  add_rule("rule", given)
end

forms["advfirewall mainmode add rule"] = function(words, line)
  add_rule("mainmode", options(words, 5, with(proof, { ["!name"] = any_name, ["!endpoint1"] = address,
    ["!endpoint2"] = address, mmkeylifetime = "%d+min", mmsecmethods = "[%w:%-,]+" }), line))
end

local function delete_rules(kind)
  return function(words, line)
    local name = options(words, 5, { ["!name"] = any_name }, line).name
    if not find(kind, name) then
      print("No rules match the specified criteria.\n")
      has_failed = true
      return
    end
    remove_if(function(each) return each.kind == kind and each.name == name end)
    print("Deleted 1 rule(s).\nOk.\n")
  end
end

forms["advfirewall consec delete rule"] = delete_rules("rule")
forms["advfirewall mainmode delete rule"] = delete_rules("mainmode")

local words_shown = { requireinrequestout = "RequireInRequestOut", requestinrequestout = "RequestInRequestOut",
  requireinrequireout = "RequireInRequireOut", noauthentication = "NoAuthentication", computerpsk = "ComputerPSK",
  computerkerb = "ComputerKerb", computercert = "ComputerCert", none = "None" }

local function show_rule(rule, rows)
  print(("\n%-38s%s\n%s"):format("Rule Name:", rule.name, ("-"):rep(70)))
  for _, row in ipairs(rows) do
    if row[2] then print(("%-38s%s"):format(row[1] .. ":", row[2])) end
  end
end

local function show_consec(rule)
  local given = rule.members
  local has_proof = given.action ~= "noauthentication"
  show_rule(rule, { { "Enabled", given.enabled or "Yes" }, { "Profiles", "Domain,Private,Public" },
    { "Type", "Static" }, { "Mode", given.mode == "tunnel" and "Tunnel" or "Transport" },
    { "Endpoint1", given.endpoint1 .. "/32" }, { "Endpoint2", given.endpoint2 .. "/32" },
    { "Port1", given.port1 or "Any" }, { "Port2", given.port2 or "Any" },
    { "Protocol", (given.protocol or "Any"):upper() }, { "Action", words_shown[given.action] },
    { "Auth1", has_proof and words_shown[given.auth1] },
    { "Auth1PSK", given.auth1psk and read_file(folder .. "/key") },
    { "MainModeSecMethods", has_proof and "DHGroup2-AES128-SHA1" },
    { "QuickModeSecMethods", given.qmsecmethods and given.qmsecmethods:gsub("%w+%-", string.upper) },
    { "QuickModePFS", given.qmpfs and (words_shown[given.qmpfs] or given.qmpfs) } })
end

local function show_main_mode(rule)
  local given = rule.members
  show_rule(rule, { { "Enabled", "Yes" }, { "Profiles", "Domain,Private,Public" },
    { "Endpoint1", given.endpoint1 .. "/32" }, { "Endpoint2", given.endpoint2 .. "/32" },
    { "Auth1", words_shown[given.auth1] }, { "Auth1PSK", given.auth1psk and read_file(folder .. "/key") } })
end

local function show_rules(kind, show_one)
  return function(words)
    if words[5] ~= "name=all" or words[6] ~= "verbose" or words[7] then refuse(table.concat(words, " ")) end
    for _, rule in ipairs(all(kind)) do show_one(rule) end
    print(find(kind) and "Ok.\n" or "\nNo rules match the specified criteria.\n")
    has_failed = has_failed or not find(kind)
  end
end

forms["advfirewall consec show rule"] = show_rules("rule", show_consec)
forms["advfirewall mainmode show rule"] = show_rules("mainmode", show_main_mode)

local function netsh(line)
  local words = split(line)
  local form = table.concat(words, " ", 1, math.min(4, #words))
  if not forms[form] then refuse(line) end
  if words[3] ~= "show" then
    log((line:gsub('psk="[^"]*"', "psk=...")))
    if is_to_fail() then
      print("The system can not do that now.")
      return
    end
  end
  forms[form](words, line)
end

-- ---- PowerShell ----

-- The parameters of a cmdlet: -Name 'text', -Name word, -Name 'a','b', -Name $variable, or a switch alone.
local function parameters(text, known, line)
  local given = {}
  while text ~= "" do
    local name, rest = text:match("^%s*%-(%w+)%s*(.*)$")
    if not name or not known[name] or given[name] then refuse(line) end
    local value = rest:match("^[^-].-%f[%s\0]") or ""
    if rest:sub(1, 1) == "'" then value = rest:match("^'[^']*'[',%d%-]*") or refuse(line) end
    if known[name] == "switch" then value = "" end
    given[name] = value:gsub("'", "")
    text = rest:sub(#value + 1):match("^%s*(.-)%s*$")
  end
  return given
end

local function set_of(...)
  local set = {}
  for _, each in ipairs { ... } do set[each] = true end
  return set
end

local store = { "PolicyStore", "DisplayName", "Group" }
local cmdlets = { -- the parameters of Microsoft's NetSecurity reference that are used
  Rule = set_of("IPsecRuleName", "Mode", "LocalAddress", "RemoteAddress", "Protocol", "LocalPort", "RemotePort",
    "InboundSecurity", "OutboundSecurity", "KeyModule", "Phase1AuthSet", "QuickModeCryptoSet", "LocalTunnelEndpoint",
    "RemoteTunnelEndpoint", table.unpack(store)),
  MainModeRule = set_of("Name", "LocalAddress", "RemoteAddress", "MainModeCryptoSet", "Phase1AuthSet",
    table.unpack(store)),
  QuickModeCryptoSet = set_of("Name", "PerfectForwardSecrecyGroup", "Proposal", table.unpack(store)),
  MainModeCryptoSet = set_of("Name", "MaxMinutes", "Proposal", table.unpack(store)),
  Phase1AuthSet = set_of("Name", "Proposal", table.unpack(store)),
}
local proposals = {
  MainModeCryptoProposal = set_of("Encryption", "Hash", "KeyExchange"),
  QuickModeCryptoProposal = set_of("Encapsulation", "Encryption", "ESPHash", "MaxMinutes", "MaxKiloBytes"),
  AuthProposal = { Machine = "switch", PreSharedKey = true, Kerberos = "switch", Cert = "switch", Authority = true,
    AuthorityType = true },
}

local function json(value)
  if type(value) == "number" then return tostring(value) end
  if type(value) == "string" then return '"' .. value .. '"' end
  local items = {}
  for i, each in ipairs(value) do items[i] = json(each) end
  if #value > 0 then return "[" .. table.concat(items, ",") .. "]" end
  for key, each in pairs(value) do items[#items + 1] = json(key) .. ":" .. json(each) end
  return #items > 0 and "{" .. table.concat(items, ",") .. "}" or "[]"
end

local function list_of(text)
  local list = {}
  for each in (text or "Any"):gmatch("[^,]+") do list[#list + 1] = each end
  return list
end

local function numbers_of(text)
  local list = {}
  for each in (text or ""):gmatch("%d+") do list[#list + 1] = math.tointeger(each) end
  return list
end

-- What the block `[PSCustomObject]@{ .. }` of the script "show" makes of an object.
local function shown(object)
  local given = object.members
  if object.kind ~= "Rule" then
    return { kind = object.kind, name = object.name,
      minutes = object.kind:match("CryptoSet$") and numbers_of(given.MaxMinutes),
      kilobytes = object.kind == "QuickModeCryptoSet" and numbers_of(given.MaxKiloBytes) or nil }
  end
  return { kind = "Rule", name = object.name, mode = given.Mode, enabled = given.Enabled or "True",
    inbound = given.InboundSecurity, outbound = given.OutboundSecurity, protocol = given.Protocol,
    local_address = list_of(given.LocalAddress), remote_address = list_of(given.RemoteAddress),
    local_port = list_of(given.LocalPort), remote_port = list_of(given.RemotePort) }
end

-- What each kind's block in the script "show" has to say, line for line.
local rule_block = [[
  $address = $_ | Get-NetFirewallAddressFilter
  $port = $_ | Get-NetFirewallPortFilter
  [PSCustomObject]@{ kind = 'Rule'; name = [string]$_.IPsecRuleName; mode = [string]$_.Mode
    enabled = [string]$_.Enabled; inbound = [string]$_.InboundSecurity
    outbound = [string]$_.OutboundSecurity; protocol = [string]$port.Protocol
    local_address = @($address.LocalAddress); remote_address = @($address.RemoteAddress)
    local_port = @($port.LocalPort); remote_port = @($port.RemotePort) }
})
]]
local other_block = "  [PSCustomObject]@{ kind = '%s'; name = [string]$_.Name%s }\n})\n"
local lifetimes = { MainModeCryptoSet = "; minutes = @($_.MaxLifetimeMinutes)",
  QuickModeCryptoSet = "; minutes = @($_.Proposals.MaxLifetimeMinutes)\n"
    .. "    kilobytes = @($_.Proposals.MaxLifetimeKilobytes)" }

local get = "^Get%-NetIPsec(%w+) %-PolicyStore PersistentStore %-ErrorAction SilentlyContinue | "
  .. "Where%-Object { $_.Group %-ceq '([%w-]+)' } | "

local function remove_group(line)
  local kind, group, removed = line:match(get .. "Remove%-NetIPsec(%w+)$")
  if not kind or kind ~= removed or not cmdlets[kind] then refuse(line) end
  remove_if(function(each) return each.kind == kind and each.members.Group == group end)
end

local variables = {} -- the proposals of each: "$quick"

local function create(line)
  local kind, text = line:match("^New%-NetIPsec(%w+) (.*) | Out%-Null$")
  if not kind or not cmdlets[kind] then refuse(line) end
  local given = parameters(text, cmdlets[kind], line)
  local name = given.IPsecRuleName or given.Name
  if not name or given.PolicyStore ~= "PersistentStore" or find(kind, name) then refuse(line) end
  for key, set in pairs { Phase1AuthSet = "Phase1AuthSet", QuickModeCryptoSet = "QuickModeCryptoSet",
    MainModeCryptoSet = "MainModeCryptoSet" } do
    if given[key] and not find(set, given[key]) then refuse("no " .. set .. ": " .. line) end
  end
  if kind == "QuickModeCryptoSet" then -- the lifetimes are its proposals'
    for _, key in ipairs { "MaxMinutes", "MaxKiloBytes" } do
      local values = {}
      for i, proposal in ipairs(variables[given.Proposal]) do values[i] = proposal[key] end
      given[key] = table.concat(values, ",")
    end
  end
  add_object(kind, name, given)
end

-- Lines that do nothing here.
local function is_plain(line)
  return line:match("^#") or line == "$ErrorActionPreference = 'Stop'" or line:match("^$%w+ = @%(%)$")
    or line == "if (-not $key) { throw 'the file with the key is empty' }"
end

local function powershell(script)
  local body = script:match("^& {\n(.*)}\n\n$") or refuse("input that is no block with an empty line behind it")
  local at, found = 1, {}
  while at <= #body do
    local line = body:match("^[^\n]*", at)
    local pipeline = line:match("^$found %+= @%((.*)$")
    if pipeline then
      local kind, group = pipeline:match(get .. "ForEach%-Object {$")
      local block = kind == "Rule" and rule_block or other_block:format(kind, lifetimes[kind] or "")
      at = at + #line + 1
      if not cmdlets[kind] or body:sub(at, at + #block - 1) ~= block then refuse(line) end
      at = at + #block
      for _, object in ipairs(all(kind)) do
        if object.members.Group == group then found[#found + 1] = shown(object) end
      end
    elseif is_plain(line) then
      at = at + #line + 1
    elseif line == "ConvertTo-Json -InputObject $found -Depth 3" then
      at = at + #line + 1
      print(#found > 0 and json(found) or "[]")
    elseif line:match("^$key = ") then
      local path = line:match("^$key = Get%-Content %-LiteralPath 'C:\\([%w\\.-]+)' %-TotalCount 1$") or refuse(line)
      if not read_file(folder .. "/" .. path:gsub("\\", "/")) then
        io.stderr:write("Get-Content : Cannot find path\n")
        os.exit(1)
      end
      at = at + #line + 1
    elseif line:match("^$%w+ %+?= New%-NetIPsec") then
      local variable, proposal, text = line:match("^($%w+) %+?= New%-NetIPsec(%w+) (.*)$")
      local list = variables[variable] or {}
      list[#list + 1] = parameters(text, proposals[proposal] or refuse(line), line)
      variables[variable] = list
      at = at + #line + 1
    else
      log(line)
      if is_to_fail() then
        save_objects()
        io.stderr:write(line:match("^%S+") .. " : Access is denied.\n")
        os.exit(1)
      end
      if line:match("^Get") then remove_group(line) else create(line) end
      at = at + #line + 1
    end
  end
end

-- ---- the call ----

load_objects()
write_file(folder .. "/argv", table.concat(arg, " ", 2) .. "\n", "ab")
if tool == "netsh" and arg[3] == "-f" then
  local script = assert(read_file(arg[4]), "no script file") -- luacheck: ignore
  for line in script:gmatch("[^\n]+") do netsh(line) end
elseif tool == "netsh" and arg[3] then
  netsh(table.concat(arg, " ", 3))
elseif tool == "powershell" and table.concat(arg, " ", 3) == "-Command -" then
  powershell(io.read("a"))
elseif tool ~= "silent" then -- Wine's netsh prints nothing and ends with 0
  refuse(table.concat(arg, " "))
end
save_objects()
os.exit(has_failed and 1 or 0)
