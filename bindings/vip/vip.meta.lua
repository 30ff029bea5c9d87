---@meta

--- Virtual IP addresses of a host, and the interface that carries them. `host.vip` is there for scripts that need
--- "vip.read", "vip.move" or "vip.fail".
---@class staffetta.vip
local vip = {}

---@class staffetta.vip.address
---@field address string
---@field prefix_length integer
---@field interface string

---@class staffetta.vip.target
---@field address string IPv4 or IPv6, without a prefix length
---@field prefix_length? integer left out: 32 (IPv4) or 128 (IPv6)
---@field interface? string left out: the host's `interface` in the site file

---@class staffetta.vip.link
---@field is_up boolean
---@field routes? string[] IPv4 routes that would not come back by themselves, in the kernel's own bytes

---@class staffetta.vip.watch
---@field handle integer

---@class staffetta.vip.event
---@field at_ns integer CLOCK_MONOTONIC, when it was received
---@field event "address-added"|"address-removed"|"link-up"|"link-down" a link's first one may be no change
---@field interface string
---@field address? string of an address
---@field prefix_length? integer of an address

---@class staffetta.vip.watched
---@field events staffetta.vip.event[]
---@field dropped integer events beyond the first 10,000
---@field overruns integer times that the kernel had no room for events
---@field ended_early? string why nothing more was heard before watch_stop; nil: it was heard to the end

---@class staffetta.vip.announcement
---@field address string
---@field interface? string left out: the host's `interface` in the site file
---@field count? integer 1 to 100; left out: 3
---@field gap_ms? integer between two announcements, 0 to 1000; left out: 1

--- Does the host hold the address, and on which interface? Needs "vip.read".
---@param address string
---@param interface? string look only there; left out: on every interface
---@return boolean? holds nil when it could not be found out
---@return string|staffetta.err? interface the interface that holds it, or the error
function vip:holds(address, interface) end

--- All addresses of all interfaces. Needs "vip.read".
---@return staffetta.vip.address[]? addresses
---@return staffetta.err? err
function vip:addresses() end

--- A change: the host holds the address afterwards, and its neighbours have been told. Needs "vip.move".
---@param target staffetta.vip.target
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function vip:take(target) end

--- A change: the host does not hold the address afterwards. Needs "vip.move".
---@param target staffetta.vip.target
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function vip:release(target) end

--- Tells the neighbours once more who holds the address. Refused (`conflict`) when the host does not. Needs "vip.move".
---@param announcement staffetta.vip.announcement
---@return { sent: integer }? outcome `sent` is 0 on an interface without neighbours
---@return staffetta.err? err
function vip:announce(announcement) end

--- Whether an interface is up, and the routes over it. Needs "vip.read".
---@param interface? string left out: the host's `interface` in the site file
---@return staffetta.vip.link? link
---@return staffetta.err? err
function vip:link(interface) end

--- A change: the interface is up or down. Up it has the routes that are given, and its neighbours are told of its
--- addresses. Needs "vip.fail".
---@param link staffetta.vip.link
---@param interface? string left out: the host's `interface` in the site file
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function vip:set_link(link, interface) end

--- How much is added to the node's priority in keepalived: the number in the host's `vip.track_file`. Needs "vip.read".
---@return { adjust: integer }? priority
---@return staffetta.err? err
function vip:priority() end

--- A change: keepalived adds this to the node's priority, and moves the address when that makes another node the first.
--- Needs "vip.move".
---@param adjust integer -253 to 253
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function vip:set_priority(adjust) end

--- Which node the cluster manager lets have the virtual IP, by the host's `vip.resource` (Pacemaker) or `vip.group` (a
--- Windows cluster) in site.lua. `node` is the manager's name for it, nil: nobody has it. `loaded` is false while a
--- constraint of `crm_resource --move` stands. Needs "vip.read".
---@param address? string `conflict` when the resource or group carries another one
---@return { node?: string, loaded?: false }? owner
---@return staffetta.err? err
function vip:owner(address) end

--- A change: the cluster manager moves the virtual IP to this node. Returns when it is there. Needs "vip.move".
---@param node string the manager's name for it
---@param address? string as for `owner`
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function vip:set_owner(node, address) end

--- Notes from now on when addresses and links of the host come and go. Needs "vip.read".
---@return staffetta.vip.watch? watch
---@return staffetta.err? err
function vip:watch() end

--- Ends it and gives what it has noted; once. Needs "vip.read".
---@param watch staffetta.vip.watch
---@return staffetta.vip.watched? watched
---@return staffetta.err? err
function vip:watch_stop(watch) end
