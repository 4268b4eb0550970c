module github.com/sqlbridge/sqlbridge/guests/go

go 1.24
