// Which elements of a page have a name, as somebody who looks at it would name them. Run by `page.rs`.
const [kind, name] = arguments;
const words = text => (text || "").normalize("NFC").replace(/\s+/gu, " ").trim();
const seen = element => element.checkVisibility({ visibilityProperty: true });
const all = selector => [...document.querySelectorAll(selector)];

// A name that is meant exactly goes before one that it begins: a label may be followed by 必須.
const pick = candidates => {
  const exact = candidates.filter(([text]) => text === words(name));
  const found = exact.length ? exact : candidates.filter(([text]) => text.startsWith(words(name)));
  return [...new Set(found.map(([, element]) => element))];
};

const pressed = () => {
  const buttons = all("button, a[href], summary, input[type=submit], [role=button]").filter(seen);
  const named = buttons.map(e => [words(e.getAttribute("aria-label") || e.innerText || e.value), e]);
  const found = kind === "exact" ? named.filter(([text]) => text === words(name)).map(([, e]) => e) : pick(named);
  // Two links to one place are one link.
  const places = new Set();
  return found.filter(e => !e.href || (!places.has(e.href) && places.add(e.href)));
};

const labelled = () => {
  const labels = all("label").filter(label => label.control);
  const named = labels.map(label => [words(label.innerText), label.control]);
  const described = all("input[aria-label], select[aria-label], textarea[aria-label]");
  return pick(named.concat(described.map(e => [words(e.getAttribute("aria-label")), e])));
};

switch (kind) {
  case "exact":
  case "button":
    return pressed();
  case "field":
    return labelled().filter(e => e.type === "file" || seen(e));
  case "tick":
    // The label is what is clicked: the box itself may be drawn by it.
    return labelled().map(e => (e.labels && e.labels[0]) || e);
}
