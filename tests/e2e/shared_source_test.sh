# SPDX-License-Identifier: Apache-2.0
# Two people behind one NAT have one address (I3): each has a grant of his own, and ending one never shuts the other out.
. "$(dirname "$0")/story.sh"

# The lab's client is a NAT box here: anna and bela are behind it, each in a namespace of her or his own.
behind_nat() { # name, network
	local ns=$LAB_NAMES-$1
	ip netns add "$ns"
	ip -n "$ns" link set lo up
	ip -n "$ns" link add eth0 type veth peer name "$1" netns "$NS_CLIENT"
	lab_addresses "$ns" eth0 "$2.2/24"
	lab_addresses "$NS_CLIENT" "$1" "$2.1/24"
	ip -n "$ns" route add default via "$2.1"
}

lab_begin shared-source
lab_sshd
behind_nat anna 10.1.1
behind_nat bela 10.1.2
in_client sysctl -qw net.ipv4.ip_forward=1
in_client nft -f - <<-EOF || failed "this kernel has no NAT"
	table ip nat {
		chain out {
			type nat hook postrouting priority srcnat
			oifname "eth0" masquerade
		}
	}
EOF
ssh_of() { # name, options of lab_ssh
	local name=$1
	shift
	lab_ssh -n "$LAB_NAMES-$name" "$@"
}
for name in anna bela; do
	same "the machine sees $name as the NAT's address" $CLIENT "$(ssh_of $name 'set -- $SSH_CONNECTION && echo $1')"
done

guarded_machine
as() { # name of the person, words
	local name=$1
	shift
	env POSTERN_TOKEN="$(cat "$LAB_DIR/$name")" POSTERN_URL=http://127.0.0.1:7822 \
		nsenter --net="/run/netns/$NS_GATEWAY" "$POSTERN_BUILD/tools/postern/postern" "$@"
}
for name in anna bela; do
	postern token create $name --role requester 2>/dev/null >"$LAB_DIR/$name" || failed "a token for $name"
	denied "$name has not asked, and is refused" ssh_of $name true
done
serials_of() { postern grants --json | jq -r --arg name "$1" '.grants[] | select(.requestor == $name) | .serial'; }

expect "anna asks for an hour" as anna request vm1 --port 22 --for 1h --from $CLIENT
expect "bela asks for half of one, from the same address" as bela request vm1 --port 22 --for 30m --from $CLIENT
same "both run" 2 "$(live_grants)"
expect "anna comes in" ssh_of anna true
session_open -n "$LAB_NAMES-bela" && echo "ok: bela opens a session" || failed "bela opens a session"
expect "anna's is revoked, the one that would have run longer" postern revoke "$(serials_of anna)"
expect "bela still comes in" ssh_of bela true
expect "his open session moves bytes" session_moves_much
expect "anna asks again" as anna request vm1 --port 22 --for 1h --from $CLIENT
expect "and again, which takes the place of her own" as anna request vm1 --port 22 --for 40m --from $CLIENT
same "two run" 2 "$(live_grants)"
same "hers was replaced" NewerRequestInitiated "$(postern grants --all --json | jq -r '[.grants[] | select(.requestor == "anna" and .endReason == "NewerRequestInitiated")][0].endReason')"
expect "bela's is revoked" postern revoke "$(serials_of bela)"
expect "anna still comes in" ssh_of anna true
expect "bela's open session lives on" session_moves_much
exits 4 "a requester may not write policies" as anna policy enable vm1 --port 23
exits 4 "nor make tokens" as anna token create mallory --role admin

expect "bela asks for a moment" as bela request vm1 --port 22 --for 2s --from $CLIENT
expect "anna's is revoked" postern revoke "$(serials_of anna)"
wait_for 60 no_live_grants || failed "bela's does not end by itself"
denied "anna does not come in any more" ssh_of anna true
denied "nor does bela" ssh_of bela true
expect "his open session lives on even now" session_moves_much
session_close
exits 4 "a wrong token is refused" env POSTERN_TOKEN=wrong nsenter --net="/run/netns/$NS_GATEWAY" \
	"$POSTERN_BUILD/tools/postern/postern" --url http://127.0.0.1:7822 grants
