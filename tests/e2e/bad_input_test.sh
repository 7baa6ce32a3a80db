# SPDX-License-Identifier: Apache-2.0
# Wrong words and missing room: one clear sentence, the right exit code, nothing changed, nothing lost.
. "$(dirname "$0")/story.sh"

lab_begin bad-input
one_sentence() { same "that is one line" 1 "$(wc -l <<<"$SAID")"; }
loader=$POSTERN_BUILD/loader/postern-loader
daemon() { # tries to run the daemon with this configuration; must end by itself
	in_gateway timeout 60 setpriv --reuid $LAB_UID --regid $LAB_UID --clear-groups "$POSTERN_BUILD/controlplane/daemon/posternd" --config "$LAB_DIR/posternd.json"
}

echo "# the loader"
exits 1 "an interface that is not there" in_gateway "$loader" attach --interface nosuch0 --instance lab --run-dir "$LAB_RUN" --group $LAB_UID
says '"nosuch0"' && one_sentence
exits 1 "one of two is not there" gate_attach --interface nosuch0
says '"nosuch0"' && one_sentence
exits 1 "loopback is no outside interface" in_gateway "$loader" attach --interface lo --instance lab --run-dir "$LAB_RUN" --group $LAB_UID
exits 1 "a group that is not there" in_gateway "$loader" attach --interface outside --instance lab --run-dir "$LAB_RUN" --group nosuchgroup
says nosuchgroup && one_sentence
refuse "nothing was made" test -e "$LAB_RUN"
same "nothing is attached" 0 "$(in_gateway ip -j -d link show outside | jq '[.[] | select(.xdp)] | length')"

echo "# the daemon's start"
daemon_config
refuse "no gate is attached" daemon
says 'attach' && refuse "and it made no socket" test -e "$LAB_SOCKET"
gate_attach --max-grants 16 >/dev/null || failed attach
echo '{ "instance": "lab", "listen": ' >"$LAB_DIR/posternd.json"
refuse "a configuration that is no JSON" daemon
says 'posternd.json'
daemon_config ', "lissten": "x"'
refuse "a configuration with an unknown key" daemon
says lissten
daemon_config ', "failsafe_sources": ["10.1.2"], "location": 5'
refuse "a configuration with two wrong values" daemon
says 10.1.2 && says location
rm "$LAB_DIR/posternd.json"
refuse "no configuration" daemon
says posternd.json
daemon_config
nsenter --net="/run/netns/$NS_GATEWAY" python3 -m http.server --bind 127.0.0.1 7822 >/dev/null 2>&1 7>&- &
holder=$!
wait_for 60 in_gateway sh -c 'ss -Hltn "sport = :7822" | grep -q .'
refuse "the port is in use" daemon
says '7822.*in use|in use.*7822' && one_sentence
kill $holder && wait $holder 2>/dev/null
daemon_start

echo "# the command line"
exits 3 "no daemon" postern --socket "$LAB_DIR/nosuch.sock" status
says nosuch.sock
exits 2 "an unknown verb" postern frobnicate
exits 2 "a duration without a unit" postern request vm1 --port 22 --for 60
says '"60"'
exits 2 "no duration" postern request vm1 --port 22
exits 2 "a port that is none" postern request vm1 --port 70000 --for 1h
says 70000
exits 2 "a policy file that is not there" postern policy apply "$LAB_DIR/nosuch.json"
says nosuch.json
echo '{"name": "x", "properties": {' >"$LAB_DIR/broken.json"
exits 2 "a policy file that is no JSON" postern policy apply "$LAB_DIR/broken.json"
says 'broken.json.*line 2'

echo "# the API"
exits 1 "a machine with wrong addresses, all at once" postern machine add vm1 --address 10.1.2 --address 010.0.0.1
says 'addresses\[0\].*10\.1\.2' && says 'addresses\[1\].*010'
expect "a right one" postern machine add vm1 --address $MACHINE
exits 1 "an unknown machine" postern request vm9 --port 22 --for 1h --from $CLIENT
says vm9
cat >"$LAB_DIR/policy.json" <<-EOF
	{ "name": "ssh", "properties": { "virtualMachines": [ { "id": "vm1", "ports": [
	  { "number": 22, "protocol": "TCP", "maxRequestAccessDuration": "PT1H" },
	  { "number": 99999, "protocol": "SCTP", "maxRequestAccessDuration": "P2D" } ] } ] } }
EOF
exits 1 "a policy with three faults" postern policy apply "$LAB_DIR/policy.json"
says 'ports\[1\]\.number' && says 'ports\[1\]\.protocol' && says 'ports\[1\]\.maxRequestAccessDuration'
same "nothing of it is there" 0 "$(postern policy list --json | jq '.policies | length')"
expect "the same without them" postern policy apply - < <(jq 'del(.properties.virtualMachines[0].ports[1])' "$LAB_DIR/policy.json")
exits 1 "longer than the policy allows, from a block that is none" postern request vm1 --port 22 --for 9h --from 10.0.0.0/40
exits 1 "a port the policy does not name" postern request vm1 --port 23 --for 1h --from $CLIENT
exits 1 "an end in the past" postern request vm1 --port 22 --until 2001-01-01T00:00:00Z --from $CLIENT
exits 1 "a source nobody can see" postern request vm1 --port 22 --for 1h
says '--from'
exits 1 "a grant that is not there" postern revoke 4711
raw() { python3 "$(dirname "$0")/raw_call.py" "$LAB_SOCKET" "$@"; }
expect "a body that is no JSON" raw POST /v1/requests '{"machines": ['
says '^400 .*InvalidRequestContent'
expect "an unknown member" raw POST /v1/requests '{"machines": [], "justfication": "x"}'
says '^400 .*justfication'
expect "a wrong method" raw PATCH /v1/machines ''
says '^405 .*MethodNotAllowed'
expect "a path that is none" raw GET /v2/machines ''
says '^404 '
same "no grant was made by all this" 0 "$(postern grants --all --json | jq '.grants | length')"

echo "# no room in the map: 16 grants fit"
for n in $(seq 16); do postern request vm1 --port 22 --for 1h --from 203.0.113.$n >/dev/null || failed "grant $n of 16"; done
exits 5 "the 17th" postern request vm1 --port 22 --for 1h --from 203.0.113.17
says CapacityExhausted
exits 5 "two more at once, nothing is half applied" postern request vm1 --port 22 --for 1h --from 203.0.113.18 --from 203.0.113.19
same "16 are live" 16 "$(live_grants)"
same "and in the map" "$(listed_serials)" "$(map_serials)"
expect "one is revoked" postern revoke "$(listed_serials | head -n 1)"
expect "then another fits" postern request vm1 --port 22 --for 1h --from 203.0.113.20
postern revoke --machine vm1 >/dev/null || failed "revoke all"

echo "# no room on the disk"
daemon_kill -15
mount -t tmpfs -o size=2m,mode=0700,uid=$LAB_UID,gid=$LAB_UID full "$LAB_DIR/state"
daemon_start
postern machine add vm1 --address $MACHINE >/dev/null && postern policy enable vm1 --port 22 >/dev/null || failed "begin anew"
expect "while there is room" postern request vm1 --port 22 --for 1h --from 203.0.113.1
dd if=/dev/zero of="$LAB_DIR/state/filler" bs=4k 2>/dev/null
full() { postern request vm1 --port 22 --for 1h --from 203.0.113.$((RANDOM % 200 + 2)); }
for n in $(seq 200); do full >/dev/null 2>&1 || break; done # the journal may have had some pages left
before=$(postern grants --json | jq -c '[.grants[].serial] | sort')
exits 5 "the disk is full" full
says 'full|space|StoreFailed'
same "the grants are what they were" "$before" "$(postern grants --json | jq -c '[.grants[].serial] | sort')"
same "and the map too" "$(listed_serials)" "$(map_serials)"
rm "$LAB_DIR/state/filler"
expect "with room again a request is granted" full
expect "the audit is whole" postern audit verify
daemon_kill -9
daemon_start
expect "and still after a crash" postern audit verify
same "the map agrees" "$(listed_serials)" "$(map_serials)"
daemon_kill -15
umount "$LAB_DIR/state"

echo "# nothing stays behind"
expect "detached" gate_loader detach
expect "detached twice" gate_loader detach
refuse "no file is left" test -e "$LAB_RUN/lab/bpf"
