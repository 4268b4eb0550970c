# perl host.pl LIBRARY URI SQL...
use strict; use warnings; use DBI;
my ($library, $uri, @statements) = @ARGV;
my $first = DBI->connect("dbi:SQLite:dbname=:memory:", "", "", { RaiseError => 1, PrintError => 0 });
$first->sqlite_enable_load_extension(1);
$first->sqlite_load_extension($library);
my $db = DBI->connect("dbi:SQLite:uri=$uri", "", "", { RaiseError => 1, PrintError => 0 });
for my $sql (@statements) {
    my $rows = $db->prepare($sql);
    $rows->execute;
    next unless $rows->{NUM_OF_FIELDS};
    while (my @row = $rows->fetchrow_array) { print join("|", @row), "\n"; }
}
