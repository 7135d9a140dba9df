// aimock.mjs FOLDER: starts npm @copilotkit/aimock on a free loopback port and prints its URL.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(process.argv[2] + '/');
const { LLMock } = await import(pathToFileURL(require.resolve('@copilotkit/aimock')).href);
const mock = new LLMock({ port: 0, host: '127.0.0.1' });
mock.onMessage('weather', {
  toolCalls: [{ name: 'get_weather', arguments: '{"city":"Paris"}' }],
});
mock.onMessage('capital', { content: 'The capital of France is Paris.' });
mock.onMessage(/.*/, { content: 'Hello from a server that no one here wrote.' });
await mock.start();
console.log(mock.url);
process.on('SIGTERM', () => process.exit(0));
