// The official clients of the Connect protocol against a gateway: what each kind of call gives.
//
// Tests run it in Chromium as it is, and in Node by official_client_node.mjs.

import { createFileRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

const DETAILS = ["google.rpc.ErrorInfo", "google.rpc.BadRequest", "google.rpc.QuotaFailure", "hash_name.SearchProgress"];

/** The report of all calls. `descriptors` is a FileDescriptorSet in base64. */
export async function officialClient(address, descriptors, kind, transportOf = (options) => createConnectTransport(options)) {
  const bytes = Uint8Array.from(atob(descriptors), (letter) => letter.charCodeAt(0));
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
  const service = registry.getService("hash_name.HashFinder");
  const client = (options) => createClient(service, transportOf({ baseUrl: address, ...options }));
  const plain = (message) => toJson(registry.getMessage(message.$typeName), message, { registry });
  const details = (error) =>
    Object.fromEntries(DETAILS.map((name) => registry.getMessage(name)).flatMap((schema) => error.findDetails(schema).map(plain).map((found) => [schema.typeName, found])));
  const failure = async (act) => {
    try {
      await act();
    } catch (error) {
      const known = ConnectError.from(error);
      return { code: Code[known.code], message: known.rawMessage, details: details(known) };
    }
    return null;
  };
  const stream = async (request, options, more = {}, taken = () => {}) => {
    const messages = [];
    const error = await failure(async () => {
      for await (const message of client(more).findRange(request, options)) {
        messages.push(plain(message));
        taken(messages.length);
      }
    });
    return { messages, error };
  };

  const report = { kind };
  for (const useBinaryFormat of [false, true]) {
    const name = useBinaryFormat ? "binary" : "json";
    report[name] = {
      post: plain(await client({ useBinaryFormat }).find({ desiredName: "robot" })),
      get: plain(await client({ useBinaryFormat, useHttpGet: true }).find({ desiredName: "robot" })),
      estimate: plain(await client({ useBinaryFormat, useHttpGet: true }).estimate({ desiredName: "robot" })),
      stream: await stream({ desiredName: "robot", interestingHammingDistance: 1 }, {}, { useBinaryFormat }),
      invalid: await failure(() => client({ useBinaryFormat }).find({ desiredName: "", idealHammingDistance: -1 })),
      budget: await stream({ desiredName: "hopelessly", maximumHashes: 1000n }, {}, { useBinaryFormat }),
    };
  }
  const aborting = new AbortController();
  const progress = { desiredName: "hopelessly", progressInterval: { seconds: 0n, nanos: 50_000_000 } };
  report.aborted = await stream(progress, { signal: aborting.signal }, {}, (count) => count === 2 && aborting.abort());
  const cancelling = new AbortController();
  setTimeout(() => cancelling.abort(), 500);
  report.unaryAborted = await failure(() => client().find({ desiredName: "hopelessly" }, { signal: cancelling.signal }));
  report.timeout = await stream({ desiredName: "hopelessly" }, { timeoutMs: 300 });
  report.unaryTimeout = await failure(() => client().find({ desiredName: "hopelessly" }, { timeoutMs: 300 }));
  return report;
}
