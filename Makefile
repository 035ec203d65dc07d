# Two commands do all the set-up on a fresh machine with Rust: `make demo` and `make test`.

.PHONY: demo test test-versions test-newest fuzz soak postgresql pgbouncer hypopg chromium bench

# Proves the payments index on the embedded server.
demo: postgresql
	cargo build --release
	@# A verdict is what it is for: 1 (a regression was proven) and 3 (inconclusive) are no failures of the demonstration.
	./target/release/weighbridge prove 0002 || { code=$$?; [ $$code = 1 ] || [ $$code = 3 ]; }

test: postgresql pgbouncer hypopg chromium
	cargo test

# What differs between major versions, on 14 to 18: 15 is the installed one, the others are binaries from npm.
VERSIONED = cargo test --test it -- --exact $$(grep -v '^\#' tests/data/versions.txt)
test-versions: postgresql hypopg
	$(VERSIONED)
	@set -e; for bin in $$(./scripts/install-servers 14 16 17 18); do \
	    echo "== $$bin"; WEIGHBRIDGE_TEST_POSTGRES_BIN=$$bin $(VERSIONED); \
	done

# The same on the newest alone.
test-newest:
	WEIGHBRIDGE_TEST_POSTGRES_BIN=$$(./scripts/install-servers 18) $(VERSIONED)

# The pooler in front of the server, for the tests of load through one.
pgbouncer:
	@command -v pgbouncer >/dev/null 2>&1 || [ -x /usr/sbin/pgbouncer ] || ./scripts/install-pgbouncer

# Opens the HTML report, for the tests of it.
chromium:
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome-stable >/dev/null 2>&1 \
	  || command -v google-chrome >/dev/null 2>&1 || ./scripts/install-chromium

# Lets the planner try indexes that are not there; beside the servers of Debian.
hypopg: postgresql
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || exit 0; \
	  ls /usr/share/postgresql/*/extension/hypopg.control >/dev/null 2>&1 || ./scripts/install-hypopg

# Any installed server from 14 on will do; the program itself looks in more places than this line.
postgresql:
	@ls -d /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres /opt/homebrew/opt/postgresql*/bin/postgres \
	    /usr/local/opt/postgresql*/bin/postgres /Applications/Postgres.app/Contents/Versions/*/bin/postgres 2>/dev/null | grep -q . \
	  || command -v postgres >/dev/null 2>&1 || ./scripts/install-postgresql

bench:
	cargo bench

# A million cases for each parser and ten thousand damaged results, as a nightly job does; `make test` tries ten thousand and a hundred.
fuzz:
	PROPTEST_CASES=1000000 cargo test --release --test it fuzz::
	WEIGHBRIDGE_DAMAGES=10000 cargo test --release --test it damage::

# Ten minutes at full speed, for memory that must stay flat.
soak: postgresql
	./benches/peers/soak.sh
