<?php
// clients/client.php BASE [PATH BODY]...
$base = $argv[1];
for ($i = 2; $i < $argc; $i += 2) {
    $context = stream_context_create([
        'http' => ['method' => 'POST', 'content' => $argv[$i + 1], 'ignore_errors' => true,
                   'protocol_version' => 1.1,
                   'header' => "Content-Type: application/json\r\nConnection: close\r\n" .
                               "Authorization: Bearer " . getenv('SECRET')],
        'ssl' => ['cafile' => getenv('CERT')]]);
    echo file_get_contents($base . $argv[$i], false, $context), "\n===\n";
}
