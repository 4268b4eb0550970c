# tclsh host.tcl LIBRARY URI SQL...
package require sqlite3
set statements [lassign $argv library uri]
sqlite3 first :memory:
first enable_load_extension 1
first eval {SELECT load_extension($library)}
# Tcl takes the name for a path and makes one slash of several: they are written %2F.
sqlite3 db [string map {// %2F%2F} $uri] -uri 1
foreach sql $statements {
    db eval $sql row {
        set values {}
        foreach column $row(*) { lappend values $row($column) }
        puts [join $values "|"]
    }
}
db close
