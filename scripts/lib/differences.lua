-- differences.lua - says for a person what is other than it should be.
-- Pure: takes values, returns words, touches no host.
local M = {}

-- A value in one line: lists in their order, other tables sorted.
local function value_words(value)
  if value == nil then return "nothing" end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for i, each in ipairs(value) do parts[i] = value_words(each) end
  if #parts == 0 then
    for key, each in pairs(value) do parts[#parts + 1] = ("%s = %s"):format(key, value_words(each)) end
    table.sort(parts)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

-- What ctx.differs has found, as "esp_proposals.1 is aes256gcm16, expected aes128gcm16"; nil when it found nothing.
function M.words(field, expected, found)
  return field and ("%s is %s, expected %s"):format(field, value_words(found), value_words(expected))
end

return M
