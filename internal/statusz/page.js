// Renews what changes of the page, unless nobody looks or somebody is selecting a part
// of it. What is shown of a gateway that no longer answers is dimmed.
"use strict";

const main = document.getElementById("main");
let asking = false;

function selecting() {
  const selection = getSelection();
  return !selection.isCollapsed && main.contains(selection.anchorNode);
}

async function renew() {
  if (asking || document.hidden || selecting()) return;
  asking = true;
  try {
    const answer = await fetch("?part=main", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.status);
    const html = await answer.text();
    if (selecting()) return; // meanwhile
    const scrolled = [...main.querySelectorAll(".table")].map((table) => table.scrollLeft);
    main.innerHTML = html;
    main.querySelectorAll(".table").forEach((table, i) => { table.scrollLeft = scrolled[i] ?? 0; });
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale");
  } finally {
    asking = false;
  }
}

setInterval(renew, 2000);
document.addEventListener("visibilitychange", renew);
