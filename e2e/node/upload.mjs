// An upload as a Node program would make it, of a file of any size, with its checksum.
//
//   node upload.mjs <host:port> <directory of the protos> <file> <MIME type> <workspace id>
//
// It prints what it learnt of the file as one JSON object.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [address, protos, file, file_type, workspace_id] = process.argv.slice(2);
const definition = await protoLoader.load("mavera/v1/files.proto", {
  keepCase: true, longs: Number, includeDirs: [protos, path.join(protos, "third_party")],
});
const { mavera } = grpc.loadPackageDefinition(definition);
const files = new mavera.v1.FilesService(address, grpc.credentials.createInsecure());

const hash = createHash("sha256");
await pipeline(createReadStream(file), hash);
const metadata = {
  file_name: path.basename(file), file_type, file_size: (await stat(file)).size,
  workspace_id, checksum: hash.digest("base64"),
};

let call;
const answer = new Promise((resolve, reject) => {
  call = files.uploadFile((error, value) => (error ? reject(error) : resolve(value)));
});
const sent = pipeline(createReadStream(file, { highWaterMark: 256 * 1024 }), async function* (chunks) {
  yield { metadata };
  for await (const chunk of chunks) yield { chunk };
}, call);
try {
  const [uploaded] = await Promise.all([answer, sent]);
  console.log(JSON.stringify({ id: uploaded.id, name: uploaded.name, size: uploaded.size, url: uploaded.url }));
} finally {
  files.close();
}
