-- escape.lua - the one place where text that a host, a script or an operator has chosen is made harmless for a report.
-- No other file here may put such text into a form without it. SPDX-License-Identifier: MIT
local M = {}

local function picture(control)
  local byte = control:byte()
  return byte == 127 and "␡" or utf8.char(0x2400 + byte)
end

-- What a reader would not see, or what would change how the rest is read, becomes something to see: control characters
-- their pictures; C1 controls, turns of the writing direction and what is no character the replacement character.
-- Line breaks and tabs stay.
local function visible(text)
  text = text:gsub("[\0-\8\11-\31\127]", picture)
  text = text:gsub("\194[\128-\159]", "�")
  text = text:gsub("\226\128[\170-\174]", "�"):gsub("\226\129[\166-\169]", "�")
  return (text:gsub("\239\191[\190\191]", "�"))
end

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

-- For HTML, SVG and XML: between tags and inside quoted attributes.
function M.markup(text)
  return (visible(text):gsub("[&<>\"']", entities))
end

-- For a line of Markdown, inside tables too.
function M.markdown(text)
  text = visible(text):gsub("%s+", " "):gsub("[\\`*_%[%]|~#]", "\\%0")
  return (text:gsub("[&<>]", entities))
end

-- For the value of a label of Prometheus.
function M.label(text)
  return (visible(text):gsub("[\\\"]", "\\%0"):gsub("\n", "\\n"))
end

-- For a POSIX shell: one word of a command that a person is to copy.
function M.shell(text)
  if text:find("^[%w_./:@%%+=,-]+$") then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

return M
