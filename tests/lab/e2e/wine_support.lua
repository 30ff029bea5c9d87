-- wine_support.lua - a Windows host of a test's own: a Wine prefix with staffetta.exe in it, reached as OpenSSH for
-- Windows would start it. Must never touch another prefix. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local bash = require("lab_support").bash

local M = {}

local wine = assert(os.getenv("STAFFETTA_WINE"), "STAFFETTA_WINE must name tests/windows/wine.sh")
local build = assert(os.getenv("STAFFETTA_WINDOWS_BUILD"), "STAFFETTA_WINDOWS_BUILD must name the Windows build")

if not os.rename(build .. "/staffetta.exe", build .. "/staffetta.exe") then
  print("SKIP: there is no " .. build .. "/staffetta.exe (make windows)")
  os.exit(0)
end

local policy_agent = [[HKLM\System\CurrentControlSet\Services\PolicyAgent]]

local Wine = {}
Wine.__index = Wine

-- The program is where an agent is looked for. `shell` starts $SSH_ORIGINAL_COMMAND there.
function M.new()
  local dir = bash("mktemp -d"):match("%S+")
  local self = setmetatable({ dir = dir, shell = dir .. "/shell" }, Wine)
  local answer, code = bash(([[
    set -e; cd %s
    %s $PWD/prefix start
    mkdir -p 'prefix/drive_c/Program Files/Staffetta'
    cp %s/staffetta.exe 'prefix/drive_c/Program Files/Staffetta'
    printf '#!/bin/sh\nexec %%s %%s/prefix run %%s/tests/windows/openssh_shell.exe\n' %s $PWD %s >shell
    chmod +x shell
  ]]):format(dir, wine, build, wine, build))
  lu.assertEquals(code, 0, answer)
  for _, value in ipairs { "/v Start /t REG_DWORD /d 2", "/v Group /d Grüße", "/ve /t REG_EXPAND_SZ /d %PATH%" } do
    answer, code = self:run(("reg add '%s' %s"):format(policy_agent, value))
    lu.assertEquals(code, 0, answer)
  end
  return self
end

-- Ends what runs in the prefix, and removes it; tells what outlived that.
function Wine:close()
  local left = bash(([[
    %s %s/prefix stop
    for i in {1..500}; do
      left=$(grep -lzxF WINEPREFIX=%s/prefix /proc/[0-9]*/environ 2>/dev/null) || break
      sleep 0.02
    done
    rm -rf %s; echo "$left"
  ]]):format(wine, self.dir, self.dir, self.dir))
  lu.assertEquals(left, "\n")
end

function Wine:restart()
  local answer, code = bash(("%s %s/prefix stop; %s %s/prefix start"):format(wine, self.dir, wine, self.dir))
  lu.assertEquals(code, 0, answer)
end

-- Runs a program there with these arguments, already quoted for a shell: what it prints, and its exit code.
function Wine:run(arguments)
  return bash(("%s %s/prefix run %s"):format(wine, self.dir, arguments))
end

-- All of the key that the tests are about, by Wine's own reader.
function Wine:policy_agent()
  local path = self.dir .. "/export.reg"
  local text, code = self:run(("reg export '%s' %s /y >/dev/null && iconv -f utf-16 -t utf-8 %s"):format(policy_agent,
    path, path))
  lu.assertEquals(code, 0, text)
  return text
end

return M
