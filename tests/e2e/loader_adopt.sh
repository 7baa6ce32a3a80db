#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `postern-loader adopt`: which open sessions become flows, as what, and what it refuses. $1: the build folder.
. "$(dirname "$0")/loader_net.sh"

service() { # ID ADDRESS PORT PROTOCOL: monitored, so that nothing is dropped here
	local a b c d
	IFS=. read -r a b c d <<<"$2"
	bpftool map update pinned "$MAPS/services_v4" key "$a" "$b" "$c" "$d" $(($3 / 256)) $(($3 % 256)) "$4" 0 \
		value "$1" 0 0 0 $(printf '0 %.0s' {1..28}) || failed "a service by hand"
}
flow() { # CLIENT-PORT JQ-EXPRESSION on its entry
	bpftool -j map dump pinned "$MAPS/established_v4" |
		jq -r --argjson port "$(($1 % 256 * 256 + $1 / 256))" ".[].formatted | select(.key.client_port_be == \$port) | $2"
}
flows() { bpftool -j map dump pinned "$MAPS/established_v4" | jq length; }
said() { jq -rc "$1" <<<"$SAID"; }

exits 1 "without a gate it says so" loader adopt 1
attach -i gate0 >/dev/null || failed "attach"
MAPS=$(echo "$BPFFS"/v*)
service 1 198.51.100.1 2201 6  # the host's own
service 2 198.51.100.1 2222 6  # a forward
service 3 198.51.100.1 5353 17 # UDP of the host
service 4 198.51.100.1 2204 6
service 5 198.51.100.1 5354 17 # UDP that the host sends from, and serves nobody by

# ---- what it refuses ----
exits 2 "ids are needed" loader adopt
exits 2 "ids and a socket exclude each other" loader adopt --stdin 1
exits 1 "an unknown id is refused" loader adopt 1 99
says 'no service of this gate has the id 99; nothing was adopted'
exits 2 "a word is no id" loader adopt vm1
for line in "" " 1" "1 " "1  2" 01 0 -1 +1 1,2 x 4294967296 $'1\t2' "1 ; id"; do
	exits 2 "the socket refuses '$line'" loader adopt --stdin <<<"$line"
	grep -q '^{"error":".*"}' <<<"$SAID" || failed "its answer is a line of JSON"
done
exits 2 "the socket refuses a second line" loader adopt --stdin < <(printf '1\n2\n')
exits 2 "and a line without an end" loader adopt --stdin < <(printf 1)
exits 2 "and one too long" loader adopt --stdin < <(head -c 1200000 /dev/zero | tr '\0' 1)
exits 1 "and an unknown id" loader adopt --stdin <<<"1 99"
# Ends by itself when nobody reads any more, or after twenty seconds.
exits 2 "and one that comes a byte at a time" loader adopt --stdin < <(for _ in {1..200}; do sleep 0.1; printf 1; done 2>/dev/null)
says 'no line of service ids came within'
same "nothing was adopted meanwhile" 0 "$(flows)"

# ---- sessions ----
in_gate sysctl -qw net.ipv4.ip_forward=1
in_gate nft -f - <<-'EOF' || failed "nft"
	table ip lab {
		chain before { type nat hook prerouting priority -100; tcp dport 2222 dnat to 203.0.113.10:2203; }
		chain after { type nat hook postrouting priority 100; oifname "gate1" masquerade; }
	}
EOF
# An IPv6 socket that speaks IPv4 (2201), another that nobody guards (2202), UDP that answers from a connected socket beside the
# one that listens, and a socket that the host connected outward from a port that is guarded.
: >"$RUN_DIR/server"
nsenter --net="/run/netns/$NS_GATE" python3 -c '
import socket, time
kept = []
def listen(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("::", port)); s.listen(8); return s
a, b, c = listen(2201), listen(2202), listen(2204)
def udp(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("198.51.100.1", port)); return s
u = udp(5353)
o = udp(5354); o.connect(("198.51.100.10", 53)); o.send(b"question")
print("listening", flush=True)
kept += [a.accept(), a.accept(), b.accept()]
_, peer = u.recvfrom(100); u.recvfrom(100)
open("'"$RUN_DIR"'/asked", "w")
import os
while not os.path.exists("'"$RUN_DIR"'/answer"): time.sleep(0.05)
more = udp(5353); u.connect(peer); u.send(b"answer")
time.sleep(600)' >"$RUN_DIR/server" 2>&1 7>&- &
wait_for 60 grep -q listening "$RUN_DIR/server" || failed "the server"
: >"$RUN_DIR/client"
nsenter --net="/run/netns/$NS_CLIENT" python3 -c '
import socket, time
kept = []
behind = socket.socket(); behind.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); behind.bind(("203.0.113.10", 2203)); behind.listen(8)
def connect(mine, port):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("198.51.100.10", mine)); s.connect(("198.51.100.1", port)); kept.append(s); return s
connect(40001, 2201); connect(40002, 2201).shutdown(socket.SHUT_WR); connect(40003, 2202); connect(40004, 2222)
kept.append(behind.accept())
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("198.51.100.10", 40005)); u.sendto(b"a", ("198.51.100.1", 5353))
n = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); n.bind(("198.51.100.10", 40006)); n.sendto(b"a", ("198.51.100.1", 5353))
print("connected", flush=True)
u.recv(100); print("answered", flush=True)
time.sleep(600)' >"$RUN_DIR/client" 2>&1 7>&- &
wait_for 60 grep -q connected "$RUN_DIR/client" || failed "the client: $(cat "$RUN_DIR/client")"
wait_for 60 test -e "$RUN_DIR/asked" || failed "UDP"

expect "sessions of two services" loader adopt --json 1 2
same "three are adopted" 3 "$(said .adopted)"
same "nothing is to be warned of" '[]' "$(said .warnings)"
same "an own socket, IPv4 on an IPv6 socket" "4 1" "$(flow 40001 '"\(.value.flags) \(.value.service)"')"
same "one whose client has sent its FIN" 8 "$(flow 40002 .value.client.flags)"
same "a forward, with the address that clients use" "4 2 $((2222 % 256 * 256 + 2222 / 256))" \
	"$(flow 40004 '"\(.value.flags) \(.value.service) \(.key.machine_port_be)"')"
same "nobody else's" 3 "$(flows)"
expect "asked again" loader adopt --stdin <<<"1 2 1"
same "they are known" '0 3' "$(said '"\(.adopted) \(.known)"')"

# What the unit leaves it: few capabilities, no new privileges, and a file system that is only read.
unit=$(dirname "$0")/../../packaging/postern-adopt@.service
rights=$(sed -n 's/^CapabilityBoundingSet=//p' "$unit" | sed 's/CAP_/+/g; s/ /,/g' | tr A-Z a-z)
grep -qx 'ProtectSystem=strict' "$unit" && grep -qx 'NoNewPrivileges=yes' "$unit" && [ -n "$rights" ] || failed "the unit says less than is tried here"
as_unit() {
	nsenter --net="/run/netns/$NS_GATE" unshare -m sh -c 'mount -o remount,bind,ro "$1" && shift && exec "$@"' _ "$BPFFS" \
		setpriv --no-new-privs --inh-caps=-all --bounding-set="-all,$rights" "$BUILD/loader/postern-loader" adopt --run-dir "$RUN_DIR" --stdin
}
expect "as the unit starts it" as_unit <<<"1 2"
same "it finds the same" '0 3 []' "$(said '"\(.adopted) \(.known) \(.warnings)"')"

expect "UDP nobody answered is no session" loader adopt --json 3
same "none of it is adopted" 0 "$(said .adopted)"
touch "$RUN_DIR/answer"
wait_for 60 grep -q answered "$RUN_DIR/client" || failed "the answer"
expect "UDP on a connected socket is one" loader adopt 3
says '1 open session\(s\) adopted'
same "with its service" 3 "$(flow 40005 .value.service)"
same "it ends" true "$(flow 40005 '.value.session_end_boot_ns > .value.opened_boot_ns')"
expect "what the host connected outward from a guarded port is no session" loader adopt --json 5
same "none of it is adopted" 0 "$(said .adopted)"

# An entry that stands is never altered.
key=$(bpftool -j map dump pinned "$MAPS/established_v4" | jq -r --argjson port "$((40001 % 256 * 256 + 40001 / 256))" \
	'.[] | select(.formatted.key.client_port_be == $port) | .key | map(tonumber? // .) | join(" ")')
bpftool map update pinned "$MAPS/established_v4" key $key value $(printf '7 %.0s' {1..152}) || failed "alter by hand"
expect "adopted once more" loader adopt 1
same "what stood there stands there" 117901063 "$(flow 40001 .value.flags)"

expect "nothing open, nothing adopted" loader adopt --json 4
same "none" '0 0' "$(said '"\(.adopted) \(.known)"')"
expect "help" loader adopt --help
says 'socket unit'
