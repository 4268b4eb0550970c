<?php
// php -d sqlite3.extension_dir=DIRECTORY host.php LIBRARY URI SQL...
// PDO may not load extensions and the SQLite3 class turns what it opens into a path:
// so the one loads and the other opens.
[, $library, $uri] = $argv;
$first = new SQLite3(":memory:");
$first->enableExceptions(true);
$first->loadExtension(basename($library) . ".so");
$db = new PDO("sqlite:" . $uri, null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
foreach (array_slice($argv, 3) as $sql) {
    foreach ($db->query($sql)->fetchAll(PDO::FETCH_NUM) as $row) {
        echo implode("|", $row), "\n";
    }
}
