-- Errors are told in one form, in text and as JSON: what, where, expected, found, remedy (docs/errors.md).
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestErrors = {}

local members = { "code", "expected", "found", "is_retryable", "kind", "message", "op", "remedy", "subject" }
local parts = { { "where", "subject" }, { "expected", "expected" }, { "found", "found" }, { "remedy", "remedy" } }

function TestErrors:setUp()
  self.place = support.new_place()
  self.place:site_file()
end

function TestErrors:tearDown()
  self.place:close()
end

-- The document has all members, and the text below `staffetta:` is made of just those that say something.
local function expect_one_form(answer)
  local ok, doc = pcall(cjson.decode, answer.out)
  lu.assertTrue(ok, answer.out .. answer.err)
  local names, lines = {}, { "staffetta: " .. doc.error.message }
  for name in pairs(doc.error) do names[#names + 1] = name end
  table.sort(names)
  lu.assertEquals(names, members)
  lu.assertNotEquals(doc.error.message, "")
  for _, part in ipairs(parts) do
    local text = doc.error[part[2]]
    if text ~= "" then lines[#lines + 1] = ("  %-9s %s"):format(part[1], text) end
  end
  lu.assertEquals(answer.err, table.concat(lines, "\n") .. "\n")
  return doc.error
end

-- Runs the command with --output json; `wanted` are the members that must be, or match, so.
function TestErrors:expect(code, wanted, ...)
  local answer = self.place:json(...)
  lu.assertEquals(answer.code, code, answer.out .. answer.err)
  local err = expect_one_form(answer)
  for name, text in pairs(wanted) do lu.assertStrContains(err[name], text, false, name) end
  return err
end

-- ---- wrong usage ----

local function commands()
  local names = {}
  for name in support.command({ "help" }).out:gmatch("\n  (%l+) ") do names[#names + 1] = name end
  assert(#names > 20)
  return names
end

function TestErrors:test_wrong_usage_of_every_command()
  for _, command in ipairs(commands()) do
    local answer = support.command { command, "--no-such-option", "--output", "json" }
    lu.assertEquals(answer.code, 64, command)
    local err = expect_one_form(answer)
    lu.assertEquals({ err.kind, err.op }, { "invalid_data", "usage" })
    lu.assertEquals({ err.subject, err.remedy }, { "staffetta " .. command, ("staffetta %s --help"):format(command) })
    lu.assertEquals(support.command({ command, "--help", "--output", "json" }).code, 0, command)
    local text = support.command { command, "--no-such-option" }
    lu.assertEquals({ text.code, text.out, text.err }, { 64, "", answer.err })
  end
end

-- Where an option makes no sense, it is refused and not swallowed.
function TestErrors:test_output_and_quiet_are_taken_or_refused()
  for _, command in ipairs(commands()) do
    for option, value in pairs { ["--output"] = "xml", ["--quiet"] = false, ["--verbose"] = false } do
      local help = support.command { command, "--help" }.out
      local answer = support.command { command, option, value or "--no-such-option" }
      lu.assertEquals(answer.code, 64)
      local is_refused = answer.err:find("has no option " .. option, 1, true) ~= nil
      local is_told = help:find(option, 1, true) ~= nil
      if command ~= "lab" then lu.assertEquals(is_refused, not is_told, command .. " " .. option .. answer.err) end
    end
  end
end

function TestErrors:test_values_and_names_that_are_wrong()
  self:expect(64, { message = "--output", expected = "human or json", found = "xml" }, "runs", "--output=xml")
  self:expect(64, { message = "--site expects a value" }, "runs", "--site")
  self:expect(64, { message = "--quiet takes no value" }, "runs", "--quiet=1")
  self:expect(64, { message = "did you mean '--quiet'?" }, "runs", "--quite")
  self:expect(64, { message = "PLAYBOOK is missing", expected = "scripts list" }, "run")
end

return TestErrors
