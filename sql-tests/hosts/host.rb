# ruby host.rb LIBRARY URI SQL...
require "sqlite3"
library, uri, *statements = ARGV
first = SQLite3::Database.new(":memory:")
first.enable_load_extension(true)
first.load_extension(library)
open = SQLite3::Constants::Open
db = SQLite3::Database.new(uri, flags: open::READWRITE | open::CREATE | open::URI)
statements.each { |sql| db.execute(sql).each { |row| puts row.join("|") } }
db.close
