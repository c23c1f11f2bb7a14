// A client that reads streams: a whole one, one that breaks off, and one that it
// leaves itself.
//
//   node stream.mjs <host:port> <directory of the protos>
//
// It prints what it learnt as one JSON object.
import path from "node:path";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [address, protos] = process.argv.slice(2);
const definition = await protoLoader.load("mavera/v1/mave.proto", {
  keepCase: true, longs: Number, oneofs: true, includeDirs: [protos, path.join(protos, "third_party")],
});
const { mavera } = grpc.loadPackageDefinition(definition);
const mave = new mavera.v1.MaveService(address, grpc.credentials.createInsecure());

// read takes a stream to its end; leaving cancels it at its first event.
function read(message, leaving = false) {
  return new Promise((resolve) => {
    const events = [];
    let text = "";
    const stream = mave.streamMaveChat({ message }, { deadline: new Date(Date.now() + 10_000) });
    stream.on("data", (received) => {
      if (events.at(-1) !== received.event) events.push(received.event);
      text += received.content?.content ?? "";
      if (leaving) stream.cancel();
    });
    stream.on("error", () => {}); // the status has it too
    stream.on("status", ({ code, metadata }) => resolve({
      events, code: grpc.status[code], said: text.length > 0,
      pushback: metadata.get("grpc-retry-pushback-ms"), credits: metadata.get("x-mavera-credits-used"),
    }));
  });
}

const whole = await read("How do buyers see refills?");
const cut = await read("Break off.");
const left = await read("Never mind.", true);
console.log(JSON.stringify({ whole, cut, left }));
mave.close();
