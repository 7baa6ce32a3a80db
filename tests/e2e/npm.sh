# SPDX-License-Identifier: Apache-2.0
# Test-only packages of npm, pinned by their lock. To be sourced after story.sh.

npm_ci() { npm ci --no-audit --no-fund --ignore-scripts; } # tried again: networks fail now and then

# npm_install FOLDER: what FOLDER/package-lock.json pins, and FOLDER's scripts, into $POSTERN_BUILD/tests/NAME of FOLDER. The registry is
# reached from here, not from the lab's namespaces, and trusted as this host trusts it. Installed anew only when the lock changes.
npm_install() {
	local from=$1 into
	into=$POSTERN_BUILD/tests/$(basename "$from")
	local -x NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
	mkdir -p "$into"
	cmp -s "$from/package-lock.json" "$into/node_modules/.postern-lock" || {
		cp "$from/package.json" "$from/package-lock.json" "$into/" &&
			(cd "$into" && { npm_ci || npm_ci || npm_ci; }) && cp "$into/package-lock.json" "$into/node_modules/.postern-lock" || return 1
	}
	cp "$from"/*.mjs "$into/"
}
