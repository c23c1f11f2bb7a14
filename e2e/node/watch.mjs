// Watches a video analysis to its end, and one that does not exist.
//
//   node watch.mjs <host:port> <directory of the protos>
//
// It prints what it saw as one JSON object.
import path from "node:path";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [address, protos] = process.argv.slice(2);
const definition = await protoLoader.load("mavera/v1/video_analyses.proto", {
  keepCase: true, longs: Number, enums: String, oneofs: true,
  includeDirs: [protos, path.join(protos, "third_party")],
});
const { mavera } = grpc.loadPackageDefinition(definition);
const videos = new mavera.v1.VideoAnalysesService(address, grpc.credentials.createInsecure());

const created = await new Promise((resolve, reject) => {
  videos.createVideoAnalysis({
    video_url: "https://example.com/ad.mp4", title: "An advert", brand: "Brand", product: "Product",
    primary_intent: "VIDEO_INTENT_INFORMATIVE", goal: "to show that it works",
  }, (error, answer) => (error ? reject(error) : resolve(answer)));
});

const out = { states: [], progress: [] };
const last = (list, value) => { if (list.at(-1) !== value) list.push(value); };
const stream = videos.watchVideoAnalysis({ id: created.id });
stream.on("status", ({ code }) => { out.code = grpc.status[code]; });
for await (const video of stream) {
  last(out.states, video.status.replace("VIDEO_ANALYSIS_STATUS_", "").toLowerCase());
  last(out.progress, video.progress?.processed_chunks ?? 0);
}
try {
  for await (const video of videos.watchVideoAnalysis({ id: "none" })) out.states.push(video.status);
} catch (error) {
  out.missing = grpc.status[error.code];
}
console.log(JSON.stringify(out));
videos.close();
