// Keeps the parts of a page that change up to date: quietly, while someone looks, and not too often.
"use strict";

const EVERY_MS = 10000;
const LONGEST_MS = 120000;
const live = document.getElementById("live");

if (live) {
  const button = live.querySelector("button");
  const when = live.querySelector(".when"); // not read out: it changes all the time
  const problem = live.querySelector("[role='status']");
  let wait = EVERY_MS;
  let timer = null;
  let paused = false;

  /** Fetch the page anew and take over the parts that differ; a table being scrolled stays in place. */
  async function refresh() {
    try {
      const answer = await fetch(window.location.href, { credentials: "same-origin" });
      if (answer.redirected || answer.status === 401) {
        window.location.reload(); // the session has ended
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.querySelector(`[data-live="${part.dataset.live}"]`);
        if (!fresh || fresh.innerHTML === part.innerHTML) continue;
        const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
        part.replaceChildren(...fresh.childNodes);
        part.querySelectorAll(".scroll").forEach((box, place) => { box.scrollLeft = scrolled[place] || 0; });
      }
      problem.textContent = "";
      when.textContent = live.dataset.updated.replace("{time}", new Date().toISOString().slice(11, 19));
      wait = EVERY_MS;
    } catch {
      problem.textContent = live.dataset.stale;
      wait = Math.min(2 * wait, LONGEST_MS);
    }
  }

  /** Whether someone is at work in a part, whose ground must not be moved. */
  function busy() {
    const focused = document.activeElement;
    return Boolean(focused && focused.closest("[data-live]")) || !window.getSelection().isCollapsed;
  }

  function plan() {
    window.clearTimeout(timer);
    if (paused || document.hidden) return;
    timer = window.setTimeout(async () => {
      if (!busy()) await refresh();
      plan();
    }, wait);
  }

  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? live.dataset.goOn : live.dataset.pause;
    button.setAttribute("aria-pressed", String(paused));
    plan();
  });
  document.addEventListener("visibilitychange", plan);
  plan();
}
