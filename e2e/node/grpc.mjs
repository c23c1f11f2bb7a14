// A client of the gateway as a Node program would write it: the protos are loaded
// as they are, and the error details are decoded from the trailer.
//
//   node grpc.mjs <host:port> <directory of the protos>
//
// It prints what it learnt as one JSON object.
import path from "node:path";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const [address, protos] = process.argv.slice(2);
const options = {
  keepCase: true, longs: Number, enums: String, oneofs: true,
  includeDirs: [protos, path.join(protos, "third_party")],
};
const definition = await protoLoader.load(
  ["mavera/v1/personas.proto", "mavera/v1/projects.proto"], options);
const { mavera } = grpc.loadPackageDefinition(definition);
const credentials = grpc.credentials.createInsecure();
const personas = new mavera.v1.PersonasService(address, credentials);
const projects = new mavera.v1.ProjectsService(address, credentials);

// call resolves to the answer and its trailers.
function call(client, method, request) {
  return new Promise((resolve, reject) => {
    let answer;
    const deadline = new Date(Date.now() + 10_000);
    client[method](request, new grpc.Metadata(), { deadline }, (error, value) => {
      if (error) reject(error);
      answer = value;
    }).on("status", ({ metadata }) => resolve({ answer, trailers: metadata.getMap() }));
  });
}

// The protos of google.rpc are beside those of the gateway.
const root = new protobuf.Root();
root.resolvePath = (_, target) =>
  target.startsWith("google/protobuf/") ? null : path.join(protos, "third_party", target);
await root.load(["google/rpc/status.proto", "google/rpc/error_details.proto"], { keepCase: true });

function detailsOf(error) {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const status = root.lookupType("google.rpc.Status").decode(bytes);
  return status.details.map((any) => {
    const name = any.type_url.split("/").pop();
    const type = root.lookupType(name);
    return { type: name, ...type.toObject(type.decode(any.value), { longs: Number }) };
  });
}

// struct turns a google.protobuf.Struct into the object that it stands for.
const struct = ({ fields }) =>
  Object.fromEntries(Object.entries(fields).map(([name, v]) => [name, value(v)]));

function value(v) {
  switch (v.kind) {
    case "structValue": return struct(v.structValue);
    case "listValue": return v.listValue.values.map(value);
    case "nullValue": return null;
    default: return v[v.kind];
  }
}

const out = {};
const created = await call(personas, "createPersona", {
  name: "Node buyer", type: "PERSONA_AUDIENCE_TYPE_B2C",
  pipeline_type: "PERSONA_PIPELINE_TYPE_INTERMEDIATE", goals: ["Pay less"],
});
out.credits = created.trailers["x-mavera-credits-used"];
const read = await call(personas, "getPersona", { id: created.answer.id });
out.persona = { same: read.answer.id === created.answer.id, name: read.answer.name, type: read.answer.type };

out.pages = [];
for (let page_token = ""; ;) {
  const { answer } = await call(personas, "listPersonas", { page_size: 10, page_token });
  out.pages.push(answer.data.length);
  page_token = answer.next_page_token;
  if (!page_token) break;
}

const project = await call(projects, "getProject", { id: "proj_abc123" });
out.additional = struct(project.answer.additional_fields);

try {
  await call(personas, "getPersona", { id: "no-such-persona" });
} catch (error) {
  out.error = {
    code: grpc.status[error.code],
    message: error.details,
    pushback: error.metadata.get("grpc-retry-pushback-ms"),
    requestId: error.metadata.get("x-request-id")[0],
    details: detailsOf(error),
  };
}
console.log(JSON.stringify(out));
personas.close();
projects.close();
