#!/bin/bash
# Weighbridge, which makes the rows, against `psql \copy`, which only sends rows that were made before.
# Both load the shapes of enrollments and chat messages, ROWS each, over two connections, into tables
# without indexes, in turns. Prints seconds and the ratio of each pair; figures of a run go into docs/performance.md.
#
#   benches/peers/seed.sh [ROWS] [TURNS]        needs psql and a release build
source "$(dirname "$0")/server.sh"
rows=${1:-3000000} turns=${2:-3}

cat >"$work/schema.sql" <<'SQL'
CREATE TABLE enrollments (id bigint, user_id bigint, course_id bigint, status text, paid numeric(10, 2), progress int,
    enrolled_at timestamptz, started_at timestamptz, completed_at timestamptz);
CREATE TABLE chat_messages (id uuid, session_id bigint, sender_id bigint, role text, body text, metadata jsonb, tokens int,
    created_at timestamptz);
SQL
cat >"$work/spec.toml" <<TOML
[dataset]
now = 2026-01-01T00:00:00Z
span = "3y"
[growth.business]
curve = "power(1.8)"
[table.enrollments]
row-count = "$rows"
id = "row()"
user_id = "1 + exp(60_000)"
course_id = "1 + exp(900)"
status = "weights(active 52, completed 34, cancelled 10, expired 4)"
paid = "lognormal(median 39, p95 180)"
progress = "by(status, completed -> 100, else -> uniform(0, 99))"
enrolled_at = "growth(business)"
started_at = "after(enrolled_at, exp(2d))"
completed_at = "by(status, completed -> after(enrolled_at, exp(40d)), else -> null)"
[table.chat_messages]
row-count = "$rows"
id = "uuid()"
session_id = "1 + exp(200_000)"
sender_id = "1 + exp(60_000)"
role = "weights(student 48, assistant 40, tutor 11, system 1)"
body = "words(8, 20)"
metadata = "template('{\"source\": \"{role}\"}')"
tokens = "exp(60)"
created_at = "growth(business)"
TOML

empty() { fresh; psql -q "$(of peer)" -f "$work/schema.sql"; }
load() { "$weighbridge" seed --quiet --url "$(of peer)" --allow-writes --loaders 2 --spec "$work/spec.toml" >"$work/summary"; }
copy() {
    for table in enrollments chat_messages; do
        psql -q "$(of peer)" -c "\\copy $table FROM '$work/$table.$1' (FORMAT $1)" &
    done
    wait
}

empty
load
for table in enrollments chat_messages; do
    for format in binary text; do
        psql -q "$(of peer)" -c "\\copy $table TO '$work/$table.$format' (FORMAT $format)"
    done
done
printf '%s rows in each of two tables, two connections\n' "$rows"
printf '%-8s %14s %14s %14s %10s %10s\n' turn 'weighbridge s' 'copy binary s' 'copy text s' 'w/binary' 'w/text'
for turn in $(seq "$turns"); do
    # The rows alone: vacuum and analysis, which \copy does not do, are told apart in the summary.
    empty; load
    ours=$(sed -n 's/.*· rows \([0-9.]*\) \(ms\|s\) (.*/\1 \2/p' "$work/summary" | awk '{ print $2 == "ms" ? $1 / 1000 : $1 }')
    empty; binary=$(seconds copy binary)
    empty; text=$(seconds copy text)
    awk -v t="$turn" -v w="$ours" -v b="$binary" -v x="$text" \
        'BEGIN { printf "%-8s %14.2f %14.2f %14.2f %10.2f %10.2f\n", t, w, b, x, b / w, x / w }'
done
tail -2 "$work/summary"
