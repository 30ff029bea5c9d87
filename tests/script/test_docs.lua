-- The examples of README.md and docs/*.md: every block of shell or Lua says in the line before it what it is, and is
-- run, or is the file that it is said to be.
--   <!-- run -->          a shell script, in a folder of the page's own
--   <!-- lab -->          the same, and needs root: it builds a lab
--   <!-- save: PATH -->   is written there, for what follows on the page
--   <!-- file: PATH -->   is that file of the source tree
--   <!-- part of: PATH --> stands so in that file; in any language
--   <!-- not run: WHY -->
local lu = require "luaunit"
local support = require "support"

local source = assert(os.getenv("STAFFETTA_SOURCE"), "STAFFETTA_SOURCE must name the source tree")
local program = assert(os.getenv("STAFFETTA"), "STAFFETTA must name the program")

local TestDocs = {}

function TestDocs:setUp()
  self.place = support.new_place()
  self.name = "docs-" .. self.place.dir:match("(%w+)$"):lower() -- of the site, and so of its lab
end

function TestDocs:tearDown()
  if self.has_lab then support.command { "lab", "down", "--name", self.name } end
  self.place:close()
end

-- { language, verb, word, text, line } of each block.
local function blocks_of(text)
  local blocks, before, block, number = {}, "", nil, 0
  for line in text:gmatch("([^\n]*)\n") do
    number = number + 1
    if block and line == "```" then
      block.text = table.concat(block.lines, "\n") .. "\n"
      blocks[#blocks + 1], block = block, nil
    elseif block then
      table.insert(block.lines, line)
    elseif line:find("^```") then
      local verb, word = before:match("^<!%-%- ([%l ]+):? ?(.-) %-%->$")
      block = { language = line:match("^```(.*)$"), verb = verb, word = word, lines = {}, line = number }
    end
    before = line
  end
  return blocks
end

-- What a command may end with besides 0: "something is pending", "something is missing".
local shell_front = [[
set -eu
staffetta() {
    local code=0 allowed=0
    case $1 in plan) allowed=2 ;; doctor) allowed=3 ;; esac
    case $1 in
        lab | new | docs | completion | version) '%s' "$@" || code=$? ;;
        *) '%s' "$@" --state "$PWD/state" || code=$? ;;
    esac
    [ $code = 0 ] || [ $code = $allowed ] || return $code
}
]]

function TestDocs:run_shell(page, block)
  local script = shell_front:format(program, program) .. block.text:gsub("mysite", self.name)
  local path = self.place:write("script", script)
  local out = self.place.dir .. "/out"
  local ok = os.execute(("cd '%s/page' && bash '%s' >'%s' 2>&1 </dev/null"):format(self.place.dir, path, out))
  lu.assertTrue(ok, ("%s:%d\n%s"):format(page, block.line, support.read_file(out)))
end

local counted = {}
local is_root = support.shell("id -u") == "0\n"

function TestDocs:run_block(page, block)
  local verb = block.verb
  counted[verb] = (counted[verb] or 0) + 1
  if verb == "run" or (verb == "lab" and is_root) then
    self.has_lab = self.has_lab or verb == "lab"
    self:run_shell(page, block)
  elseif verb == "lab" then
    print(("SKIP: %s:%d needs root"):format(page, block.line))
  elseif verb == "save" then
    self.place:write("page/" .. block.word:gsub("mysite", self.name), block.text)
  elseif verb == "file" then
    lu.assertEquals(block.text, support.read_file(source .. "/" .. block.word), page)
  elseif verb == "part of" then
    lu.assertStrContains(support.read_file(source .. "/" .. block.word), block.text)
  else
    lu.assertEquals(verb, "not run", ("%s:%d"):format(page, block.line))
    lu.assertTrue(#block.word > 8, "it says why")
  end
end

local function run_page(self, page)
  support.shell("mkdir -p %s", self.place.dir .. "/page")
  for _, block in ipairs(blocks_of(support.read_file(source .. "/" .. page))) do
    local is_example = block.language == "sh" or block.language == "lua"
    lu.assertTrue(block.verb ~= nil or not is_example,
      ("%s:%d: a block of %s must say whether it is run"):format(page, block.line, block.language))
    if is_example or block.verb then self:run_block(page, block) end
  end
end

for path in support.shell("cd %s; ls README.md docs/*.md", source):gmatch("[^\n]+") do
  TestDocs["test_" .. path:gsub("%W", "_")] = function(self) run_page(self, path) end
end

-- The commands that a page names must be there, also in the blocks that are not run and in the text.
function TestDocs:test_every_command_that_is_named_exists()
  local known = {}
  for name in support.command({ "--help" }).out:gmatch("\n  (%l+) ") do known[name] = true end
  for path in support.shell("cd %s; ls README.md docs/*.md", source):gmatch("[^\n]+") do
    for name in support.read_file(source .. "/" .. path):gmatch("`staffetta (%l+)") do
      lu.assertTrue(known[name], path .. " names staffetta " .. name)
    end
  end
end

function TestDocs:test_links_lead_somewhere()
  local count = 0
  for path in support.shell("cd %s; ls README.md docs/*.md", source):gmatch("[^\n]+") do
    for link in support.read_file(source .. "/" .. path):gmatch("%]%(([^%s()#]+)") do
      local full = source .. "/" .. (path:match("^(.*/)") or "") .. link
      if not link:find("^%l+:") then
        lu.assertTrue(support.exists(full), path .. " links to " .. link)
        count = count + 1
      end
    end
  end
  lu.assertTrue(count > 20, count)
end

function TestDocs:test_zz_examples_were_run()
  print(("examples: %d run, %d in a lab, %d saved, %d files, %d not run"):format(counted.run or 0, counted.lab or 0,
    counted.save or 0, counted.file or 0, counted["not run"] or 0))
  lu.assertTrue((counted.run or 0) + (counted.lab or 0) >= 10)
end

return TestDocs
