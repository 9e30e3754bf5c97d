(() => {
  const root = document.documentElement;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = getComputedStyle(root).colorScheme === "dark" ||
      (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = dark ? "light" : "dark";
  });
  const copy = document.getElementById("copy");
  if (copy) copy.addEventListener("click", async () => {
    const text = document.getElementById("command").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(document.getElementById("command"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
    copy.textContent = "copied";
    setTimeout(() => { copy.textContent = "copy"; }, 1500);
  });

  // The replicas' logs at a time that the reader chooses.
  const logData = document.getElementById("log-data");
  if (logData) {
    const log = JSON.parse(logData.textContent), place = document.getElementById("logs");
    const at = document.getElementById("log-at"), told = document.getElementById("log-time");
    const inks = ["blue", "amber", "teal", "rose", "violet", "olive", "slate", "red"];
    const steps = [...document.querySelectorAll(".story li")];
    const element = (name, cls, text) => {
      const e = document.createElement(name);
      if (cls) e.className = cls;
      if (text !== undefined) e.textContent = text;
      return e;
    };
    const epochAt = (r, o) => {
      let epoch = -1;
      for (const [e, from] of r.epochs) if (from <= o) epoch = e;
      return epoch;
    };
    const show = (time) => {
      const table = element("table");
      const head = table.appendChild(element("tr"));
      head.appendChild(element("th"));
      for (let o = log.from; o <= log.to; o++) head.appendChild(element("td", "cell offset", o));
      for (const row of log.rows) {
        let r = null;
        for (const c of row.changes) if (c.at <= time + 1e-9) r = c;
        const tr = table.appendChild(element("tr", r && r.up ? "" : "off"));
        const role = !r || !r.up ? "does not run" : (r.leader ? "leads" : "follows") + " in epoch " + r.epoch;
        tr.appendChild(element("th", "", "broker " + row.broker + " · " + role));
        for (let o = log.from; o <= log.to; o++) {
          const td = tr.appendChild(element("td", "cell"));
          if (!r || !r.up) continue;
          if (o >= r.start && o < r.end) {
            const epoch = epochAt(r, o);
            td.textContent = epoch < 0 ? "" : epoch;
            td.style.setProperty("--k", "var(--" + inks[Math.max(0, epoch) % inks.length] + ")");
            td.classList.add(o < r.synced ? "held" : "unsynced");
            td.title = "offset " + o + ", epoch " + epoch + (o < r.synced ? "" : ", not synced");
          }
          if (o + 1 === r.high) td.classList.add("high");
          if (o === r.start && o > 0) td.classList.add("start");
          if (o === log.offset) td.classList.add("it");
        }
      }
      place.replaceChildren(table);
      told.textContent = time.toFixed(3) + " s";
      let last = null;
      for (const s of steps) {
        s.classList.remove("shown");
        if (Number(s.dataset.at) <= time + 1e-9) last = s;
      }
      if (last) last.classList.add("shown");
    };
    const choose = (i) => {
      at.value = Math.max(0, Math.min(log.times.length - 1, i));
      show(log.times[at.value]);
    };
    at.max = log.times.length - 1;
    at.addEventListener("input", () => choose(Number(at.value)));
    document.getElementById("log-back").addEventListener("click", () => choose(Number(at.value) - 1));
    document.getElementById("log-on").addEventListener("click", () => choose(Number(at.value) + 1));
    for (const s of steps) s.addEventListener("click", () => {
      const time = Number(s.dataset.at);
      let i = 0;
      while (i + 1 < log.times.length && log.times[i + 1] <= time + 1e-9) i++;
      at.value = i;
      show(Math.max(time, log.times[i]));
    });
    choose(log.start);
  }

  // One crosshair over all figures that share the time axis.
  const data = JSON.parse(document.getElementById("data").textContent);
  const figures = [...document.querySelectorAll("figure.time")];
  const crosses = figures.map((f) => {
    const line = f.appendChild(document.createElement("div"));
    line.className = "cross";
    return line;
  });
  const read = document.createElement("div");
  read.className = "read";
  const nearest = (times, t) => {
    let best = -1;
    times.forEach((v, i) => { if (best < 0 || Math.abs(v - t) < Math.abs(times[best] - t)) best = i; });
    return best >= 0 && Math.abs(times[best] - t) <= data.reach ? best : -1;
  };
  const row = (name, value) => {
    const r = document.createElement("div");
    for (const s of [name, value]) r.appendChild(document.createElement("span")).textContent = s;
    return r;
  };
  const show = (fig, event) => {
    // On narrow screens a plot is wider than its figure and scrolls in it.
    const plot = (f) => f.querySelector("svg").getBoundingClientRect();
    const box = plot(fig);
    // Margins of a figure as it stands on the page.
    const frame = (f) => {
      const wide = plot(f).width, scale = wide / f.dataset.width;
      return { scale, left: data.left * scale, width: wide - (data.left + data.right) * scale };
    };
    const mine = frame(fig);
    const t = (event.clientX - box.left - mine.left) / mine.width * data.span;
    if (t < 0 || t > data.span) { hide(); return; }
    figures.forEach((f, i) => {
      const { scale, left, width } = frame(f);
      Object.assign(crosses[i].style, {
        display: "block", left: `${left + width * t / data.span}px`,
        top: `${data.top * scale}px`, bottom: `${data.bottom * scale}px`,
      });
    });
    read.replaceChildren();
    const head = read.appendChild(document.createElement("b"));
    head.textContent = `${t.toFixed(1)} s`;
    for (const g of data.groups) {
      const i = nearest(g.times, t);
      if (i >= 0) g.series.forEach((s) => { if (s.text[i]) read.appendChild(row(s.name, s.text[i])); });
    }
    for (const f of data.faults) {
      if (t >= f.from && t <= f.to) read.appendChild(row(f.kind, f.brokers));
    }
    fig.appendChild(read);
    read.style.display = "block";
    const x = event.clientX - box.left;
    read.style.top = `${data.top + 4}px`;
    read.style.left = x + 18 + read.offsetWidth < box.width ? `${x + 18}px` : `${x - 18 - read.offsetWidth}px`;
  };
  const hide = () => {
    read.style.display = "none";
    crosses.forEach((c) => { c.style.display = "none"; });
  };
  figures.forEach((f) => {
    f.addEventListener("pointermove", (e) => show(f, e));
    f.addEventListener("pointerleave", hide);
  });
})();
