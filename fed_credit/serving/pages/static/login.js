// Signing in: the key goes to the service once, which answers with a cookie that scripts cannot read.
"use strict";

const form = document.getElementById("login");
const problem = document.getElementById("problem");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = document.getElementById("key");
  problem.textContent = "";
  let answer;
  try {
    answer = await fetch("/login", {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ key: key.value.trim() }),
    });
  } catch {
    problem.textContent = form.dataset.away;
    return;
  }
  if (answer.ok) {
    window.location.assign(form.dataset.next);
    return;
  }
  problem.textContent = answer.status === 429 ? form.dataset.busy : form.dataset.refused;
  key.select();
});
