// Has improv-wifi-serial-sdk, as web flashers use it, ask a board at a serial port.
//
//     node improv_sdk.mjs NODE_MODULES PORT '["scan"]' '["provision", "site", "password"]'
//
// Prints one JSON object: info, the results of the calls in their order, and the last state.

import fs from "node:fs";
import { register } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const POLL_MS = 10;
const DETECT_MS = 8000;
const [, , modules, port, ...calls] = process.argv;

// The package is made for bundlers, which find files without their endings.
register(
  "data:text/javascript," +
    encodeURIComponent(
      "export async function resolve(name, context, next) {" +
        " try { return await next(name, context); } catch { return next(name + '.js', context); } }",
    ),
);
const file = path.join(modules, "improv-wifi-serial-sdk", "dist", "serial.js");
const { ImprovSerial } = await import(pathToFileURL(path.resolve(file)));

const { O_RDWR, O_NOCTTY, O_NONBLOCK } = fs.constants;
const line = fs.openSync(port, O_RDWR | O_NOCTTY | O_NONBLOCK);

function received() {
  const room = Buffer.alloc(256);
  try {
    return room.subarray(0, fs.readSync(line, room, 0, room.length, null));
  } catch (error) {
    if (error.code !== "EAGAIN") throw error;
    return room.subarray(0, 0);
  }
}

const readable = new ReadableStream({
  async pull(controller) {
    for (;;) {
      const data = received();
      if (data.length) return controller.enqueue(new Uint8Array(data));
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  },
});
const writable = new WritableStream({ write: (data) => void fs.writeSync(line, Buffer.from(data)) });
const silent = { log() {}, debug() {}, error() {} };
const client = new ImprovSerial({ readable, writable }, silent);

const info = await client.initialize(DETECT_MS);
const results = [];
for (const each of calls) {
  const [name, ...args] = JSON.parse(each);
  try {
    results.push((await client[name](...args)) ?? null);
  } catch (error) {
    results.push(`error: ${error.message ?? error}`);
  }
}
console.log(JSON.stringify({ info, results, state: client.state }));
process.exit(0);
