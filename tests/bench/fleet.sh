#!/bin/bash
# A registry value and a file on HOSTS hosts behind real sshd: this program against ansible-playbook (pipelining,
# forks = HOSTS; it writes the same hive with hivexregedit) and against what libssh alone needs to run `true`; all in
# one run, each cold: no connection stands before. Then operations on live channels.
# Usage: fleet.sh BUILD_DIR [HOSTS]
set -euo pipefail
build=$(realpath "$1")
hosts=${2:-50}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
port=$((20000 + $$ % 10000))
pids=()
cleanup() {
    kill "${pids[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work"
mkdir -p -m 755 /run/sshd
mkdir -p site/playbooks
ssh-keygen -qt ed25519 -N '' -f host_key
ssh-keygen -qt ed25519 -N '' -f client_key
cat >sshd.conf <<END
HostKey $work/host_key
AuthorizedKeysFile $work/client_key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
MaxStartups 1000
END
cat >ssh.conf <<END
Host *
  User root
  HostName 127.0.0.1
  IdentityFile $work/client_key
  UserKnownHostsFile $work/known_hosts
END
"$build/tests/script/make_hive" hive
{
    echo 'return { api = 1, name = "bench", clusters = {}, hosts = {'
    for ((i = 0; i < hosts; i++)); do
        mkdir "h$i"
        echo "h$i = { role = 'front_end', windows = '2003', transport = 'libssh'," \
            "registry = { ['HKLM\\\\SYSTEM'] = '$work/h$i/SYSTEM' }, ssh = { host = '127.0.0.1'," \
            "config = '$work/ssh.conf', port = $((port + i)), program = '$build/staffetta' } },"
        echo "h$i ansible_port=$((port + i)) folder=$work/h$i" >>inventory
        echo "[127.0.0.1]:$((port + i)) $(cut -d' ' -f1,2 host_key.pub)" >>known_hosts
        /usr/sbin/sshd -D -o "ListenAddress=127.0.0.1:$((port + i))" -f "$work/sshd.conf" </dev/null >/dev/null 2>&1 &
        pids+=($!)
    done
    echo '} }'
} >site/site.lua
cat >site/playbooks/roll.lua <<END
return { api = 1, name = "roll", kind = "playbook", summary = "a value and a file",
  needs = { "registry.write", "system.write" },
  run = function(ctx)
    ctx:step("a value and a file", ctx.site.hosts(), function(host)
      assert(host.registry:set("HKLM\\\\SYSTEM\\\\Test", "NLBSFlags", "dword", 1))
      assert(host.system:write_file { path = "$work/" .. host.name .. "/policy.conf", content = "protect\\n" })
    end)
  end }
END
cat >site/playbooks/ask.lua <<END
return { api = 1, name = "ask", kind = "playbook", summary = "1000 reads on a live channel", needs = { "registry.read" },
  run = function(ctx)
    ctx:step("ask", { ctx.site.host("h0") }, function(host)
      host.registry:get("HKLM\\\\SYSTEM\\\\Test", "NLBSFlags")
      local began_ns = ctx.now_ns()
      for _ = 1, 1000 do host.registry:get("HKLM\\\\SYSTEM\\\\Test", "NLBSFlags") end
      ctx:measure("round_trip", { mean_us = (ctx.now_ns() - began_ns) // 1000000 })
    end)
  end }
END
chmod -R go-w site
cat >play.yml <<'END'
- hosts: all
  gather_facts: false
  tasks:
    - copy: { content: "protect\n", dest: "{{ folder }}/policy.conf" }
    - shell: 'printf "Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL_MACHINE\\SYSTEM\\Test]\n\"NLBSFlags\"=dword:00000001\n" | hivexregedit --merge --prefix HKEY_LOCAL_MACHINE\\SYSTEM {{ folder }}/SYSTEM'
END
cat >ansible.cfg <<END
[defaults]
inventory = $work/inventory
forks = $hosts
host_key_checking = True
[ssh_connection]
pipelining = True
ssh_args = -F $work/ssh.conf -o ControlMaster=no
END
sleep 1

fresh() { for ((i = 0; i < hosts; i++)); do cp hive "h$i/SYSTEM"; rm -f "h$i/policy.conf"; done; }
rolled() {
    [ "$(ls h*/policy.conf | wc -l)" = "$hosts" ] || { echo "fleet.sh: $1 has not rolled to all hosts" >&2; exit 1; }
}
# measure NAME COMMAND...: wall and the CPU of the controller, which is the command and its children here
measure() {
    local name=$1
    shift
    /usr/bin/env bash -c 'TIMEFORMAT="%R %U %S"; time "$@" >"$0/out" 2>&1' "$work" "$@" 2>"$work/time" ||
        { cat "$work/out" >&2; exit 1; }
    read -r wall user system <"$work/time"
    awk -v name="$name" -v wall="$wall" -v cpu="$(echo "$user + $system" | awk '{print $1 + $3}')" -v hosts="$hosts" \
        'BEGIN { printf "%-36s %8.0f ms wall  %8.2f ms of CPU a host\n", name, wall * 1000, cpu * 1000 / hosts }'
}

cc -O2 -o floor "$here/fleet_floor.c" -lssh -lpthread
echo "a registry value and a file to $hosts hosts behind sshd, cold:"
measure "libssh alone, true" ./floor "$work/ssh.conf" "$port" "$hosts"
fresh
measure "staffetta" "$build/staffetta" run roll --site site --state state
rolled staffetta
sed -i "s/'libssh'/'openssh'/" site/site.lua
fresh
measure "staffetta, transport = openssh" "$build/staffetta" run roll --site site --state state
rolled "staffetta over openssh"
sed -i "s/'openssh'/'libssh'/" site/site.lua
if command -v ansible-playbook >/dev/null; then
    fresh
    ANSIBLE_CONFIG=$work/ansible.cfg ANSIBLE_LOCAL_TEMP=$work/ansible measure "ansible-playbook" ansible-playbook play.yml
    rolled ansible-playbook
else
    echo "SKIP: ansible-playbook is not installed (Debian: ansible-core)"
fi
echo "a read on a live channel: $("$build/staffetta" run ask --site site --state state --output json |
    jq .measures.round_trip.mean_us) us"
