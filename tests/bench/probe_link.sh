# Sourced by the probe's benchmarks: two network namespaces, $client and $server, joined by a link; 100 addresses
# 10.99.8.1 to .100 on the server's side. $work is a folder of the run's own.
client=stf-bench-c-$$
server=stf-bench-s-$$
ip netns add "$client" 2>/dev/null || { echo "SKIP: needs root and ip, to make a network namespace"; exit 0; }
ip netns add "$server"
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; ip netns del "$client"; ip netns del "$server"; rm -rf "$work"' EXIT
ip -n "$client" link add eth0 type veth peer name eth0 netns "$server"
ip -n "$client" address add 10.99.8.254/24 dev eth0
targets=()
for i in $(seq 1 100); do
    targets+=("10.99.8.$i")
    ip -n "$server" address add "10.99.8.$i/24" dev eth0
done
for each in "$client" "$server"; do
    ip -n "$each" link set lo up
    ip -n "$each" link set eth0 up
    ip netns exec "$each" sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=10000000
done
ip netns exec "$client" ping -qc 2 -W 5 10.99.8.1 >/dev/null
