---@meta

--- IPsec on a host: connections and secrets in its charon, the clear-text guard in its kernel, and what stands there.
--- `host.ipsec` is there for scripts that need "ipsec.read", "ipsec.write" or "ipsec.initiate". Names of connections,
--- secrets and guards begin with "staffetta-": nothing else is ever touched (`denied`).
---@class staffetta.ipsec
local ipsec = {}

---@class staffetta.ipsec.traffic
---@field protocol "tcp"|"udp"|"icmp"|"any"
---@field ports? (integer|string)[] 110, "1025-5000"; left out: all; only with tcp and udp

--- A policy as scripts get it: every field is there. In a policy's file all but `traffic` may be left out, and
--- bindings/ipsec/policy.h says what each means and what is in its place then.
---@class staffetta.policy
---@field name string the file's; not stated in it
---@field traffic staffetta.ipsec.traffic[] what is protected; ports of the side that is `to`
---@field between { from: string, to: string }[] "front_ends", "virtual_ip", "nodes", "domain_controllers", or an address
---@field exempt staffetta.ipsec.traffic[] never touched: IKE always, and the management channel
---@field action "require"|"permit"|"pass"|"drop"
---@field clear_text "refuse"|"allow" refuse: a guard drops what reaches the virtual IP unprotected
---@field mode "transport"|"tunnel"
---@field auth { method: "psk"|"certificate"|"kerberos", certificate?: string, key?: string, ca?: string }
---@field ike_proposals string[] in strongSwan's words
---@field esp_proposals string[]
---@field allow_weak { algorithm: string, peers: string[] }[]
---@field ike_rekey_ms integer 0: never
---@field esp_rekey_ms integer 0: never
---@field esp_rekey_bytes integer 0: never
---@field dpd_delay_ms integer 0: no dead-peer detection
---@field dpd_action "trap"|"restart"|"clear"
---@field failover staffetta.ipsec.failover
---@field asks { port: integer, send?: string, expect?: string }[]

---@class staffetta.ipsec.failover: staffetta.ipsec.timers
---@field initiator "new_holder"|"front_end" who negotiates after the virtual IP has moved

--- Of a whole daemon, kept in the file `ipsec.charon_conf` of the host; the kernel's acquires when charon starts.
---@class staffetta.ipsec.timers
---@field retransmit_timeout_ms integer until an unanswered request is repeated
---@field retransmit_base number each next wait is as many times as long
---@field retransmit_tries integer then the peer is given up
---@field acquire_expires_ms integer whole seconds; how long the kernel waits for an SA before it asks again
---@field loaded? false in the file, but charon may not have read it

--- What a host with the driver "windows" has in place of connections: all that it carries of one policy.
---@class staffetta.ipsec.windows_policy
---@field generation string "2003" to "2022"
---@field policy table
---@field pairs { local_address: string, remote_address: string, side: "client"|"server", peer?: string }[]
---@field host? string this host's name, for allow_weak
---@field tool? "ipsec_static"|"consec"|"powershell" the newest when left out
---@field ike_version? 1|2
---@field secret_file? string with "psk": for netsh on this machine, for PowerShell on the host
---@field ca_name? string with "certificate"
---@field loaded? false the host does not have it as it was put there

---@class staffetta.ipsec.connection
---@field version 1|2 IKE's; with 1 `ike_proposals` have no authenticated encryption
---@field local_address string in its shortest spelling, as are all addresses
---@field remote_address string
---@field local_id string letters, digits and . - _ @ :
---@field remote_id string
---@field side "client"|"server" client: towards the protected ports; server: owns them
---@field traffic staffetta.ipsec.traffic[]
---@field mode "transport"|"tunnel"
---@field exempt? staffetta.ipsec.traffic[] ports of either side that pass in the clear
---@field action "require"|"permit"|"pass"|"drop" permit: accept protection, block nothing; pass, drop: no IKE at all
---@field auth? { method: "certificate"|"kerberos", certificate?: string, ca?: string } left out: a pre-shared key
---@field ike_proposals string[] in strongSwan's words
---@field esp_proposals string[]
---@field initiate "on_demand"|"never" on_demand, with "require": the first packet makes charon negotiate
---@field dpd_delay_ms? integer whole seconds; left out or 0: no dead-peer detection
---@field dpd_action? "trap"|"restart"|"clear" what a client does; left out: trap
---@field ike_rekey_ms? integer whole seconds; left out: charon's default; 0: never
---@field esp_rekey_ms? integer whole seconds; left out: charon's default; 0: never
---@field esp_rekey_bytes? integer left out or 0: never
---@field loaded? false kept on the host but not, or not wholly, in charon

---@class staffetta.ipsec.secret
---@field file string where the secret is; a relative path starts at the site's folder; chmod 600
---@field owners? string[] the identities that share a pre-shared key
---@field kind? "private_key" of a certificate, and without owners; left out: a pre-shared key
---@field loaded? false noted on the host but not in charon

---@class staffetta.ipsec.guard
---@field side "client"|"server"
---@field engine "kernel"|"userland"
---@field address string
---@field interface string
---@field traffic staffetta.ipsec.traffic[] no "any"; of icmp, echoes only
---@field exempt? staffetta.ipsec.traffic[] passes before anything is dropped

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
---@field event "ike-updown"|"child-updown"|"ike-rekey"|"child-rekey"|"log"
---@field connection? string
---@field child? string nil for an IKE SA's
---@field is_up? boolean true for a rekey; nil for a log line, which alone has the following
---@field group? string "IKE", "CFG", ...
---@field level? integer
---@field text? string

---@class staffetta.ipsec.watched
---@field events staffetta.ipsec.event[]
---@field dropped integer events beyond the first 100,000
---@field ended_early? string why nothing more was heard before watch_stop; nil: it was heard to the end
---@field ended_ns? integer CLOCK_MONOTONIC, when that was: the daemon ended, most likely

---@class staffetta.ipsec.kernel_selector
---@field source string "10.9.0.0/24"
---@field destination string
---@field protocol string "tcp", "udp", "icmp", "any", ..; one without a word here as a number: "200"
---@field source_port? integer nil: any; of ICMP the type
---@field source_port_mask? integer nil: that one port; else the port stands for all that agree in these bits
---@field destination_port? integer of ICMP the code
---@field destination_port_mask? integer
---@field interface_index? integer
---@field user_id? integer

---@class staffetta.ipsec.kernel_template
---@field source string "0.0.0.0" or "::": the packet's own
---@field destination string
---@field protocol "esp"|"ah"|"comp"|string
---@field mode "transport"|"tunnel"|"beet"|string
---@field reqid integer
---@field level "required"|"use"
---@field spi? string hex
---@field share? string

---@class staffetta.ipsec.kernel_mark
---@field value integer
---@field mask integer

---@class staffetta.ipsec.kernel_limits
---@field soft_bytes? integer
---@field hard_bytes? integer
---@field soft_packets? integer
---@field hard_packets? integer
---@field soft_added_s? integer since it was added
---@field hard_added_s? integer
---@field soft_used_s? integer since it was first used
---@field hard_used_s? integer

---@class staffetta.ipsec.kernel_lifetime
---@field bytes integer
---@field packets integer
---@field added_unix_s? integer
---@field used_unix_s? integer nil: never used

---@class staffetta.ipsec.kernel_policy
---@field selector staffetta.ipsec.kernel_selector
---@field direction "in"|"out"|"fwd"
---@field priority integer the lowest number wins
---@field action "allow"|"block"
---@field type "main"|"sub"
---@field templates? staffetta.ipsec.kernel_template[] nil: allow in the clear
---@field flags? string[]
---@field limits? staffetta.ipsec.kernel_limits
---@field share? string
---@field mark? staffetta.ipsec.kernel_mark
---@field if_id? integer
---@field is_of_socket? true the policy of one program's socket, not the host's
---@field index? integer not in a snapshot
---@field lifetime? staffetta.ipsec.kernel_lifetime not in a snapshot
---@field unknown_attributes? integer how many the kernel told that have no name here

---@class staffetta.ipsec.kernel_algorithm
---@field name string the kernel's: "rfc4106(gcm(aes))"
---@field key_bits? integer
---@field check_bits? integer of the integrity check value

---@class staffetta.ipsec.kernel_sa
---@field source string
---@field destination string
---@field protocol "esp"|"ah"|"comp"|string
---@field spi? string hex, as in host.ipsec:sas(); in a snapshot only on request
---@field reqid integer
---@field mode "transport"|"tunnel"|"beet"|string
---@field is_larval boolean true: no SA yet, the kernel waits for a daemon to negotiate it
---@field aead? staffetta.ipsec.kernel_algorithm
---@field auth? staffetta.ipsec.kernel_algorithm
---@field crypt? staffetta.ipsec.kernel_algorithm
---@field comp? staffetta.ipsec.kernel_algorithm
---@field selector staffetta.ipsec.kernel_selector
---@field replay { window_packets: integer, is_esn: boolean, sequence_in?: integer, sequence_out?: integer }
---@field encap? { type: string, source_port: integer, destination_port: integer, original_address?: string }
---@field mark? staffetta.ipsec.kernel_mark
---@field output_mark? staffetta.ipsec.kernel_mark
---@field if_id? integer
---@field care_of_address? string
---@field offload? { interface_index: integer, flags?: string[] }
---@field flags? string[]
---@field extra_flags? string[]
---@field tfc_pad_bytes? integer
---@field limits? staffetta.ipsec.kernel_limits
---@field lifetime? staffetta.ipsec.kernel_lifetime not in a snapshot
---@field last_used_unix_s? integer not in a snapshot
---@field errors? { replay_window: integer, replay: integer, integrity: integer } packets refused; not in a snapshot
---@field sequence? integer of the acquire that it answers; not in a snapshot
---@field unknown_attributes? integer

---@class staffetta.ipsec.kernel_actions
---@field in "accept"|"block" for packets that no policy matches
---@field fwd "accept"|"block"
---@field out "accept"|"block"

---@class staffetta.ipsec.kernel_stats
---@field policies { in: integer, out: integer, fwd: integer, of_sockets: integer }
---@field sas integer larval ones too
---@field default_actions? staffetta.ipsec.kernel_actions nil: the kernel is older than 5.14 and accepts
---@field errors? table<string, integer> /proc/net/xfrm_stat, in the kernel's names; nil: the kernel does not count
---@field acquire_expires_s? integer how long a larval SA waits, and no other acquire fires (net.core.xfrm_acq_expires)

---@class staffetta.ipsec.kernel_snapshot
---@field policies staffetta.ipsec.kernel_policy[] in canonical order
---@field sas staffetta.ipsec.kernel_sa[] in canonical order
---@field default_actions? staffetta.ipsec.kernel_actions
---@field has_spis boolean

---@class staffetta.ipsec.kernel_difference
---@field difference "missing"|"added"
---@field policy? staffetta.ipsec.kernel_policy
---@field sa? staffetta.ipsec.kernel_sa
---@field default_actions? staffetta.ipsec.kernel_actions

---@class staffetta.ipsec.kernel_comparison
---@field is_equal boolean
---@field missing integer were there, and are not
---@field added integer are there, and were not
---@field policies integer that stand now
---@field sas integer that stand now
---@field differences staffetta.ipsec.kernel_difference[] the first 50

---@class staffetta.ipsec.kernel_event
---@field at_ns integer CLOCK_MONOTONIC, when it was received
---@field event "acquire"|"sa-new"|"sa-update"|"sa-delete"|"sa-flush"|"sa-expire"|"policy-new"|"policy-update"|"policy-delete"|"policy-flush"|"policy-expire"|"default-actions"|"migrate"|"report"|"overrun"
---@field is_hard? boolean of the two expire events; false: due for renewal, true: gone
---@field sa? staffetta.ipsec.kernel_sa
---@field policy? staffetta.ipsec.kernel_policy
---@field selector? staffetta.ipsec.kernel_selector of acquire (the packet's), migrate, report
---@field source? string of acquire
---@field destination? string of acquire
---@field protocol? string of acquire, sa-flush, report
---@field sequence? integer of acquire
---@field type? "main"|"sub" of policy-flush
---@field default_actions? staffetta.ipsec.kernel_actions
---@field direction? "in"|"out"|"fwd" of migrate
---@field moves? table[] of migrate: old_source, old_destination, new_source, new_destination, protocol, mode, reqid

---@class staffetta.ipsec.kernel_watched
---@field events staffetta.ipsec.kernel_event[] in the kernel's order
---@field dropped integer events beyond the first 50,000
---@field overruns integer times that the kernel had no room for events; an event "overrun" stands where
---@field undecoded integer messages of a kind or form that is not known here
---@field hears_acquires boolean
---@field ended_early? string why nothing more was heard before kernel_watch_stop; nil: it was heard to the end

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

--- The policies that charon has put into the kernel, and not for an SA alone: traps, passes, drops. Needs "ipsec.read".
---@return { connection: string, child: string, mode: string, local_ts: string[], remote_ts: string[] }[]? policies
---@return staffetta.err? err
function ipsec:policies() end

--- The certificates that charon has. Needs "ipsec.read".
---@return { type?: string, flag?: string, has_private_key: boolean, data?: string }[]? certificates data as 0x and hex
---@return staffetta.err? err
function ipsec:certificates() end

--- The names of what charon has, ours and everybody's; of private keys their hashes. Needs "ipsec.read".
---@return { connections: string[], secrets: string[], keys: string[] }? loaded
---@return staffetta.err? err
function ipsec:loaded() end

--- How many IKE messages of each kind came and went, in charon's words: `ike_init_in_req`, `invalid_spi`, ... Of one
--- connection, or of the whole daemon. Needs "ipsec.read".
---@param connection? string
---@return table<string, integer>? counters
---@return staffetta.err? err
function ipsec:counters(connection) end

--- Loads again what a restarted daemon has lost of ours: connections from their files, secrets from theirs. What can not
--- be loaded is named, the rest is loaded. Needs "ipsec.write".
---@return { connections: integer, secrets: integer, skipped: { name: string, reason: string }[] }? outcome
---@return staffetta.err? err
function ipsec:reload() end

--- A connection of ours, on a Windows host a whole policy; nil without an error when there is none. Needs "ipsec.read".
---@param name string
---@return staffetta.ipsec.connection|staffetta.ipsec.windows_policy? connection
---@return staffetta.err? err
function ipsec:get(name) end

--- What `set` would refuse for what the host's engine, or the version of IKE, can not do; changes nothing. `left_out` has
--- the proposals that it can not or may not use. Needs "ipsec.read".
---@param name string
---@param document staffetta.ipsec.connection|staffetta.ipsec.windows_policy
---@return { left_out: string[] }? outcome
---@return staffetta.err? err
function ipsec:check(name, document) end

--- The first setting in which the file of a connection of ours is not as `connection` would be written, as after an edit
--- by hand; nil without an error when the file is just that. Not on Windows hosts. Needs "ipsec.read".
---@param name string
---@param connection staffetta.ipsec.connection
---@return { field: string, expected: string, found: string }? edit
---@return staffetta.err? err
function ipsec:edit(name, connection) end

--- A change: the connection is kept on the host and loaded. Associations that stand are left as they are.
--- Needs "ipsec.write".
---@param name string
---@param connection staffetta.ipsec.connection|staffetta.ipsec.windows_policy
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

--- The timers that we have set in the host's charon; nil without an error: its own hold. charon does not tell what it
--- has read. `unsupported` where site.lua names no `ipsec.charon_conf`. Needs "ipsec.read".
---@return staffetta.ipsec.timers? timers
---@return staffetta.err? err
function ipsec:get_timers() end

--- A change: what charon negotiates from now on has these timers. Needs "ipsec.write".
---@param timers staffetta.ipsec.timers
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function ipsec:set_timers(timers) end

--- A change: charon has its own timers. Needs "ipsec.write".
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function ipsec:remove_timers() end

--- net.core.xfrm_acq_expires, as the kernel has it now. Needs "ipsec.read".
---@return { acquire_expires_ms: integer }? expires
---@return staffetta.err? err
function ipsec:get_acquire_expires() end

--- A change: the kernel has this value until charon starts anew, which sets that of its timers. Needs "ipsec.write".
---@param expires { acquire_expires_ms: integer } whole seconds
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function ipsec:set_acquire_expires(expires) end

--- What the guard has dropped since it was written. Needs "ipsec.read".
---@param name string
---@return { packets: integer, bytes: integer }? dropped
---@return staffetta.err? err
function ipsec:guard_counters(name) end

--- Whether the daemon runs. Needs "ipsec.read".
---@return { is_running: boolean }? daemon
---@return staffetta.err? err
function ipsec:daemon() end

--- A change: the daemon has ended, or runs again. Ended by signal "TERM" (left out) or "KILL". It is started by the
--- command `ipsec.start` of the host in site.lua, gets back what it had of ours, and negotiates those connections in
--- `renew` whose local address the host holds. Needs "ipsec.fail".
---@param daemon { is_running: boolean, signal?: "TERM"|"KILL", renew?: string[] } the last two the same both times
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function ipsec:set_daemon(daemon) end

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

--- Begins to rekey a child's SAs; `child-rekey` tells when that is done. Needs "ipsec.initiate".
---@param options { connection: string, child?: string } child left out: the connection's name
---@return { matches: integer }? outcome
---@return staffetta.err? err
function ipsec:rekey(options) end

--- Installs a child's trap policy, until the daemon ends or the connection is set again. Needs "ipsec.initiate".
---@param options { connection: string, child?: string }
---@return { installed: boolean }? outcome
---@return staffetta.err? err
function ipsec:install(options) end

--- Takes a child's trap policy away, likewise. Needs "ipsec.initiate".
---@param options { connection: string, child?: string }
---@return { installed: boolean }? outcome
---@return staffetta.err? err
function ipsec:uninstall(options) end

--- Begins to collect events; when it returns, none that follows is missed. With `log` also charon's log lines. Needs
--- "ipsec.read".
---@param options? { log?: boolean }
---@return staffetta.ipsec.watch? watch
---@return staffetta.err? err
function ipsec:watch(options) end

--- Ends a watch, once, and gives what it saw. Events are raised on threads of charon's own: the last ones can come some
--- milliseconds after the call that caused them. Needs "ipsec.read".
---@param watch staffetta.ipsec.watch
---@return staffetta.ipsec.watched? watched
---@return staffetta.err? err
function ipsec:watch_stop(watch) end

--- The kernel's policies, in its order, also those of others. Needs no daemon. Needs "ipsec.read".
---@return staffetta.ipsec.kernel_policy[]? policies
---@return staffetta.err? err `busy`, retryable, when they change without end
function ipsec:kernel_policies() end

--- The kernel's security associations, larval ones too; never a key. Needs "ipsec.read".
---@return staffetta.ipsec.kernel_sa[]? sas
---@return staffetta.err? err
function ipsec:kernel_sas() end

--- How many there are, and what the kernel has refused and why. Needs "ipsec.read".
---@return staffetta.ipsec.kernel_stats? stats
---@return staffetta.err? err
function ipsec:kernel_stats() end

--- What is configured in the kernel and nothing that changes by itself: two snapshots of an unaltered kernel are equal,
--- traffic and rekeys in between or not. Needs "ipsec.read".
---@param options? { spis?: boolean } with SPIs a rekey shows
---@return staffetta.ipsec.kernel_snapshot? snapshot
---@return staffetta.err? err
function ipsec:kernel_snapshot(options) end

--- What is missing and what was added since a snapshot. Needs "ipsec.read".
---@param before staffetta.ipsec.kernel_snapshot
---@return staffetta.ipsec.kernel_comparison? comparison
---@return staffetta.err? err
function ipsec:kernel_compare(before) end

--- Begins to collect the kernel's events; when it returns, none that follows is missed. Acquires: left out, they are
--- heard where a daemon hears them already; true: always, and where no daemon does the kernel then waits for one
--- instead of refusing the packet; false: never. Needs "ipsec.read".
---@param options? { acquires?: boolean }
---@return staffetta.ipsec.watch? watch
---@return staffetta.err? err
function ipsec:kernel_watch(options) end

--- Ends a watch of kernel_watch, once, and gives all that the kernel told before this call. Needs "ipsec.read".
---@param watch staffetta.ipsec.watch
---@return staffetta.ipsec.kernel_watched? watched
---@return staffetta.err? err
function ipsec:kernel_watch_stop(watch) end

--- Scripts that put a policy on a Windows host, take it off again, and show what stands; nothing is run. Pairs: all that
--- the host has under the policy; ports are the server's; `peer` and `host` are names of the site, for allow_weak. Tool:
--- "ipsec_static", "consec" or "powershell"; left out: the newest. With psk `secret_file` is a path on the Windows host,
--- the key is in no script. `before`: what undo brings back (README.md). An `unsupported` error names the policy's
--- field, what was asked and what that Windows has. Needs "ipsec.read".
---@param request { policy: table, name: string, generation: string, pairs: { local_address: string, remote_address: string, side: "client"|"server", peer?: string }[], host?: string, tool?: string, ike_version?: integer, secret_file?: string, ca_name?: string, before?: string, is_plan?: boolean }
---@return { apply: string, undo: string, show: string, language: "netsh"|"powershell", left_out: string[] }? scripts
---@return staffetta.err? err
function ipsec:windows_scripts(request) end

--- What the IPsec of a Windows can do, with the titles of the sources. Needs "ipsec.read".
---@param generation string "2000" to "2022", "2008r2", "2012r2"
---@return { generation: string, tools: string[], ike_versions: integer[], main_mode: table, quick_mode: table, sources: string[] }? capabilities
---@return staffetta.err? err
function ipsec:windows_capabilities(generation) end

--- The rules in what a host printed: "powershell", its script `show`; "netsh", `netsh advfirewall consec show rule
--- name=all verbose` in English; "netsh_static", `netsh ipsec static show .. all level=verbose` in English, where each has a
--- `kind` too, and a filter list its `filters`. Pre-shared keys are left out. Needs "ipsec.read".
---@param language "netsh"|"netsh_static"|"powershell"
---@param text string
---@return { name: string, is_ours: boolean, members: table<string, string|string[]> }[]? rules
---@return staffetta.err? err
function ipsec:windows_read(language, text) end

return ipsec
