---@meta

--- Facts about a host, commands and files. `host.system` is there for scripts that need "system.read", "system.run" or
--- "system.write".
---@class staffetta.system
local system = {}

---@class staffetta.system.facts
---@field hostname string
---@field kernel string its release: "6.1.0-40-amd64"
---@field architecture string "x86_64"
---@field os? string "Debian GNU/Linux 12 (bookworm)"
---@field has_kernel_esp? boolean can the kernel carry ESP? nil when it could not be found out
---@field charon? string version of the IKE daemon's package; "unknown" when no package has it, nil when there is none
---@field uptime_ms integer

---@class staffetta.system.command
---@field argv string[] the program (looked up in PATH) and its arguments; no shell
---@field timeout_ms? integer 1 to 3600000; left out: 10000
---@field input? string its standard input

---@class staffetta.system.outcome
---@field exit_code integer -1 when a signal ended it
---@field signal integer that signal, or 0
---@field output string what is no UTF-8 in it becomes U+FFFD
---@field errors string the first 64 KiB, likewise

---@class staffetta.system.file
---@field content string
---@field mode string "0644"
---@field owner integer
---@field group integer

---@class staffetta.system.new_file
---@field path string absolute
---@field content string at most 1 MiB
---@field mode? string four octal digits; left out: "0644"
---@field owner? integer left out: who runs the program
---@field group? integer left out: the group of who runs the program

--- Needs "system.read".
---@return staffetta.system.facts? facts
---@return staffetta.err? err
function system:facts() end

--- Runs a program in the host's network namespace. What it alters is not undone. Needs "system.run".
---@param command staffetta.system.command
---@return staffetta.system.outcome? outcome whatever its exit code
---@return staffetta.err? err
function system:run(command) end

--- nil without an error: there is no such file. Needs "system.write".
---@param path string absolute
---@return staffetta.system.file? file
---@return staffetta.err? err
function system:read_file(path) end

--- A change: the file has this content afterwards. Needs "system.write".
---@param file staffetta.system.new_file
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function system:write_file(file) end

--- A change: the file is not there afterwards. Needs "system.write".
---@param path string absolute
---@return { changed: boolean }? outcome
---@return staffetta.err? err
function system:remove_file(path) end
