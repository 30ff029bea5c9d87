-- Protects all message traffic, web access included (Microsoft KB 821839, second suggested policy).
return {
  api = 1,
  name = "mail-all",
  kind = "policy",
  summary = "All mail traffic from front ends to back ends: TCP 80, 110 and 143",
  extends = "mail-passwords",
  policy = {
    traffic = { { protocol = "tcp", ports = { 80, 110, 143 } } },
  },
}
