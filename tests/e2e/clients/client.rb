# clients/client.rb BASE [PATH BODY]...
require 'net/http'
base = URI(ARGV.shift)
http = Net::HTTP.new(base.host, base.port)
if base.scheme == 'https'
  http.use_ssl = true
  http.ca_file = ENV['CERT']
end
http.start do |connection|
  ARGV.each_slice(2) do |path, body|
    request = Net::HTTP::Post.new(path, 'Content-Type' => 'application/json',
                                        'Authorization' => "Bearer #{ENV['SECRET']}")
    request.body = body
    puts connection.request(request).body.force_encoding('UTF-8'), '==='
  end
end
