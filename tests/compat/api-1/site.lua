return {
  api = 1,
  name = "compat",
  hosts = {
    ["win-a"] = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/win-a" } },
    ["win-b"] = { role = "node", address = "10.9.0.11", registry = { ["HKLM\\SYSTEM"] = "hives/win-b" } },
    ["win-c"] = { role = "node", address = "10.9.0.12", registry = { ["HKLM\\SYSTEM"] = "hives/win-c" } },
  },
  clusters = {
    ["mail"] = { virtual_ip = "10.9.0.100", nodes = { "win-b", "win-c" }, front_ends = { "win-a" } },
  },
  budgets = { planned_move_ms = 6000, crash_ms = 10000 },
  on_gate_fail = "rollback",
}
