// The lending desk: fill in or paste, decide, read why, see what would change it, override.
"use strict";

const byId = (id) => document.getElementById(id);
const form = byId("application");

if (form) {
  const fields = pageData("fields");
  const input = (name) => byId("f-" + name);
  let shown = null; // the decision in sight
  let earlier = null; // id before which there are earlier decisions
  const reads = Boolean(byId("recent")); // whether this key may see decisions
  const overrides = Boolean(byId("override")); // and override them

  // --- the form -------------------------------------------------------------------------------

  /** Return the application as the service takes it: numbers as numbers, nothing for nothing. */
  function application() {
    const loan = {};
    for (const field of fields) {
      const text = input(field.name).value.trim();
      if (text === "") continue;
      loan[field.name] = field.numeric && text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
    }
    return loan;
  }

  function fill(values, clearFirst) {
    for (const field of fields) {
      if (field.name in values) setValue(field, values[field.name]);
      else if (clearFirst) input(field.name).value = "";
    }
    if ("" in values) byId("application-id").value = values[""];
  }

  /** Put a value into the form; one that the list does not have is added, for the service to judge. */
  function setValue(field, value) {
    const box = input(field.name);
    const text = value === null || value === undefined ? "" : String(value);
    if (box.tagName === "SELECT" && ![...box.options].some((option) => option.value === text)) {
      box.append(make("option", { value: text }, text));
    }
    box.value = text;
  }

  function showProblems(problems) {
    clearProblems();
    const general = [];
    let first = null;
    for (const problem of problems) {
      const name = (problem.field || "").replace(/^loan\./, "");
      const place = name && byId("f-" + name + "-problem");
      if (!place) {
        general.push(name ? name + ": " + problem.reason : problem.reason);
        continue;
      }
      place.textContent = (place.textContent ? place.textContent + " " : "") + sentence(problem.reason);
      input(name).setAttribute("aria-invalid", "true");
      first = first || input(name);
    }
    byId("form-problem").textContent = general.length ? general.join(" ") : say("has_problems", { n: problems.length });
    (first || byId("form-problem")).focus();
  }

  function clearProblems() {
    byId("form-problem").textContent = "";
    for (const field of fields) {
      byId("f-" + field.name + "-problem").textContent = "";
      input(field.name).removeAttribute("aria-invalid");
    }
  }

  /** The service says what a value "is below"; beside the field that stands alone. */
  function sentence(reason) {
    return reason.charAt(0).toUpperCase() + reason.slice(1);
  }

  byId("example").addEventListener("click", () => {
    fill(Object.fromEntries(fields.map((field) => [field.name, field.example])), true);
    clearProblems();
  });

  byId("clear").addEventListener("click", () => {
    form.reset();
    clearProblems();
  });

  byId("read").addEventListener("click", () => {
    const found = readPasted(byId("pasted").value, fields);
    if (!found || Object.keys(found.values).length === 0) {
      byId("paste-said").textContent = say("paste_none");
      return;
    }
    fill(found.values, true);
    clearProblems();
    const read = say("paste_read", { n: Object.keys(found.values).filter(Boolean).length, of: fields.length });
    byId("paste-said").textContent = found.unknown.length
      ? read + " " + say("paste_unknown", { names: found.unknown.slice(0, 8).join(", ") }) : read;
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = byId("decide");
    if (button.disabled) return;
    button.disabled = true;
    clearProblems();
    try {
      const id = byId("application-id").value.trim();
      const loan = application();
      const decision = await ask("/v1/score", { application_id: id || null, loan });
      show({ ...decision, overrides: [] });
      byId("result").focus({ preventScroll: true });
      byId("result-title").scrollIntoView({ block: "start" });
      await Promise.all([whatWouldChange(loan, decision), reads ? recent() : null]);
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      showProblems(refused.problems);
    } finally {
      button.disabled = false;
    }
  });

  // --- a decision -----------------------------------------------------------------------------

  const ICONS = { approve: "✓", refer: "?", decline: "✕" };
  const percent = (pd) => (100 * pd).toFixed(pd < 0.01 ? 2 : 1) + "%";
  const when = (iso) => iso.slice(0, 16).replace("T", " ");

  function tile(name, value) {
    return make("div", { class: "tile" }, make("dt", {}, name), make("dd", {}, value));
  }

  function show(decision) {
    shown = decision;
    byId("waiting").hidden = true;
    byId("result").hidden = false;
    const last = decision.overrides.at(-1);
    const verdict = last ? last.verdict : decision.verdict;
    byId("verdict").className = "verdict " + verdict;
    byId("verdict").replaceChildren(
      make("span", { class: "icon", "aria-hidden": "true" }, ICONS[verdict]),
      make("span", {}, make("strong", {}, say("verdict_" + verdict)),
        make("span", { class: "because" }, last ? say("overridden_now") : say("because_" + verdict))));
    byId("figures").replaceChildren(
      tile(say("pd"), percent(decision.pd)),
      tile(say("score"), String(decision.score)),
      tile(say("grade"), decision.grade));
    moveMark(decision.score);
    showReasons(decision);
    byId("changes").replaceChildren();
    showOverrides(decision.overrides);
    byId("meta").replaceChildren(
      ...pair("id", make("code", { id: "decision-id" }, decision.id)),
      ...pair("application", decision.application_id || "–"),
      ...pair("time", when(decision.time) + " UTC"),
      ...pair("model", say("version", { n: decision.model.version }) + " · " + decision.model.sha256.slice(0, 12)));
  }

  function pair(key, value) {
    return [make("dt", {}, say(key)), make("dd", {}, value)];
  }

  function moveMark(score) {
    const mark = byId("mark");
    const { low, high, left, right } = mark.dataset;
    const share = Math.min(Math.max((score - low) / (high - low || 1), 0), 1);
    const x = Number(left) + share * (right - left);
    mark.setAttribute("transform", "translate(" + x.toFixed(1) + " 0)");
    const text = byId("mark-score");
    text.textContent = String(score);
    text.setAttribute("text-anchor", share < 0.04 ? "start" : share > 0.96 ? "end" : "middle");
  }

  function showReasons(decision) {
    const place = byId("reasons");
    place.replaceChildren(make("h3", {}, say(decision.verdict === "decline" ? "why" : "why_not_better")));
    if (!decision.reasons.length) {
      place.append(make("p", { class: "soft" }, say(decision.verdict === "decline" ? "no_reasons" : "reasons_for_declined")));
      return;
    }
    const most = Math.max(...decision.reasons.map((reason) => reason.amount)) || 1;
    place.append(make("ol", { class: "reasons" }, ...decision.reasons.map((reason) => {
      const bar = make("meter", { min: 0, max: most, value: reason.amount, "aria-hidden": "true" });
      return make("li", {}, make("span", {}, reason[language] || reason.en || reason.zh || reason.feature), bar);
    })));
  }

  async function whatWouldChange(loan, decision) {
    const place = byId("changes");
    if (decision.verdict === "approve" || !place.isConnected) return;
    let found;
    try {
      found = await ask("/v1/what-if", { loan });
    } catch (refused) {
      if (refused instanceof Refused && refused.status === 404) return; // the bank has switched it off
      if (!(refused instanceof Refused)) throw refused;
      place.replaceChildren(make("p", { class: "fail" }, refused.message));
      return;
    }
    if (shown !== null && shown.id !== decision.id) return; // another decision is in sight by now
    place.replaceChildren(make("h3", {}, say("what_if")));
    if (!found.alternatives.length) {
      place.append(make("p", { class: "soft" }, say("what_if_none")));
      return;
    }
    place.append(make("p", {}, say("what_if_lead")), make("ul", { class: "changes" },
      ...found.alternatives.map((alternative) => alternativeItem(alternative))));
  }

  function alternativeItem(alternative) {
    const told = alternative.changes.map((change) => change[language] || change.en).join(language === "zh" ? "；" : " ");
    const button = make("button", { type: "button", class: "quiet" }, say("try_it"));
    button.addEventListener("click", () => {
      fill(Object.fromEntries(alternative.changes.map((change) => [change.field, change.after])), false);
      clearProblems();
      for (const change of alternative.changes) input(change.field)?.classList.add("changed");
      byId("decide").focus();
    });
    const then = say("then", { verdict: say("verdict_" + alternative.score.verdict), pd: percent(alternative.score.pd), score: alternative.score.score });
    return make("li", {}, make("span", {}, told), make("span", { class: "then" }, then), button);
  }

  // --- overrides ------------------------------------------------------------------------------

  function showOverrides(overrides) {
    byId("overrides").replaceChildren();
    if (!overrides.length) return;
    byId("overrides").append(make("h3", {}, say("overrides")), make("ul", { class: "events" },
      ...overrides.map((one) => make("li", {},
        make("strong", {}, say("verdict_" + one.verdict)), " ", one.reason,
        make("span", { class: "soft" }, " " + when(one.time) + " UTC · " + one.actor)))));
  }

  if (overrides) {
    const dialog = byId("override-dialog");

    byId("override").addEventListener("click", () => {
      byId("override-problem").textContent = "";
      byId("override-reason").value = "";
      byId("override-verdict").value = shown.verdict === "decline" ? "approve" : "decline";
      dialog.showModal();
      byId("override-reason").focus();
    });

    byId("override-cancel").addEventListener("click", () => dialog.close());

    byId("override-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const reason = byId("override-reason").value.trim();
      if (!reason) {
        byId("override-problem").textContent = say("reason_required");
        byId("override-reason").focus();
        return;
      }
      try {
        await ask("/v1/decisions/" + encodeURIComponent(shown.id) + "/override", { verdict: byId("override-verdict").value, reason });
        dialog.close();
        await open(shown.id);
        await recent();
      } catch (refused) {
        if (!(refused instanceof Refused)) throw refused;
        byId("override-problem").textContent = refused.message;
      }
    });
  }

  byId("print").addEventListener("click", () => window.print());

  // --- decisions of before --------------------------------------------------------------------

  async function open(id) {
    const found = await ask("/v1/decisions/" + encodeURIComponent(id));
    fill(found.inputs, true);
    byId("application-id").value = found.application_id || "";
    clearProblems();
    show(found);
    await whatWouldChange(found.inputs, found);
  }

  function recentRow(decision) {
    const button = make("button", { type: "button", class: "link" }, when(decision.time));
    button.addEventListener("click", async () => {
      try {
        await open(decision.id);
        byId("result-title").scrollIntoView({ block: "start" });
        byId("result").focus({ preventScroll: true });
      } catch (refused) {
        if (!(refused instanceof Refused)) throw refused;
        byId("find-problem").textContent = refused.message;
      }
    });
    const verdict = make("span", { class: "state " + decision.verdict }, say("verdict_" + decision.verdict));
    return make("tr", {}, make("th", { scope: "row" }, button),
      make("td", { class: "w" }, decision.application_id || "–"), make("td", { class: "w" }, verdict),
      make("td", {}, percent(decision.pd)), make("td", {}, String(decision.score)),
      make("td", {}, decision.grade), make("td", {}, String(decision.model.version)));
  }

  async function recent(before) {
    const most = 10;
    const query = "?most=" + most + (before ? "&before=" + encodeURIComponent(before) : "");
    const found = await ask("/v1/decisions" + query);
    const rows = found.decisions.map(recentRow);
    if (before) byId("recent").append(...rows);
    else byId("recent").replaceChildren(...rows);
    earlier = found.next;
    byId("more").hidden = !earlier;
    byId("recent-none").hidden = Boolean(before) || rows.length > 0;
  }

  if (reads) {
    byId("more").addEventListener("click", () => recent(earlier));

    byId("find").addEventListener("submit", async (event) => {
      event.preventDefault();
      byId("find-problem").textContent = "";
      const id = byId("find-id").value.trim();
      if (!id) return;
      try {
        await open(id);
        byId("result-title").scrollIntoView({ block: "start" });
      } catch (refused) {
        if (!(refused instanceof Refused)) throw refused;
        byId("find-problem").textContent = refused.status === 404 ? say("find_none") : refused.message;
      }
    });

    recent().catch((refused) => {
      if (!(refused instanceof Refused)) throw refused;
      byId("find-problem").textContent = refused.message;
    });
    const asked = new URLSearchParams(window.location.search).get("decision");
    if (asked) {
      byId("find-id").value = asked;
      byId("find").requestSubmit();
    }
  }
}
