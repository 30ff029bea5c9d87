-- Tests of this site's own scripts: `staffetta test DIR`. No host is reached; hosts answer what a test says.
return {
  api = 1,
  tests = {
    ["a server that greets passes"] = function(t)
      t:answer("fe1", "probe:once", { answered = true, received = "* OK ready" })
      local verdict, evidence = t:check("imap-greets", { host = "fe1", params = { cluster = "mail" } })
      t:equals(verdict, "pass")
      t:contains(evidence.summary, "* OK")
    end,

    ["every front end is asked, and none is changed"] = function(t)
      t:answer("*", "probe:once", { answered = false, failure = "refused" })
      local run = t:run("greet")
      t:equals(#run.checks, 1)
      t:equals(run.checks[1].verdict, "fail")
      t:equals(run.changes, {})
    end,
  },
}
