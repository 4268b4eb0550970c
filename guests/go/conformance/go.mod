module github.com/sqlbridge/sqlbridge/guests/go/conformance

go 1.26.0

require (
	github.com/ncruces/go-sqlite3 v0.37.0
	github.com/sqlbridge/sqlbridge/guests/go v0.0.0
	github.com/vmihailenco/msgpack/v5 v5.4.1
)

require (
	filippo.io/edwards25519 v1.1.0 // indirect
	github.com/go-sql-driver/mysql v1.8.1 // indirect
	github.com/jmoiron/sqlx v1.4.0 // indirect
	github.com/lib/pq v1.10.9 // indirect
	github.com/mattn/go-sqlite3 v1.14.53 // indirect
	github.com/ncruces/go-sqlite3-wasm/v6 v6.5.35401 // indirect
	github.com/ncruces/julianday v1.0.0 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/sqlbridge/sqlbridge/guests/go => ../

// Other people's suites get our driver by the name of theirs.
replace github.com/mattn/go-sqlite3 => ./mattn
