---@meta

--- IPsec on a host: connections and secrets in its charon, the clear-text guard in its kernel, and what stands there.
--- `host.ipsec` is there for scripts that need "ipsec.read", "ipsec.write" or "ipsec.initiate". Names of connections,
--- secrets and guards begin with "staffetta-": nothing else is ever touched (`denied`).
---@class staffetta.ipsec
local ipsec = {}

---@class staffetta.ipsec.traffic
---@field protocol "tcp"|"udp"|"any"
---@field ports? integer[] of the server; left out: all; not with "any"

---@class staffetta.ipsec.connection
---@field version 2
---@field local_address string in its shortest spelling, as are all addresses
---@field remote_address string
---@field local_id string letters, digits and . - _ @
---@field remote_id string
---@field side "client"|"server" client: towards the protected ports; server: owns them
---@field traffic staffetta.ipsec.traffic[]
---@field mode "transport"|"tunnel"
---@field action "require"|"permit" permit: accept protection, block nothing
---@field ike_proposals string[] in strongSwan's words
---@field esp_proposals string[]
---@field initiate "on_demand"|"never" on_demand, with "require": the first packet makes charon negotiate
---@field dpd_delay_ms? integer whole seconds; left out or 0: no dead-peer detection
---@field ike_rekey_ms? integer whole seconds; left out: charon's default; 0: never
---@field esp_rekey_ms? integer whole seconds; left out: charon's default; 0: never
---@field loaded? false kept on the host but not, or not wholly, in charon

---@class staffetta.ipsec.secret
---@field file string where the secret is; a relative path starts at the site's folder; chmod 600
---@field owners string[] the identities that share it
---@field loaded? false noted on the host but not in charon

---@class staffetta.ipsec.guard
---@field side "client"|"server"
---@field engine "kernel"|"userland"
---@field address string
---@field interface string
---@field traffic staffetta.ipsec.traffic[] no "any"

---@class staffetta.ipsec.capabilities
---@field engine "kernel"|"userland" who carries ESP
---@field modes ("transport"|"tunnel")[]

---@class staffetta.ipsec.child
---@field name string
---@field state string "INSTALLED", "REKEYING", ...
---@field mode string "TRANSPORT", "TUNNEL"
---@field spi_in? string hex; the peer's spi_out
---@field spi_out? string
---@field bytes_in? integer nil while charon does not know it; so the other counters
---@field bytes_out? integer
---@field packets_in? integer
---@field packets_out? integer
---@field local_ts string[]
---@field remote_ts string[]

---@class staffetta.ipsec.sa
---@field connection string
---@field id integer charon's number of the IKE SA
---@field state string "ESTABLISHED", "CONNECTING", ...; a dead peer's stays ESTABLISHED
---@field local_address string
---@field remote_address string
---@field initiator boolean
---@field children staffetta.ipsec.child[]

---@class staffetta.ipsec.watch
---@field handle integer

---@class staffetta.ipsec.event
---@field at_ns integer CLOCK_MONOTONIC, when it was received
---@field event "ike-updown"|"child-updown"|"ike-rekey"|"child-rekey"
---@field connection? string
---@field child? string nil for an IKE SA's
---@field is_up boolean true for a rekey

---@class staffetta.ipsec.watched
---@field events staffetta.ipsec.event[]
---@field dropped integer events beyond the first 100,000
---@field ended_early? string why nothing more was heard before watch_stop; nil: it was heard to the end

--- Version of the daemon: `daemon`, `version`, `sysname`, `release`, `machine`. Needs "ipsec.read".
---@return table<string, string>? version
---@return staffetta.err? err
function ipsec:version() end

--- charon's own statistics, in its own words: uptime, workers, ikesas, plugins. Needs "ipsec.read".
---@return table? stats
---@return staffetta.err? err
function ipsec:stats() end

--- What the host's engine can do. Needs "ipsec.read".
---@return staffetta.ipsec.capabilities? capabilities
---@return staffetta.err? err
function ipsec:capabilities() end

--- Every loaded connection, also those of others, in charon's own words with its `name`. Needs "ipsec.read".
---@return table[]? connections
---@return staffetta.err? err
function ipsec:connections() end

--- The security associations, also those of others. Needs "ipsec.read".
---@return staffetta.ipsec.sa[]? sas
---@return staffetta.err? err
function ipsec:sas() end

--- A connection of ours; nil without an error when there is none. Needs "ipsec.read".
---@param name string
---@return staffetta.ipsec.connection? connection
---@return staffetta.err? err
function ipsec:get(name) end

--- A change: the connection is kept on the host and loaded. Associations that stand are left as they are.
--- Needs "ipsec.write".
---@param name string
---@param connection staffetta.ipsec.connection
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function ipsec:set(name, connection) end

--- A change: the connection and its associations are gone; the peer is told, its answer not waited for.
--- Needs "ipsec.write".
---@param name string
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function ipsec:remove(name) end

--- What is known of a secret, which is never the secret. Needs "ipsec.read".
---@param name string
---@return staffetta.ipsec.secret? secret
---@return staffetta.err? err
function ipsec:get_secret(name) end

--- A change: charon has the secret that is in the file now. Needs "ipsec.write".
---@param name string
---@param secret staffetta.ipsec.secret
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function ipsec:set_secret(name, secret) end

--- A change: charon does not have the secret. Needs "ipsec.write".
---@param name string
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function ipsec:remove_secret(name) end

--- A clear-text guard; nil without an error when there is none. Needs "ipsec.read".
---@param name string
---@return staffetta.ipsec.guard|{ ruleset: table[] }|nil guard
---@return staffetta.err? err
function ipsec:get_guard(name) end

--- A change: the kernel drops the traffic where it is not protected. Needs "ipsec.write".
---@param name string
---@param guard staffetta.ipsec.guard|{ ruleset: table[] }
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function ipsec:set_guard(name, guard) end

--- A change: there is no such guard. Needs "ipsec.write".
---@param name string
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function ipsec:remove_guard(name) end

--- What the guard has dropped since it was written. Needs "ipsec.read".
---@param name string
---@return { packets: integer, bytes: integer }? dropped
---@return staffetta.err? err
function ipsec:guard_counters(name) end

--- Negotiates now. On failure the error ends with charon's last words about it. Needs "ipsec.initiate".
---@param options { connection: string, child?: string, timeout_ms?: integer } child left out: the connection's name; timeout_ms 10000
---@return { took_ms: integer }? outcome
---@return staffetta.err? err
function ipsec:initiate(options) end

--- Ends the connection's associations; none to end is no error. With `force` nothing is waited for and the time-out
--- has no meaning; without, a peer that does not confirm is a `timeout`. Needs "ipsec.initiate".
---@param options { connection: string, force?: boolean, timeout_ms?: integer } timeout_ms left out: 5000
---@return { terminated: integer }? outcome
---@return staffetta.err? err
function ipsec:terminate(options) end

--- Begins to collect events; when it returns, none that follows is missed. Needs "ipsec.read".
---@return staffetta.ipsec.watch? watch
---@return staffetta.err? err
function ipsec:watch() end

--- Ends a watch, once, and gives what it saw. Events are raised on threads of charon's own: the last ones can come some
--- milliseconds after the call that caused them. Needs "ipsec.read".
---@param watch staffetta.ipsec.watch
---@return staffetta.ipsec.watched? watched
---@return staffetta.err? err
function ipsec:watch_stop(watch) end

return ipsec
