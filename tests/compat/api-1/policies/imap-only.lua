return {
  api = 1,
  name = "imap-only",
  kind = "policy",
  summary = "As mail-passwords, IMAP4 alone",
  extends = "mail-passwords",
  policy = { traffic = { { protocol = "tcp", ports = { 143 } } }, asks = { { port = 143, expect = "* OK" } } },
}
