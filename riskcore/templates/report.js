(() => {
  "use strict";
  const store = JSON.parse(document.getElementById("figure-store").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Set();
  let printing = false;

  // A copy with shared arrays put in and, on a dark page, each colour exchanged for its stand-in.
  function resolve(value, swap) {
    if (typeof value === "string") return (swap && store.dark[value]) || value;
    if (Array.isArray(value)) return value.map((v) => resolve(v, swap));
    if (value === null || typeof value !== "object") return value;
    if (typeof value.ref === "string") return store.arrays[value.ref];
    if (typeof value.bdata === "string") return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolve(v, swap)]));
  }

  function draw(element) {
    const spec = store.figures[Number(element.dataset.figure)];
    const swap = dark.matches && !printing;
    const width = printing ? 680 : element.clientWidth;
    const narrow = width < 600;
    const layout = resolve(spec.layout, swap);
    layout.template = store.themes[swap ? "dark" : "light"];
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.height = Number(element.dataset.height) - 40 + (narrow && layout.showlegend ? 110 : 0);
    layout.margin = { l: narrow ? 40 : 60, r: 14, t: 34, b: 36 };
    layout.autosize = !printing;
    if (printing) layout.width = width;
    if (narrow) {
      (layout.annotations || []).forEach((note) => { 
        if (note.font) note.font.size = 11;
        if (note.xanchor === "left") note.xshift = -60; // over the names beside the axis
      });
      layout.dragmode = false; // a finger scrolls the page
      for (const [key, axis] of Object.entries(layout)) {
        if (key.startsWith("yaxis") && axis.tickformat) axis.title = { text: "" };
      }
    }
    element.style.minHeight = layout.height + "px";
    Plotly.react(element, resolve(spec.data, swap), layout, store.config);
    drawn.add(element);
  }

  const shown = (element) => !element.closest("[hidden], details:not([open])");
  const plots = [...document.querySelectorAll(".plot")];
  const watcher = new IntersectionObserver(
    (entries) => entries.forEach((e) => { if (e.isIntersecting && !drawn.has(e.target)) draw(e.target); }),
    { rootMargin: "800px" },
  );
  plots.forEach((element) => watcher.observe(element));

  document.querySelectorAll(".tabs button").forEach((button) =>
    button.addEventListener("click", () => {
      for (const other of button.parentElement.children) {
        const on = other === button;
        other.setAttribute("aria-pressed", String(on));
        document.getElementById(other.dataset.panel).hidden = !on;
      }
    }),
  );

  // What does not fit says so.
  const boxes = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    const box = target.parentElement;
    box.classList.toggle("overflows", box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 2);
  }));
  document.querySelectorAll(".scroll").forEach((box) => boxes.observe(box.firstElementChild));

  const unfold = () => {
    const folded = location.hash && document.getElementById(location.hash.slice(1))?.querySelector(".folded");
    if (folded) folded.open = true;
  };
  window.addEventListener("hashchange", unfold);
  unfold();

  const redraw = () => plots.filter((e) => drawn.has(e) && shown(e)).forEach(draw);
  dark.addEventListener("change", () => { drawn.forEach((e) => shown(e) || drawn.delete(e)); redraw(); });
  window.addEventListener("beforeprint", () => { printing = true; plots.filter(shown).forEach(draw); });
  window.addEventListener("afterprint", () => { printing = false; redraw(); });
})();
