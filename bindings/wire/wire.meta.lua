---@meta

--- Captures that count protected and clear packets. `host.wire` is there for scripts that need "wire".
---@class staffetta.wire
local wire = {}

---@class staffetta.wire.options
---@field address string    IPv4 or IPv6 address whose traffic is looked at, e.g. the virtual IP
---@field ports integer[]   1 to 64 protected ports on the address's side
---@field protocol? "tcp"|"udp" of the protected ports; "tcp" when left out
---@field interface? string where to capture; the host's `interface` in site.lua when left out
---@field trace? boolean    notes when packets came, too

---@class staffetta.wire.capture
---@field handle integer    for `stop`

---@class staffetta.wire.count
---@field to integer        packets to the address
---@field from integer      packets from the address

---@class staffetta.wire.clear
---@field port integer
---@field direction "to"|"from"
---@field packets integer
---@field payload_bytes integer
---@field attempts integer  those of the packets that are a lone SYN

---@class staffetta.wire.evidence
---@field time_unix_ns integer
---@field src string
---@field dst string
---@field src_port integer
---@field dst_port integer
---@field flags string      of TCP, in tcpdump's letters: "S", "SA", "PA"
---@field payload_bytes integer

--- When packets came, on CLOCK_MONOTONIC. Milliseconds without a packet are left out.
---@class staffetta.wire.trace
---@field bucket_us integer  1000
---@field at_ns integer[]    when each bucket begins
---@field protected integer[] packets in it: ESP, and ESP in UDP
---@field clear integer[]    packets in it
---@field ike { at_ns: integer, exchange: string, direction: "to"|"from", is_response: boolean }[] the first 2,000
---@field untraced integer   packets beyond five minutes, messages beyond 2,000

---@class staffetta.wire.report
---@field esp staffetta.wire.count
---@field esp_in_udp staffetta.wire.count
---@field ike staffetta.wire.count
---@field clear staffetta.wire.clear[]   one entry for each port and direction, also when nothing was seen
---@field clear_total integer            packets in the clear
---@field clear_payload_bytes integer
---@field evidence staffetta.wire.evidence[] the first 16 clear packets
---@field captured integer               packets of all classes, malformed ones included
---@field malformed integer
---@field lost integer                   packets that the capture missed: above 0, a count of 0 proves nothing
---@field duration_ms integer
---@field trace? staffetta.wire.trace    when `start` was asked for it

---Starts a capture. When it returns, every later packet is counted. Needs "wire".
---@param options staffetta.wire.options
---@return staffetta.wire.capture? capture
---@return staffetta.err? err
function wire:start(options) end

---Ends a capture and tells what it saw. Needs "wire".
---@param capture staffetta.wire.capture what `start` gave
---@return staffetta.wire.report? report
---@return staffetta.err? err
function wire:stop(capture) end

return wire
