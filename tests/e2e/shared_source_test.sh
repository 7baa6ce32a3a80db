# SPDX-License-Identifier: Apache-2.0
# Two people behind one NAT have one address (I3): each has a grant of his own, and ending one never shuts the other out.
. "$(dirname "$0")/story.sh"

lab_begin shared-source
lab_sshd
guarded_machine
as() { # name of the person, words
	local name=$1
	shift
	env POSTERN_TOKEN="$(cat "$LAB_DIR/$name")" POSTERN_URL=http://127.0.0.1:7822 \
		nsenter --net="/run/netns/$NS_GATEWAY" "$POSTERN_BUILD/tools/postern/postern" "$@"
}
for name in anna bela; do
	postern token create $name --role requester 2>/dev/null >"$LAB_DIR/$name" || failed "a token for $name"
done

expect "anna asks for an hour" as anna request vm1 --port 22 --for 1h --from $CLIENT
anna=$(postern grants --json | jq -r '.grants[] | select(.requestor == "anna") | .serial')
expect "bela asks for half of one, from the same address" as bela request vm1 --port 22 --for 30m --from $CLIENT
same "both run" 2 "$(live_grants)"
expect "ssh comes in" lab_ssh true
expect "anna's is revoked" postern revoke "$anna"
expect "bela still comes in" lab_ssh true
expect "anna asks again" as anna request vm1 --port 22 --for 1h --from $CLIENT
expect "and again, which takes the place of her own" as anna request vm1 --port 22 --for 40m --from $CLIENT
same "two run" 2 "$(live_grants)"
same "hers was replaced" NewerRequestInitiated "$(postern grants --all --json | jq -r '[.grants[] | select(.requestor == "anna" and .endReason == "NewerRequestInitiated")][0].endReason')"
for serial in $(postern grants --json | jq -r '.grants[] | select(.requestor == "bela") | .serial'); do postern revoke "$serial" >/dev/null; done
expect "without bela's, anna still comes in" lab_ssh true
exits 4 "a requester may not write policies" as anna policy enable vm1 --port 23
exits 4 "nor make tokens" as anna token create mallory --role admin
expect "the last is revoked" postern revoke --machine vm1
denied "nobody comes in" lab_ssh true
exits 4 "a wrong token is refused" env POSTERN_TOKEN=wrong nsenter --net="/run/netns/$NS_GATEWAY" \
	"$POSTERN_BUILD/tools/postern/postern" --url http://127.0.0.1:7822 grants
