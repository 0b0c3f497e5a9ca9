// Both generations of the JavaScript SDK as clients: node clients.mjs PACKAGES URL 1|2
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, url, generation] = process.argv.slice(2);
const require = createRequire(`${packages}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)));

async function connected() {
  const info = { name: "test", version: "1" };
  if (generation === "1") {
    const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } = await load(
      "@modelcontextprotocol/sdk/client/streamableHttp.js",
    );
    const client = new Client(info);
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    return { client, call: (tool, options) => client.callTool(tool, undefined, options) };
  }
  const { Client, StreamableHTTPClientTransport } = await load("@modelcontextprotocol/client");
  const client = new Client(info, { versionNegotiation: { mode: "auto" } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return { client, call: (tool, options) => client.callTool(tool, options) };
}

const { client, call } = await connected();
const reports = [];
const { tools } = await client.listTools();
const slow = { endpoint: "users", params: { limit: 3, delay: 1 } };
const patience = {
  timeout: 1600,
  resetTimeoutOnProgress: true,
  onprogress: ({ message }) => reports.push(message),
};
const result = await call({ name: "stream_data", arguments: slow }, patience);
await client.close();
console.log(
  JSON.stringify({
    tools: tools.map((tool) => tool.name),
    returned: result.structuredContent.returned,
    reports: reports.length,
  }),
);
