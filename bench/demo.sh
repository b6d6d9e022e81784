#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demo: Debian's redis-server, unmodified, in an enclave; redis-benchmark on the host.
set -euo pipefail

image=${1:?usage: demo.sh IMAGE}
address=10.0.1.1
requests=100000
start_seconds=30
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
	echo "demo: the tap device needs root: sudo make demo" >&2
	exit 1
fi

server=
stop() {
	[ -z "$server" ] || kill -TERM "$server" 2>/dev/null || true
	[ -z "$server" ] || wait "$server" || true
	server=
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

answers() {
	[ "$(timeout 1 redis-cli -h $address ping 2>/dev/null)" = PONG ]
}

echo "+ bin/rkt-io-run ./$image /usr/bin/redis-server --bind $address --protected-mode no"
bin/rkt-io-run "./$image" /usr/bin/redis-server --bind $address --protected-mode no &
server=$!
deadline=$((SECONDS + start_seconds))
until answers; do
	if ! kill -0 "$server" 2>/dev/null; then
		wait "$server" && status=0 || status=$?
		server=
		echo "demo: redis-server ended with status $status" >&2
		exit 1
	fi
	if [ $SECONDS -ge $deadline ]; then
		echo "demo: redis-server does not answer at $address after $start_seconds s" >&2
		exit 1
	fi
	sleep 0.1
done

redis-cli -h $address info server | tr -d '\r' | grep -E '^(redis_version|os):'
echo "+ redis-benchmark -h $address -n $requests -t ping,set,get,incr,lpush"
redis-benchmark -h $address -n $requests -t ping,set,get,incr,lpush -q | tr '\r' '\n' | grep 'requests per second'
stop
echo "demo: done; run the command above yourself, or \`bin/rkt-io-run --help\`"
