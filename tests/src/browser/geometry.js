// What is wrong with a page's layout: too wide, controls too small for a finger, text cut off. Run by `inspect.rs`.
const [width, least] = arguments;
const found = [];
const words = text => (text || "").replace(/\s+/gu, " ").trim().slice(0, 40);
const name = e => `<${e.localName}${e.className ? ` class="${e.className}"` : ""}> "${words(e.innerText || e.value || e.getAttribute("aria-label"))}"`;
const visible = e => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
const box = e => e.getBoundingClientRect();
// For screen readers alone, or brought in by the keyboard: not on the page.
const aside = e => {
  const { width, height, right, bottom } = box(e);
  return width <= 1 || height <= 1 || right <= 0 || bottom + scrollY <= 0;
};
const page = document.documentElement;
if (page.scrollWidth > width) {
  found.push(`the page is ${page.scrollWidth} px wide in a window of ${width} px`);
}

// A link within a sentence is exempt, as in WCAG 2.2, success criterion 2.5.8.
const insideText = e =>
  e.localName === "a" && getComputedStyle(e).display === "inline" &&
  [...e.parentElement.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
const hit = e => {
  const boxes = [box(e), ...[...(e.labels || [])].map(box)];
  const is = ["checkbox", "radio", "file"].includes(e.type) ? boxes : boxes.slice(0, 1);
  const left = Math.min(...is.map(b => b.left)), right = Math.max(...is.map(b => b.right));
  const top = Math.min(...is.map(b => b.top)), bottom = Math.max(...is.map(b => b.bottom));
  return [right - left, bottom - top];
};
const controls = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button]")]
  .filter(e => visible(e) && (!aside(e) || ["checkbox", "radio", "file"].includes(e.type)));
for (const e of controls) {
  const [wide, high] = hit(e);
  if (!insideText(e) && (wide < least - 0.5 || high < least - 0.5)) {
    found.push(`${name(e)} is ${wide.toFixed(1)} x ${high.toFixed(1)} px`);
  }
}
for (const [i, a] of controls.entries()) {
  for (const b of controls.slice(i + 1)) {
    if (a.contains(b) || b.contains(a) || aside(a) || aside(b)) continue;
    const p = box(a), q = box(b);
    const across = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (across > 1 && down > 1 && !insideText(a) && !insideText(b)) found.push(`${name(a)} lies over ${name(b)}`);
  }
}

const cuts = style => /hidden|clip/.test(style.overflowX + style.overflowY);
const scrolls = style => /auto|scroll/.test(style.overflowX + style.overflowY);
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const e = node.parentElement;
  if (!node.data.trim() || !visible(e) || aside(e) || e.closest("script, style, noscript, option")) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const rects = [...range.getClientRects()].filter(r => r.width > 0 && r.height > 0);
  let inScroller = false;
  for (let up = e; up && up !== document.body; up = up.parentElement) {
    const style = getComputedStyle(up);
    if (aside(up)) { inScroller = true; break; }
    if (scrolls(style)) { inScroller = true; break; }
    if (!cuts(style)) continue;
    const frame = box(up);
    const out = r => r.right > frame.right + 1 || r.left < frame.left - 1 || r.bottom > frame.bottom + 2 || r.top < frame.top - 2;
    if (rects.some(out)) { found.push(`the text "${words(node.data)}" is cut off by ${name(up)}`); break; }
  }
  if (!inScroller && rects.some(r => r.right > width + 1 || r.left < -1)) {
    found.push(`the text "${words(node.data)}" leaves the window`);
  }
}
return [...new Set(found)];
