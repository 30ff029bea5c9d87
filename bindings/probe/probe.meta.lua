---@meta

--- Measures from this host whether and how fast a server answers. `host.probe` is there for scripts that need "probe".
---@class staffetta.probe
local probe = {}

---@alias staffetta.probe.method "icmp"|"udp"|"tcp"|"tcp_line"|"http"|"pop3"|"imap"|"ldap"|"session"

--- What one attempt says. README.md beside this file tells when each method counts as answered.
---@class staffetta.probe.ask
---@field method? staffetta.probe.method left out: "tcp", or "tcp_line" with `send` or `expect`
---@field port? integer left out: the method's usual one ("icmp" takes none; "tcp", "tcp_line", "session" need it)
---@field send? string sent once connected, up to 256 bytes ("tcp_line"; "session": each request)
---@field expect? string what a good answer contains, up to 256 bytes ("tcp_line" and "session")
---@field path? string "http" only; left out: "/"
---@field host? string the Host line, "http" only
---@field head? boolean HEAD instead of GET, "http" only
---@field status? integer the only good status, "http" only; left out: any from 200 to 399

---@class staffetta.probe.options: staffetta.probe.ask
---@field target? string IPv4 or IPv6 address, not a name
---@field targets? string[] instead: up to 1,000, all on one schedule; the report is then a list
---@field interval_us? integer 200 to 10,000,000; left out: 1000
---@field timeout_ms? integer an attempt is lost after that, 1 to 900; left out: 500
---@field give_up_ms? integer "session" ends when nothing was acknowledged for so long, 1 to 600,000; left out: 30,000
---@field count? integer places of the schedule, after which it sends no more; left out: until stopped

---@class staffetta.probe.running
---@field handle integer

---@class staffetta.probe.quantiles
---@field p50_us integer
---@field p90_us integer
---@field p99_us integer
---@field max_us integer

--- A loss period: attempts lost in a row. Times are places in the schedule, CLOCK_MONOTONIC.
---@class staffetta.probe.outage
---@field is_open boolean it still lasted when the probe was stopped
---@field is_open_at_start boolean nothing had been answered before it
---@field last_answered_ns? integer nil when is_open_at_start
---@field first_lost_ns integer
---@field first_answered_ns? integer nil when is_open
---@field first_answer_ns? integer when the answer of that attempt came; nil when is_open
---@field lost integer
---@field duration_us integer the true length is duration_us, give or take error_us; open: at least duration_us
---@field error_us? integer nil when open at either end
---@field timestamp_derived_us? integer between the answers around it (RFC 6201); nil when open at either end
---@field loss_derived_us integer lost * interval (RFC 6201)

---@class staffetta.probe.shed_by
---@field missed integer the prober got to run too late
---@field in_flight integer too many attempts waited for their answer
---@field no_resources integer this machine had no descriptor, local port or memory left

--- RFC 3357, counted in attempts.
---@class staffetta.probe.loss_pattern
---@field longest_period integer
---@field shortest_gap? integer from the last loss of a period to the first of the next; nil for fewer than two periods
---@field noticeable integer losses at most 99 after the one before

--- Attempts by the time at which they were to leave (CLOCK_MONOTONIC).
---@class staffetta.probe.samples
---@field every integer of more than 2,000 attempts only each n-th one is told; 1: all are
---@field answered_ns integer[]
---@field latency_us integer[] of the answered, in the same order
---@field lost_ns integer[]

---@class staffetta.probe.report
---@field target string
---@field port? integer nil for "icmp"
---@field method staffetta.probe.method
---@field interval_us integer
---@field timeout_ms integer
---@field first_tick_ns integer
---@field last_tick_ns integer
---@field sent integer answered + lost + unfinished
---@field answered integer
---@field lost integer
---@field unfinished integer still in flight when the linger time was over
---@field failures table<string, integer> of the lost, by cause (the words of staffetta.probe.answer's failure)
---@field shed integer places of the schedule at which nothing was sent
---@field shed_by staffetta.probe.shed_by
---@field unrecorded integer not sent, because 4,000,000 samples were kept already
---@field late integer answers after the timeout: their attempts are lost
---@field duplicates integer further answers to an attempt
---@field from_elsewhere integer answers from another address than was asked
---@field socket_dropped integer answers of any target that this machine did not read in time
---@field longest_blind_us integer longest time in which nothing was sent, beyond the interval
---@field ended? { how: "fin"|"reset"|"timeout"|"failed", at_ns: integer } of "session": how its connection ended
---@field jitter? staffetta.probe.quantiles how late this machine woke the prober; nil when nothing was sent
---@field latency? staffetta.probe.quantiles of the answered, from the intended time; nil when nothing was answered
---@field round_trip? staffetta.probe.quantiles of the answered, from when they left; nil when nothing was answered
---@field sent_clock "kernel"|"program"|"mixed" who has timed when attempts left
---@field answer_clock "kernel"|"program"|"mixed" who has timed the answers
---@field loss_periods integer
---@field loss_pattern staffetta.probe.loss_pattern
---@field loss_derived_us integer
---@field longest? staffetta.probe.outage nil when nothing was lost
---@field outages staffetta.probe.outage[] the first 1000
---@field samples? staffetta.probe.samples when `stop` was asked for them

--- Methods of TCP only.
---@class staffetta.probe.once_options: staffetta.probe.ask
---@field target string IPv4 or IPv6 address, not a name
---@field timeout_ms? integer 1 to 60,000; left out: 2000

---@class staffetta.probe.answer
---@field answered boolean
---@field latency_us integer to the answer, or to the failure
---@field received? string first line, at most 200 bytes, what is not printable as "."
---@field failure? "timeout"|"refused"|"unreachable"|"denied"|"closed"|"unexpected_answer"

--- Begins to send, one attempt at each target at each place of a fixed schedule, until stopped. Needs "probe".
---@param options staffetta.probe.options
---@return staffetta.probe.running? running
---@return staffetta.err? err
function probe:start(options) end

--- Stops it and says what was measured. Waits for attempts in flight, at most linger_ms (0 to 900; left out: their
--- timeout). A probe is stopped once; afterwards the handle is gone ("not_found"). Needs "probe".
---@param running staffetta.probe.running
---@param options? { linger_ms?: integer, samples?: { from_ns: integer, to_ns: integer } }
---@return staffetta.probe.report|{ reports: staffetta.probe.report[] }? report a list if started with `targets`
---@return staffetta.err? err
function probe:stop(running, options) end

--- One attempt, now. A server that does not answer is a result, not an error. Needs "probe".
---@param options staffetta.probe.once_options
---@return staffetta.probe.answer? answer
---@return staffetta.err? err
function probe:once(options) end

return probe
