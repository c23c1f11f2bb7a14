// The official OpenAI client against the simulator, as Mavera's documentation
// tells its users to call the API.
//
//   node openai.mjs <base URL> <key>
//
// It prints what it learnt as one JSON object.
import OpenAI from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 10_000 });
const persona_id = "clx1abc2d0001abcdef123456"; // Mavera's own field
const question = { model: "mavera-1", persona_id, input: "Which slogan would you trust?" };
const messages = [{ role: "user", content: "Which slogan would you trust?" }];
const out = {};

const response = await client.responses.create(question);
out.response = { object: response.object, status: response.status, text: response.output_text };

const events = [];
let streamed = "";
for await (const event of await client.responses.create({ ...question, stream: true })) {
  if (events.at(-1) !== event.type) events.push(event.type);
  if (event.type === "response.output_text.delta") streamed += event.delta;
  if (event.type === "response.completed") {
    out.stream = { events, equal: streamed === event.response.output[0].content[0].text, text: streamed };
  }
}

// The helper keeps the state of the answer by itself, and is strict about the order.
const helped = await client.responses.stream(question).finalResponse();
out.helper = { status: helped.status, text: helped.output_text };

const completion = await client.chat.completions.create({ model: "mavera-1", persona_id, messages });
out.chat = { object: completion.object, role: completion.choices[0].message.role, text: completion.choices[0].message.content };

let chunks = "";
let finish = null;
for await (const chunk of await client.chat.completions.create({ model: "mavera-1", persona_id, messages, stream: true })) {
  chunks += chunk.choices[0]?.delta?.content ?? "";
  finish = chunk.choices[0]?.finish_reason ?? finish;
}
out.chatStream = { finish, text: chunks };

try {
  await client.responses.create({ model: "mavera-1", persona_id });
} catch (error) {
  out.refusal = { name: error.constructor.name, status: error.status, code: error.code, param: error.param };
}
console.log(JSON.stringify(out));
