// Looks at /statusz with a Chromium: that it renews itself, in both colour schemes, on a
// desk and on a phone.
//
//   node statusz.mjs <chromium> <admin host:port> <gRPC host:port> <directory of the protos> <focus group> <directory for screenshots>
//
// It expects that the news fail at Mavera, that the first failure opens a breaker, and that
// the focus group runs. It prints what it saw as one JSON object.
import path from "node:path";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import { chromium } from "playwright-core";

const [executablePath, admin, address, protos, group, directory] = process.argv.slice(2);
const load = (file) => protoLoader.load(file, { keepCase: true, includeDirs: [protos, path.join(protos, "third_party")] });
const credentials = grpc.credentials.createInsecure();
const { PersonasService } = grpc.loadPackageDefinition(await load("mavera/v1/personas.proto")).mavera.v1;
const { NewsService } = grpc.loadPackageDefinition(await load("mavera/v1/news.proto")).mavera.v1;
const { FocusGroupsService } = grpc.loadPackageDefinition(await load("mavera/v1/focus_groups.proto")).mavera.v1;
const personas = new PersonasService(address, credentials);
const news = new NewsService(address, credentials);
const groups = new FocusGroupsService(address, credentials);

// call makes a call under a request id, and says with which status it ended.
const call = (service, method, request, id, caller = "storefront") => new Promise((resolve) => {
  const metadata = new grpc.Metadata();
  metadata.set("x-request-id", id);
  metadata.set("x-caller-id", caller);
  service[method](request, metadata, (error) => resolve(grpc.status[error?.code ?? 0]));
});

// The sandbox of Chromium does not work for root, nor in most containers; it opens our own page only.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const out = { complaints: [], loads: 0 };

const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
const page = await context.newPage();
page.on("console", (message) => { if (["error", "warning"].includes(message.type())) out.complaints.push(message.text()); });
page.on("pageerror", (error) => out.complaints.push(String(error)));
page.on("requestfailed", (request) => out.complaints.push(`${request.url()}: ${request.failure().errorText}`));
page.on("load", () => { out.loads++; });

const shot = (name) => page.screenshot({ path: path.join(directory, `${name}.png`), fullPage: true });
const shows = (text) => page.waitForFunction((wanted) => document.getElementById("main").innerText.includes(wanted), text);
const cell = (family, name) => page.evaluate(([row, column]) => [...document.querySelectorAll("tr")]
  .find((tr) => tr.cells[0].textContent === row).querySelector(`[data-name="${column}"]`).textContent, [family, name]);

await page.goto(`http://${admin}/statusz`);
out.title = await page.title();
out.before = { failures: await page.locator("#main p").innerText(), breaker: await cell("news", "Breaker"), calls: await cell("news", "Calls") };

out.calls = [
  await call(personas, "listPersonas", {}, "seen-ok"),
  await call(personas, "getPersona", { id: "none" }, "seen-missing", "<script>document.title='run'</script>"),
  await call(news, "listTrendingNewsStories", {}, "seen-failed"),
  await call(news, "listTrendingNewsStories", {}, "seen-refused", "mvra_live_abcdefghijklmnopqrstuvwxyz"),
];
const watch = groups.watchFocusGroup({ id: group });
watch.on("error", () => {}); // it is cancelled
await new Promise((resolve) => watch.once("data", resolve));
await shows("seen-refused");
await page.waitForFunction(() => [...document.querySelectorAll('[data-name="Watches"]')].some((td) => td.textContent === "1 on 1 job"));
out.after = { breaker: await cell("news", "Breaker"), calls: await cell("news", "Calls"), failed: await cell("news", "Failed"), refused: await cell("news", "Refused") };
out.requests = await page.locator("#main code").allInnerTexts();
out.callers = await page.locator('[data-name="Caller"]').allInnerTexts();
await page.waitForFunction(() => document.querySelector(".chart polygon.all").points.length > 0);

// What is marked is left alone; later it is renewed again.
const now = () => page.locator("#now").innerText();
await page.locator("#now").selectText();
const marked = await now();
await page.waitForRequest((request) => request.url().includes("part=main"), { timeout: 3000 }).catch(() => { out.leftAlone = true; });
out.leftAlone = out.leftAlone && marked === await now();
await page.evaluate(() => getSelection().removeAllRanges());
await page.waitForFunction((then) => document.getElementById("now").innerText !== then, marked);

// How much sticks out, of the page or of one of its tables.
const overflow = () => page.evaluate(() => Math.max(...[document.documentElement, ...document.querySelectorAll(".table")]
  .map((box) => box.scrollWidth - box.clientWidth)));

out.overflow = {};
for (const [device, width] of [["desk", 1280], ["tablet", 800], ["phone", 390]]) {
  await page.setViewportSize({ width, height: 900 });
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await shot(`${device}-${colorScheme}`);
  }
  out.overflow[device] = await overflow();
}
await page.locator("summary").click();
out.configuration = await page.locator("pre").innerText();
out.overflow.configuration = await overflow();

out.complaintsBefore = out.complaints.length;
await context.setOffline(true);
await page.locator("#stale").waitFor({ state: "visible" });
await shot("stale");
await context.setOffline(false);
await page.locator("#stale").waitFor({ state: "hidden" });
out.complaints.length = out.complaintsBefore; // a browser without network says so
delete out.complaintsBefore;

// Without scripts it is a page, too.
const plain = await browser.newPage({ javaScriptEnabled: false });
await plain.goto(`http://${admin}/statusz`);
out.plain = await plain.locator("h1").innerText();

watch.cancel();
await browser.close();
for (const service of [personas, news, groups]) service.close();
console.log(JSON.stringify(out));
