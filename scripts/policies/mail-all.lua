-- Protects all message traffic, web access included (Microsoft KB 821839, second suggested policy).
return {
  api = 1,
  name = "mail-all",
  kind = "policy",
  summary = "All mail traffic from front ends to back ends: TCP 80, 110 and 143",
  extends = "mail-passwords",
  policy = {
    traffic = { { protocol = "tcp", ports = { 80, 110, 143 } } },
    asks = {
      { port = 80, send = "HEAD / HTTP/1.0\r\n\r\n", expect = "HTTP/1." },
      { port = 110, expect = "+OK" },
      { port = 143, expect = "* OK" },
    },
  },
}
