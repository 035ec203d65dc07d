# What the scripts here share: a server of their own that is gone when they end, and a clock. To be sourced.
set -euo pipefail
cd "$(dirname "$0")/../.."
weighbridge=${WEIGHBRIDGE:-$PWD/target/dist/weighbridge}
[ -n "${WEIGHBRIDGE:-}" ] || cargo build -q --profile dist
work=$(mktemp -d /tmp/weighbridge-peers.XXXXXX)
chmod 777 "$work"
export WEIGHBRIDGE_HOME=$work/home
trap '"$weighbridge" server clean --all >/dev/null 2>&1; rm -rf "$work"' EXIT
"$weighbridge" server start >/dev/null
url=$("$weighbridge" server url)
of() { echo "${url/\/postgres?//$1?}"; }
seconds() { local start end; start=$(date +%s.%N); "$@"; end=$(date +%s.%N); echo "$end - $start" | bc; }
fresh() {
    psql -q "$url" -c "SET client_min_messages = error" -c "DROP DATABASE IF EXISTS peer" -c "CREATE DATABASE peer" -c CHECKPOINT
}
