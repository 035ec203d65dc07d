# Two commands do all the set-up on a fresh machine with Rust: `make demo` and `make test`.

.PHONY: demo test postgresql bench

# Proves the payments index on the embedded server.
demo: postgresql
	cargo build --release
	./target/release/weighbridge prove 0002

test: postgresql
	cargo test

# Any installed server from 14 on will do; the program itself looks in more places than this line.
postgresql:
	@ls -d /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres /opt/homebrew/opt/postgresql*/bin/postgres \
	    /usr/local/opt/postgresql*/bin/postgres /Applications/Postgres.app/Contents/Versions/*/bin/postgres 2>/dev/null | grep -q . \
	  || command -v postgres >/dev/null 2>&1 || ./scripts/install-postgresql

bench:
	cargo bench
