// Charts over time, with a cursor at the frame that is shown.

// What is drawn of a person, or of one joint: title, unit, and named lines.
function chartsOf(person, joint) {
  const { measured, poses, bones, sides, joints, quality } = person;
  const [mean, largest] = [
    (rows) => combined(rows, (values) => values.reduce((a, b) => a + b, 0) / values.length),
    (rows) => combined(rows, (values) => Math.max(...values)),
  ];
  const one = joint !== null;
  const name = one ? joints[joint] : null;
  const line = (label, color, values, width = 1.6) => ({ label, color, values, width });
  const sureness = poses.map(({ confidence }) => confidence && joints.map((_, j) =>
    Array.from({ length: confidence.length / joints.length }, (_, frame) =>
      confidence[frame * joints.length + j])));
  const least = (rows) => combined(rows, (values) => Math.min(...values));
  const charts = [];
  if (sureness[0]) {
    charts.push({
      title: "Confidence", unit: "", range: [0, 1],
      lines: one
        ? [line(name, "--accent", sureness[0][joint])]
        : [line(quality ? "quality of the frame" : "mean of the joints", "--accent",
          quality ? Array.from(quality) : mean(sureness[0])),
        line("least sure joint", "--fainter", least(sureness[0]), 1)],
    });
  }
  if (measured.apart) {
    charts.push({
      title: poses[1].name === "truth" ? "Error" : `Change from ${poses[1].name}`, unit: "mm",
      lines: one
        ? [line(name, "--accent", measured.apart[joint])]
        : [line("mean", "--accent", mean(measured.apart)),
          line("largest", "--fainter", largest(measured.apart), 1)],
    });
  }
  const slowest = poses.map((set, layer) => {
    const speeds = measured.speed[layer];
    return line(`${set.name}${one ? `, ${name}` : ", mean"}`, layer ? "--other" : "--accent",
      one ? speeds[joint] : mean(speeds), layer ? 1 : 1.6);
  });
  charts.push({ title: "Speed", unit: "m/s", lines: slowest.reverse() });
  const chosen = bones.map((ends, bone) => bone)
    .filter((bone) => !one || bones[bone].includes(joint));
  const lengths = chosen.map((bone) => {
    const [child, parent] = bones[bone];
    const side = sides[child] === "middle" ? sides[parent] : sides[child];
    return line(`${joints[parent]} – ${joints[child]}`, `--${side}`, measured.lengths[0][bone], 1.3);
  });
  const others = !poses[1] ? [] : chosen.map((bone) =>
    line("", "--fainter", measured.lengths[1][bone], 1));
  charts.push({ title: one ? `Bones at the ${name}` : "Bone lengths", unit: "cm",
    lines: [...others, ...lengths], quiet: lengths.length > 4 });
  return charts;
}

// One row from several: a function of the values that are known in each column.
function combined(rows, reduce) {
  return rows[0].map((_, column) => {
    const values = rows.map((row) => row[column]).filter(Number.isFinite);
    return values.length ? reduce(values) : null;
  });
}

class Charts {
  constructor(element, seek) {
    this.element = element;
    this.seek = seek;
    this.plots = [];
    new ResizeObserver(() => this.resize()).observe(element);
  }

  load(scene, person, joint) {
    for (const { plot } of this.plots) plot.destroy();
    this.element.replaceChildren();
    this.plots = [];
    this.element.hidden = scene.time.length < 2;
    if (this.element.hidden) return;
    this.scene = scene;
    for (const chart of chartsOf(person, joint)) this.add(chart);
    this.show(this.frame ?? 0);
  }

  add(chart) {
    const style = getComputedStyle(this.element);
    const color = (name) => style.getPropertyValue(name).trim();
    const card = document.createElement("section");
    card.className = "panel";
    const value = document.createElement("output");
    const heading = document.createElement("h3");
    heading.textContent = chart.unit ? `${chart.title} [${chart.unit}]` : chart.title;
    heading.append(value);
    card.append(heading);
    this.element.append(card);
    const axis = {
      stroke: color("--faint"), font: "11px system-ui, sans-serif",
      grid: { stroke: color("--grid"), width: 1 }, ticks: { show: false },
    };
    const plot = new lib.uPlot({
      ...this.size(card),
      legend: { show: false },
      scales: { x: { time: false }, y: { range: chart.range ?? roomy } },
      axes: [{ ...axis, size: 24, gap: 4,
        values: (_, ticks) => ticks.map((tick) => (this.scene.timed ? `${tick} s` : tick)) },
      { ...axis, size: 40, gap: 4, space: 26 }],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      series: [{}, ...chart.lines.map((line) => ({
        label: line.label, stroke: color(line.color), width: line.width, spanGaps: false,
        points: { show: this.scene.time.length < 3 } }))],
    }, [this.scene.time, ...chart.lines.map((line) => line.values)], card);
    const now = document.createElement("div");
    now.className = "now";
    plot.over.append(now);
    const move = (event) => {
      if (event.buttons !== 1) return;
      this.seek(plot.posToIdx(event.clientX - plot.over.getBoundingClientRect().left));
    };
    plot.over.addEventListener("pointerdown", (event) => {
      plot.over.setPointerCapture(event.pointerId);
      move(event);
    });
    plot.over.addEventListener("pointermove", move);
    plot.over.title = chart.lines.map((line) => line.label).filter(Boolean).join(", ");
    this.plots.push({ plot, card, now, value, chart });
  }

  size(card) {
    return { width: Math.max(card.clientWidth, 200), height: 150 };
  }

  show(frame) {
    this.frame = frame;
    for (const { plot, now, value, chart } of this.plots) {
      now.style.transform = `translateX(${plot.valToPos(this.scene.time[frame], "x")}px)`;
      const texts = chart.quiet ? [] : chart.lines.filter((line) => line.label).map((line) => {
        const number = line.values[frame];
        return `${line.label} ${number === null ? "–" : number.toPrecision(2)}`;
      });
      value.textContent = texts.join(" · ");
    }
  }

  resize() {
    for (const { plot, card } of this.plots) plot.setSize(this.size(card));
    if (this.plots.length) this.show(this.frame);
  }
}

// Limits of an axis: all but the most extreme hundredth, with a margin.
function roomy(plot) {
  const values = plot.data.slice(1).flatMap((row) => row.filter((v) => v !== null));
  if (!values.length) return [0, 1];
  values.sort((a, b) => a - b);
  const at = (share) => values[Math.round(share * (values.length - 1))];
  const [low, high] = [at(0.005), at(0.995)];
  const margin = Math.max(0.08 * (high - low), 0.02 * Math.abs(high), 0.01);
  return [low < high / 2 ? Math.min(0, low) : low - margin, high + margin];
}
