local M = {}

function M.of(name) return "visited " .. name end

return M
