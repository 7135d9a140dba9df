# clients/client.pl BASE [PATH BODY]...
use strict;
use warnings;
use LWP::UserAgent;
use Encode;
my $base = shift;
my $agent = LWP::UserAgent->new(keep_alive => 1);
$agent->ssl_opts(SSL_ca_file => $ENV{CERT});
binmode STDOUT;
while (@ARGV) {
    my ($path, $body) = splice @ARGV, 0, 2;
    my $answer = $agent->post($base . $path, 'Content-Type' => 'application/json',
                              Authorization => "Bearer $ENV{SECRET}", Content => $body);
    print $answer->decoded_content(charset => 'none'), "\n===\n";
}
