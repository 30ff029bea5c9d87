-- An outage is a figure only when the traffic was steady before it, and over only when it is steady after it.
return {
  api = 1,
  name = "steady-around",
  kind = "check",
  summary = "Around every measured outage the traffic was steady, and none of it in the clear",
  params = {
    figures = { type = "table", doc = "the run's measures: name -> { is_steady_before, is_steady_after, ... }" },
  },

  run = function(_, p)
    local doubt, count = nil, 0
    for name, figures in pairs(p.figures) do
      count = count + 1
      if figures.clear_packets > 0 then
        return "fail", { summary = ("%s: %d packets in the clear"):format(name, figures.clear_packets) }
      end
      if not figures.is_steady_after then
        return "fail", { summary = name .. ": answers were lost again after the first one" }
      end
      if not figures.is_steady_before then doubt = name .. ": answers were lost before it began" end
      if figures.capture_lost > 0 then
        doubt = ("%s: the capture has lost %d packets"):format(name, figures.capture_lost)
      end
    end
    if count == 0 then return "unknown", { reason = "nothing was measured" } end
    if doubt then return "unknown", { reason = doubt } end
    return "pass", { summary = "steady before and after, no clear packets" }
  end,
}
