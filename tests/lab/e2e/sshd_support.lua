-- sshd_support.lua - real sshd processes for the tests: keys, configurations and ports of the test's own, on loopback
-- or in a network namespace. Must never touch an sshd, a key or a home that the test did not make.
-- SPDX-License-Identifier: MIT
local lu = require "luaunit"
local bash = require("lab_support").bash

local M = {}

local Sshd = {}
Sshd.__index = Sshd

-- Keys, a home and a folder of programs (bin) of its own: what users of the machine have is neither used nor changed.
function M.new()
  local dir = bash("mktemp -d"):match("%S+")
  local port = 20000 + tonumber(dir:match("%w+$"):gsub("%W", ""):sub(1, 6), 36) % 10000
  local answer, code = bash(([[
    set -e; cd %s; mkdir -p -m 755 /run/sshd; mkdir home bin
    ssh-keygen -qt ed25519 -N '' -f host_key; ssh-keygen -qt ed25519 -N '' -f client_key
    cp client_key.pub authorized_keys
  ]]):format(dir))
  lu.assertEquals(code, 0, answer)
  return setmetatable({ dir = dir, port = port, pids = {} }, Sshd)
end

-- One sshd at `listen` (default 127.0.0.1), or `count` of them at ports that follow each other; in the namespace
-- `netns`, or in ours. `client` and `server` are a line more of their configurations.
function Sshd:start(options)
  local listen = options.listen or "127.0.0.1"
  local answer, code = bash(([[
    set -e; cd %s
    cat >sshd.conf <<END
HostKey $PWD/host_key
AuthorizedKeysFile $PWD/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 100
SetEnv HOME=$PWD/home PATH=$PWD/bin:$PATH
%s
END
    cat >ssh.conf <<END
Host *
  User root
  Port %d
  HostName %s
  IdentityFile $PWD/client_key
  IdentitiesOnly yes
  UserKnownHostsFile $PWD/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  %s
END
    : >known_hosts
    for port in {%d..%d}; do
      echo "[%s]:$port $(cut -d' ' -f1,2 host_key.pub)" >>known_hosts
      %s /usr/sbin/sshd -D -e -o ListenAddress=%s:$port -f $PWD/sshd.conf </dev/null >/dev/null 2>sshd.log.$port &
      echo pid $!
    done
    for port in {%d..%d}; do
      for i in {1..500}; do grep -qs 'listening on' sshd.log.$port && continue 2; sleep 0.01; done
      cat sshd.log.$port; exit 1
    done
  ]]):format(self.dir, options.server or "", self.port, listen, options.client or "", self.port,
    self.port + (options.count or 1) - 1, listen, options.netns and "ip netns exec " .. options.netns or "", listen,
    self.port, self.port + (options.count or 1) - 1))
  for pid in answer:gmatch("pid (%d+)\n") do self.pids[#self.pids + 1] = pid end
  lu.assertEquals(code, 0, answer)
end

-- A script that cuts all connections, and lets nobody in for so many seconds.
function Sshd:drop_for(duration_s)
  local pid = self.pids[1]
  return ("kill -STOP %s; pkill -KILL -P %s; (sleep %d; kill -CONT %s) &"):format(pid, pid, duration_s, pid)
end

function Sshd:stop()
  if #self.pids > 0 then
    bash(("pkill -KILL -P %s; kill -KILL %s"):format(table.concat(self.pids, ","), table.concat(self.pids, " ")))
  end
  self.pids = {}
end

function Sshd:close()
  self:stop()
  bash("rm -rf " .. self.dir)
end

return M
