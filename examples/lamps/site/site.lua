-- The site of this example: two machines that only the embedding program knows how to reach.
return {
  api = 1,
  name = "embed",
  hosts = {
    ["lamp-1"] = { role = "node", address = "127.0.0.1", lamps = { first_level = 1 } },
    ["lamp-2"] = { role = "node", address = "127.0.0.1", lamps = { first_level = 2 } },
  },
  clusters = {},
}
