---@meta

--- The registry of a host, wherever it is kept (a hive, a .reg file, another host). `host.registry` is there for scripts that
--- need "registry.read" or "registry.write", on hosts with a `registry` in the site file. Keys are full paths: a root
--- (HKLM or HKEY_LOCAL_MACHINE, ...), then names split by one backslash; names compare regardless of case.
---@class staffetta.registry
local registry = {}

--- The types by name; any other one is its number.
---@alias staffetta.registry.type
---| "none"
---| "sz"
---| "expand_sz"
---| "binary"
---| "dword"
---| "dword_big_endian"
---| "link"
---| "multi_sz"
---| "resource_list"
---| "full_resource_descriptor"
---| "resource_requirements_list"
---| "qword"
---| integer

---@class staffetta.registry.value
---@field type staffetta.registry.type
---@field value integer|string|string[]|nil integers (a qword's 64 bits as a signed one), UTF-8 text, a list for multi_sz, bytes for the rest; nil when the bytes have not the form of their type
---@field raw? string the bytes as stored, when `value` does not say it all (bad UTF-16, a string without its final NUL)

---@class staffetta.registry.named_value: staffetta.registry.value
---@field name string "" is the default value

---@class staffetta.registry.listing
---@field keys string[] names of the subkeys, sorted
---@field values staffetta.registry.named_value[] sorted by name

--- One value, or nil when it or its key is absent. In a plan: as it would be then. Needs "registry.read".
---@param key string
---@param name string "" is the default value
---@return staffetta.registry.value? value
---@return staffetta.err? err
function registry:get(key, name) end

--- The same as it is stored. Needs "registry.read".
---@param key string
---@param name string
---@return integer? type its code; nil when absent
---@return string|staffetta.err? bytes
function registry:get_raw(key, name) end

--- A change: the value stands afterwards, and the keys on the way to it. Needs "registry.write".
---@param key string
---@param name string
---@param type staffetta.registry.type
---@param value integer|string|string[]|{ raw: string } `{ raw = bytes }` stores bytes as they are, whatever the type
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function registry:set(key, name, type, value) end

--- A change: the value is absent afterwards; its key stays. Needs "registry.read" and "registry.write".
---@param key string
---@param name string
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function registry:delete(key, name) end

--- Subkeys and values of a key, or nil when it is absent. Needs "registry.read".
---@param key string
---@return staffetta.registry.listing? listing
---@return staffetta.err? err
function registry:list(key) end

--- A change: the key stands afterwards, and those above it. Undone only as long as it is empty. Needs "registry.write".
---@param key string
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function registry:create_key(key) end

--- A change: the key and all below it are absent afterwards. Needs "registry.read" and "registry.write".
---@param key string
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function registry:delete_key(key) end

--- The key with all that is below it, as text that `restore` and `diff` take, with a hash that they check; nil when the
--- key is absent. In a plan: as it stands. Needs "registry.read".
---@param key string
---@return string? snapshot
---@return staffetta.err? err
function registry:snapshot(key) end

--- A change: the key is exactly as it was when the snapshot was taken; what it did not have is deleted. A snapshot that
--- was touched raises. Needs "registry.read" and "registry.write".
---@param key string
---@param snapshot string
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function registry:restore(key, snapshot) end

---@class staffetta.registry.difference
---@field change "key_removed"|"key_added"|"value_removed"|"value_added"|"value_changed"
---@field key string
---@field name? string of the value
---@field before? { type: integer, data: string } the type's code, and the bytes as hex
---@field after? { type: integer, data: string }

--- What is different from a snapshot: an empty list when nothing is. In a plan: as it stands. Needs "registry.read".
---@param key string
---@param snapshot string
---@return staffetta.registry.difference[]? differences
---@return staffetta.err? err
function registry:diff(key, snapshot) end

--- A change: all that a .reg text says (of regedit's kinds and encodings) is done, at once; undone exactly, and only
--- that. The text must be for one store of the host. Needs "registry.read" and "registry.write".
---@param text string
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function registry:apply_reg(text) end
