// What several pages use: texts, elements, and requests with the session's cookie.
"use strict";

/** Return the JSON of a data block of the page, or null. */
function pageData(id) {
  const block = document.getElementById(id);
  return block ? JSON.parse(block.textContent) : null;
}

const words = pageData("words") || {};
const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";

/** Return a text of the page with its {values} filled in. */
function say(key, values) {
  return (words[key] || key).replace(/\{(\w+)\}/g, (whole, name) =>
    values && name in values ? String(values[name]) : whole);
}

/** Make an element; children are elements or texts, which are never read as markup. */
function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A request that was answered with a refusal, or not at all. */
class Refused extends Error {
  constructor(status, problems) {
    super(problems.map((problem) => problem.reason).join(" "));
    this.status = status;
    this.problems = problems;
  }
}

/** Ask the service; return its JSON. A session that has ended leads to the sign-in page. */
async function ask(path, body) {
  const options = { headers: { Accept: "application/json" }, credentials: "same-origin" };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused(0, [{ field: "", reason: say("away") }]);
  }
  if (answer.status === 401) {
    window.location.assign("/login");
    throw new Refused(401, [{ field: "", reason: say("signed_out") }]);
  }
  const found = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) {
    const problems = found && Array.isArray(found.detail) ? found.detail : [];
    throw new Refused(answer.status, problems.length ? problems : [
      { field: "", reason: say("failed", { status: answer.status }) }]);
  }
  return found;
}
