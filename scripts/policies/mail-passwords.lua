-- Protects the protocols that carry Basic passwords: POP3 and IMAP4 (Microsoft KB 821839, first suggested policy).
-- A site's own policy says extends = "mail-passwords" and states only the difference; `staffetta scripts show
-- policy/NAME` prints all fields with their defaults, and bindings/ipsec/README.md says what they mean.
return {
  api = 1,
  name = "mail-passwords",
  kind = "policy",
  summary = "POP3 and IMAP4 from front ends to back ends: TCP 110 and 143",
  policy = {
    traffic = { { protocol = "tcp", ports = { 110, 143 } } },
    -- What checks and drills ask through the virtual IP, and how a right answer begins.
    asks = {
      { port = 110, expect = "+OK" },
      { port = 143, expect = "* OK" },
    },
  },
}
