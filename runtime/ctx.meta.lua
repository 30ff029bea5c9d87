---@meta

--- What a script is, and what it holds in its hand while it runs: ctx, its site, clusters and hosts. What hosts can do
--- stands in bindings/*/*.meta.lua. For editors; the program never reads it, and a test compares it with the program.

-- ---- errors ----

---@alias staffetta.kind
---| "not_found" the thing named is not there
---| "denied" the system or a grant refuses it
---| "conflict" something stands there that is not what the caller relied on
---| "busy" somebody else holds it now; trying again may help
---| "timeout" no answer inside the deadline
---| "unreachable" no way to the other side
---| "unsupported" this engine, store or kernel can not do it
---| "invalid_data" input, or what the other side sent, has not the form it must have
---| "io" the operating system failed an operation
---| "no_memory" raised, never returned

--- The second value of a call that met a fact of the world. Branch on `kind`, never on the words.
---@class staffetta.err
---@field kind staffetta.kind
---@field op string what was tried
---@field subject string on what
---@field code integer errno or the like, or 0
---@field is_retryable boolean
---@field message string what happened; also what tostring gives
---@field expected string what should have been there, or ""
---@field found string what was there, or ""
---@field remedy string what to do about it, or ""

-- ---- a script's table ----

---@alias staffetta.param.type
---| "string"
---| "integer"
---| "boolean"
---| "choice" one of `choices`
---| "policy" a policy's name; run gets the policy
---| "cluster" a cluster's name; run gets the cluster; left out: the site's only one
---| "host" a host's name; run gets the host
---| "run" a run's number, or "last"
---| "table" only from other scripts

---@class staffetta.param
---@field type staffetta.param.type
---@field doc string
---@field default? any
---@field optional? boolean may be nil
---@field min? integer
---@field max? integer
---@field choices? string[]

---@class staffetta.playbook
---@field api 1
---@field name string the file's
---@field kind "playbook"
---@field summary string
---@field needs? string[] the powers that its hosts get: "registry.write", ...
---@field params? table<string, staffetta.param>
---@field overrides? string its own name, where it is meant to hide a script of that name
---@field run fun(ctx: staffetta.ctx, p: table)
---@field undone? fun(ctx: staffetta.ctx, p: table): staffetta.check_row[] what to look at when a failed run was put back

---@class staffetta.check
---@field api 1
---@field name string the file's
---@field kind "check"
---@field summary string
---@field needs? string[]
---@field params? table<string, staffetta.param>
---@field overrides? string
---@field run fun(ctx: staffetta.ctx, p: table): staffetta.verdict, table|string|nil verdict and evidence

---@class staffetta.policy_file
---@field api 1
---@field name string the file's
---@field kind "policy"
---@field summary string
---@field policy staffetta.policy what to protect and how; all but traffic may be left out
---@field extends? string the policy that all fields left out are taken from
---@field overrides? string

-- ---- site.lua ----

---@class staffetta.site_file
---@field api 1
---@field name string small letters, digits and "-"
---@field hosts table<string, staffetta.site_file.host> may be left out where there is an inventory
---@field groups? table<string, staffetta.site_file.host> what their hosts inherit: docs/inventory.md
---@field inventory? staffetta.site_file.inventory hosts that somebody else keeps
---@field clusters table<string, staffetta.site_file.cluster>
---@field budgets? table<string, integer> of drills: planned_move_ms, failback_ms, crash_ms, restart_ms, flap_ms
---@field forbid? string[] powers that no script gets, whatever it declares: { "vip.move", "system.run" }
---@field forks? integer how many hosts of a batch are worked on at once; left out: all
---@field on_gate_fail? "rollback"|"hold" what becomes of a run whose gate fails; default "rollback"
---@field confirm_within_ms? integer hosts put themselves back when a run does not end well within this time after its
--- newest change there; left out: they do not
---@field facts? { max_age_ms?: integer } how old facts may be that `hosts --facts` shows; default 3600000
---@field lab? table what `staffetta lab` builds

---@class staffetta.site_file.inventory
---@field ansible? string a file: INI, or YAML where it is named so (.yaml, .yml, .json)
---@field command? string[] a program that prints JSON as `ansible-inventory --list` does, and its arguments; no shell
---@field timeout_ms? integer of the command; default 30000

---@class staffetta.site_file.host
---@field role "front_end"|"node"|"witness"|"domain_controller"
---@field address? string
---@field interface? string
---@field netns? string the network namespace that stands for the host
---@field windows? string "2003", ...
---@field ipsec? table see bindings/ipsec/README.md
---@field registry? table<string, string> roots and their stores: ["HKLM\\SYSTEM"] = "hives/SYSTEM"
---@field transport? "agent"|"libssh"|"openssh" where the host's agent runs: fleet/README.md; left out: in this program
---@field ssh? table by ssh: host, user, port, config, key, args, program, system
---@field undo_dir? string where the host keeps the armed undos of runs
---@field groups? string[] names of the site's groups; what they say and the host does not holds for the host
---@field probe? table
---@field wire? table
---@field vip? table
---@field system? table

---@class staffetta.site_file.cluster
---@field virtual_ip string
---@field nodes string[] names of hosts, or of groups for all of their hosts; so in the next two
---@field front_ends string[]
---@field domain_controllers? string[]
---@field prefix_length? integer left out: 32 (IPv4) or 128 (IPv6)
---@field interface? string
---@field manager? "address" who moves the virtual IP
---@field ipsec_id? string what its holder calls itself; left out: the cluster's name
---@field secret? string the file with the pre-shared key

-- ---- the site as a script sees it: all of it is read-only ----

---@class staffetta.host
---@field name string
---@field has staffetta.site_file.host its table in site.lua
---@field role "front_end"|"node"|"witness"|"domain_controller"
---@field address? string
---@field interface? string
---@field netns? string
---@field windows? string
---@field groups? string[] of which it is, those of its inventory too; sorted
---@field registry? staffetta.registry this and the following: where the script needs it, and the host has it
---@field ipsec? staffetta.ipsec
---@field vip? staffetta.vip
---@field probe? staffetta.probe
---@field wire? staffetta.wire
---@field system? staffetta.system

---@class staffetta.cluster
---@field name string
---@field virtual_ip string
---@field prefix_length integer
---@field interface? string
---@field manager? string
---@field ipsec_id string
---@field secret? string
---@field nodes staffetta.host[]
---@field front_ends staffetta.host[]
---@field domain_controllers staffetta.host[]
---@field members staffetta.host[] all of the three
local cluster = {}

--- The hosts of `list` (default: all members) whose table in site.lua has a part for the binding.
---@param binding string "ipsec", "registry"
---@param list? staffetta.host[]
---@return staffetta.host[]
function cluster:with(binding, list) end

--- The node that holds the virtual IP now, and the others. Needs "vip.read".
---@return staffetta.host? holder
---@return staffetta.host[]|staffetta.err others_or_err
function cluster:holder() end

---@class staffetta.site
---@field name? string nil without a site
---@field budgets table<string, integer> milliseconds
local site = {}

--- The hosts of a role, or all, sorted by name.
---@param role? string
---@return staffetta.host[]
function site.hosts(role) end

--- Raises when there is none of that name.
---@param name string
---@return staffetta.host
function site.host(name) end

--- The hosts of a group, sorted by name. Raises when there is none of that name.
---@param name string
---@return staffetta.host[]
function site.group(name) end

---@return staffetta.cluster[] sorted by name
function site.clusters() end

--- Raises when there is none of that name.
---@param name string
---@return staffetta.cluster
function site.cluster(name) end

-- ---- ctx ----

---@alias staffetta.verdict "pass"|"fail"|"unknown"

---@class staffetta.check_row
---@field check string its name
---@field host? staffetta.host
---@field hosts? staffetta.host[] once for each
---@field params? table

---@class staffetta.check_result
---@field check string
---@field host? string
---@field verdict staffetta.verdict
---@field evidence table

---@class staffetta.ctx
---@field is_planning boolean
---@field site staffetta.site
---@field host? staffetta.host in a check: the host it was asked for
---@field files? staffetta.files needs "files.read"
---@field journal? staffetta.journal needs "journal.rollback"
local ctx = {}

--- How a step goes through its hosts.
---@class staffetta.step_options
---@field serial? integer|string|(integer|string)[] sizes of batches, the last for all that follow: { 1, "10%", "100%" }
---@field gate? staffetta.check_row[]|fun(batch: staffetta.host[]): staffetta.check_row[] looked at after each batch
---@field max_fail? integer so many hosts may fail: each has its changes put back and is left out from then on; default 0
---@field retries? integer how often a host is tried again that was busy, unreachable or too late; default 0
---@field deadline_ms? integer for each host, all tries together; a call that is under way then is waited for

--- fn(host) runs for all hosts at once, or batch by batch; what it changes is planned, journalled and undone. A batch
--- ends when all of its hosts have; raises when more than `max_fail` hosts failed, or a gate did not pass.
---@param name string
---@param hosts staffetta.host[]
---@param fn fun(host: staffetta.host)
---@param options? staffetta.step_options
function ctx:step(name, hosts, fn, options) end

--- Like step, for what has no state to put back. A plan only names it.
---@param name string
---@param hosts staffetta.host[]
---@param fn fun(host: staffetta.host)
---@param options? staffetta.step_options
function ctx:act(name, hosts, fn, options) end

--- Runs functions side by side; their first results, in order.
---@param functions fun(): any[]
---@return any[]
function ctx:together(functions) end

--- Those of the hosts that the run may touch: all, unless it has a --limit. Steps, acts and checks leave the others out
--- by themselves; this is for a script that asks hosts outside of them.
---@param hosts staffetta.host[]
---@return staffetta.host[]
function ctx:limited(hosts) end

--- The worst verdict of all, and each result. A plan looks at nothing.
---@param name string
---@param rows staffetta.check_row[]
---@return staffetta.verdict worst
---@return staffetta.check_result[] results
function ctx:checks(name, rows) end

--- Checks that must pass before the playbook goes on. When one fails, the run ends and what it changed is put back, or is
--- held where site.lua says so (`on_gate_fail`). When one is unknown, the person at the terminal is asked; without one,
--- the run ends and everything is put back.
---@param name string
---@param rows staffetta.check_row[]
function ctx:gate(name, rows) end

--- Puts figures into the report. The unit of every number stands in its name.
---@param name string
---@param figures table
function ctx:measure(name, figures) end

--- All figures of the run so far.
---@return table<string, table>
function ctx:measured() end

--- Tells a person something.
---@param format string as for string.format; taken as it is when nothing follows
---@param ... any
function ctx:say(format, ...) end

---@param duration_ms integer at most 3600000
function ctx:sleep_ms(duration_ms) end

--- Calls fn every 20 ms until it returns true; false when the time is over.
---@param timeout_ms integer
---@param fn fun(): boolean
---@return boolean
function ctx:wait_until(timeout_ms, fn) end

--- The first field, sorted by name, in which `found` lacks what `wanted` has, with both values; nil when there is none.
---@param wanted any
---@param found any
---@return string? field
---@return any expected
---@return any present
function ctx.differs(wanted, found) end

---@return integer nanoseconds on a clock that never jumps
function ctx.now_ns() end

--- Files of the site's folder, and no others.
---@class staffetta.files
local files = {}

--- The names in a folder, sorted.
---@param path string from the site's folder
---@return string[]? names
---@return staffetta.err? err
function files:list(path) end

--- { mode = "file", size = bytes, modification = unix seconds, ... }; nil when there is none.
---@param path string
---@return table?
function files:attributes(path) end

--- At most 1 MiB.
---@param path string
---@return string? text
---@return staffetta.err? err
function files:read(path) end

--- What earlier runs have changed.
---@class staffetta.journal
local journal = {}

--- What a rollback of the run would do: { run, items, undo, nothing, conflict, unknown }, where items are { change,
--- step, host, resource, verdict, reason?, describe = { what, before, ours, now } } and the last four are how many.
---@param run integer a parameter of the type "run" is one, also where "last" was given
---@param options? { host?: string }
---@return table? plan
---@return staffetta.err? err
function journal:rollback_plan(run, options) end

--- What the run has measured: name -> figures.
---@param run integer a parameter of the type "run" is one, also where "last" was given
---@return table<string, table>? measures
---@return staffetta.err? err
function journal:measures(run) end

--- Does it. Refuses (`conflict`), having touched nothing, where a host no longer has what the run wrote.
---@param run integer a parameter of the type "run" is one, also where "last" was given
---@param options? { force?: boolean|integer[], host?: string } force: everything, or the items of these numbers
---@return table? summary
---@return staffetta.err? err
function journal:rollback(run, options) end
