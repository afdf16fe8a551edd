// Keeps the live parts of a page true: on each tick the page is fetched again and its parts marked with data-live are
// put in place. Without this script the page is complete, and stands still.
(() => {
  "use strict";
  const parts = (root) => root.querySelectorAll("[data-live]");
  if (parts(document).length === 0) return;

  let busy = false;
  let again = false;

  async function refresh() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, cache: "no-store" });
      // The session is over, or the role has changed: the page as it is now says so.
      if (answer.status === 401 || answer.status === 403) {
        ticks.close();
        location.reload();
        return;
      }
      if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      stale(!answer.ok);
    } catch {
      // The server cannot be reached: the stream opens again by itself, and then this runs once more.
      stale(true);
    } finally {
      busy = false;
      if (again) {
        again = false;
        refresh();
      }
    }
  }

  // A page that stands still must not look as if nothing happened.
  function stale(is) {
    const notice = document.querySelector("[data-stale]");
    if (notice) notice.hidden = !is;
  }

  function replace(fresh) {
    for (const part of parts(document)) {
      const name = CSS.escape(part.dataset.live);
      const other = fresh.querySelector(`[data-live="${name}"]`);
      // What somebody is using at this moment is not pulled away from under them; it follows when they leave it.
      if (!other || part.innerHTML === other.innerHTML || part.contains(document.activeElement)) continue;
      part.innerHTML = other.innerHTML;
    }
  }

  const ticks = new EventSource("/live");
  ticks.onmessage = refresh;
  ticks.onerror = () => stale(true);
  // Ticks are missed before the stream is open, the first time as after each gap.
  ticks.onopen = refresh;
  document.addEventListener("focusout", () => refresh());
})();
