// The official clients in Node. Arguments: the gateway's address, and web or node, the kind of transport. The
// descriptors come on stdin, and the report goes to stdout.

import { readFileSync } from "node:fs";
import { createConnectTransport } from "@connectrpc/connect-node";
import { officialClient } from "./official_client.mjs";

const [, , address, kind] = process.argv;
const transportOf = kind === "node" ? (options) => createConnectTransport({ httpVersion: "1.1", ...options }) : undefined;
const report = await officialClient(address, readFileSync(0, "utf8"), kind, transportOf);
process.stdout.write(JSON.stringify(report));
