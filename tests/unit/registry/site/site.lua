-- The site of test_registry_script: one Windows host, which is the hive of its registry.
return {
  api = 1,
  name = "registry-test",
  hosts = {
    win = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/SYSTEM" } },
  },
  clusters = {},
}
