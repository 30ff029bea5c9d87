-- Man pages and completions say what the program has, and the programs that read them accept them.
local lu = require "luaunit"
local support = require "support"

local source = assert(os.getenv("STAFFETTA_SOURCE"), "STAFFETTA_SOURCE must name the source tree")
local program = assert(os.getenv("STAFFETTA"), "STAFFETTA must name the program")

local TestHelp = {}

function TestHelp:setUp()
  self.place = support.new_place()
end

function TestHelp:tearDown()
  self.place:close()
end

local function skip_unless(tool)
  if not os.execute("command -v " .. tool .. " >/dev/null") then
    print("SKIP: " .. tool .. " is not installed")
    lu.skip(tool .. " is not installed")
  end
end

local function commands()
  local names = {}
  for name in support.command({ "--help" }).out:gmatch("\n  (%l+) ") do names[#names + 1] = name end
  lu.assertTrue(#names > 15)
  return names
end

-- ---- completion ----

function TestHelp:completion(shell)
  local answer = support.command { "completion", shell }
  lu.assertEquals({ answer.code, answer.err }, { 0, "" })
  lu.assertNil(answer.out:find("@%u+@"), "a mark was left")
  for _, command in ipairs(commands()) do lu.assertStrContains(answer.out, command) end
  return self.place:write("staffetta." .. shell, answer.out)
end

-- What bash offers for these words, the last of which is being written.
function TestHelp:bash_offers(...)
  local words = { program, ... }
  for i, word in ipairs(words) do words[i] = ("%q"):format(word) end
  return support.shell("cd %s; bash -c %s", self.place.site, ([[
    source ../staffetta.bash
    COMP_WORDS=(%s) COMP_CWORD=%d
    _staffetta
    printf '%%s ' "${COMPREPLY[@]}"]]):format(table.concat(words, " "), #words - 1))
end

function TestHelp:test_bash()
  self:completion("bash")
  lu.assertEquals(self:bash_offers("ro"), "rollout rollback ")
  lu.assertEquals(self:bash_offers("lab", "st"), "status ")
  lu.assertEquals(self:bash_offers("rollback", "--f"), "--force --forks ")
  lu.assertEquals(self:bash_offers("probe", "--dur"), "--duration ")
  lu.assertEquals(self:bash_offers("runs", "--output", ""), "human json ")
  lu.assertEquals(self:bash_offers("rollout", "--output", ""), "human json ndjson ")
  lu.assertEquals(self:bash_offers("plan", "dr"), "drill ")
end

function TestHelp:test_zsh()
  skip_unless("zsh")
  local path = self:completion("zsh")
  lu.assertEquals(support.shell("zsh -n %s 2>&1", path), "")
  lu.assertEquals(support.shell("zsh -fc 'autoload -U compinit; compinit -u -D; source %s; "
    .. "print $_comps[staffetta]' 2>&1", path), "_staffetta\n")
end

function TestHelp:test_fish()
  skip_unless("fish")
  local path = self:completion("fish")
  lu.assertEquals(support.shell("fish -n %s 2>&1", path), "")
  local offers = support.shell("HOME=%s PATH=%s:$PATH fish -c %s", self.place.dir, program:match("^(.*)/"),
    ("source %s; complete -C 'staffetta ro'; complete -C 'staffetta rollback --f'; "
    .. "complete -C 'staffetta drill --output '"):format(path))
  lu.assertStrContains(offers, "rollback\t")
  lu.assertStrContains(offers, "--force")
  lu.assertStrContains(offers, "human\njson\nndjson\n")
end

function TestHelp:test_no_such_shell()
  for _, arguments in ipairs { { "completion" }, { "completion", "tcsh" } } do
    local answer = support.command(arguments)
    lu.assertEquals({ answer.code, answer.out }, { 64, "" })
    lu.assertStrContains(answer.err, "expected  bash, zsh or fish")
  end
end

-- ---- man pages ----

function TestHelp:test_man_pages()
  skip_unless("mandoc")
  support.shell("%s/tools/man.sh %s %s", source, program, self.place.dir)
  for page, parts in pairs {
    ["staffetta.1"] = { "staffetta rollback [RUN]", "--force[=ITEMS]", "EXIT STATUS", "a person is needed" },
    ["staffetta-site.5"] = { "virtual_ip", "on_gate_fail?", "-- The longest outages", "\\\\SYSTEM" },
    ["staffetta-scripts.7"] = { "ctx:step(name, hosts, fn, options)", 'name = "imap-greets"', "registry" },
  } do
    local path = self.place.dir .. "/" .. page
    lu.assertEquals(support.shell("mandoc -T lint -W error %s 2>&1; true", path), "")
    local text = support.shell("mandoc -T utf8 %s | col -b", path)
    for _, part in ipairs(parts) do lu.assertStrContains(text, part) end
    if page == "staffetta.1" then
      for _, command in ipairs(commands()) do lu.assertStrMatches(text, ".*\n   " .. command .. "\n.*") end
    end
  end
end

return TestHelp
