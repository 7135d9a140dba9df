// clients/client.js BASE [PATH BODY]...: node's own fetch.
const [base, ...rest] = process.argv.slice(2);
(async () => {
  for (let i = 0; i < rest.length; i += 2) {
    const response = await fetch(base + rest[i], {
      method: 'POST', body: rest[i + 1],
      headers: { 'Content-Type': 'application/json', Authorization: 'Bearer ' + process.env.SECRET },
    });
    process.stdout.write(await response.text() + '\n===\n');
  }
})();
