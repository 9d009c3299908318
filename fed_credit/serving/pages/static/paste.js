// Reading a pasted application: JSON, lines of "field: value", or rows of a spreadsheet.
"use strict";

/** Return {values: {field: text}, unknown: [names]} of a pasted text, or null if it is none. */
function readPasted(text, fields) {
  const pairs = pastedPairs(text.trim());
  if (!pairs) return null;
  const values = {};
  const unknown = [];
  for (const [name, value] of pairs) {
    const field = fields.find((item) => item.aliases.some((alias) => plainName(alias) === plainName(name)));
    if (field) values[field.name] = formValue(field, value);
    else if (plainName(name) === "application_id") values[""] = String(value);
    else if (String(name).trim()) unknown.push(String(name).trim());
  }
  return { values, unknown };
}

function pastedPairs(text) {
  if (!text) return null;
  if (text.startsWith("{") || text.startsWith("[")) {
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      return null;
    }
    if (Array.isArray(body)) body = body[0];
    if (!body || typeof body !== "object") return null;
    const { loan, ...rest } = body;
    return Object.entries(loan && typeof loan === "object" ? { ...rest, ...loan } : body);
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  for (const mark of ["\t", ",", ";"]) {
    const header = cells(lines[0], mark);
    // Two columns without a colon are names and values, one below the other.
    if (header.length === 2 && mark === "\t" && lines.every((line) => cells(line, mark).length === 2)
        && lines.length !== 2) return lines.map((line) => cells(line, mark));
    if (lines.length > 1 && header.length > 1 && cells(lines[1], mark).length === header.length
        && !/^[^:：=]+[:：=]/.test(lines[1])) {
      const row = cells(lines[1], mark);
      return header.map((name, place) => [name, row[place]]);
    }
  }
  const pairs = lines.map((line) => /^\s*([^:：=\t]+?)\s*[:：=\t]\s*(.*?)\s*$/.exec(line));
  return pairs.every(Boolean) ? pairs.map((found) => [found[1], found[2]]) : null;
}

/** Split a line of a table; quotes hold a separator. */
function cells(line, mark) {
  const found = [""];
  let quoted = false;
  for (const letter of line) {
    if (letter === '"') quoted = !quoted;
    else if (letter === mark && !quoted) found.push("");
    else found[found.length - 1] += letter;
  }
  return found.map((cell) => cell.trim());
}

function plainName(name) {
  return String(name).trim().toLowerCase().replace(/[\s-]+/g, "_");
}

/** Return what the form takes for a value: one of the options, or the text. */
function formValue(field, value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return field.options.length ? field.options[value ? 0 : 1][0] : String(value);
  const text = String(value).trim();
  if (field.numeric) {
    // Separators of thousands are taken out; anything else is for the service to refuse.
    return /^-?\d{1,3}(,\d{3})+(\.\d+)?$/.test(text) ? text.replaceAll(",", "") : text;
  }
  const option = field.options.find(([key, label]) => [key, label].some((one) => plainName(one) === plainName(text)));
  return option ? option[0] : text;
}
