// The cursor of the charts: values under the pointer, largest first. Without it the drawings are the same.
"use strict";
(() => {
  const short = (value) => {
    if (value === null) return "";
    if (value !== 0 && (Math.abs(value) >= 1e7 || Math.abs(value) < 1e-4)) return value.toExponential(3);
    return Number(value.toPrecision(5)).toLocaleString("en", { maximumSignificantDigits: 5 });
  };
  const placeText = (value, kind) => {
    if (kind === "time") return new Date(value * 1000).toLocaleString("en-GB");
    return kind === "seconds" ? `${short(value)} s` : short(value);
  };
  const nearest = (xs, place) => {
    let [low, high] = [0, xs.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] <= place) low = middle;
      else high = middle;
    }
    return Math.abs(xs[high] - place) < Math.abs(xs[low] - place) ? high : low;
  };
  const add = (parent, tag, text) => {
    const made = parent.appendChild(document.createElement(tag));
    made.textContent = text;
    return made;
  };
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const { x, lines, kind, log, frame } = JSON.parse(figure.querySelector("script").textContent);
    const svg = figure.querySelector("svg.chart");
    const tip = figure.querySelector(".tip");
    const ruler = document.createElementNS("http://www.w3.org/2000/svg", "path");
    ruler.setAttribute("class", "ruler");
    svg.append(ruler);
    const [from, to] = log ? x.map(Math.log10) : x;
    const across = frame.width - frame.left - frame.right;
    const hide = () => {
      tip.hidden = true;
      ruler.style.visibility = "hidden";
    };
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const px = ((event.clientX - box.left) / box.width) * frame.width;
      const part = (px - frame.left) / across;
      if (part < 0 || part > 1) return hide();
      const plain = from + part * (to - from);
      const place = log ? 10 ** plain : plain;
      const found = lines
        .filter((line) => line.x.length)
        .map((line) => {
          const at = nearest(line.x, place);
          return { label: line.label, x: line.x[at], y: line.y[at] };
        })
        .sort((a, b) => (b.y ?? -Infinity) - (a.y ?? -Infinity));
      if (!found.length) return;
      ruler.setAttribute("d", `M${px} ${frame.top}V${frame.height - frame.bottom}`);
      ruler.style.visibility = "visible";
      tip.replaceChildren();
      add(tip, "b", placeText(place, kind));
      for (const one of found.slice(0, 20)) {
        const row = add(tip, "div", "");
        add(row, "span", one.label);
        add(row, "b", one.y === null ? "NaN" : short(one.y));
      }
      if (found.length > 20) add(tip, "div", `and ${found.length - 20} more`);
      tip.hidden = false;
      const left = event.clientX - box.left;
      tip.style.left = `${left > box.width / 2 ? Math.max(0, left - tip.offsetWidth - 14) : left + 14}px`;
      tip.style.top = `${box.top - figure.getBoundingClientRect().top + 12}px`;
    });
  }
})();
