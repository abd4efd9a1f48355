<?php
// Arrays, strings and compression.
$rows = [];
for ($index = 0; $index < 200000; $index++) {
    $rows["row $index"] = str_repeat("x", $index % 50);
}
ksort($rows);
echo count($rows), " ", array_sum(array_map("strlen", $rows)), " ", strlen(serialize($rows)), "\n";
