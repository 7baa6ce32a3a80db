# SPDX-License-Identifier: Apache-2.0
# Tags do not hide a packet: SYNs behind one and two VLAN tags are judged as the bare one is, behind three they are
# dropped. Frames are written by hand, since not every kernel has 802.1Q devices.
. "$(dirname "$0")/story.sh"

lab_begin vlan
guarded_machine
mac=$(ip -n "$NS_GATEWAY" -j link show outside | jq -r '.[0].address')
send() { in_client python3 "$(dirname "$0")/tagged_syn.py" eth0 "$mac" $CLIENT $MACHINE 22 "$@"; }
ten_more() { [ "$(count "$1")" -ge $(($2 + 10)) ]; }
counted() { # reason, sentence, tags
	local before reason=$1 sentence=$2
	shift 2
	before=$(count "$reason")
	send "$@"
	wait_for 60 ten_more "$reason" "$before"
	same "$sentence" $((before + 10)) "$(count "$reason")"
}

counted no_grant "bare: dropped"
counted no_grant "802.1Q: dropped" 8100:5
counted no_grant "priority tag: dropped" 8100:0
counted no_grant "802.1ad and 802.1Q: dropped" 88a8:7 8100:5
counted unreadable "three tags: dropped" 88a8:7 8100:5 8100:6
expect "a request is granted" postern request vm1 --port 22 --for 1h --from $CLIENT
counted no_grant "still nothing for another source" 8100:5 from=$CLIENT_TWO
counted grant "802.1Q: passes by the grant" 8100:5
counted grant "802.1ad and 802.1Q: passes by the grant" 88a8:7 8100:5
counted unreadable "three tags: dropped all the same" 88a8:7 8100:5 8100:6
