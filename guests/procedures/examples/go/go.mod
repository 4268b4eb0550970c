module example/slugs

go 1.24
